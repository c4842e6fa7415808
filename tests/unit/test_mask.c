/* Masks: which values, filled in with what, and nothing else; by their stream alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "team/mask.h"

/* A picture each of whose values tells its place, and what a mask makes of it. */
typedef struct masked {
    ae_shape shape;
    float *memory[2], *noisy;
    ae_planes input, target;
} masked;

static masked *make(int channels, int height, int width) {
    masked *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->shape = (ae_shape){channels, height, width};
    for (int i = 0; i < 2; ++i)
        m->memory[i] = ae_calloc(ae_planes_floats(channels, height, width, 0), sizeof(float));
    m->noisy = ae_calloc(ae_shape_values(m->shape), sizeof *m->noisy);
    assert_true(m->memory[0] && m->memory[1] && m->noisy);
    m->input = ae_planes_view(m->memory[0], channels, height, width, 0);
    m->target = ae_planes_view(m->memory[1], channels, height, width, 0);
    return m;
}

static void release(masked *m) {
    free(m->memory[0]);
    free(m->memory[1]);
    free(m->noisy);
    free(m);
}

static float *value_at(const ae_planes *planes, int place) {
    const int row = place / planes->width;
    return &ae_planes_row(planes, row / planes->height,
                          row % planes->height)[place % planes->width];
}

static int values_of(const masked *m) {
    return (int)ae_shape_values(m->shape);
}

static void put(masked *m, const ae_mask *mask, ae_stream stream) {
    for (int v = 0; v < values_of(m); ++v) *value_at(&m->input, v) = (float)v;
    ae_mask_put(&m->input, &m->target, mask, stream, m->noisy);
}

static bool is_masked(const masked *m, int place) {
    return !isnan(*value_at(&m->target, place));
}

static int count_masked(const masked *m) {
    int count = 0;
    for (int v = 0; v < values_of(m); ++v) count += is_masked(m, v);
    return count;
}

static ae_stream stream_of(uint32_t sample) {
    return (ae_stream){.seed = 5, .purpose = AE_RANDOM_TRAIN_NOISE, .epoch = 1, .sample = sample};
}

static ae_mask uniform(double percent, int window) {
    return (ae_mask){percent / 100, window, AE_MASK_FILL_UNIFORM};
}

/* ---- which ---- */

/* Rounded up to whole boxes: a side of 64 has 64 sqrt(0.002) = 2.86. */
static void test_count(void **state) {
    (void)state;
    static const struct {
        double percent;
        ae_shape shape;
        int64_t count;
    } cases[] = {{0.2, {1, 64, 64}, 9},  {0.2, {3, 64, 64}, 27}, {0.2, {1, 32, 64}, 6},
                 {1, {1, 50, 50}, 25},   {25, {1, 7, 4}, 8},     {100, {2, 5, 3}, 30},
                 {1e-9, {1, 64, 64}, 1}, {0.2, {1, 1, 2}, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const ae_mask mask = uniform(cases[i].percent, 11);
        masked *m = make(cases[i].shape.channels, cases[i].shape.height, cases[i].shape.width);
        assert_int_equal(ae_mask_count(&mask, cases[i].shape), cases[i].count);
        put(m, &mask, stream_of(0));
        assert_int_equal(count_masked(m), cases[i].count);
        release(m);
    }
}

/* One in each box of each channel; wherever in the box: of 1,000 samples each of the 25 values of a
 * box has 40 on the average, and by the binomial law fewer than 10 or more than 80 in one case of
 * 10^7. Channels have their own. */
static void test_places(void **state) {
    (void)state;
    enum { SIDE = 20, BOX = 5, ACROSS = SIDE / BOX, SAMPLES = 1000 };
    const ae_mask mask = uniform(4, 11);
    masked *m = make(2, SIDE, SIDE);
    static int hits[2 * SIDE * SIDE];
    int alike = 0;
    for (uint32_t s = 0; s < SAMPLES; ++s) {
        int boxes[2 * ACROSS * ACROSS] = {0};
        put(m, &mask, stream_of(s));
        for (int v = 0; v < values_of(m); ++v) {
            const int plane = v % (SIDE * SIDE), channel = v / (SIDE * SIDE);
            if (!is_masked(m, v)) continue;
            ++boxes[(channel * ACROSS + plane / SIDE / BOX) * ACROSS + plane % SIDE / BOX];
            ++hits[v];
            alike += channel == 1 && is_masked(m, plane);
        }
        for (int b = 0; b < 2 * ACROSS * ACROSS; ++b) assert_int_equal(boxes[b], 1);
    }
    for (int v = 0; v < values_of(m); ++v) assert_true(hits[v] >= 10 && hits[v] <= 80);
    assert_true(alike < 1.2 * SAMPLES * 16 / 25); /* one in 25, of 16 boxes */
    release(m);
}

/* ---- with what ---- */

/* Each from its window and of its channel, never itself, as far as the picture goes; all else stays
 * as it was. Returns how many of the window's places around a value in the middle were taken. */
static int check_fill(masked *m, const ae_mask *mask, uint32_t samples) {
    const int height = m->shape.height, width = m->shape.width, reach = mask->window / 2;
    bool *taken = calloc((size_t)(mask->window * mask->window), sizeof *taken);
    assert_non_null(taken);
    for (uint32_t s = 0; s < samples; ++s) {
        put(m, mask, stream_of(s));
        for (int v = 0; v < values_of(m); ++v) {
            const int from = (int)*value_at(&m->input, v);
            if (!is_masked(m, v)) {
                assert_int_equal(from, v);
                continue;
            }
            const int down = from / width % height - v / width % height;
            const int right = from % width - v % width;
            assert_true(*value_at(&m->target, v) == (float)v);
            assert_int_equal(from / width / height, v / width / height);
            assert_true(abs(down) <= reach && abs(right) <= reach && from != v);
            taken[(down + reach) * mask->window + right + reach] = true;
        }
    }
    int count = 0;
    for (int i = 0; i < mask->window * mask->window; ++i) count += taken[i];
    free(taken);
    return count;
}

static void test_uniform_fill(void **state) {
    (void)state;
    const ae_mask wide = uniform(4, 11), narrow = uniform(100, 3);
    masked *m = make(2, 30, 31);
    assert_int_equal(check_fill(m, &wide, 100), 11 * 11 - 1);
    assert_int_equal(check_fill(m, &narrow, 10), 3 * 3 - 1);
    release(m);
    m = make(1, 1, 2); /* nothing else is there */
    const ae_mask one = uniform(0.2, 11);
    assert_int_equal(check_fill(m, &one, 20), 2);
    release(m);
}

static int by_value(const void *left, const void *right) {
    const float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

/* The median of the others in the window, by sorting them. */
static float median_by_hand(const float *noisy, const masked *m, int place, int window) {
    float values[AE_MASK_WINDOW_MAX * AE_MASK_WINDOW_MAX];
    const int height = m->shape.height, width = m->shape.width, reach = window / 2;
    const int plane = place - place % (height * width), inside = place - plane;
    int count = 0;
    for (int h = inside / width - reach; h <= inside / width + reach; ++h)
        for (int w = inside % width - reach; w <= inside % width + reach; ++w)
            if (h >= 0 && w >= 0 && h < height && w < width && h * width + w != inside)
                values[count++] = noisy[plane + h * width + w];
    qsort(values, (size_t)count, sizeof *values, by_value);
    return (float)(((double)values[count / 2] + (double)values[(count - 1) / 2]) / 2);
}

static void check_median(masked *m, int window) {
    const ae_mask mask = {0.3, window, AE_MASK_FILL_MEDIAN};
    float *noisy = calloc((size_t)values_of(m), sizeof *noisy);
    int self_counts = 0;
    assert_non_null(noisy);
    for (int v = 0; v < values_of(m); ++v) {
        uint32_t words[4];
        ae_random_words(words, stream_of(0), (uint32_t)v);
        noisy[v] = *value_at(&m->input, v) = (float)(words[0] % 50) / 50 - 0.3f;
    }
    ae_mask_put(&m->input, &m->target, &mask, stream_of(3), m->noisy);
    for (int v = 0; v < values_of(m); ++v) {
        if (!is_masked(m, v)) continue;
        const float filled = *value_at(&m->input, v);
        assert_true(filled == median_by_hand(noisy, m, v, window));
        self_counts += filled != median_by_hand(noisy, m, v, window == 3 ? 5 : window - 2);
    }
    assert_true(self_counts > 0); /* another window would be seen */
    free(noisy);
}

static void test_median_fill(void **state) {
    (void)state;
    masked *m = make(2, 23, 34);
    check_median(m, 3);
    check_median(m, 11);
    check_median(m, AE_MASK_WINDOW_MAX);
    release(m);
}

/* ---- by its stream ---- */

static bool are_same(const masked *a, const masked *b) {
    bool same = true;
    for (int v = 0; v < values_of(a); ++v)
        same &= *value_at(&a->input, v) == *value_at(&b->input, v) &&
                is_masked(a, v) == is_masked(b, v);
    return same;
}

static void test_streams(void **state) {
    (void)state;
    const ae_mask mask = uniform(2, 11);
    masked *a = make(1, 40, 40), *b = make(1, 40, 40);
    put(a, &mask, stream_of(7));
    put(b, &mask, stream_of(7));
    assert_true(are_same(a, b));
    ae_stream others[4];
    for (int i = 0; i < 4; ++i) others[i] = stream_of(7);
    others[0].sample += 1, others[1].epoch += 1, others[2].seed += 1;
    others[3].purpose = AE_RANDOM_VALIDATION_NOISE;
    for (int i = 0; i < 4; ++i) {
        put(b, &mask, others[i]);
        assert_false(are_same(a, b));
    }
    release(a);
    release(b);
}

static void test_as_configured(void **state) {
    (void)state;
    ae_settings settings = {.train.target = AE_TARGET_MASKED,
                            .mask = {.percent = 5, .window = 7, .fill = AE_MASK_FILL_MEDIAN}};
    const ae_mask mask = ae_mask_of(&settings);
    assert_true(mask.share == 0.05 && mask.window == 7 && mask.fill == AE_MASK_FILL_MEDIAN);
    settings.train.target = AE_TARGET_OTHER;
    assert_true(ae_mask_of(&settings).share == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),        cmocka_unit_test(test_places),
        cmocka_unit_test(test_uniform_fill), cmocka_unit_test(test_median_fill),
        cmocka_unit_test(test_streams),      cmocka_unit_test(test_as_configured)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
