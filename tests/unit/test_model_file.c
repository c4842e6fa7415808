/* model.h5: what it tells, read from itself, a checkpoint or a folder; and what is refused. */
#include "run.h"

#include <math.h>
#include "io/model_file.h"

/* What was written, and what was read of it. */
static void check_model(const ae_model_file *model, const stored_run *run, const char *from) {
    const size_t bytes = ae_network_size(run->network) * sizeof(float);
    char hash[AE_HASH_TEXT_SIZE];
    ae_hash_of(run->state.parameters, bytes, hash);
    assert_string_equal(model->path, from);
    assert_string_equal(model->layers, ae_config_settings(run->config)->model.layers);
    assert_int_equal(model->output, AE_OUTPUT_DIRECT);
    assert_int_equal(model->channels, 3);
    assert_true(model->range[0] == 0 && model->range[1] == 255);
    assert_true(model->noise.sigma[0] == 0.25 && model->noise.sigma[1] == 0.25);
    assert_true(model->noise.clamp_min == -0.5 && model->noise.clamp_max == 1);
    assert_string_equal(model->data_hash, "0123456789abcdef0123456789abcdef");
    assert_int_equal(model->epoch, 3);
    assert_int_equal(model->updates, 1234);
    assert_int_equal(model->contract, 2);
    assert_string_equal(model->parameters_hash, hash);
    assert_int_equal(model->size, ae_network_size(run->network));
    assert_memory_equal(model->parameters, run->state.parameters, bytes);
}

/* A run with noise, after `epoch` whole epochs, of which `pretrained` were without. */
static stored_run *make_noisy(int64_t epoch, int64_t pretrained) {
    char text[96];
    stored_run *run = make_run(NULL, 1.5f);
    snprintf(text, sizeof text,
             "[noise]\nsigma = 0.25\nclamp_min = -0.5\n[train]\npretrain_epochs = %d\n",
             (int)pretrained);
    ae_config_destroy(&run->config);
    check_ok(ae_config_create(&run->config, "a.ini", text, strlen(text), NULL, 0));
    run->state.position.epoch = epoch;
    run->state.position.step = 0;
    return run;
}

static void write_model(void) {
    stored_run *run = make_noisy(3, 0);
    check_ok(ae_model_file_write(path, &run->state, run->config, "avx2"));
    free_run(run);
}

/* Reads `from` and drops it. */
static ae_status read_model(const char *from) {
    ae_model_file model;
    ae_status status = ae_model_file_read(&model, from);
    ae_model_file_release(&model);
    return status;
}

static void test_model_and_checkpoint_tell_the_same(void **state) {
    (void)state;
    stored_run *run = make_noisy(3, 0);
    ae_model_file model;
    for (int is_model = 0; is_model < 2; ++is_model) {
        check_ok((is_model ? ae_model_file_write : ae_checkpoint_write)(path, &run->state,
                                                                        run->config, "avx2"));
        check_ok(ae_model_file_read(&model, path));
        check_model(&model, run, path);
        ae_model_file_release(&model);
    }
    assert_int_equal(count_files(folder), 1);
    free_run(run);
}

static void test_other_pixels(void **state) {
    (void)state;
    stored_run *run = make_noisy(3, 0);
    ae_model_file model;
    run->state.range[0] = 4095.5;
    run->state.range[1] = -7;
    check_ok(ae_model_file_write(path, &run->state, run->config, "avx2"));
    check_ok(ae_model_file_read(&model, path));
    assert_true(model.range[0] == 4095.5 && model.range[1] == -7);
    ae_model_file_release(&model);
    free_run(run);
}

static void delete_least_sigma(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/images/noise_sigma_min"));
}

/* A range's both ends; of files that tell one only, that. */
static void test_range_of_noise(void **state) {
    (void)state;
    const char *const overrides[] = {"noise.sigma=0.05 .. 0.25", "noise.test_sigma=0.1"};
    stored_run *run = make_run(NULL, 1.5f);
    ae_model_file model;
    ae_config_destroy(&run->config);
    check_ok(ae_config_create(&run->config, "a.ini", "", 0, overrides, 2));
    check_ok(ae_model_file_write(path, &run->state, run->config, "avx2"));
    for (int tells_one = 0; tells_one < 2; ++tells_one) {
        check_ok(ae_model_file_read(&model, path));
        assert_true(model.noise.sigma[0] == (tells_one ? 0.25 : 0.05));
        assert_true(model.noise.sigma[1] == 0.25);
        ae_model_file_release(&model);
        if (!tells_one) change_file(delete_least_sigma, true);
    }
    free_run(run);
}

static void delete_kind(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/images/noise_level"));
    check_ok(ae_h5_delete(file, "/images/noise_level_min"));
}
static void change_kind(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/images", "noise_kind", "gaussians"));
}

/* The kind and its level; none in files that don't tell it. */
static void test_kind_of_noise(void **state) {
    (void)state;
    const char *const overrides[] = {"noise.kind=speckle", "noise.level=0.1 .. 0.3",
                                     "noise.test_level=0.2"};
    stored_run *run = make_run(NULL, 1.5f);
    ae_model_file model;
    ae_config_destroy(&run->config);
    check_ok(ae_config_create(&run->config, "a.ini", "", 0, overrides, 3));
    check_ok(ae_model_file_write(path, &run->state, run->config, "avx2"));
    check_ok(ae_model_file_read(&model, path));
    assert_int_equal(model.noise.kind, AE_NOISE_SPECKLE);
    assert_true(model.noise.level[0] == 0.1 && model.noise.level[1] == 0.3);
    ae_model_file_release(&model);
    change_file(delete_kind, true);
    check_ok(ae_model_file_read(&model, path));
    assert_true(model.noise.level[0] == 0 && model.noise.level[1] == 0);
    ae_model_file_release(&model);
    change_file(change_kind, true);
    check_refused(read_model(path), AE_ERROR_IO, "noise_kind of /images is 'gaussians'");
    free_run(run);
}

/* The clamp is that of the training images. */
static void test_no_clamp(void **state) {
    (void)state;
    const char *const overrides[] = {"noise.clamp_on=test", "noise.clamp_max=none",
                                     "noise.clamp_min=none"};
    for (size_t o = 0; o < sizeof overrides / sizeof *overrides; ++o) {
        stored_run *run = make_run(overrides[o], 1.5f);
        ae_model_file model;
        check_ok(ae_model_file_write(path, &run->state, run->config, "avx2"));
        check_ok(ae_model_file_read(&model, path));
        assert_true(model.noise.clamp_min == (o == 1 ? -1 : -INFINITY));
        assert_true(model.noise.clamp_max == (o == 2 ? 1 : INFINITY));
        ae_model_file_release(&model);
        free_run(run);
    }
}

/* Ready networks in full; residual; of grey pictures. */
static void test_other_network(void **state) {
    (void)state;
    const char *const overrides[] = {"model.layers=unet 4", "model.output=residual"};
    ae_config *config;
    ae_network *network, *again;
    ae_state written;
    ae_model_file model;
    check_ok(ae_config_create(&config, "a.ini", "", 0, overrides, 2));
    const ae_optimizer_options options = ae_optimizer_options_of(ae_config_settings(config));
    check_ok(
        ae_network_create(&network, "unet 4", "layers", (ae_shape){1, 32, 32}, AE_OUTPUT_RESIDUAL));
    check_ok(ae_state_init(&written, network, &options));
    check_ok(ae_model_file_write(path, &written, config, "ref"));
    check_ok(ae_model_file_read(&model, path));
    assert_int_equal(model.channels, 1);
    assert_int_equal(model.output, AE_OUTPUT_RESIDUAL);
    assert_int_equal(strncmp(model.layers, "conv 4 3 ", 9), 0);
    check_ok(
        ae_network_create(&again, model.layers, "layers", (ae_shape){1, 320, 16}, model.output));
    assert_int_equal(ae_network_size(again), model.size);
    ae_network_destroy(&again);
    ae_model_file_release(&model);
    ae_state_release(&written);
    ae_network_destroy(&network);
    ae_config_destroy(&config);
}

/* Of the phase whose images the parameters have seen last. */
static void test_noise_is_that_of_the_phase(void **state) {
    (void)state;
    static const struct {
        int64_t epoch, step, pretrained;
        double sigma;
    } cases[] = {
        {1, 0, 2, 0}, {2, 0, 2, 0}, {2, 1, 2, 0.25}, {3, 0, 2, 0.25}, {1, 5, 2, 0}, {1, 0, 0, 0.25},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        stored_run *run = make_noisy(cases[i].epoch, cases[i].pretrained);
        ae_model_file model;
        run->state.position.step = cases[i].step;
        check_ok(ae_model_file_write(path, &run->state, run->config, "avx2"));
        check_ok(ae_model_file_read(&model, path));
        assert_true(model.noise.sigma[1] == cases[i].sigma);
        ae_model_file_release(&model);
        free_run(run);
    }
}

/* ---- what a path may be ---- */

static void make_folders(void) {
    char inner[96];
    snprintf(inner, sizeof inner, "%s/checkpoints", folder);
    assert_int_equal(mkdir(inner, 0777), 0);
}

/* Writes one of the folder's files, with parameters that follow from `first`. */
static void write_file(const char *name, float first) {
    stored_run *run = make_run(NULL, first);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_ok((strcmp(name, "model.h5") == 0 ? ae_model_file_write : ae_checkpoint_write)(
        path, &run->state, run->config, "avx2"));
    free_run(run);
}

static void check_first(const char *from, float first) {
    ae_model_file model;
    check_ok(ae_model_file_read(&model, from));
    assert_true(model.parameters[0] == first);
    ae_model_file_release(&model);
}

static void test_of_a_folder(void **state) {
    (void)state;
    check_refused(read_model(folder), AE_ERROR_USAGE, "no checkpoints/ with a checkpoint in it");
    write_file("model.h5", 1);
    check_first(folder, 1);
    make_folders();
    check_first(folder, 1);
    write_file("checkpoints/epoch-0002.h5", 2);
    check_first(folder, 2);
    write_file("checkpoints/epoch-0003-step-00004.h5", 3);
    check_first(folder, 3);
    write_file("checkpoints/best.h5", 4);
    check_first(folder, 4);
    snprintf(path, sizeof path, "%s/model.h5", folder);
    check_first(path, 1);
    snprintf(path, sizeof path, "%s/nothing.h5", folder);
    check_refused(read_model(path), AE_ERROR_USAGE, "No such file or directory; there is only");
}

/* ---- other versions ---- */

/* A checkpoint of the first version that there were any of, before networks with strides: it tells
 * neither layers nor pixels but as configured. */
static void test_oldest_checkpoint(void **state) {
    (void)state;
    static const char oldest[] = AE_SOURCE_DIR "/tests/fixtures/oldest_checkpoint.h5";
    ae_model_file model;
    ae_h5 *file;
    float weight[2][3][3][3];
    check_ok(ae_model_file_read(&model, oldest));
    assert_string_equal(model.layers, "conv 2 3 relu, tconv 3 3 sigmoid");
    assert_int_equal(model.output, AE_OUTPUT_DIRECT);
    assert_int_equal(model.channels, 3);
    assert_true(model.range[0] == 0 && model.range[1] == 255);
    assert_true(model.noise.sigma[0] == 0.1 && model.noise.sigma[1] == 0.1 &&
                model.noise.clamp_min == -1);
    assert_true(model.noise.clamp_max == 1);
    assert_string_equal(model.data_hash, "a7012a2e40b5de1f2bd274f7cb771945");
    assert_true(model.epoch == 2 && model.updates == 4 && model.contract == 2);
    assert_int_equal(model.size, 56 + 57);
    check_ok(ae_h5_open(&file, oldest, SIZE_MAX));
    check_ok(ae_h5_read(file, "/parameters/encoder.0.weight", AE_H5_FLOAT, 4,
                        (int64_t[]){2, 3, 3, 3}, weight));
    assert_memory_equal(model.parameters, weight, sizeof weight);
    ae_h5_close(&file);
    ae_model_file_release(&model);
}

/* As the oldest ones were. */
static void change_to_oldest(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/images"));
}
static void change_contract(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/contract", "version", 1));
    check_ok(ae_h5_set_int64(file, "/contract", "fraction_bits", 30));
    check_ok(ae_h5_set_int64(file, "/contract", "block", 77));
}

static void test_configured_noise_is_that_of_the_phase(void **state) {
    (void)state;
    for (int64_t epoch = 1; epoch <= 3; ++epoch) {
        stored_run *run = make_noisy(epoch, 2);
        ae_model_file model;
        check_ok(ae_checkpoint_write(path, &run->state, run->config, "avx2"));
        change_file(change_to_oldest, true);
        check_ok(ae_model_file_read(&model, path));
        assert_true(model.noise.sigma[0] == (epoch > 2 ? 0.25 : 0) &&
                    model.noise.clamp_min == -0.5);
        ae_model_file_release(&model);
        free_run(run);
    }
}

static void test_another_contract(void **state) {
    (void)state;
    ae_model_file model;
    write_model();
    change_file(change_contract, true);
    check_ok(ae_model_file_read(&model, path));
    assert_int_equal(model.contract, 1);
    ae_model_file_release(&model);
}

/* ---- refused ---- */

static void change_format(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/", "format", "ae_dist results"));
}
static void change_version(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/", "format_version", 2));
}
static void change_layers(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/parameters", "layers", "conv 8 3 relu, wonder 3"));
}
static void change_to_fewer_layers(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/parameters", "layers", "conv 8 3 relu, tconv 3 3 sigmoid"));
}
static void change_output(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/parameters", "output", "sideways"));
}
static void change_to_no_channels(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/parameters", "channels", 0));
}
static void change_to_many_channels(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/parameters", "channels", (1LL << 32) + 3));
}
static void change_to_other_channels(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/parameters", "channels", 1));
}
static void change_to_nan(ae_h5 *file) {
    const float values[8] = {[2] = NAN};
    check_ok(
        ae_h5_write(file, "/parameters/encoder.0.bias", AE_H5_FLOAT, 1, (int64_t[]){8}, values));
}
static void change_to_no_range(ae_h5 *file) {
    check_ok(ae_h5_write(file, "/images/one", AE_H5_DOUBLE, 0, NULL, &(double){0}));
}
static void change_to_endless_range(ae_h5 *file) {
    check_ok(ae_h5_write(file, "/images/zero", AE_H5_DOUBLE, 0, NULL, &(double){-INFINITY}));
}
static void change_images(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/images/noise_sigma"));
}
static void change_provenance(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/provenance"));
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        file_change *change;
        ae_status status;
        const char *reason;
    } cases[] = {
        {change_format, AE_ERROR_USAGE,
         "is no model of ae_dist, but an HDF5 file of another kind; name a checkpoint"},
        {change_version, AE_ERROR_USAGE, "version 2 of the format"},
        {change_layers, AE_ERROR_USAGE, "wonder"},
        {change_to_fewer_layers, AE_ERROR_IO, "/parameters"},
        {change_output, AE_ERROR_IO, "output of /parameters is 'sideways'"},
        {change_to_no_channels, AE_ERROR_IO, "channels of /parameters is 0"},
        {change_to_many_channels, AE_ERROR_IO, "channels of /parameters is 4294967299"},
        {change_to_other_channels, AE_ERROR_IO, "encoder.0.weight has the wrong shape"},
        {change_to_nan, AE_ERROR_IO, "encoder.0.bias holds a number that is not finite"},
        {change_to_no_range, AE_ERROR_IO, "/images has 0 for both zero and one"},
        {change_to_endless_range, AE_ERROR_IO, "/images/zero is not finite"},
        {change_images, AE_ERROR_IO, "/images/noise_sigma"},
        {change_provenance, AE_ERROR_IO, "/provenance"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_model();
        change_file(cases[i].change, true);
        check_refused(read_model(path), cases[i].status, cases[i].reason);
    }
}

/* Cuts and flipped bits are noticed. */
static void test_damaged_on_disk(void **state) {
    (void)state;
    write_model();
    void *bytes;
    size_t size;
    check_ok(ae_file_read(path, SIZE_MAX, &bytes, &size));
    for (size_t at = 0; at < size - 64; at += 997) {
        ((char *)bytes)[at] ^= 4;
        check_ok(ae_file_replace(path, bytes, size));
        check_refused(read_model(path), AE_ERROR_IO, "damaged");
        ((char *)bytes)[at] ^= 4;
    }
    check_ok(ae_file_replace(path, bytes, size / 2));
    check_refused(read_model(path), AE_ERROR_IO, "damaged");
    free(bytes);
    check_ok(ae_file_replace(path, "no HDF5 file", 12));
    check_refused(read_model(path), AE_ERROR_USAGE, "is no model of ae_dist, but");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_model_and_checkpoint_tell_the_same),
        TEST(test_other_pixels),
        TEST(test_range_of_noise),
        TEST(test_kind_of_noise),
        TEST(test_no_clamp),
        TEST(test_other_network),
        TEST(test_noise_is_that_of_the_phase),
        TEST(test_of_a_folder),
        TEST(test_oldest_checkpoint),
        TEST(test_configured_noise_is_that_of_the_phase),
        TEST(test_another_contract),
        TEST(test_refused),
        TEST(test_damaged_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
