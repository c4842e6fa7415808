/* results.h5 and the folder of a run. */
#include "results.h"

#include <math.h>
#include "io/run_folder.h"

enum { IMAGES = 12, PICTURES = 4, PIXELS = 3 * 8 * 6 };

/* ---- results ---- */

static const uint8_t labels[IMAGES] = {3, 8, 8, 0};

static ae_status create_results(ae_results **results, ae_config *config, int64_t pictures,
                                int64_t epochs_kept) {
    static float clean[PICTURES * PIXELS], noisy[PICTURES * PIXELS];
    for (int i = 0; i < PICTURES * PIXELS; ++i) clean[i] = (float)i, noisy[i] = (float)-i;
    ae_results_setup setup = {.test_count = IMAGES,
                              .labels = labels,
                              .reconstructions = pictures,
                              .shape = {3, 8, 6},
                              .clean = clean,
                              .noisy = noisy};
    return create_results_of(results, config, setup, epochs_kept);
}

/* Adds epochs, with pictures after the even ones. */
static void add_epochs(ae_results *results, int64_t first, int64_t last) {
    static float output[PICTURES * PIXELS];
    for (int i = 0; i < PICTURES * PIXELS; ++i) output[i] = (float)i / 2;
    for (int64_t epoch = first; epoch <= last; ++epoch) {
        ae_epoch_row row = {.epoch = epoch, .train_loss = 1.0 / (double)epoch};
        row.part_s[AE_PART_IO][2] = 7;
        snprintf(row.parameters_hash, sizeof row.parameters_hash, "hash %d", (int)epoch);
        check_ok(ae_results_add_epoch(results, &row));
        if (epoch % 2 == 0) check_ok(ae_results_add_reconstructions(results, epoch, output));
    }
}

/* Writes results of `epochs` epochs. */
static void write_results(ae_config *config, int64_t epochs) {
    ae_results *results;
    check_ok(create_results(&results, config, PICTURES, 0));
    add_epochs(results, 1, epochs);
    check_ok(ae_results_publish(results));
    ae_results_destroy(&results);
}

static void check_rows(const char *dataset, ae_h5_type type, int64_t rows) {
    ae_h5 *file;
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    check_ok(ae_h5_check(file, dataset, type, 1, &rows));
    ae_h5_close(&file);
}

static void check_test_column(ae_h5 *file, const char *dataset, const double want[IMAGES]) {
    double stored[IMAGES];
    check_ok(ae_h5_read(file, dataset, AE_H5_DOUBLE, 1, (int64_t[]){IMAGES}, stored));
    for (int i = 0; i < IMAGES; ++i) assert_true(stored[i] == want[i]);
}

/* Every picture's values, which are `factor` times their place. */
static void check_pictures(ae_h5 *file, const char *dataset, int dimensions, float factor) {
    static float stored[PICTURES * PIXELS];
    const int64_t shape[] = {1, PICTURES, 3, 8, 6};
    check_ok(ae_h5_read(file, dataset, AE_H5_FLOAT, dimensions, shape + 5 - dimensions, stored));
    for (int i = 0; i < PICTURES * PIXELS; ++i) assert_true(stored[i] == factor * (float)i);
}

static void test_results_values(void **state) {
    (void)state;
    ae_config *config = make_config(NULL);
    ae_results *results;
    check_ok(create_results(&results, config, PICTURES, 0));
    add_epochs(results, 1, 3);
    double psnr[IMAGES] = {[1] = INFINITY}, ssim[IMAGES] = {0.5};
    double input_psnr[IMAGES] = {[2] = 20}, input_ssim[IMAGES] = {[3] = 0.25};
    check_ok(ae_results_set_test(results, ssim, psnr, input_ssim, input_psnr));
    check_ok(ae_results_set_test(results, psnr, ssim, input_psnr, input_ssim));
    check_ok(ae_results_publish(results));
    ae_results_destroy(&results);

    ae_h5 *file;
    double losses[3], seconds[9];
    int64_t classes[IMAGES];
    char value[32];
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    check_ok(ae_h5_read(file, "/epochs/train_loss", AE_H5_DOUBLE, 1, (int64_t[]){3}, losses));
    assert_true(losses[0] == 1 && losses[1] == 0.5 && losses[2] == 1.0 / 3);
    check_ok(ae_h5_read(file, "/epochs/seconds_io", AE_H5_DOUBLE, 2, (int64_t[]){3, 3}, seconds));
    assert_true(seconds[7] == 0 && seconds[8] == 7);
    check_test_column(file, "/test/psnr_db", psnr);
    check_test_column(file, "/test/ssim", ssim);
    check_test_column(file, "/test/input_psnr_db", input_psnr);
    check_test_column(file, "/test/input_ssim", input_ssim);
    check_ok(ae_h5_read(file, "/test/label", AE_H5_INT64, 1, (int64_t[]){IMAGES}, classes));
    assert_int_equal(classes[1], 8);
    check_ok(ae_h5_get_text(file, "/config", "run.seed", value, sizeof value));
    assert_string_equal(value, "1");
    check_ok(ae_h5_check(file, "/config/ini", AE_H5_TEXT, 0, NULL));
    check_pictures(file, "/reconstructions/output", 5, 0.5f);
    check_pictures(file, "/reconstructions/clean", 4, 1);
    check_pictures(file, "/reconstructions/noisy", 4, -1);
    ae_h5_close(&file);
    ae_config_destroy(&config);
}

/* Going on cuts the epochs and pictures that came after the checkpoint. */
static void test_results_go_on(void **state) {
    (void)state;
    ae_config *config = make_config(NULL);
    write_results(config, 7);
    ae_results *results;
    check_ok(create_results(&results, config, PICTURES, 5));
    check_rows("/epochs/epoch", AE_H5_INT64, 7); /* nothing is written yet */
    check_ok(ae_results_publish(results));
    check_rows("/epochs/epoch", AE_H5_INT64, 5);
    check_rows("/epochs/parameters_hash", AE_H5_TEXT, 5);
    check_rows("/reconstructions/epoch", AE_H5_INT64, 2);
    check_rows("/provenance/time", AE_H5_TEXT, 2);
    add_epochs(results, 6, 8);
    check_ok(ae_results_publish(results));
    ae_results_destroy(&results);

    int64_t epochs[8];
    ae_h5 *file;
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    check_ok(ae_h5_read(file, "/epochs/epoch", AE_H5_INT64, 1, (int64_t[]){8}, epochs));
    for (int i = 0; i < 8; ++i) assert_int_equal(epochs[i], i + 1);
    check_ok(ae_h5_read(file, "/reconstructions/epoch", AE_H5_INT64, 1, (int64_t[]){4}, epochs));
    for (int i = 0; i < 4; ++i) assert_int_equal(epochs[i], 2 * i + 2);
    ae_h5_close(&file);
    ae_config_destroy(&config);
}

/* The number of pictures may change between starts; none at all is allowed. */
static void test_results_other_pictures(void **state) {
    (void)state;
    ae_config *config = make_config(NULL);
    write_results(config, 4);
    const int64_t counts[] = {2, 0, 3};
    for (int i = 0; i < 3; ++i) {
        ae_results *results;
        check_ok(create_results(&results, config, counts[i], 4));
        check_ok(ae_results_publish(results));
        ae_results_destroy(&results);
        ae_h5 *file;
        check_ok(ae_h5_open(&file, path, SIZE_MAX));
        assert_int_equal(ae_h5_has(file, "/reconstructions"), counts[i] > 0);
        if (counts[i] > 0)
            check_ok(ae_h5_check(file, "/reconstructions/output", AE_H5_FLOAT, 5,
                                 (int64_t[]){0, counts[i], 3, 8, 6}));
        ae_h5_close(&file);
    }
    check_rows("/epochs/epoch", AE_H5_INT64, 4);
    ae_config_destroy(&config);
}

/* Beginning anew keeps the rows of provenance where they can be read. */
static void test_results_anew(void **state) {
    (void)state;
    ae_config *config = make_config(NULL);
    write_results(config, 2);
    write_results(config, 1);
    check_rows("/epochs/epoch", AE_H5_INT64, 1);
    check_rows("/reconstructions/epoch", AE_H5_INT64, 0);
    check_rows("/provenance/start", AE_H5_INT64, 2);
    ae_config *other = make_config("run.seed=9");
    ae_results *results;
    check_refused(create_results(&results, other, PICTURES, 0), AE_ERROR_USAGE, "is 9");
    check_ok(create_results(&results, other, PICTURES, 1)); /* the checkpoint's to compare */
    ae_results_destroy(&results);
    ae_config_destroy(&other);
    ae_config_destroy(&config);
}

static void test_results_refused(void **state) {
    (void)state;
    ae_config *config = make_config(NULL);
    ae_results *results;
    write_results(config, 2);
    check_ok(create_results(&results, config, PICTURES, 3)); /* it lacks one: a warning */
    ae_results_destroy(&results);
    ae_h5 *file;
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    check_ok(ae_h5_delete(file, "/epochs/ssim"));
    check_ok(ae_h5_publish(file));
    ae_h5_close(&file);
    check_refused(create_results(&results, config, PICTURES, 1), AE_ERROR_IO, "/epochs/ssim");
    check_ok(ae_file_replace(path, "nonsense", 8));
    check_refused(create_results(&results, config, PICTURES, 1), AE_ERROR_IO, "HDF5 file");
    check_refused(create_results(&results, config, PICTURES, 0), AE_ERROR_IO, "HDF5 file");
    assert_null(results);
    ae_config_destroy(&config);
}

static void test_results_publish_fails_whole(void **state) {
    (void)state;
    ae_config *config = make_config(NULL);
    write_results(config, 2);
    ae_results *results;
    check_ok(create_results(&results, config, PICTURES, 2));
    add_epochs(results, 3, 3);
    ae_status status;
    WITH_SMALL_FILES(status = ae_results_publish(results));
    check_refused(status, AE_ERROR_IO, "ulimit -f");
    check_rows("/epochs/epoch", AE_H5_INT64, 2);
    assert_int_equal(count_files(folder), 1);
    check_ok(ae_results_publish(results)); /* there is room again */
    check_rows("/epochs/epoch", AE_H5_INT64, 3);
    ae_results_destroy(&results);
    ae_config_destroy(&config);
}

/* ---- the run's folder ---- */

static ae_run_folder *open_run(void) {
    ae_run_folder *run;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/runs/a", folder);
    check_ok(ae_run_folder_open(&run, dir));
    return run;
}

static void test_folder_lock(void **state) {
    (void)state;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/runs/a", folder);
    ae_run_folder *run = open_run(), *second;
    check_refused(ae_run_folder_open(&second, dir), AE_ERROR_IO, "another run holds");
    char holder[64];
    snprintf(holder, sizeof holder, "(process %ld on ", (long)getpid());
    assert_non_null(strstr(ae_message(), holder));
    assert_null(second);
    ae_run_folder_close(&run);
    run = open_run();
    ae_run_folder_close(&run);
}

static void test_folder_cannot_be_made(void **state) {
    (void)state;
    ae_run_folder *run;
    char dir[128];
    check_ok(ae_file_replace(path, "x", 1));
    snprintf(dir, sizeof dir, "%s/file.h5/run", folder);
    check_refused(ae_run_folder_open(&run, dir), AE_ERROR_IO, "Not a directory");
    assert_null(run);
    check_refused(ae_run_folder_open(&run, path), AE_ERROR_IO, "Not a directory");
}

static void touch(const char *name) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fclose(file);
}

static void touch_checkpoint(const ae_run_folder *run, int64_t epoch, int64_t step) {
    ae_run_folder_checkpoint(run, path, epoch, step);
    touch(path);
}

/* Checks that exactly these checkpoints are there, in this order (the last one NULL). */
static void check_list(const ae_run_folder *run, const char *const names[]) {
    char(*paths)[AE_PATH_SIZE];
    int count, i = 0;
    check_ok(ae_run_folder_list(run, &paths, &count));
    for (; names[i]; ++i) {
        assert_true(i < count);
        assert_string_equal(strrchr(paths[i], '/') + 1, names[i]);
    }
    assert_int_equal(count, i);
    free(paths);
}

static bool holds_run(const char *dir) {
    bool holds;
    check_ok(ae_run_folder_holds_run(&holds, dir));
    return holds;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_folder_list_and_prune(void **state) {
    (void)state;
    char dir[128], stray[AE_PATH_SIZE];
    snprintf(dir, sizeof dir, "%s/runs/a", folder);
    assert_false(holds_run(dir));
    ae_run_folder *run = open_run();
    assert_false(holds_run(dir));
    check_list(run, (const char *const[]){NULL});
    const int64_t there[][2] = {{2, 0}, {10000, 0}, {1, 0}, {0, 5}, {9, 0}, {9, 250}, {9, 30}};
    for (size_t i = 0; i < sizeof there / sizeof *there; ++i)
        touch_checkpoint(run, there[i][0], there[i][1]);
    assert_true(holds_run(dir));
    const char *const strays[] = {"epoch-3.h5", "epoch-0003.h5.bak", "epoch-0004.h5.tmp.77",
                                  "epoch-0003-step-00000.h5"};
    for (int i = 0; i < 4; ++i) {
        snprintf(stray, sizeof stray, "%s/runs/a/checkpoints/%s", folder, strays[i]);
        touch(stray);
    }
    snprintf(stray, sizeof stray, "%s/runs/a/results.h5.tmp.77", folder);
    touch(stray);
    check_list(run, NAMES("epoch-10000.h5", "epoch-0009-step-00250.h5", "epoch-0009-step-00030.h5",
                          "epoch-0009.h5", "epoch-0002.h5", "epoch-0001.h5",
                          "epoch-0000-step-00005.h5"));

    check_ok(ae_run_folder_prune(run, 3));
    check_list(run, NAMES("epoch-10000.h5", "epoch-0009-step-00250.h5", "epoch-0009-step-00030.h5",
                          "epoch-0009.h5", "epoch-0002.h5"));
    assert_int_equal(access(stray, F_OK), -1);
    snprintf(stray, sizeof stray, "%s/runs/a/checkpoints", folder);
    assert_int_equal(count_files(stray), 5 + 3); /* others' files stay */

    touch_checkpoint(run, 10000, 4);
    touch_checkpoint(run, 10000, 3);
    check_ok(ae_run_folder_prune(run, 1));
    check_list(run, NAMES("epoch-10000-step-00004.h5", "epoch-10000.h5"));

    /* One that is set aside makes no older one superfluous. */
    touch_checkpoint(run, 10001, 0);
    check_ok(ae_run_folder_set_aside(path));
    check_ok(ae_run_folder_prune(run, 1));
    check_list(run, NAMES("epoch-10000-step-00004.h5", "epoch-10000.h5"));
    check_refused(ae_run_folder_set_aside(path), AE_ERROR_IO, "No such file");
    ae_run_folder_close(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_results_values),
        TEST(test_results_go_on),
        TEST(test_results_other_pictures),
        TEST(test_results_anew),
        TEST(test_results_refused),
        TEST(test_results_publish_fails_whole),
        TEST(test_folder_lock),
        TEST(test_folder_cannot_be_made),
        TEST(test_folder_list_and_prune),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
