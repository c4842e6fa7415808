/* Networks and optimisers against PyTorch: tests/fixtures/pytorch.h5 and networks.h5, whose making
 * and content make_pytorch.py describes.
 *
 * Tolerances come from rounding alone. Beside each result the fixture holds r, the largest error of
 * PyTorch's own float32 calculation relative to the tensor's largest value: one rounding's 2^-24
 * times the calculation's amplification. Errors of a chain of n additions grow as sqrt(n) in a
 * random walk; no chain here has more than 256 terms (3 images x 32 rows x 2 groups of lanes = 192;
 * 5 x 5 taps x 5 channels + 1 = 126), and if PyTorch's order had no growth at all, ours would err
 * by sqrt(256) r. So a result may differ by 16 r times the tensor's largest value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <hdf5.h>
#include <hdf5_hl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense.h"

#include "nn/network.h"
#include "nn/optimizer.h"

static const double growth = 16;    /* sqrt(256) */
static const double unit = 0x1p-24; /* float32's rounding */
static const struct {
    const char *file, *name;
    int runs;
} networks[] = {
    {"pytorch.h5", "reference", 36}, /* 3 optimisers x 3 schedules x clipping x warm-up */
    {"pytorch.h5", "other", 18},     /* half of them */
    {"networks.h5", "dncnn", 1},     {"networks.h5", "unet", 1},  {"networks.h5", "unshuffle", 1},
    {"networks.h5", "nobias", 1},    {"networks.h5", "words", 1}, {"networks.h5", "row", 1},
    {"networks.h5", "column", 1},
};
enum { NETWORKS = sizeof networks / sizeof *networks, STEPS_MAX = 16, TEXT_SIZE = 512 };

/* One of the fixture's networks on one kernel path. */
typedef struct rig {
    hid_t file, group;
    int images, runs;
    size_t pixels; /* values of an image */
    ae_network *network;
    ae_workspace *workspace;
    size_t size;
    float *input, *target;        /* [images][pixels] */
    float *start;                 /* the given parameters */
    float *parameters, *gradient; /* [size] */
    const ae_kernels *kernels;
    float *packed;
} rig;

static void read_floats(hid_t at, const char *name, float *values) {
    assert_true(H5LTread_dataset_float(at, name, values) >= 0);
}

static double *read_doubles(hid_t at, const char *name, size_t count) {
    double *values = calloc(count, sizeof *values);
    assert_true(values && H5LTread_dataset_double(at, name, values) >= 0);
    return values;
}

static double read_number(hid_t at, const char *name, const char *attribute) {
    double value = 0;
    assert_true(H5LTget_attribute_double(at, name, attribute, &value) >= 0);
    return value;
}

static int read_int(hid_t at, const char *name, const char *attribute) {
    int value = 0;
    assert_true(H5LTget_attribute_int(at, name, attribute, &value) >= 0);
    return value;
}

static void read_text(hid_t at, const char *attribute, char text[TEXT_SIZE]) {
    memset(text, 0, TEXT_SIZE);
    assert_true(H5LTget_attribute_string(at, ".", attribute, text) >= 0);
}

static void open_rig(rig *r, int n, const ae_kernels *kernels) {
    char text[TEXT_SIZE], path[TEXT_SIZE];
    hsize_t dims[4];
    snprintf(path, sizeof path, "%s/tests/fixtures/%s", AE_SOURCE_DIR, networks[n].file);
    r->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    r->group = H5Gopen(r->file, networks[n].name, H5P_DEFAULT);
    r->runs = networks[n].runs;
    assert_true(r->group >= 0);
    read_text(r->group, "layers", text);
    assert_true(H5LTget_dataset_info(r->group, "input", dims, NULL, NULL) >= 0);
    r->images = (int)dims[0];
    r->pixels = (size_t)(dims[1] * dims[2] * dims[3]);
    const ae_shape picture = {(int)dims[1], (int)dims[2], (int)dims[3]};
    const bool is_residual = H5Aexists(r->group, "output") > 0;
    assert_int_equal(ae_network_create(&r->network, text, networks[n].name, picture,
                                       is_residual ? AE_OUTPUT_RESIDUAL : AE_OUTPUT_DIRECT),
                     AE_OK);
    assert_int_equal(
        ae_workspace_create(&r->workspace, r->network, 1, picture.height, picture.width, kernels),
        AE_OK);
    r->kernels = kernels;
    r->size = ae_network_size(r->network);

    r->input = calloc(dims[0] * r->pixels, sizeof *r->input);
    r->target = calloc(dims[0] * r->pixels, sizeof *r->target);
    r->start = calloc(r->size, sizeof *r->start);
    r->parameters = calloc(r->size, sizeof *r->parameters);
    r->gradient = calloc(r->size, sizeof *r->gradient);
    r->packed = calloc(ae_network_packed_size(r->network, kernels), sizeof *r->packed);
    assert_true(r->input && r->target && r->start && r->parameters && r->gradient && r->packed);
    read_floats(r->group, "input", r->input);
    read_floats(r->group, "target", r->target);
    read_floats(r->group, "parameters", r->start);
    memcpy(r->parameters, r->start, r->size * sizeof *r->start);
}

static void close_rig(rig *r) {
    free(r->input);
    free(r->target);
    free(r->start);
    free(r->parameters);
    free(r->gradient);
    free(r->packed);
    ae_workspace_destroy(&r->workspace);
    ae_network_destroy(&r->network);
    H5Gclose(r->group);
    H5Fclose(r->file);
}

/* Runs `test` for every network on kernel paths `level` and above that this processor has. */
static void for_each_rig(void (*test)(rig *r), int level) {
    for (; level < ae_kernels_count(); ++level)
        for (int n = 0; n < NETWORKS; ++n) {
            const ae_kernels *kernels = ae_kernels_at(level);
            if (!kernels) continue;
            rig r;
            open_rig(&r, n, kernels);
            test(&r);
            close_rig(&r);
        }
}

/* The comparator: the largest |got - want| / tolerance, infinite where one is not a number. */
static double worst(const float *got, const double *want, size_t count, double tolerance) {
    double largest = 0;
    for (size_t e = 0; e < count; ++e) {
        double error = fabs(got[e] - want[e]) / tolerance;
        if (!(error <= largest)) largest = isnan(error) ? INFINITY : error;
    }
    return largest;
}

static double largest(const double *values, size_t count) {
    double result = 0;
    for (size_t e = 0; e < count; ++e) result = fmax(result, fabs(values[e]));
    return result;
}

/* Demands that all values agree and that the comparison would notice one that is off by 0.2 % of
 * the largest: it is told of values that differ by that much, and of one that is not a number. */
static void check(float *got, const double *want, size_t count, double tolerance) {
    double error = worst(got, want, count, tolerance), scale = largest(want, count);
    if (!(error <= 1)) print_error("error / tolerance = %g\n", error);
    assert_true(error <= 1);
    for (size_t e = 0; e < count; e += 1 + count / 7) {
        float right = got[e];
        got[e] = right + (float)(0.002 * scale);
        assert_true(worst(got, want, count, tolerance) > 1);
        got[e] = NAN;
        assert_true(worst(got, want, count, tolerance) > 1);
        got[e] = right;
    }
}

static void forward(rig *r, int image) {
    planes_from_dense(ae_workspace_input(r->workspace, 0), r->input + (size_t)image * r->pixels);
    planes_from_dense(ae_workspace_target(r->workspace, 0), r->target + (size_t)image * r->pixels);
    ae_network_forward(r->workspace, r->packed, 1);
}

/* Fills r->gradient with the mean over the images; returns the mean loss. */
static double differentiate(rig *r, ae_loss loss) {
    double sum = 0;
    ae_network_pack(r->network, r->kernels, r->packed, r->parameters);
    ae_network_begin_block(r->workspace);
    for (int n = 0; n < r->images; ++n) {
        forward(r, n);
        double value;
        ae_network_backward(&value, r->workspace, r->packed, 1, (ae_criterion){.loss = loss});
        sum += value;
    }
    const float *sums = ae_network_end_block(r->workspace);
    for (size_t e = 0; e < r->size; ++e) r->gradient[e] = (float)((double)sums[e] / r->images);
    return sum / r->images;
}

static void check_table(rig *r) {
    char names[2 * AE_NODES_MAX][AE_NAME_SIZE] = {{0}};
    int shapes[2 * AE_NODES_MAX][4], fan_in[2 * AE_NODES_MAX], count = 0;
    const ae_parameter *table = ae_network_parameters(r->network, &count);
    assert_int_equal(count, read_int(r->group, ".", "tensors"));
    assert_true(H5LTread_dataset_string(r->group, "names", names[0]) >= 0);
    assert_true(H5LTread_dataset_int(r->group, "shapes", shapes[0]) >= 0);
    assert_true(H5LTread_dataset_int(r->group, "fan_in", fan_in) >= 0);
    for (int p = 0; p < count; ++p) {
        assert_string_equal(table[p].name, names[p]);
        assert_int_equal(table[p].fan_in, fan_in[p]);
        for (int d = 0; d < 4; ++d) assert_int_equal(table[p].shape[d], shapes[p][d]);
    }
}

static double output_tolerance(const rig *r, const double *output) {
    size_t count = (size_t)r->images * r->pixels;
    return growth * read_number(r->group, "output", "rounding") * largest(output, count);
}

static void check_outputs(rig *r) {
    size_t count = (size_t)r->images * r->pixels;
    double *want = read_doubles(r->group, "output", count);
    float *got = calloc(count, sizeof *got);
    assert_non_null(got);
    ae_network_pack(r->network, r->kernels, r->packed, r->parameters);
    for (int n = 0; n < r->images; ++n) {
        forward(r, n);
        ae_planes_to_dense(got + (size_t)n * r->pixels, ae_workspace_output(r->workspace, 0));
    }
    check(got, want, count, output_tolerance(r, want));
    free(got);
    free(want);
}

/* Outputs off by at most d move the mean of the squares by at most 2 sqrt(mean) d (Cauchy and
 * Schwarz; d^2 is nothing), that of the magnitudes by d; a difference's own rounding by two units.
 */
static void check_loss(rig *r, ae_loss loss, double got) {
    double *output = read_doubles(r->group, "output", (size_t)r->images * r->pixels);
    double *want = read_doubles(r->group, loss == AE_LOSS_L1 ? "l1/loss" : "mse/loss", 1);
    double moved = loss == AE_LOSS_L1 ? 1 : 2 * sqrt(*want);
    float value = (float)got; /* the comparator's; one more unit */
    check(&value, want, 1, moved * output_tolerance(r, output) + 3 * unit * *want);
    free(want);
    free(output);
}

static void check_gradient(rig *r, ae_loss loss) {
    const char *name = loss == AE_LOSS_L1 ? "l1/gradient" : "mse/gradient";
    int count = 0;
    const ae_parameter *table = ae_network_parameters(r->network, &count);
    check_loss(r, loss, differentiate(r, loss));
    double *want = read_doubles(r->group, name, r->size),
           rounding = read_number(r->group, name, "rounding");
    for (int p = 0; p < count; ++p) {
        const double *tensor = want + table[p].offset;
        double tolerance = growth * rounding * largest(tensor, table[p].count);
        check(r->gradient + table[p].offset, tensor, table[p].count, tolerance);
    }
    free(want);
}

static void check_gradients(rig *r) {
    check_gradient(r, AE_LOSS_MSE);
    check_gradient(r, AE_LOSS_L1);
}

static int64_t choose(const char *text, int count, const char *const *names) {
    for (int n = 0; n < count; ++n)
        if (strcmp(text, names[n]) == 0) return n;
    fail_msg("the fixture has an option \"%s\"", text);
    return -1;
}

static ae_settings read_settings(hid_t run) {
    char optimizer[TEXT_SIZE], schedule[TEXT_SIZE], loss[TEXT_SIZE];
    read_text(run, "optimizer", optimizer);
    read_text(run, "schedule", schedule);
    read_text(run, "loss", loss);
    ae_settings s = {0};
    s.train.loss = choose(loss, 2, (const char *const[]){"mse", "l1"});
    s.optimizer.name = choose(optimizer, 3, (const char *const[]){"adam", "adamw", "sgd"});
    s.optimizer.lr = read_number(run, ".", "lr");
    s.optimizer.beta1 = read_number(run, ".", "beta1");
    s.optimizer.beta2 = read_number(run, ".", "beta2");
    s.optimizer.epsilon = read_number(run, ".", "epsilon");
    s.optimizer.momentum = read_number(run, ".", "momentum");
    s.optimizer.weight_decay = read_number(run, ".", "weight_decay");
    s.optimizer.clip_norm = read_number(run, ".", "clip_norm");
    s.schedule.name = choose(schedule, 3, (const char *const[]){"constant", "step", "cosine"});
    s.schedule.warmup_steps = (int64_t)read_number(run, ".", "warmup_steps");
    s.schedule.step_epochs = (int64_t)read_number(run, ".", "step_epochs");
    s.schedule.step_factor = read_number(run, ".", "step_factor");
    s.schedule.min_lr = read_number(run, ".", "min_lr");
    return s;
}

/* Rates, norms and parameters of one run. Rates are doubles: 1e-12 is thousands of roundings. */
static void check_run(rig *r, hid_t run) {
    ae_settings settings = read_settings(run);
    const ae_optimizer_options options = ae_optimizer_options_of(&settings);
    ae_optimizer optimizer;
    float norms[STEPS_MAX];
    int steps = read_int(r->file, ".", "steps");
    int steps_per_epoch = read_int(r->file, ".", "steps_per_epoch");
    assert_in_range(steps, 1, STEPS_MAX);
    double *rates = read_doubles(run, "learning_rate", (size_t)steps);
    double *want_norms = read_doubles(run, "norm", (size_t)steps);
    double *want = read_doubles(run, "change", r->size);

    memcpy(r->parameters, r->start, r->size * sizeof *r->start);
    assert_int_equal(ae_optimizer_init(&optimizer, &options, r->size), AE_OK);
    for (int s = 0; s < steps; ++s) {
        double lr = ae_schedule_lr(&settings, s, steps_per_epoch, steps);
        assert_true(fabs(lr - rates[s]) <= 1e-12 * rates[s]);
        differentiate(r, (ae_loss)settings.train.loss);
        norms[s] = (float)ae_gradient_norm(r->gradient, r->size);
        ae_optimizer_step(&optimizer, r->parameters, r->gradient, lr);
    }
    ae_optimizer_release(&optimizer);

    /* A norm's error may cancel by luck where its gradient's did not. */
    double rounding = fmax(read_number(run, "norm", "rounding"), 4 * unit);
    check(norms, want_norms, (size_t)steps, growth * rounding * largest(want_norms, (size_t)steps));
    float *change = r->parameters;
    for (size_t e = 0; e < r->size; ++e) change[e] -= r->start[e];
    rounding = read_number(run, "change", "rounding");
    check(change, want, r->size, growth * rounding * largest(want, r->size));
    free(want);
    free(want_norms);
    free(rates);
}

static void check_runs(rig *r) {
    H5G_info_t info;
    hid_t runs = H5Gopen(r->group, "runs", H5P_DEFAULT);
    assert_true(runs >= 0 && H5Gget_info(runs, &info) >= 0);
    assert_int_equal(info.nlinks, r->runs);
    for (hsize_t n = 0; n < info.nlinks; ++n) {
        hid_t run = H5Oopen_by_idx(runs, ".", H5_INDEX_NAME, H5_ITER_INC, n, H5P_DEFAULT);
        assert_true(run >= 0);
        check_run(r, run);
        H5Oclose(run);
    }
    H5Gclose(runs);
}

static void test_table(void **state) {
    (void)state;
    for_each_rig(check_table, 0);
}

static void test_outputs(void **state) {
    (void)state;
    for_each_rig(check_outputs, 0);
}

static void test_gradients(void **state) {
    (void)state;
    for_each_rig(check_gradients, 0);
}

static void test_runs(void **state) {
    (void)state;
    /* Gradients agree on every path and the optimisers are the same: the fastest will do. */
    int level = ae_kernels_count() - 1;
    while (!ae_kernels_at(level)) --level;
    for_each_rig(check_runs, level);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
