/* Pictures of results.h5 that lie in parts/ while the run goes on, and pictures of several sizes.
 */
#include "results.h"

#include <math.h>

enum { IMAGES = 6, PICTURES = 4, SIDE = 96, ROWS_A_PART = 3 };

/* Pictures of one size: three rows of outputs are a part. */
static const ae_shape alike[PICTURES] = {
    {3, SIDE, SIDE}, {3, SIDE, SIDE}, {3, SIDE, SIDE}, {3, SIDE, SIDE}};
/* Of three sizes, the first two of a size not side by side. */
static const ae_shape mixed[PICTURES] = {
    {3, SIDE, SIDE}, {3, SIDE, 2 * SIDE}, {3, SIDE, SIDE}, {3, 2 * SIDE, SIDE}};
/* Of one size: a row of outputs is a part. */
static const ae_shape large[PICTURES] = {
    {3, 2 * SIDE, SIDE}, {3, 2 * SIDE, SIDE}, {3, 2 * SIDE, SIDE}, {3, 2 * SIDE, 2 * SIDE}};
static const uint8_t labels[IMAGES] = {7, 3, 5, 9};

static size_t values_of(const ae_shape *shapes) {
    size_t values = 0;
    for (int p = 0; p < PICTURES; ++p) values += ae_shape_values(shapes[p]);
    return values;
}

/* The value of all pictures' element `i` that follows from `first`: no two are the same. */
static float value(float first, size_t i) {
    return first + (float)i / 1e6f;
}

static float *make_values(const ae_shape *shapes, float first) {
    const size_t count = values_of(shapes);
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; ++i) values[i] = value(first, i);
    return values;
}

static ae_status create(ae_results **results, const ae_shape *shapes, int64_t epochs_kept) {
    ae_config *config = make_config(NULL);
    float *clean = make_values(shapes, 1000), *noisy = make_values(shapes, 2000);
    ae_results_setup setup = {.test_count = IMAGES,
                              .labels = labels,
                              .reconstructions = PICTURES,
                              .shapes = shapes,
                              .clean = clean,
                              .noisy = noisy};
    ae_status status = create_results_of(results, config, setup, epochs_kept);
    free(clean);
    free(noisy);
    ae_config_destroy(&config);
    return status;
}

static void add_epoch(ae_results *results, const ae_shape *shapes, int64_t epoch) {
    float *output = make_values(shapes, (float)epoch);
    ae_epoch_row row = {.epoch = epoch};
    check_ok(ae_results_add_epoch(results, &row));
    check_ok(ae_results_add_reconstructions(results, epoch, output));
    free(output);
}

/* Goes on after `kept` epochs to the `last`, as the trainer does; with `finish` that is the end. */
static void run_epochs(const ae_shape *shapes, int64_t kept, int64_t last, bool finish) {
    ae_results *results;
    check_ok(create(&results, shapes, kept));
    check_ok(ae_results_publish(results));
    for (int64_t epoch = kept + 1; epoch <= last; ++epoch) {
        add_epoch(results, shapes, epoch);
        check_ok(finish && epoch == last ? ae_results_finish(results)
                                         : ae_results_publish(results));
    }
    ae_results_destroy(&results);
}

/* ---- what came out ---- */

static int count_parts(void) {
    char dir[96];
    snprintf(dir, sizeof dir, "%s/parts", folder);
    return access(dir, F_OK) == 0 ? count_files(dir) : 0;
}

static ae_h5 *open_results(void) {
    ae_h5 *file;
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    return file;
}

/* Checks one row of a gallery, whose pictures are `places` of all: the values that follow from
 * `first`, or lost ones. */
static void check_row(ae_h5 *file, const char *dataset, int64_t row, const ae_shape *shapes,
                      const int *places, int count, float first, bool is_lost) {
    const size_t size = ae_shape_values(shapes[places[0]]);
    float *found = malloc((size_t)count * size * sizeof *found);
    assert_non_null(found);
    check_ok(ae_h5_read_row(file, dataset, AE_H5_FLOAT, row, found));
    for (int p = 0; p < count; ++p) {
        size_t offset = 0;
        for (int before = 0; before < places[p]; ++before)
            offset += ae_shape_values(shapes[before]);
        for (size_t i = 0; i < size; ++i) {
            const float is = found[(size_t)p * size + i];
            assert_true(is_lost ? isnan(is) : is == value(first, offset + i));
        }
    }
    free(found);
}

static const int all[PICTURES] = {0, 1, 2, 3};

/* The file alone holds the outputs of the first `epochs` epochs; those of `lost` to `lost_end` are
 * lost. */
static void check_whole(int64_t epochs, int64_t lost, int64_t lost_end) {
    ae_h5 *file = open_results();
    int64_t stored[64];
    assert_int_equal(count_parts(), 0);
    assert_int_equal(count_files(folder), 1);
    assert_false(ae_h5_has(file, "/recent"));
    check_ok(ae_h5_check(file, "/reconstructions/output", AE_H5_FLOAT, 5,
                         (int64_t[]){epochs, PICTURES, 3, SIDE, SIDE}));
    check_ok(ae_h5_read(file, "/reconstructions/epoch", AE_H5_INT64, 1, &epochs, stored));
    for (int64_t e = 0; e < epochs; ++e) {
        assert_int_equal(stored[e], e + 1);
        check_row(file, "/reconstructions/output", e, alike, all, PICTURES, (float)(e + 1),
                  e + 1 >= lost && e + 1 <= lost_end);
    }
    ae_h5_close(&file);
}

/* ---- parts ---- */

static void test_parts_come_and_go(void **state) {
    (void)state;
    ae_results *results;
    struct stat info;
    off_t largest[2] = {0, 0};
    check_ok(create(&results, alike, 0));
    for (int64_t epoch = 1; epoch <= 30; ++epoch) {
        add_epoch(results, alike, epoch);
        check_ok(ae_results_publish(results));
        assert_int_equal(count_parts(), epoch / ROWS_A_PART);
        ae_h5 *file = open_results();
        check_ok(ae_h5_check(file, "/reconstructions/epoch", AE_H5_INT64, 1, &epoch));
        assert_int_equal(ae_h5_has(file, "/recent"), epoch >= ROWS_A_PART);
        check_ok(ae_h5_check(file, "/reconstructions/output", AE_H5_FLOAT, 5,
                             (int64_t[]){epoch, PICTURES, 3, SIDE, SIDE}));
        ae_h5_close(&file);
        assert_int_equal(stat(path, &info), 0);
        if (largest[epoch > 15] < info.st_size) largest[epoch > 15] = info.st_size;
    }
    assert_true(largest[1] < largest[0] + largest[0] / 4); /* what is written doesn't grow */
    add_epoch(results, alike, 31);
    check_ok(ae_results_finish(results));
    check_whole(31, 0, 0);
    ae_results_destroy(&results);
}

/* Whatever was kept: nothing, part of a part, whole parts, what is in the file itself. */
static void test_parts_are_cut(void **state) {
    (void)state;
    static const int64_t cases[] = {0, 2, 3, 4, 7, 8};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        const int64_t kept = cases[c];
        run_epochs(alike, 0, 8, false);
        assert_int_equal(count_parts(), 2);
        ae_results *results;
        check_ok(create(&results, alike, kept));
        assert_int_equal(count_parts(), 2); /* nothing is written yet */
        check_ok(ae_results_publish(results));
        assert_int_equal(count_parts(), kept < 6 ? (kept + 2) / 3 : 2);
        ae_results_destroy(&results);
        run_epochs(alike, kept, 12, true);
        check_whole(12, 0, 0);
        unlink(path);
    }
}

static off_t size_of_results(void) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

/* A run that is over goes on: its pictures leave the file again, and no room for them stays. */
static void test_parts_of_a_whole_file(void **state) {
    (void)state;
    run_epochs(alike, 0, 1, true);
    const off_t of_one = size_of_results();
    run_epochs(alike, 1, 16, true);
    check_whole(16, 0, 0);
    assert_true(size_of_results() > 2 * of_one);
    run_epochs(alike, 14, 14, false);
    assert_int_equal(count_parts(), 1);
    assert_true(size_of_results() < of_one + 65536);
    for (int64_t epoch = 14; epoch < 19; ++epoch) run_epochs(alike, epoch, epoch + 1, false);
    assert_true(size_of_results() < 3 * of_one); /* nor after many starts */
    run_epochs(alike, 19, 20, true);
    check_whole(20, 0, 0);
}

/* Files that the results don't tell of go, and others' stay. */
static void test_parts_left_over(void **state) {
    (void)state;
    char stray[128];
    run_epochs(alike, 0, 4, false);
    snprintf(stray, sizeof stray, "%s/parts/pictures-0099.h5", folder);
    check_ok(ae_file_replace(stray, "x", 1));
    snprintf(stray, sizeof stray, "%s/parts/pictures-0004.h5.tmp.77", folder);
    check_ok(ae_file_replace(stray, "x", 1));
    snprintf(stray, sizeof stray, "%s/parts/notes", folder);
    check_ok(ae_file_replace(stray, "x", 1));
    run_epochs(alike, 4, 5, false);
    assert_int_equal(count_parts(), 2);
    run_epochs(alike, 5, 7, true);
    assert_int_equal(count_parts(), 1);
    unlink(stray);
    snprintf(stray, sizeof stray, "%s/parts", folder);
    rmdir(stray);
    check_whole(7, 0, 0);
}

/* The run ends all the same. */
static void test_parts_lost(void **state) {
    (void)state;
    for (int damage = 0; damage < 3; ++damage) {
        char part[128];
        run_epochs(alike, 0, 8, false);
        snprintf(part, sizeof part, "%s/parts/pictures-0004.h5", folder);
        if (damage == 0) unlink(part);
        if (damage == 1) check_ok(ae_file_replace(part, "nonsense", 8));
        if (damage == 2) { /* another one */
            void *bytes;
            size_t size;
            check_ok(ae_file_read(path, SIZE_MAX, &bytes, &size));
            check_ok(ae_file_replace(part, bytes, size)); /* its /recent has two rows */
            free(bytes);
        }
        run_epochs(alike, 8, 9, true);
        check_whole(9, 4, 6);
        unlink(path);
    }
}

static void test_part_that_cannot_be_written(void **state) {
    (void)state;
    ae_results *results;
    ae_status status;
    check_ok(create(&results, alike, 0));
    for (int64_t epoch = 1; epoch <= ROWS_A_PART; ++epoch) add_epoch(results, alike, epoch);
    WITH_SMALL_FILES(status = ae_results_publish(results));
    check_refused(status, AE_ERROR_IO, "parts/pictures-0001.h5");
    assert_int_equal(access(path, F_OK), -1);
    check_ok(ae_results_publish(results)); /* there is room again */
    assert_int_equal(count_parts(), 1);
    check_ok(ae_results_finish(results));
    check_whole(ROWS_A_PART, 0, 0);
    ae_results_destroy(&results);
}

/* Results that show what isn't theirs are refused. */
static void test_rows_of_others(void **state) {
    (void)state;
    static const char *const others[] = {"/etc/passwd", "../other/parts/pictures-0001.h5"};
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
        run_epochs(alike, 0, 4, false);
        ae_h5 *file = open_results();
        ae_h5_source source = {.path = "/recent/output", .rows = 4};
        snprintf(source.file, sizeof source.file, "%s", others[i]);
        ae_h5_dataset output = {.path = "/reconstructions/output",
                                .type = AE_H5_FLOAT,
                                .rank = 5,
                                .shape = {4, PICTURES, 3, SIDE, SIDE},
                                .grows = true,
                                .units = "1",
                                .long_name = "x",
                                .description = "x",
                                .scales = {"/reconstructions/epoch", "/reconstructions/index",
                                           "/reconstructions/channel", "/reconstructions/row",
                                           "/reconstructions/column"}};
        check_ok(ae_h5_delete(file, output.path));
        check_ok(ae_h5_add_virtual(file, &output, &source, 1));
        check_ok(ae_h5_publish(file));
        ae_h5_close(&file);
        ae_results *results;
        check_refused(create(&results, alike, 4), AE_ERROR_IO, others[i]);
        unlink(path);
    }
}

/* ---- several sizes ---- */

static void check_gallery(ae_h5 *file, const char *group, const int *places, int count,
                          int64_t epochs) {
    char dataset[AE_H5_NAME_SIZE];
    int64_t found[PICTURES];
    snprintf(dataset, sizeof dataset, "%s/index", group);
    check_ok(ae_h5_read(file, dataset, AE_H5_INT64, 1, (int64_t[]){count}, found));
    for (int p = 0; p < count; ++p) assert_int_equal(found[p], places[p]);
    snprintf(dataset, sizeof dataset, "%s/label", group);
    check_ok(ae_h5_read(file, dataset, AE_H5_INT64, 1, (int64_t[]){count}, found));
    for (int p = 0; p < count; ++p) assert_int_equal(found[p], labels[places[p]]);
    snprintf(dataset, sizeof dataset, "%s/output", group);
    for (int64_t e = 0; e < epochs; ++e)
        check_row(file, dataset, e, mixed, places, count, (float)(e + 1), false);
    const struct {
        const char *name;
        float first;
    } inputs[] = {{"clean", 1000}, {"noisy", 2000}};
    for (int i = 0; i < 2; ++i) /* their rows are the pictures */
        for (int p = 0; p < count; ++p) {
            snprintf(dataset, sizeof dataset, "%s/%s", group, inputs[i].name);
            check_row(file, dataset, p, mixed, places + p, 1, inputs[i].first, false);
        }
}

static void test_several_sizes(void **state) {
    (void)state;
    run_epochs(mixed, 0, 4, false);
    assert_int_equal(count_parts(), 2);
    run_epochs(mixed, 3, 7, true);
    assert_int_equal(count_parts(), 0);
    ae_h5 *file = open_results();
    int64_t groups;
    check_ok(ae_h5_members(file, "/reconstructions", &groups));
    assert_int_equal(groups, 3);
    check_gallery(file, "/reconstructions/96x96", (int[]){0, 2}, 2, 7);
    check_gallery(file, "/reconstructions/96x192", (int[]){1}, 1, 7);
    check_gallery(file, "/reconstructions/192x96", (int[]){3}, 1, 7);
    ae_h5_close(&file);
}

/* Outputs that are too large never enter the file; of a whole one they leave it all at once. */
static void test_large_outputs(void **state) {
    (void)state;
    ae_results *results;
    struct stat first, last;
    check_ok(create(&results, large, 0));
    for (int64_t epoch = 1; epoch <= 5; ++epoch) {
        add_epoch(results, large, epoch);
        assert_int_equal(count_parts(), epoch);
        check_ok(ae_results_publish(results));
        assert_int_equal(stat(path, epoch == 1 ? &first : &last), 0);
    }
    assert_true(last.st_size < first.st_size + 65536);
    ae_results_destroy(&results);
    run_epochs(large, 3, 4, true);
    assert_int_equal(count_parts(), 0);
    run_epochs(large, 4, 6, false);
    assert_int_equal(count_parts(), 3);
    run_epochs(large, 6, 7, true);
    ae_h5 *file = open_results();
    for (int64_t e = 0; e < 7; ++e) {
        check_row(file, "/reconstructions/192x96/output", e, large, all, 3, (float)(e + 1), false);
        check_row(file, "/reconstructions/192x192/output", e, large, all + 3, 1, (float)(e + 1),
                  false);
    }
    ae_h5_close(&file);
    assert_int_equal(count_files(folder), 1);
}

/* Pictures of other sizes than before are begun anew. */
static void test_other_sizes_than_before(void **state) {
    (void)state;
    run_epochs(mixed, 0, 4, false);
    run_epochs(alike, 4, 5, true);
    ae_h5 *file = open_results();
    check_ok(ae_h5_check(file, "/reconstructions/output", AE_H5_FLOAT, 5,
                         (int64_t[]){1, PICTURES, 3, SIDE, SIDE}));
    assert_false(ae_h5_has(file, "/recent"));
    assert_false(ae_h5_has(file, "/reconstructions/96x96"));
    ae_h5_close(&file);
    assert_int_equal(count_files(folder), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_parts_come_and_go),
        TEST(test_parts_are_cut),
        TEST(test_parts_of_a_whole_file),
        TEST(test_parts_left_over),
        TEST(test_parts_lost),
        TEST(test_part_that_cannot_be_written),
        TEST(test_rows_of_others),
        TEST(test_several_sizes),
        TEST(test_large_outputs),
        TEST(test_other_sizes_than_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
