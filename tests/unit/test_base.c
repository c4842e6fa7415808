/* base/: random numbers against published answers, elementary functions against long double,
 * fixed-point numbers at their edges, hashes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fixed.h"
#include "base/hash.h"
#include "base/maths.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

/* The lines "philox4x32 10" of kat_vectors in the authors' Random123: counter, key, output. */
static const struct {
    uint32_t counter[4], key[2], words[4];
} known_answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void random_known_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof known_answers / sizeof *known_answers; ++i) {
        const uint32_t *counter = known_answers[i].counter, *key = known_answers[i].key;
        ae_stream stream = {.seed = (uint64_t)key[1] << 32 | key[0],
                            .purpose = counter[3],
                            .epoch = counter[2],
                            .sample = counter[1]};
        uint32_t words[4];
        ae_random_words(words, stream, counter[0]);
        assert_memory_equal(words, known_answers[i].words, sizeof words);
        ae_random_words(words, stream, counter[0] ^ 1);
        assert_memory_not_equal(words, known_answers[i].words, sizeof words);
    }
}

/* A change in any part of a stream's name gives other words. */
static void random_streams_differ(void **state) {
    (void)state;
    const ae_stream streams[] = {{1, 2, 3, 4}, {0, 2, 3, 4}, {1 + (UINT64_C(1) << 32), 2, 3, 4},
                                 {1, 1, 3, 4}, {1, 2, 2, 4}, {1, 2, 3, 5}};
    enum { COUNT = sizeof streams / sizeof *streams };
    uint32_t words[COUNT][4];
    for (int i = 0; i < COUNT; ++i) {
        ae_random_words(words[i], streams[i], 7);
        for (int j = 0; j < i; ++j) assert_memory_not_equal(words[i], words[j], sizeof words[i]);
    }
}

static void random_ranges(void **state) {
    (void)state;
    assert_true(ae_random_unit(0) == 0);
    assert_true(ae_random_unit(UINT32_MAX) == 1 - 0x1p-24f);
    assert_true(ae_random_real(0, 63) == 0 && ae_random_real(0, 64) == 0x1p-53);
    assert_true(ae_random_real(UINT32_MAX, UINT32_MAX) == 1 - 0x1p-53);
    assert_true(ae_random_real(1u << 31, 0) == 0.5);
    assert_int_equal(ae_random_below(0, 0, 1), 0);
    assert_int_equal(ae_random_below(UINT32_MAX, UINT32_MAX, 1), 0);
    assert_int_equal(ae_random_below(UINT32_MAX, UINT32_MAX, 10), 9);
    assert_int_equal(ae_random_below(UINT32_MAX, UINT32_MAX, UINT32_MAX), UINT32_MAX - 1);
    assert_int_equal(ae_random_below(0x80000000u, 0, 10), 5);
    assert_int_equal(ae_random_below(0x7fffffffu, UINT32_MAX, 10), 4); /* the low word counts */

    enum { SIDES = 7, DRAWS = 70000 };
    int counts[SIDES] = {0};
    for (uint32_t i = 0; i < DRAWS; ++i) {
        uint32_t words[4];
        ae_random_words(words, (ae_stream){.seed = 11}, i);
        uint32_t drawn = ae_random_below(words[0], words[1], SIDES);
        assert_in_range(drawn, 0, SIDES - 1);
        counts[drawn] += 1;
    }
    /* Standard deviation 93. */
    for (int i = 0; i < SIDES; ++i) assert_in_range(counts[i], 10000 - 500, 10000 + 500);
}

/* Error of `got` in units of the last place of a double near `want`. */
static double ulps(double got, long double want) {
    int exponent = 0;
    frexpl(want, &exponent);
    return (double)(fabsl(got - want) / ldexpl(1, exponent - 53));
}

/* Uniform in (0, 1), 53 bits. */
static double unit(uint32_t high, uint32_t low) {
    return ((double)(high >> 5) * 0x1p26 + (low >> 6) + 0.5) * 0x1p-53;
}

enum { TRIALS = 400000 };

static void logarithms_are_close(void **state) {
    (void)state;
    for (uint32_t i = 0; i < TRIALS; ++i) {
        uint32_t w[4];
        ae_random_words(w, (ae_stream){.seed = 5}, i);
        double u = unit(w[0], w[1]), x = u;
        if (i % 3 == 1) x = ldexp(1 + u, (int)(w[2] % 2040) - 1020);
        if (i % 3 == 2) x = 1 + ldexp(u - 0.5, -(int)(w[2] % 50));
        if (x == 1) continue;
        assert_true(ulps(ae_log(x), logl(x)) <= 4);
        assert_true(ulps(ae_log10(x), log10l(x)) <= 6);
    }
    assert_true(ulps(nextafter(nextafter(log(3.0), 9), 9), logl(3.0L)) > 1); /* ulps() sees */
    assert_true(ulps(ae_log(0x1p-1074), logl(0x1p-1074L)) <= 4);
}

static void logarithms_special(void **state) {
    (void)state;
    assert_true(ae_log(1) == 0 && ae_log10(1) == 0);
    assert_true(ae_log(0) == -INFINITY && ae_log10(0) == -INFINITY);
    assert_true(ae_log(-0.0) == -INFINITY);
    assert_true(ae_log(INFINITY) == INFINITY);
    assert_true(isnan(ae_log(-1)) && isnan(ae_log(NAN)) && isnan(ae_log10(-1)));
}

static void cosine_is_close(void **state) {
    (void)state;
    const long double pi = 3.14159265358979323846264338327950288L;
    for (uint32_t i = 0; i < TRIALS; ++i) {
        uint32_t w[4];
        ae_random_words(w, (ae_stream){.seed = 6}, i);
        double x = 2 * unit(w[0], w[1]) - 1;
        assert_true(fabsl(ae_cospi(x) - cosl(pi * x)) <= 4e-16L);
    }
    assert_true(ae_cospi(0) == 1 && ae_cospi(0.5) == 0 && ae_cospi(1) == -1);
    assert_true(ae_cospi(-0.5) == 0 && ae_cospi(-1) == -1);
}

static void exponentials_are_close(void **state) {
    (void)state;
    for (uint32_t i = 0; i < TRIALS; ++i) {
        uint32_t w[4];
        ae_random_words(w, (ae_stream){.seed = 6}, i);
        const double u = unit(w[0], w[1]) * 2 - 1, x = i % 2 ? 700 * u : 20 * u;
        assert_true(ulps(ae_exp(x), expl(x)) <= 2);
    }
    assert_true(ae_exp(0) == 1 && ae_exp(-0.0) == 1);
}

static void powers_are_close(void **state) {
    (void)state;
    for (uint32_t i = 0; i < TRIALS; ++i) {
        uint32_t w[4];
        ae_random_words(w, (ae_stream){.seed = 7}, i);
        double base = i % 2 ? unit(w[0], w[1]) : 1 - 0.01 * unit(w[0], w[1]);
        unsigned long exponent = w[2] % (i % 4 < 2 ? 10 : 25000);
        long double want = powl(base, exponent);
        if (want < 1e-300L) continue;
        assert_true(fabsl(ae_power(base, exponent) - want) <= 1.2e-16L * exponent * want);
    }
    assert_true(ae_power(0.9, 0) == 1 && ae_power(0, 0) == 1 && ae_power(0, 3) == 0);
    assert_true(ae_power(1, 1000000) == 1 && ae_power(0.5, 10) == 0x1p-10);
    assert_true(ae_power(0.9, 1000000) == 0);
}

static void fixed_rounds_to_even(void **state) {
    (void)state;
    const double bound = ae_fixed_bound(AE_FIXED_K, 1), step = 0x1p-40;
    int faults = 0;
    assert_true(ae_fixed_from(1, AE_FIXED_K, bound, &faults) == INT64_C(1) << 40);
    assert_true(ae_fixed_from(-1, AE_FIXED_K, bound, &faults) == -(INT64_C(1) << 40));
    assert_true(ae_fixed_from(0.5 * step, AE_FIXED_K, bound, &faults) == 0);
    assert_true(ae_fixed_from(1.5 * step, AE_FIXED_K, bound, &faults) == 2);
    assert_true(ae_fixed_from(2.5 * step, AE_FIXED_K, bound, &faults) == 2);
    assert_true(ae_fixed_from(-0.5 * step, AE_FIXED_K, bound, &faults) == 0);
    assert_true(ae_fixed_from(-1.5 * step, AE_FIXED_K, bound, &faults) == -2);
    assert_true(ae_fixed_from(0.75 * step, AE_FIXED_K, bound, &faults) == 1);
    assert_true(ae_fixed_from(0x1p-1074, AE_FIXED_K, bound, &faults) == 0);
    assert_true(ae_fixed_from(-0.0, AE_FIXED_K, bound, &faults) == 0);
    assert_int_equal(faults, 0);
    assert_true(ae_fixed_to(INT64_C(3) << 39, AE_FIXED_K) == 1.5);
    assert_true(ae_fixed_to(-1, AE_FIXED_K) == -step);
    assert_true(ae_fixed_to(0, AE_FIXED_METRIC_K) == 0);
}

static void fixed_counts_faults(void **state) {
    (void)state;
    const double bound = ae_fixed_bound(AE_FIXED_K, 100);
    const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        int faults = 0;
        assert_true(ae_fixed_from(bad[i], AE_FIXED_K, bound, &faults) == 0);
        assert_int_equal(faults, AE_FIXED_NONFINITE);
    }
    const double large[] = {nextafter(bound, INFINITY), -nextafter(bound, INFINITY), 1e300};
    for (size_t i = 0; i < sizeof large / sizeof *large; ++i) {
        int faults = 0;
        assert_true(ae_fixed_from(large[i], AE_FIXED_K, bound, &faults) == 0);
        assert_int_equal(faults, AE_FIXED_OVERFLOW);
    }
    int faults = AE_FIXED_NONFINITE;
    ae_fixed_from(1e300, AE_FIXED_K, bound, &faults);
    assert_int_equal(faults, AE_FIXED_NONFINITE | AE_FIXED_OVERFLOW);
    ae_fixed_from(1, AE_FIXED_K, bound, &faults); /* a good value clears nothing */
    assert_int_equal(faults, AE_FIXED_NONFINITE | AE_FIXED_OVERFLOW);
}

/* As many terms as the bound was asked for, each at the bound, add up without overflow. */
static void fixed_bound_holds(void **state) {
    (void)state;
    const int64_t terms[] = {1, 2, 3, 100, 1530, 50000, 1000003};
    const int ks[] = {AE_FIXED_K, AE_FIXED_METRIC_K};
    for (size_t j = 0; j < 2; ++j) {
        for (size_t i = 0; i < sizeof terms / sizeof *terms; ++i) {
            double bound = ae_fixed_bound(ks[j], terms[i]);
            int faults = 0;
            int64_t term = ae_fixed_from(bound, ks[j], bound, &faults), sum;
            assert_int_equal(faults, 0);
            assert_true(term > 0);
            assert_false(__builtin_mul_overflow(term, terms[i], &sum));
            assert_true(ae_fixed_from(-bound, ks[j], bound, &faults) == -term);
        }
    }
}

static void hash_depends_on_content(void **state) {
    (void)state;
    char whole[AE_HASH_TEXT_SIZE], pieces[AE_HASH_TEXT_SIZE];
    ae_hash_of("", 0, whole);
    assert_string_equal(whole, "99aa06d3014798d86001c324468d497f"); /* XXH3 of nothing, published */
    ae_hash_of("sea shells", 10, whole);

    ae_hash *hash = NULL;
    assert_int_equal(ae_hash_create(&hash), AE_OK);
    ae_hash_add(hash, "sea ", 4);
    ae_hash_add(hash, NULL, 0);
    ae_hash_add(hash, "shells", 6);
    ae_hash_text(hash, pieces);
    ae_hash_destroy(&hash);
    assert_null(hash);
    assert_string_equal(whole, pieces);
    ae_hash_of("sea shellz", 10, pieces);
    assert_string_not_equal(whole, pieces);
}

/* The suite of RFC 1321, and lengths around the last block's edges (against Python's hashlib). */
static void md5_known_values(void **state) {
    (void)state;
    static const struct {
        const char *text, *md5;
    } known[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    char text[AE_HASH_TEXT_SIZE];
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        ae_md5_of(known[i].text, strlen(known[i].text), text);
        assert_string_equal(text, known[i].md5);
    }
    static const struct {
        size_t size;
        const char *md5;
    } counted[] = {
        {55, "d6d2efc82dc741239c7842b3ff76253c"},  {56, "08bb79ba2b6a113ee5d87d497d3e63fa"},
        {63, "9c1f0e823687a0b02c8120ae0ebdfea1"},  {64, "23180e05b1a20e1c8184f052b39aea3d"},
        {65, "bcc789bd06be1857bb8b598e3f47ea96"},  {119, "d89dd277c164eebadd649748b624031e"},
        {4096, "2ef1fe7362858be35f1c0d070ec7c32b"}};
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = (uint8_t)(i * i % 251);
    for (size_t i = 0; i < sizeof counted / sizeof *counted; ++i) {
        ae_md5_of(bytes, counted[i].size, text);
        assert_string_equal(text, counted[i].md5);
    }
    bytes[4095] ^= 1;
    ae_md5_of(bytes, 4096, text);
    assert_string_not_equal(text, counted[sizeof counted / sizeof *counted - 1].md5);
}

static void hash_separates_texts(void **state) {
    (void)state;
    static const char *const texts[2][2] = {{"ab", "c"}, {"a", "bc"}};
    char result[2][AE_HASH_TEXT_SIZE];
    for (int i = 0; i < 2; ++i) {
        ae_hash *hash = NULL;
        assert_int_equal(ae_hash_create(&hash), AE_OK);
        ae_hash_add_text(hash, texts[i][0]);
        ae_hash_add_text(hash, texts[i][1]);
        ae_hash_text(hash, result[i]);
        ae_hash_destroy(&hash);
    }
    assert_string_not_equal(result[0], result[1]);
}

static void memory_is_aligned_and_zero(void **state) {
    (void)state;
    const size_t counts[] = {0, 1, 63, 64, 65, 100003};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        unsigned char *bytes = ae_calloc(counts[i], 1);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % AE_ALIGNMENT, 0);
        for (size_t j = 0; j < counts[i]; ++j) assert_int_equal(bytes[j], 0);
        free(bytes);
    }
    assert_null(ae_calloc(SIZE_MAX / 2, 3));
    assert_null(ae_calloc(SIZE_MAX, 1));
}

static void status_keeps_message(void **state) {
    (void)state;
    assert_string_equal(ae_message(), "");
    assert_int_equal(ae_fail(AE_ERROR_DATA, "file %d of %s", 3, "six"), AE_ERROR_DATA);
    assert_string_equal(ae_message(), "file 3 of six");
    char wide[2 * AE_MESSAGE_SIZE];
    memset(wide, 'x', sizeof wide);
    wide[sizeof wide - 1] = '\0';
    assert_int_equal(ae_fail(AE_FAILED, "%s", wide), AE_FAILED);
    assert_int_equal(strlen(ae_message()), AE_MESSAGE_SIZE - 1);
    assert_int_equal(ae_fail_memory("the images"), AE_FAILED);
    assert_non_null(strstr(ae_message(), "the images"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_known_answers),
        cmocka_unit_test(random_streams_differ),
        cmocka_unit_test(random_ranges),
        cmocka_unit_test(logarithms_are_close),
        cmocka_unit_test(logarithms_special),
        cmocka_unit_test(cosine_is_close),
        cmocka_unit_test(powers_are_close),
        cmocka_unit_test(exponentials_are_close),
        cmocka_unit_test(fixed_rounds_to_even),
        cmocka_unit_test(fixed_counts_faults),
        cmocka_unit_test(fixed_bound_holds),
        cmocka_unit_test(hash_depends_on_content),
        cmocka_unit_test(md5_known_values),
        cmocka_unit_test(hash_separates_texts),
        cmocka_unit_test(memory_is_aligned_and_zero),
        cmocka_unit_test(status_keeps_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
