/* The images lie in a node's memory once, the same on every number of ranks, and their hash tells
 * them from others. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "comm/comm.h"
#include "data/cifar10.h"
#include "data/dataset.h"
#include "data/deadleaves.h"

enum { TRAIN = 450, TEST = 50 };

static ae_comm *comm;

/* Physical memory, in bytes, of the mapping that holds `address`, as this process's share: a page
 * that n processes use counts 1/n in each (proportional set size). */
static int64_t own_share(const void *address) {
    FILE *file = fopen("/proc/self/smaps", "r");
    assert_non_null(file);
    char line[1024];
    bool inside = false;
    long kilobytes = -1;
    while (kilobytes < 0 && fgets(line, sizeof line, file)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = begin <= (unsigned long)address && (unsigned long)address < end;
        if (inside) sscanf(line, "Pss: %ld kB", &kilobytes);
    }
    fclose(file);
    assert_true(kilobytes >= 0);
    return (int64_t)kilobytes * 1024;
}

/* The same for all ranks together. */
static int64_t node_memory(const void *address) {
    int64_t bytes = own_share(address);
    ae_comm_sum(comm, &bytes, 1);
    return bytes;
}

/* Touches every page, as training does. */
static unsigned touch(const uint8_t *bytes, size_t size) {
    unsigned sum = 0;
    for (size_t i = 0; i < size; i += 4096) sum += bytes[i];
    return sum;
}

/* Is it one copy of `size` bytes? The mapping may have a few pages more; a second copy is as large
 * again. */
static bool is_one_copy(int64_t memory, size_t size) {
    return (double)memory > 0.98 * (double)size && (double)memory < 1.2 * (double)size;
}

/* The ranks' images are one copy, and a copy a rank is seen as what it is. For several ranks:
 * alone, one's images lie in the heap, whose mapping holds other things too. */
static void check_one_copy(const uint8_t *records, size_t size) {
    assert_true(touch(records, size) > 0);
    int64_t everyone = 0; /* has touched every page by now */
    ae_comm_sum(comm, &everyone, 1);
    assert_true(is_one_copy(node_memory(records + size / 2), size));

    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, records, size);
    assert_true(touch(copy, size) > 0);
    assert_false(is_one_copy(node_memory(copy + size / 2), size));
    free(copy);
}

static void test_once_in_memory(void **state) {
    (void)state;
    const size_t size = (size_t)(TRAIN + TEST) * AE_CIFAR10_RECORD;
    const ae_shape shape = {3, 32, 32};
    ae_settings settings = {.data = {.source = AE_SOURCE_DEADLEAVES,
                                     .size = {32, 32},
                                     .train_images = TRAIN,
                                     .test_images = TEST}};
    ae_dataset *dataset = NULL;
    assert_int_equal(ae_dataset_create(&dataset, comm, &settings), AE_OK);
    assert_int_equal(ae_dataset_load(dataset), AE_OK);
    ae_images train = ae_dataset_train(dataset), test = ae_dataset_test(dataset);
    assert_int_equal(train.count, TRAIN);
    assert_int_equal(test.count, TEST);
    if (ae_comm_size(comm) > 1) check_one_copy(train.samples, size);

    /* The pictures themselves, on every rank: the last training and the first test picture. */
    uint8_t pixels[AE_CIFAR_VALUES];
    assert_true(ae_deadleaves_make(pixels, shape, 0, TRAIN - 1));
    assert_memory_equal(pixels, ae_images_samples(&train, TRAIN - 1), AE_CIFAR_VALUES);
    assert_true(ae_deadleaves_make(pixels, shape, 0, AE_DEADLEAVES_TRAIN));
    assert_memory_equal(pixels, ae_images_samples(&test, 0), AE_CIFAR_VALUES);
    ae_dataset_destroy(&dataset);
}

/* Each rank's slice follows the one before, and together they are everything. */
static void test_slices(void **state) {
    (void)state;
    ae_shared *shared = NULL;
    assert_int_equal(ae_shared_create(&shared, comm, 1009 * 3), AE_OK);
    int64_t begin, end;
    ae_comm_node_slice(comm, 1009, &begin, &end);
    for (int64_t i = 3 * begin; i < 3 * end; ++i) ae_shared_bytes(shared)[i] = (uint8_t)(i % 251);
    assert_int_equal(ae_shared_publish(shared, (size_t)(3 * begin), (size_t)(3 * end)), AE_OK);
    int64_t wrong = 0;
    for (int64_t i = 0; i < 3 * 1009; ++i) wrong += ae_shared_bytes(shared)[i] != i % 251;
    assert_int_equal(wrong, 0);
    ae_shared_destroy(&shared);
}

/* Six files of images, zeros but for the first and last that are read of each. */
enum { HASHED_TRAIN = 40003, HASHED_TEST = 5 };
static char folder[64];

static void batch_put(int index, int64_t record, int64_t byte, uint8_t value) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, ae_cifar10_names[index]);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, &value, 1, record * AE_CIFAR10_RECORD + byte), 1);
    assert_int_equal(ftruncate(file, (off_t)AE_CIFAR10_FILE_RECORDS * AE_CIFAR10_RECORD), 0);
    close(file);
}

static int64_t last_record(int index) {
    return index < 4 ? AE_CIFAR10_FILE_RECORDS - 1 : index == 4 ? 2 : HASHED_TEST - 1;
}

static int make_batches(void **state) {
    (void)state;
    strcpy(folder, "/tmp/ae_test_images_XXXXXX");
    int64_t made = ae_comm_rank(comm) != 0 || mkdtemp(folder);
    ae_comm_broadcast(comm, folder, sizeof folder);
    for (int i = 0; ae_comm_rank(comm) == 0 && made && i < AE_CIFAR10_FILES; ++i) {
        batch_put(i, 0, 1, (uint8_t)(i + 1));
        batch_put(i, last_record(i), AE_CIFAR_VALUES, (uint8_t)(i + 11));
    }
    return ae_comm_min(comm, made) ? 0 : -1;
}

static int remove_batches(void **state) {
    (void)state;
    char path[128];
    for (int i = 0; ae_comm_rank(comm) == 0 && i < AE_CIFAR10_FILES; ++i) {
        snprintf(path, sizeof path, "%s/%s", folder, ae_cifar10_names[i]);
        unlink(path);
    }
    return ae_comm_rank(comm) == 0 ? rmdir(folder) : 0;
}

static void check_found(const ae_settings *settings, int64_t train, int64_t test) {
    ae_dataset *dataset;
    assert_int_equal(ae_dataset_create(&dataset, comm, settings), AE_OK);
    assert_int_equal(ae_dataset_info(dataset)->train.count, train);
    assert_int_equal(ae_dataset_info(dataset)->test.count, test);
    ae_dataset_destroy(&dataset);
}

static void check_too_many(const ae_settings *settings) {
    ae_dataset *dataset;
    assert_int_equal(ae_dataset_create(&dataset, comm, settings), AE_ERROR_USAGE);
    assert_null(dataset);
}

/* As many images as there are can be had by their number too, and not one more. */
static void check_counts(ae_source source, int64_t train, int64_t test) {
    ae_settings settings = {.data = {.source = source, .size = {32, 32}}};
    snprintf(settings.data.dir, sizeof settings.data.dir, "%s", folder);
    for (int64_t less = 2; less >= 0; --less) {
        settings.data.train_images = train - less;
        settings.data.test_images = test - less;
        check_found(&settings, train - less, test - less);
    }
    settings.data.train_images = train + 1;
    check_too_many(&settings);
    settings.data.train_images = 0;
    settings.data.test_images = test + 1;
    check_too_many(&settings);
    settings.data.test_images = 0;
    check_found(&settings, train, test);
}

static void test_counts(void **state) {
    (void)state;
    check_counts(AE_SOURCE_CIFAR10, AE_CIFAR10_TRAIN, AE_CIFAR10_TEST);
    check_counts(AE_SOURCE_DEADLEAVES, AE_DEADLEAVES_TRAIN, AE_DEADLEAVES_TEST);
}

static void hash_of_images(char hash[AE_HASH_TEXT_SIZE], int64_t train, int64_t test) {
    ae_settings settings = {
        .data = {.source = AE_SOURCE_CIFAR10, .train_images = train, .test_images = test}};
    snprintf(settings.data.dir, sizeof settings.data.dir, "%s", folder);
    ae_dataset *dataset = NULL;
    assert_int_equal(ae_dataset_create(&dataset, comm, &settings), AE_OK);
    assert_int_equal(ae_dataset_load(dataset), AE_OK);
    strcpy(hash, ae_dataset_hash(dataset));
    ae_dataset_destroy(&dataset);
}

/* Rank 0 changes a byte of a file, which was `before`; returns whether the hash of `train` training
 * images and HASHED_TEST test images is not `whole` then, and changes it back. */
static bool is_hashed(const char *whole, int64_t train, int index, int64_t record, int64_t byte,
                      uint8_t before) {
    char changed[AE_HASH_TEXT_SIZE];
    if (ae_comm_rank(comm) == 0) batch_put(index, record, byte, before ^ 1);
    int64_t written = 0;
    ae_comm_sum(comm, &written, 1);
    hash_of_images(changed, train, HASHED_TEST);
    if (ae_comm_rank(comm) == 0) batch_put(index, record, byte, before);
    return strcmp(whole, changed) != 0;
}

/* The hash by which files tell that they belong together covers each training file to its end. */
static void test_hash_covers_each_file(void **state) {
    (void)state;
    char whole[AE_HASH_TEXT_SIZE];
    hash_of_images(whole, HASHED_TRAIN, HASHED_TEST);
    for (int i = 0; i < AE_CIFAR10_FILES - 1; ++i)
        assert_true(
            is_hashed(whole, HASHED_TRAIN, i, last_record(i), AE_CIFAR_VALUES, (uint8_t)(i + 11)));
}

/* It covers test images, labels and counts; and nothing that isn't read. */
static void test_hash_covers_each_part(void **state) {
    (void)state;
    enum { FEW = 3 };
    char whole[AE_HASH_TEXT_SIZE], other[AE_HASH_TEXT_SIZE];
    hash_of_images(whole, FEW, HASHED_TEST);
    hash_of_images(other, FEW, HASHED_TEST);
    assert_string_equal(whole, other);
    assert_true(is_hashed(whole, FEW, 0, 0, 1, 1));
    assert_true(is_hashed(whole, FEW, 5, 0, 1, 6));
    assert_true(is_hashed(whole, FEW, 5, HASHED_TEST - 1, AE_CIFAR_VALUES, 16));
    assert_true(is_hashed(whole, FEW, 0, FEW - 1, 0, 0)); /* labels */
    assert_true(is_hashed(whole, FEW, 5, HASHED_TEST - 1, 0, 0));
    assert_false(is_hashed(whole, FEW, 0, FEW, 1, 0)); /* not asked for */
    assert_false(is_hashed(whole, FEW, 5, HASHED_TEST, 1, 0));
    hash_of_images(other, FEW - 1, HASHED_TEST);
    assert_string_not_equal(whole, other);
    hash_of_images(other, FEW, HASHED_TEST - 1);
    assert_string_not_equal(whole, other);
}

/* The same images in another order are others. */
static void test_hash_covers_their_order(void **state) {
    (void)state;
    char whole[AE_HASH_TEXT_SIZE], swapped[AE_HASH_TEXT_SIZE];
    hash_of_images(whole, 2, 2);
    if (ae_comm_rank(comm) == 0) batch_put(0, 0, 1, 0), batch_put(0, 1, 1, 1);
    int64_t written = 0;
    ae_comm_sum(comm, &written, 1);
    hash_of_images(swapped, 2, 2);
    assert_string_not_equal(whole, swapped);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_in_memory),
        cmocka_unit_test(test_slices),
        cmocka_unit_test_setup_teardown(test_counts, make_batches, remove_batches),
        cmocka_unit_test_setup_teardown(test_hash_covers_each_file, make_batches, remove_batches),
        cmocka_unit_test_setup_teardown(test_hash_covers_each_part, make_batches, remove_batches),
        cmocka_unit_test_setup_teardown(test_hash_covers_their_order, make_batches, remove_batches),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}
