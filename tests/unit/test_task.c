/* What a network is shown and what that is compared with: others at the same places, noise of
 * targets, masks. On every kernel path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "each_path.h"
#include "team/task.h"

enum { CHANNELS = 2, TALL = 19, WIDE = 23, SIDE = 17, VALUES = CHANNELS * SIDE * SIDE };

/* An image, its other, which is 7 more everywhere, and a sample of them. */
static float image[CHANNELS * TALL * WIDE], other[CHANNELS * TALL * WIDE];
static const ae_image_place place = {.height = TALL, .width = WIDE};
static const ae_draw draw = {
    .cut = {.row = 1, .column = 4, .symmetry = 5},
    .stream = {.seed = 3, .purpose = AE_RANDOM_TRAIN_NOISE, .epoch = 2, .sample = 9}};

static ae_images images_of(const float *samples) {
    return (ae_images){.samples = (const uint8_t *)samples,
                       .places = &place,
                       .count = 1,
                       .channels = CHANNELS,
                       .type = AE_SAMPLE_F32,
                       .high = 1};
}

static ae_noise noise_of(double sigma) {
    return (ae_noise){.sigma = {sigma, sigma}, .clamp_min = -INFINITY, .clamp_max = INFINITY};
}

/* A task's input and target, dense. */
typedef struct loaded {
    float input[VALUES], target[VALUES];
} loaded;

static ae_planes make_planes(float **memory) {
    *memory = ae_calloc(ae_planes_floats(CHANNELS, SIDE, SIDE, 0), sizeof **memory);
    assert_non_null(*memory);
    return ae_planes_view(*memory, CHANNELS, SIDE, SIDE, 0);
}

static loaded *load(const ae_task *task, const ae_kernels *kernels) {
    loaded *l = calloc(1, sizeof *l);
    float *memory[2], room[VALUES], normals[VALUES + 3];
    const ae_planes input = make_planes(&memory[0]), target = make_planes(&memory[1]);
    assert_non_null(l);
    ae_task_load(&input, &target, task, &draw, room, normals, kernels);
    ae_planes_to_dense(l->input, &input);
    ae_planes_to_dense(l->target, &target);
    free(memory[0]);
    free(memory[1]);
    return l;
}

static int set_up(void **state) {
    (void)state;
    for (int v = 0; v < CHANNELS * TALL * WIDE; ++v) {
        image[v] = (float)v;
        other[v] = (float)v + 7;
    }
    return 0;
}

/* The image's own pixels, as it was cut: for a task of itself. */
static loaded *load_plain(const ae_kernels *kernels) {
    const ae_task task = {.images = images_of(image)};
    loaded *l = load(&task, kernels);
    for (int v = 0; v < VALUES; ++v) assert_true(l->input[v] == l->target[v]);
    assert_true(l->input[0] != image[0]); /* cut, and turned */
    return l;
}

/* The other image's same pixels, whatever the noise on the input. */
static void check_others(int path) {
    const ae_kernels *kernels = ae_kernels_at(path);
    loaded *plain = load_plain(kernels);
    for (int noisy = 0; noisy < 2; ++noisy) {
        const ae_task task = {.images = images_of(image),
                              .others = images_of(other),
                              .noise = noise_of(noisy ? 0.5 : 0)};
        loaded *l = load(&task, kernels);
        int moved = 0;
        for (int v = 0; v < VALUES; ++v) {
            assert_true(l->target[v] == plain->input[v] + 7);
            moved += l->input[v] != plain->input[v];
        }
        assert_true(noisy ? moved == VALUES : moved == 0);
        free(l);
    }
    free(plain);
}

/* Noise of its own on the target: the input's isn't touched, neither is like the other, and it is
 * the noise of its stream. */
static void check_target_noise(int path) {
    const ae_kernels *kernels = ae_kernels_at(path);
    ae_task task = {.images = images_of(image), .noise = noise_of(0.5)};
    loaded *one = load(&task, kernels);
    task.target_noise = noise_of(0.5);
    loaded *two = load(&task, kernels);
    ae_draw as_target = draw;
    as_target.stream.purpose += AE_RANDOM_TARGET;
    float normals[VALUES + 3];
    kernels->normals(normals, (VALUES + 3) / 4, as_target.stream);
    double product = 0, squares = 0;
    for (int v = 0; v < VALUES; ++v) {
        assert_true(one->input[v] == two->input[v]);
        assert_true(two->target[v] == fmaf(0.5f, normals[v], one->target[v]));
        const double a = two->input[v] - one->target[v], b = two->target[v] - one->target[v];
        product += a * b;
        squares += a * a;
    }
    /* Their correlation has a standard deviation of 1 / sqrt(VALUES). */
    assert_true(fabs(product / squares) < 5 / sqrt(VALUES));
    free(one);
    free(two);
}

/* The target's numbers are the noisy input from before; the noise is what it was without a mask. */
static void check_mask(int path) {
    const ae_kernels *kernels = ae_kernels_at(path);
    ae_task task = {.images = images_of(image), .noise = noise_of(0.5)};
    loaded *noisy = load(&task, kernels);
    task.mask = (ae_mask){0.02, 5, AE_MASK_FILL_UNIFORM};
    loaded *l = load(&task, kernels);
    int64_t masked = 0, moved = 0;
    for (int v = 0; v < VALUES; ++v) {
        masked += !isnan(l->target[v]);
        moved += l->input[v] != noisy->input[v];
        if (isnan(l->target[v])) assert_true(l->input[v] == noisy->input[v]);
        if (!isnan(l->target[v])) assert_true(l->target[v] == noisy->input[v]);
    }
    assert_int_equal(masked, ae_mask_count(&task.mask, (ae_shape){CHANNELS, SIDE, SIDE}));
    assert_int_equal(moved, masked);
    free(noisy);
    free(l);
}

ON_EACH_PATH(others)
ON_EACH_PATH(target_noise)
ON_EACH_PATH(mask)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_others),
                                       cmocka_unit_test(test_target_noise),
                                       cmocka_unit_test(test_mask)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
