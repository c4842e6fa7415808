/* Noise on pictures: what each picture draws, scipy's distributions, and the same
 * bits on all kernel paths. */
#include "law.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "team/noise.h"

enum { SIDE = 65, VALUES = SIDE * SIDE, ROOM = VALUES + 3 };

typedef struct pictures {
    float *memory[2];
    ae_planes clean, noisy;
    float normals[ROOM];
} pictures;

static ae_planes make_planes(float **memory) {
    *memory = ae_calloc(ae_planes_floats(1, SIDE, SIDE, 0), sizeof **memory);
    assert_non_null(*memory);
    return ae_planes_view(*memory, 1, SIDE, SIDE, 0);
}

/* A clean picture, all of that value. */
static pictures *make_pictures(float value) {
    pictures *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->clean = make_planes(&p->memory[0]);
    p->noisy = make_planes(&p->memory[1]);
    for (int h = 0; h < SIDE; ++h)
        for (int w = 0; w < SIDE; ++w) ae_planes_row(&p->clean, 0, h)[w] = value;
    return p;
}

static void free_pictures(pictures *p) {
    free(p->memory[0]);
    free(p->memory[1]);
    free(p);
}

static ae_stream stream_of(uint32_t sample) {
    return (ae_stream){.seed = 3, .purpose = AE_RANDOM_TRAIN_NOISE, .epoch = 2, .sample = sample};
}

static void add(pictures *p, const ae_noise *noise, ae_stream stream, const ae_kernels *kernels) {
    ae_noise_add(&p->noisy, &p->clean, noise, stream, p->normals, kernels);
}

static ae_noise unclamped(double low, double high) {
    return (ae_noise){.sigma = {low, high}, .clamp_min = -INFINITY, .clamp_max = INFINITY};
}

static bool are_equal(const ae_planes *a, const ae_planes *b) {
    bool equal = true;
    for (int h = 0; h < SIDE; ++h)
        equal &= memcmp(ae_planes_row(a, 0, h), ae_planes_row(b, 0, h), SIDE * sizeof(float)) == 0;
    return equal;
}

/* The sigma of noise that was added to nothing. */
static double sigma_of(const pictures *p) {
    return (double)ae_planes_row(&p->noisy, 0, 0)[0] / (double)p->normals[0];
}

/* One number from a range is that number, by the kernels alone. */
static void test_one_sigma(void **state) {
    (void)state;
    pictures *p = make_pictures(0.5f), *q = make_pictures(0.5f);
    const ae_kernels *kernels = ae_kernels_at(0);
    const ae_noise noise = {.sigma = {0.25, 0.25}, .clamp_min = -1, .clamp_max = 1};
    add(p, &noise, stream_of(7), kernels);
    kernels->normals(q->normals, (VALUES + 3) / 4, stream_of(7));
    kernels->add_noise(&q->noisy, &q->clean, q->normals, 0.25f, -1, 1);
    assert_true(are_equal(&p->noisy, &q->noisy));
    add(p, &noise, stream_of(8), kernels);
    assert_false(are_equal(&p->noisy, &q->noisy));
    free_pictures(p);
    free_pictures(q);
}

/* How far the sigmas of many pictures are from being spread evenly over [low, high], as
 * Kolmogorov and Smirnov measure it: the largest difference of the distributions. */
static double spread_of_sigmas(pictures *p, const ae_noise *noise, double low, double high) {
    enum { PICTURES = 400 };
    double below[PICTURES] = {0}, largest = 0;
    for (uint32_t s = 0; s < PICTURES; ++s) {
        add(p, noise, stream_of(s), ae_kernels_at(0));
        const double place = (sigma_of(p) - low) / (high - low);
        for (int b = 0; b < PICTURES; ++b) below[b] += place < (b + 0.5) / PICTURES;
    }
    for (int b = 0; b < PICTURES; ++b)
        largest = fmax(largest, fabs(below[b] - (b + 0.5)) / PICTURES);
    return largest;
}

/* Of 400 draws the largest difference is above 1.95 / 20 once in a thousand times. */
static void test_sigmas_from_a_range(void **state) {
    (void)state;
    pictures *p = make_pictures(0);
    const ae_noise range = unclamped(0.1, 0.5), wider = unclamped(0.1, 0.6);
    assert_true(spread_of_sigmas(p, &range, 0.1, 0.5) < 0.0975);
    assert_true(spread_of_sigmas(p, &wider, 0.1, 0.5) > 0.0975);
    free_pictures(p);
}

/* A stream's draw is its own: other epochs, samples and purposes have another. */
static void test_what_a_draw_depends_on(void **state) {
    (void)state;
    pictures *p = make_pictures(0);
    const ae_noise range = unclamped(0.1, 10);
    const ae_stream streams[] = {stream_of(1),
                                 stream_of(2),
                                 {3, AE_RANDOM_TRAIN_NOISE, 1, 1},
                                 {4, AE_RANDOM_TRAIN_NOISE, 2, 1},
                                 {3, AE_RANDOM_TEST_NOISE, 2, 1}};
    enum { STREAMS = sizeof streams / sizeof *streams };
    double sigmas[STREAMS];
    for (int s = 0; s < STREAMS; ++s) {
        add(p, &range, streams[s], ae_kernels_at(0));
        sigmas[s] = sigma_of(p);
        for (int t = 0; t < s; ++t) assert_true(fabs(sigmas[s] / sigmas[t] - 1) > 1e-4);
    }
    for (int path = 0; path < ae_kernels_count(); ++path) {
        if (!ae_kernels_at(path)) continue;
        add(p, &range, streams[0], ae_kernels_at(path));
        assert_true(sigma_of(p) == sigmas[0]);
    }
    free_pictures(p);
}

/* Numbers of a picture of 0.5 with noise, of several streams. */
static tally draw_pictures(const law *expected, const ae_noise *noise) {
    pictures *p = make_pictures(0.5f);
    tally t = {.law = expected};
    for (uint32_t s = 0; s < 40; ++s) {
        add(p, noise, stream_of(s), ae_kernels_at(0));
        for (int h = 0; h < SIDE; ++h)
            for (int w = 0; w < SIDE; ++w) tally_add(&t, ae_planes_row(&p->noisy, 0, h)[w]);
    }
    free_pictures(p);
    return t;
}

static ae_noise noise_at(int n, double factor) {
    const double sigma = noise_laws[n].sigma * factor, level = noise_laws[n].level * factor;
    return (ae_noise){.kind = noise_laws[n].kind,
                      .sigma = {sigma, sigma},
                      .level = {level, level},
                      .clamp_min = -INFINITY,
                      .clamp_max = INFINITY};
}

enum { LAWS = sizeof noise_laws / sizeof *noise_laws };

/* And of levels a twentieth higher it is not. */
static void test_noise_has_the_distribution(void **state) {
    (void)state;
    for (int n = 0; n < LAWS; ++n) {
        const ae_noise right = noise_at(n, 1), wrong = noise_at(n, 1.05);
        const tally its = draw_pictures(&noise_laws[n].law, &right);
        const tally other = draw_pictures(&noise_laws[n].law, &wrong);
        if (!tally_fits(&its)) fail_msg("law %d: chi-square %g", n, tally_chi_square(&its));
        if (tally_fits(&other)) fail_msg("law %d is taken for another", n);
    }
}

/* Of each kind, on each path, also where a picture has no whole vectors; clamped. */
static void test_all_paths_have_the_same_bits(void **state) {
    (void)state;
    pictures *p = make_pictures(0.5f), *q = make_pictures(0.5f);
    for (int n = 0; n < LAWS; ++n) {
        ae_noise noise = noise_at(n, 1);
        noise.clamp_min = 0.3, noise.clamp_max = 0.9;
        add(p, &noise, stream_of(1), ae_kernels_at(0));
        for (int path = 1; path < ae_kernels_count(); ++path) {
            if (!ae_kernels_at(path)) continue;
            add(q, &noise, stream_of(1), ae_kernels_at(path));
            assert_true(are_equal(&p->noisy, &q->noisy));
        }
        add(q, &noise, stream_of(2), ae_kernels_at(0));
        assert_false(are_equal(&p->noisy, &q->noisy));
        for (int w = 0; w < SIDE; ++w) {
            const float pixel = ae_planes_row(&p->noisy, 0, 3)[w];
            assert_true(pixel >= 0.3f && pixel <= 0.9f);
        }
    }
    free_pictures(p);
    free_pictures(q);
}

/* A level from a range is the picture's own too: the share of salt and pepper. */
static void test_levels_from_a_range(void **state) {
    (void)state;
    pictures *p = make_pictures(0.5f);
    ae_noise noise = unclamped(0, 0);
    double shares[3];
    noise.kind = AE_NOISE_SALT_PEPPER;
    noise.level[0] = 0.1, noise.level[1] = 0.9;
    for (uint32_t s = 0; s < 3; ++s) {
        add(p, &noise, stream_of(s), ae_kernels_at(0));
        shares[s] = 0;
        for (int h = 0; h < SIDE; ++h)
            for (int w = 0; w < SIDE; ++w)
                shares[s] += (ae_planes_row(&p->noisy, 0, h)[w] != 0.5f) / (double)VALUES;
        assert_true(shares[s] > 0.07 && shares[s] < 0.93);
        for (uint32_t t = 0; t < s; ++t) assert_true(fabs(shares[s] - shares[t]) > 0.05);
    }
    free_pictures(p);
}

/* Dark pixels have no photons, and no speckle. */
static void test_black_stays(void **state) {
    (void)state;
    for (int dark = 0; dark < 2; ++dark) {
        pictures *p = make_pictures(dark ? -0.25f : 0);
        ae_noise noise = unclamped(0, 0);
        noise.level[0] = noise.level[1] = 100;
        noise.kind = AE_NOISE_POISSON;
        add(p, &noise, stream_of(0), ae_kernels_at(0));
        assert_true(ae_planes_row(&p->noisy, 0, 0)[0] == 0);
        noise.kind = AE_NOISE_SPECKLE;
        add(p, &noise, stream_of(0), ae_kernels_at(0));
        assert_int_equal(are_equal(&p->noisy, &p->clean), !dark);
        free_pictures(p);
    }
}

static void test_texts(void **state) {
    (void)state;
    char text[AE_NOISE_TEXT_SIZE];
    ae_noise noise = unclamped(0, 0.25);
    assert_string_equal(ae_noise_text(text, &noise), "noise 0 .. 0.25");
    noise.kind = AE_NOISE_POISSON;
    noise.sigma[1] = 0;
    noise.level[0] = noise.level[1] = 30;
    assert_string_equal(ae_noise_text(text, &noise), "poisson noise 30, sigma 0");
    assert_false(ae_noise_is_none(&noise));
    noise.level[0] = noise.level[1] = 0;
    assert_true(ae_noise_is_none(&noise));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_sigma),
                                       cmocka_unit_test(test_sigmas_from_a_range),
                                       cmocka_unit_test(test_what_a_draw_depends_on),
                                       cmocka_unit_test(test_noise_has_the_distribution),
                                       cmocka_unit_test(test_all_paths_have_the_same_bits),
                                       cmocka_unit_test(test_levels_from_a_range),
                                       cmocka_unit_test(test_black_stays),
                                       cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
