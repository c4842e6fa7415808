/* picture/: samples as files pack them. Nothing is lost on the way and back, whatever the bits. */
#include "files.h"

#include <math.h>
#include "picture/samples.h"

enum { SAMPLES = 65536 };

static void samples_of_any_bits_are_unpacked(void **state) {
    (void)state;
    static const uint8_t packed[] = {0xB1, 0x6E, 0x35};
    static const uint8_t threes[] = {5, 4, 2, 6, 7, 0, 6, 5};
    static const uint16_t twelves[] = {0xB16, 0xE35};
    uint8_t bytes[8], again[4] = {0, 0, 0, 99};
    uint16_t words[2];
    ae_picture_unpack(bytes, packed, 8, 3);
    assert_memory_equal(bytes, threes, sizeof threes);
    ae_picture_unpack(words, packed, 2, 12);
    assert_memory_equal(words, twelves, sizeof twelves);
    ae_picture_pack(again, words, 2, 12);
    assert_memory_equal(again, packed, sizeof packed);
    ae_picture_pack(again, threes, 7, 3); /* 21 bits, and three zeros */
    assert_int_equal(again[2], 0x30);
    assert_int_equal(again[3], 99);
}

static void scaling_is_undone_exactly(void **state) {
    (void)state;
    static uint16_t words[SAMPLES];
    static uint8_t bytes[256];
    for (int bits = 1; bits <= 16; ++bits) {
        const int count = 1 << bits;
        void *samples = bits > 8 ? (void *)words : bytes;
        for (int i = 0; i < count; ++i) words[i] = (uint16_t)i;
        for (int i = 0; i < count && bits <= 8; ++i) bytes[i] = (uint8_t)i;
        ae_picture_scale_up(samples, count, bits);
        assert_int_equal(bits > 8 ? words[0] : bytes[0], 0);
        assert_int_equal(bits > 8 ? words[count - 1] : bytes[count - 1], bits > 8 ? 65535 : 255);
        ae_picture_scale_down(samples, count, bits);
        for (int i = 0; i < count; ++i) assert_int_equal(bits > 8 ? words[i] : bytes[i], i);
    }
}

/* ---- half precision ---- */

static float widen(uint16_t half) {
    float number;
    memcpy(&number, &half, sizeof half);
    ae_picture_halves_widen(&number, 1);
    return number;
}

static uint16_t narrow(float number) {
    uint16_t half;
    ae_picture_halves_narrow(&number, 1);
    memcpy(&half, &number, sizeof half);
    return half;
}

static void halves_are_what_ieee_754_says(void **state) {
    (void)state;
    assert_true(widen(0x3C00) == 1 && widen(0xC000) == -2 && widen(0x7BFF) == 65504);
    assert_true(widen(0x0001) == 0x1p-24f && widen(0x0400) == 0x1p-14f &&
                widen(0x3555) == 1365 * 0x1p-12f);
    assert_true(widen(0) == 0 && signbit(widen(0x8000)) && !signbit(widen(0)));
    assert_true(isinf(widen(0x7C00)) && widen(0xFC00) < 0 && isnan(widen(0x7C01)));
    assert_int_equal(narrow(NAN) & 0x7E00, 0x7E00);
    assert_int_equal(narrow(1e30f), 0x7C00);
    assert_int_equal(narrow(-INFINITY), 0xFC00);
    assert_int_equal(narrow(1e-30f), 0);
}

/* From each half to the next: what lies between goes to the nearer one, the middle to the even. */
static void halves_round_to_nearest(void **state) {
    (void)state;
    for (uint16_t half = 0; half < 0x7BFF; ++half) {
        const float low = widen(half), high = widen((uint16_t)(half + 1));
        const float middle = low + (high - low) / 2; /* exact */
        assert_true(low < high);
        assert_int_equal(narrow(low), half);
        assert_int_equal(narrow(-low), half | 0x8000);
        assert_int_equal(narrow(middle), half + half % 2);
        assert_int_equal(narrow(nextafterf(middle, 0)), half);
        assert_int_equal(narrow(nextafterf(middle, INFINITY)), half + 1);
    }
    assert_int_equal(narrow(65519.996f), 0x7BFF);
    assert_int_equal(narrow(65520), 0x7C00);
}

static void many_halves_share_the_place_of_floats(void **state) {
    (void)state;
    float numbers[9], again[9];
    for (int i = 0; i < 9; ++i) numbers[i] = again[i] = (float)i / 4 - 1;
    ae_picture_halves_narrow(again, 9);
    ae_picture_halves_widen(again, 9);
    assert_memory_equal(numbers, again, sizeof numbers);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(samples_of_any_bits_are_unpacked),
                                       cmocka_unit_test(scaling_is_undone_exactly),
                                       cmocka_unit_test(halves_are_what_ieee_754_says),
                                       cmocka_unit_test(halves_round_to_nearest),
                                       cmocka_unit_test(many_halves_share_the_place_of_floats)};
    return cmocka_run_group_tests_name("picture_samples", tests, NULL, NULL);
}
