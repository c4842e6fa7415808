/* data/: the order of an epoch, the shards of its batches, the generated pictures, and what is said
 * about CIFAR-10 files that aren't as they should be. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/hash.h"
#include "data/cifar10.h"
#include "data/dataset.h"
#include "data/deadleaves.h"
#include "data/order.h"

/* Is order[count] a permutation of 0 .. count - 1? */
static bool is_permutation(const uint32_t *order, uint32_t count) {
    uint8_t *seen = calloc(count + 1, 1);
    assert_non_null(seen);
    bool good = true;
    for (uint32_t i = 0; i < count && good; ++i) {
        good = order[i] < count && !seen[order[i]];
        if (good) seen[order[i]] = 1;
    }
    free(seen);
    return good;
}

static void order_is_a_permutation(void **state) {
    (void)state;
    static uint32_t order[50000];
    const uint32_t counts[] = {0, 1, 2, 3, 100, 1530, 50000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        for (uint32_t epoch = 0; epoch < 3; ++epoch) {
            ae_order_shuffle(order, counts[i], 42, epoch);
            assert_true(is_permutation(order, counts[i]));
        }
    }
    order[7] = order[8];
    assert_false(is_permutation(order, 50000));
    order[7] = 50000;
    assert_false(is_permutation(order, 50000));
}

/* Against an independent implementation of the same definition. */
static void order_known_values(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t epoch, order[12];
    } known[] = {
        {1, 0, {1, 9, 8, 3, 4, 0, 11, 7, 10, 2, 6, 5}},
        {1, 1, {10, 1, 2, 0, 11, 3, 5, 9, 7, 8, 4, 6}},
        {(UINT64_C(7) << 32) + 1, 0, {5, 6, 4, 7, 1, 3, 0, 2, 11, 8, 10, 9}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
        uint32_t order[12];
        ae_order_shuffle(order, 12, known[i].seed, known[i].epoch);
        assert_memory_equal(order, known[i].order, sizeof order);
    }
}

/* Each of the 24 orders of four things comes up about equally often. */
static void order_is_fair(void **state) {
    (void)state;
    enum { EPOCHS = 24000 };
    int counts[256] = {0}, kinds = 0;
    for (uint32_t epoch = 0; epoch < EPOCHS; ++epoch) {
        uint32_t o[4];
        ae_order_shuffle(o, 4, 3, epoch);
        counts[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]] += 1;
    }
    for (int i = 0; i < 256; ++i) {
        if (counts[i] == 0) continue;
        kinds += 1;
        assert_in_range(counts[i], 1000 - 160, 1000 + 160); /* standard deviation 31 */
    }
    assert_int_equal(kinds, 24);
}

/* Checks one epoch's shards: contiguous, in rank order, whole blocks, balanced, nothing twice. */
static void check_shards(int64_t count, int64_t batch, int64_t block, int size) {
    int64_t next = 0, steps = ae_order_steps(count, batch);
    for (int64_t step = 0; step < steps; ++step) {
        int64_t batch_begin = next, blocks = 0, fewest = INT64_MAX, most = 0, images = 0;
        assert_int_equal(batch_begin, step * batch);
        for (int rank = 0; rank < size; ++rank) {
            ae_shard s = ae_order_shard(count, batch, block, step, rank, size);
            assert_int_equal(s.begin, next);
            assert_true(s.end >= s.begin);
            assert_int_equal(s.blocks, (s.end - s.begin + block - 1) / block);
            assert_true((s.begin - batch_begin) % block == 0 || s.begin == s.end);
            if (s.blocks < fewest) fewest = s.blocks;
            if (s.blocks > most) most = s.blocks;
            blocks += s.blocks;
            images = s.batch_images;
            next = s.end;
            if (rank == size - 1) assert_int_equal(s.batch_blocks, blocks);
        }
        assert_true(most - fewest <= 1);
        assert_int_equal(next - batch_begin, images);
        assert_int_equal(images, step < steps - 1 ? batch : count - batch_begin);
        assert_true(images > 0);
    }
    assert_int_equal(next, count);
}

static void shards_cover_each_batch_once(void **state) {
    (void)state;
    const int64_t counts[] = {1, 7, 99, 100, 101, 1530, 50000}, batches[] = {1, 7, 100, 128, 60000};
    const int64_t blocks[] = {1, 2, 3, 4, 7, 100, 1000};
    const int sizes[] = {1, 2, 3, 8, 64, 200};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        for (size_t j = 0; j < sizeof batches / sizeof *batches; ++j) {
            if (counts[i] / batches[j] > 2000) continue;
            for (size_t k = 0; k < sizeof blocks / sizeof *blocks; ++k)
                for (size_t l = 0; l < sizeof sizes / sizeof *sizes; ++l)
                    check_shards(counts[i], batches[j], blocks[k], sizes[l]);
        }
    }
}

static void shard_known_values(void **state) {
    (void)state;
    ae_shard s = ae_order_shard(1530, 100, 4, 15, 1, 3); /* 30 images left: 8 blocks, 2 + 3 + 3 */
    assert_int_equal(s.batch_images, 30);
    assert_int_equal(s.batch_blocks, 8);
    assert_int_equal(s.begin, 1508);
    assert_int_equal(s.end, 1520);
    s = ae_order_shard(1530, 100, 4, 15, 2, 3);
    assert_int_equal(s.end, 1530); /* the last block is short */
    assert_int_equal(s.blocks, 3);
}

/* Records as files have them: a label, 0, and [channel][row][column]. */
enum { PICTURES = 400, SIDE = 32, PLANE = SIDE * SIDE, RECORD = 1 + 3 * PLANE };
static const ae_shape shape = {3, SIDE, SIDE};

static void make_record(uint8_t *record, uint64_t seed, uint32_t index) {
    record[0] = 0;
    assert_true(ae_deadleaves_make(record + 1, shape, seed, index));
}

static void pictures_hash(char text[AE_HASH_TEXT_SIZE], uint64_t seed, uint32_t first) {
    enum { COUNT = 8 };
    static uint8_t records[COUNT][RECORD];
    memset(records, 0xa5, sizeof records);
    for (uint32_t i = 0; i < COUNT; ++i) make_record(records[i], seed, first + i);
    ae_hash_of(records, sizeof records, text);
}

/* The bytes of a few pictures: any change in them changes every result made with them. */
static void pictures_keep_their_bits(void **state) {
    (void)state;
    char text[AE_HASH_TEXT_SIZE];
    pictures_hash(text, 1, 0);
    assert_string_equal(text, "978abb65fbe470afe8d85670e36d3971");
    pictures_hash(text, 1, AE_DEADLEAVES_TRAIN);
    assert_string_equal(text, "ad7e72dc1ea8ae2b60c3b756f68a434d");
    pictures_hash(text, UINT64_C(1) << 32, 0);
    assert_string_equal(text, "b23b8cba683dfad4c9273b6de5208f11");
}

/* Means over pictures of what makes them like photographs. Photographs of CIFAR-10 have: mean 0.48,
 * deviation of luma 0.20 within a picture, of the red-blue axis 0.04; neighbours correlate. */
static void pictures_look_natural(void **state) {
    (void)state;
    static uint8_t record[RECORD];
    double mean = 0, luma_deviation = 0, chroma_deviation = 0, steps = 0;
    int lowest = 255, highest = 0;
    for (uint32_t i = 0; i < PICTURES; ++i) {
        make_record(record, 9, i);
        const uint8_t *red = record + 1, *green = red + PLANE, *blue = green + PLANE;
        double y_sum = 0, y_square = 0, c_sum = 0, c_square = 0, step_square = 0;
        for (int p = 0; p < PLANE; ++p) {
            double y = (red[p] + green[p] + blue[p]) / 765.0, c = (red[p] - blue[p]) / 510.0;
            y_sum += y, y_square += y * y;
            c_sum += c, c_square += c * c;
            double step = p % SIDE ? (green[p] - green[p - 1]) / 255.0 : 0;
            step_square += step * step;
            if (green[p] < lowest) lowest = green[p];
            if (green[p] > highest) highest = green[p];
        }
        y_sum /= PLANE, c_sum /= PLANE;
        mean += y_sum / PICTURES;
        luma_deviation += sqrt(y_square / PLANE - y_sum * y_sum) / PICTURES;
        chroma_deviation += sqrt(fabs(c_square / PLANE - c_sum * c_sum)) / PICTURES;
        steps += sqrt(step_square / (PLANE - SIDE)) / PICTURES;
    }
    assert_true(mean > 0.44 && mean < 0.52);
    assert_true(luma_deviation > 0.12 && luma_deviation < 0.22);
    assert_true(chroma_deviation > 0.02 && chroma_deviation < 0.06);
    assert_true(steps < 0.8 * luma_deviation); /* 1.41 for pixels without relation */
    assert_true(lowest == 0 && highest == 255);
}

/* Each run of draws makes a picture of its own. */
static void pictures_differ(void **state) {
    (void)state;
    static uint8_t records[PICTURES][RECORD];
    for (uint32_t i = 0; i < PICTURES; ++i) {
        make_record(records[i], 2, i);
        for (uint32_t j = 0; j < i; ++j) assert_memory_not_equal(records[i], records[j], RECORD);
    }
}

/* Pictures of other sizes and of one channel: every pixel is covered, whatever the sides. */
static void pictures_have_any_size(void **state) {
    (void)state;
    const ae_shape shapes[] = {{3, 1, 1}, {1, 1, 70}, {1, 17, 5}, {3, 50, 33}, {1, 130, 64}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s) {
        const size_t values = ae_shape_values(shapes[s]);
        uint8_t *pixels = malloc(values + 1), *again = malloc(values);
        assert_true(pixels && again);
        pixels[values] = 0xa5;
        assert_true(ae_deadleaves_make(pixels, shapes[s], 3, 7));
        assert_true(ae_deadleaves_make(again, shapes[s], 3, 7));
        assert_memory_equal(pixels, again, values);
        assert_int_equal(pixels[values], 0xa5);
        free(pixels), free(again);
    }
}

/* Of a large picture each part has its share of light: none is left uncovered, which is black. */
static void large_pictures_are_covered(void **state) {
    (void)state;
    enum { TALL = 96, WIDE = 160, PARTS = 4 };
    static uint8_t pixels[TALL * WIDE];
    double sums[PARTS] = {0};
    for (uint32_t i = 0; i < 40; ++i) {
        assert_true(ae_deadleaves_make(pixels, (ae_shape){1, TALL, WIDE}, 4, i));
        for (int p = 0; p < TALL * WIDE; ++p)
            sums[p / (TALL * WIDE / 2) * 2 + p % WIDE / (WIDE / 2)] += pixels[p] / 255.0;
    }
    for (int part = 0; part < PARTS; ++part) {
        const double mean = sums[part] / (40 * TALL * WIDE / PARTS);
        assert_true(mean > 0.4 && mean < 0.6); /* 0.48, deviation of a picture's mean 0.13 / 6 */
    }
}

/* A folder of six files of the right size, with all bytes zero (they take no room on disk). */
static char folder[64];

static const char *batch_path(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *const batch_names[] = {"data_batch_1.bin", "data_batch_2.bin",
                                          "data_batch_3.bin", "data_batch_4.bin",
                                          "data_batch_5.bin", "test_batch.bin"};
enum { BATCHES = 6, BATCH_RECORDS = 10000 };

static void batch_resize(const char *name, off_t size) {
    int file = open(batch_path(name), O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, size), 0);
    close(file);
}

static void batch_put(const char *name, int64_t record, int64_t byte, uint8_t value) {
    int file = open(batch_path(name), O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, &value, 1, record * AE_CIFAR10_RECORD + byte), 1);
    close(file);
}

static int folder_make(void **state) {
    (void)state;
    strcpy(folder, "/tmp/ae_test_data_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    for (int i = 0; i < BATCHES; ++i)
        batch_resize(batch_names[i], (off_t)BATCH_RECORDS * AE_CIFAR10_RECORD);
    return 0;
}

static int folder_remove(void **state) {
    (void)state;
    for (int i = 0; i < BATCHES; ++i) unlink(batch_path(batch_names[i]));
    return rmdir(folder);
}

/* The check must fail, and its message hold `words` and a cure. */
static void check_fails(const char *dir, const char *words) {
    assert_int_equal(ae_cifar_check(&ae_cifar10, dir), AE_ERROR_DATA);
    if (!strstr(ae_message(), words)) fail_msg("'%s' lacks '%s'", ae_message(), words);
    assert_non_null(strstr(ae_message(), "--target cifar10"));
    assert_non_null(strstr(ae_message(), "data.dir"));
}

static void files_are_checked(void **state) {
    (void)state;
    assert_int_equal(ae_cifar_check(&ae_cifar10, folder), AE_OK);
    check_fails("/nonexistent/folder", "'/nonexistent/folder' does not exist");
    check_fails(batch_path("test_batch.bin"), "is not a folder");
    batch_resize("data_batch_3.bin", 1000);
    check_fails(folder, "data_batch_3.bin' has 1000 bytes where 30730000 were expected: it is cut");
    batch_resize("data_batch_3.bin", 30730001);
    check_fails(folder, "data_batch_3.bin' has 30730001 bytes where 30730000 were expected");
    batch_resize("data_batch_3.bin", 0);
    check_fails(folder, "data_batch_3.bin' is empty, 30730000 bytes were expected");
    unlink(batch_path("data_batch_3.bin"));
    check_fails(folder, "data_batch_3.bin' is missing");
    mkdir(batch_path("data_batch_3.bin"), 0700);
    check_fails(folder, "data_batch_3.bin' is not a regular file");
    rmdir(batch_path("data_batch_3.bin"));
}

static void labels_are_checked(void **state) {
    (void)state;
    static uint8_t records[20][AE_CIFAR10_RECORD];
    batch_put("data_batch_2.bin", 4, 0, 10);
    assert_int_equal(ae_cifar_read(records[0], &ae_cifar10, folder, 50000, 9990, 10004), AE_OK);
    assert_int_equal(ae_cifar_read(records[0], &ae_cifar10, folder, 50000, 9990, 10005),
                     AE_ERROR_DATA);
    assert_non_null(strstr(ae_message(), "record 4"));
    assert_non_null(strstr(ae_message(), "data_batch_2.bin"));
    assert_non_null(strstr(ae_message(), "label 10"));
    batch_put("data_batch_2.bin", 4, 0, 9);
    assert_int_equal(ae_cifar_read(records[0], &ae_cifar10, folder, 50000, 9990, 10005), AE_OK);
    assert_int_equal(records[14][0], 9);
}

/* A slice of the first training images followed by test images has the right records in it. */
static void slices_hold_the_right_records(void **state) {
    (void)state;
    enum { TRAIN = 20003, FIRST = 9998, LAST = 20010 }; /* three training files and the test file */
    for (int i = 0; i < BATCHES; ++i) {
        for (int record = 0; record < BATCH_RECORDS; record += 9999) {
            batch_put(batch_names[i], record, 0, (uint8_t)(i + 1));
            batch_put(batch_names[i], record, AE_CIFAR10_RECORD - 1, (uint8_t)(100 + i));
        }
        batch_put(batch_names[i], 2, 1, (uint8_t)(10 * i + 2));
    }
    uint8_t *records = malloc((size_t)(LAST - FIRST) * AE_CIFAR10_RECORD);
    assert_non_null(records);
    assert_int_equal(ae_cifar_read(records, &ae_cifar10, folder, TRAIN, FIRST, LAST), AE_OK);
    /* {number in the whole, label, first pixel, last pixel} */
    static const int want[][4] = {{9998, 0, 0, 0},   {9999, 1, 0, 100},  {10000, 2, 0, 101},
                                  {10002, 0, 12, 0}, {19999, 2, 0, 101}, {20000, 3, 0, 102},
                                  {20002, 0, 22, 0}, {20003, 6, 0, 105}, {20005, 0, 52, 0},
                                  {20009, 0, 0, 0}};
    for (size_t i = 0; i < sizeof want / sizeof *want; ++i) {
        const uint8_t *record = records + (size_t)(want[i][0] - FIRST) * AE_CIFAR10_RECORD;
        assert_int_equal(record[0], want[i][1]);
        assert_int_equal(record[1], want[i][2]);
        assert_int_equal(record[AE_CIFAR10_RECORD - 1], want[i][3]);
    }
    free(records);
}

/* Reading an empty slice touches nothing, not even the folder. */
static void empty_slices_are_no_work(void **state) {
    (void)state;
    assert_int_equal(ae_cifar_read(NULL, &ae_cifar10, "/nonexistent", 50000, 60000, 60000), AE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_a_permutation),
        cmocka_unit_test(order_known_values),
        cmocka_unit_test(order_is_fair),
        cmocka_unit_test(shards_cover_each_batch_once),
        cmocka_unit_test(shard_known_values),
        cmocka_unit_test(pictures_keep_their_bits),
        cmocka_unit_test(pictures_look_natural),
        cmocka_unit_test(pictures_differ),
        cmocka_unit_test(pictures_have_any_size),
        cmocka_unit_test(large_pictures_are_covered),
        cmocka_unit_test_setup_teardown(files_are_checked, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(labels_are_checked, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(slices_hold_the_right_records, folder_make, folder_remove),
        cmocka_unit_test(empty_slices_are_no_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
