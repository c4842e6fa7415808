/* Optimisers and schedules against values worked out here; test_pytorch.c holds the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "nn/optimizer.h"

static ae_optimizer_options plain(ae_optimizer_kind kind) {
    return (ae_optimizer_options){
        .kind = kind, .beta1 = 0.75, .beta2 = 0.5, .epsilon = 1e-8, .momentum = 0.5};
}

static void test_state(void **state) {
    (void)state;
    ae_optimizer_options options = plain(AE_ADAMW);
    ae_optimizer optimizer;
    assert_int_equal(ae_optimizer_init(&optimizer, &options, 5), AE_OK);
    assert_int_equal(optimizer.moments, 2);
    assert_int_equal(optimizer.steps, 0);
    assert_string_equal(ae_optimizer_moment_name(&optimizer, 0), "exp_avg");
    assert_string_equal(ae_optimizer_moment_name(&optimizer, 1), "exp_avg_sq");
    ae_optimizer_release(&optimizer);
    options.kind = AE_SGD;
    assert_int_equal(ae_optimizer_init(&optimizer, &options, 5), AE_OK);
    assert_int_equal(optimizer.moments, 1);
    assert_string_equal(ae_optimizer_moment_name(&optimizer, 0), "momentum_buffer");
    ae_optimizer_release(&optimizer);
}

/* One update of two parameters (1, 2) with the gradient (3, 4). */
static void step_once(const ae_optimizer_options *options, float parameters[2], float gradient[2]) {
    ae_optimizer optimizer;
    memcpy(parameters, (const float[]){1, 2}, 2 * sizeof *parameters);
    memcpy(gradient, (const float[]){3, 4}, 2 * sizeof *gradient);
    assert_int_equal(ae_optimizer_init(&optimizer, options, 2), AE_OK);
    assert_true(ae_gradient_norm(gradient, 2) == 5);
    ae_optimizer_step(&optimizer, parameters, gradient, 0.5);
    assert_int_equal(optimizer.steps, 1);
    ae_optimizer_release(&optimizer);
}

/* The norm is 5: above a limit the gradient shrinks to it, at or below one it stays, bit for bit.
 */
static void test_clip(void **state) {
    (void)state;
    ae_optimizer_options options = plain(AE_SGD);
    float parameters[2], gradient[2];
    const double untouched[] = {0, 5.5, 1e30};
    for (int n = 0; n < 3; ++n) {
        options.clip_norm = untouched[n];
        step_once(&options, parameters, gradient);
        assert_true(gradient[0] == 3 && gradient[1] == 4);
    }
    options.clip_norm = 2.5;
    step_once(&options, parameters, gradient);
    float scale = (float)(2.5 / (5 + 1e-6));
    assert_true(gradient[0] == 3 * scale && gradient[1] == 4 * scale);
    assert_true(parameters[0] == 1 - 0.5f * gradient[0]);
    assert_true(hypot(gradient[0], gradient[1]) <= 2.5);
}

/* The sums of squares go through double: no overflow or underflow at the ends of float's range. */
static void test_clip_range(void **state) {
    (void)state;
    ae_optimizer_options options = plain(AE_SGD);
    ae_optimizer optimizer;
    float parameters[2] = {0}, gradient[2] = {3e30f, 4e30f};
    options.clip_norm = 1;
    assert_int_equal(ae_optimizer_init(&optimizer, &options, 2), AE_OK);
    assert_true(fabs(ae_gradient_norm(gradient, 2) / 5e30 - 1) < 1e-6);
    ae_optimizer_step(&optimizer, parameters, gradient, 1);
    assert_true(fabs(gradient[0] - 0.6) < 1e-6 && fabs(gradient[1] - 0.8) < 1e-6);
    memcpy(gradient, (const float[]){3e-30f, 4e-30f}, sizeof gradient);
    assert_true(fabs(ae_gradient_norm(gradient, 2) / 5e-30 - 1) < 1e-6);
    ae_optimizer_release(&optimizer);
}

/* Momentum 1/2, rate 1/2 and gradients 1, 1, 1 give velocities 1, 3/2, 7/4: exact in float. */
static void test_sgd(void **state) {
    (void)state;
    ae_optimizer_options options = plain(AE_SGD);
    ae_optimizer optimizer;
    float parameter = 4;
    const float want[] = {3.5f, 2.75f, 1.875f};
    assert_int_equal(ae_optimizer_init(&optimizer, &options, 1), AE_OK);
    for (int s = 0; s < 3; ++s) {
        float gradient = 1;
        ae_optimizer_step(&optimizer, &parameter, &gradient, 0.5);
        assert_true(parameter == want[s]);
    }
    ae_optimizer_release(&optimizer);
}

/* The first corrected moments are g and g^2, so that the step is the rate against g's sign. */
static void test_adam_first_step(void **state) {
    (void)state;
    ae_optimizer_options options = plain(AE_ADAM);
    float parameters[2], gradient[2];
    step_once(&options, parameters, gradient);
    assert_true(fabsf(parameters[0] - 0.5f) < 1e-6f && fabsf(parameters[1] - 1.5f) < 1e-6f);
}

/* L2 decay enters the gradient, of which Adam's first step sees the sign alone; decoupled decay
 * shrinks the parameters by 1 - lr * decay before the step. */
static void test_weight_decay(void **state) {
    (void)state;
    float parameters[2], gradient[2];
    ae_optimizer_options options = plain(AE_SGD);
    options.weight_decay = 0.25;
    step_once(&options, parameters, gradient);
    assert_true(parameters[0] == 1 - 0.5f * 3.25f && parameters[1] == 2 - 0.5f * 4.5f);
    options.kind = AE_ADAM;
    step_once(&options, parameters, gradient);
    assert_true(gradient[0] == 3.25f && fabsf(parameters[0] - 0.5f) < 1e-6f);
    options.kind = AE_ADAMW;
    step_once(&options, parameters, gradient);
    assert_true(gradient[0] == 3 && fabsf(parameters[0] - (0.875f - 0.5f)) < 1e-6f);
}

/* Every element is treated alike, whatever its place among the vector lanes. */
static void test_elements(void **state) {
    (void)state;
    enum { SIZE = 37 };
    for (int kind = AE_ADAM; kind <= AE_SGD; ++kind) {
        ae_optimizer_options options = plain((ae_optimizer_kind)kind);
        options.weight_decay = 0.1;
        ae_optimizer optimizer;
        float parameters[SIZE], gradient[SIZE];
        assert_int_equal(ae_optimizer_init(&optimizer, &options, SIZE), AE_OK);
        for (int e = 0; e < SIZE; ++e) parameters[e] = 0.3f;
        for (int s = 0; s < 3; ++s) {
            for (int e = 0; e < SIZE; ++e) gradient[e] = 0.7f;
            ae_optimizer_step(&optimizer, parameters, gradient, 0.01);
        }
        for (int e = 1; e < SIZE; ++e) assert_true(parameters[e] == parameters[0]);
        assert_true(parameters[0] < 0.3f);
        ae_optimizer_release(&optimizer);
    }
}

static bool near(double got, double want) {
    return fabs(got - want) <= 1e-14 * fabs(want);
}

static void test_constant_and_warmup(void **state) {
    (void)state;
    ae_settings settings = {.optimizer.lr = 0.5};
    for (int s = 0; s < 8; ++s) assert_true(ae_schedule_lr(&settings, s, 2, 8) == 0.5);
    settings.schedule.warmup_steps = 4;
    const double want[] = {0.125, 0.25, 0.375, 0.5, 0.5, 0.5};
    for (int s = 0; s < 6; ++s) assert_true(ae_schedule_lr(&settings, s, 2, 6) == want[s]);
    for (int s = 0; s < 3; ++s) assert_true(ae_schedule_lr(&settings, s, 2, 3) == want[s]);
}

/* Falls come every step_epochs epochs, counted from the start of the run, not of the last warm-up
 * step. */
static void test_step(void **state) {
    (void)state;
    ae_settings settings = {.optimizer.lr = 0.5};
    settings.schedule.name = AE_SCHEDULE_STEP;
    settings.schedule.step_epochs = 2;
    settings.schedule.step_factor = 0.25;
    const double want[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.125, 0.125};
    for (int s = 0; s < 8; ++s) assert_true(ae_schedule_lr(&settings, s, 3, 100) == want[s]);
    assert_true(ae_schedule_lr(&settings, 12, 3, 100) == 0.03125);
    settings.schedule.warmup_steps = 7;
    assert_true(near(ae_schedule_lr(&settings, 5, 3, 100), 0.5 * 6 / 7));
    assert_true(ae_schedule_lr(&settings, 6, 3, 100) == 0.5);
    assert_true(ae_schedule_lr(&settings, 7, 3, 100) == 0.125);
}

static void test_cosine(void **state) {
    (void)state;
    ae_settings settings = {.optimizer.lr = 0.5};
    settings.schedule.name = AE_SCHEDULE_COSINE;
    settings.schedule.min_lr = 0.1;
    settings.schedule.warmup_steps = 2;
    assert_true(ae_schedule_lr(&settings, 1, 2, 14) == 0.5);
    for (int s = 2; s < 14; ++s)
        assert_true(near(ae_schedule_lr(&settings, s, 2, 14),
                         0.1 + 0.4 * 0.5 * (1 + cos(M_PI * (s - 2) / 12))));
    assert_true(near(ae_schedule_lr(&settings, 8, 2, 14), 0.3)); /* half way */
    assert_false(near(0.3, 0.3 * (1 + 1e-13)));
    settings.schedule.min_lr = settings.optimizer.lr; /* at its bound it stays there */
    for (int s = 2; s < 14; ++s) assert_true(ae_schedule_lr(&settings, s, 2, 14) == 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_clip_range),
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_adam_first_step),
        cmocka_unit_test(test_weight_decay),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_constant_and_warmup),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_cosine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
