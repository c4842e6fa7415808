/* What the readers of CIFAR's sets are fuzzed with. The files hold zeros but for what an input
 * says:
 *
 *     1 byte    which file has the wrong size, from 0; beyond the last none
 *     4 bytes   by how much it is longer or, negative, shorter
 *     2 bytes   training images asked for, at most all
 *     2 bytes   first record of the slice to read
 *     2 bytes   records in it
 *     then for each changed byte 1 byte file, 2 bytes record, 2 bytes place in it, 1 byte value */
#ifndef AE_TESTS_FUZZ_CIFAR_H
#define AE_TESTS_FUZZ_CIFAR_H

#include "data/cifar.h"
#include "fuzz.h"

enum { SLICE_MAX = 1100, CHANGES_MAX = 32 };

static const ae_cifar *set; /* which of the two */

static char folder[] = "/tmp/ae_dist-fuzz-XXXXXX"; /* of links to the files in memory */
static memory_file files[AE_CIFAR_FILES_MAX];

typedef struct change {
    int file;
    int64_t record;
    int byte;
    uint8_t value;
} change;

static off_t file_size(int file) {
    return (off_t)set->file_records[file] * ae_cifar_record(set);
}

static void link_name(char name[64], int file) {
    snprintf(name, 64, "%s/%s", folder, set->files[file]);
}

static void delete_folder(void) {
    for (int i = 0; i < set->file_count; ++i) {
        char name[64];
        link_name(name, i);
        unlink(name);
    }
    rmdir(folder);
}

static void set_size(int file, off_t size) {
    REQUIRE(ftruncate(files[file].descriptor, size) == 0, "file %d", file);
}

static void make_folder(void) {
    REQUIRE(mkdtemp(folder), "no folder");
    atexit(delete_folder);
    for (int i = 0; i < set->file_count; ++i) {
        char name[64];
        link_name(name, i);
        files[i] = memory_file_make();
        REQUIRE(symlink(files[i].path, name) == 0, "no link");
        set_size(i, file_size(i));
    }
}

/* Takes the rest of the input and makes its changes; returns how many. */
static int make_changes(change *changes, input *in) {
    int count = 0;
    for (; count < CHANGES_MAX && in->next < in->end; ++count) {
        change *c = &changes[count];
        c->file = (int)(take(in, 1) % (uint64_t)set->file_count);
        c->record = (int64_t)(take(in, 2) % (uint64_t)set->file_records[c->file]);
        c->byte = (int)(take(in, 2) % (uint64_t)ae_cifar_record(set));
        c->value = (uint8_t)take(in, 1);
        off_t offset = c->record * ae_cifar_record(set) + c->byte;
        REQUIRE(pwrite(files[c->file].descriptor, &c->value, 1, offset) == 1, "file %d", c->file);
    }
    return count;
}

/* The file that holds record `index` of the first `train` training images followed by the test
 * images. */
static int file_of(int64_t train, int64_t index) {
    return index < train ? (int)(index / set->file_records[0]) : set->file_count - 1;
}

/* Writes the changes within records [begin, end) into them. */
static void apply(uint8_t *records, const change *changes, int count, int64_t train, int64_t begin,
                  int64_t end) {
    for (int c = 0; c < count; ++c) {
        bool test = changes[c].file == set->file_count - 1;
        int64_t index = changes[c].record + (test ? train : changes[c].file * set->file_records[0]);
        if (index >= begin && index < end && file_of(train, index) == changes[c].file)
            records[(index - begin) * ae_cifar_record(set) + changes[c].byte] = changes[c].value;
    }
}

static bool has_labels(const uint8_t *record) {
    return record[0] < set->labels[0] && (set->labels[1] == 0 || record[1] < set->labels[1]);
}

/* Reads a slice, and compares what comes with what should. */
static void check_slice(const change *changes, int count, int wrong, int64_t train, int64_t begin,
                        int64_t end) {
    size_t size = (size_t)(end - begin) * ae_cifar_record(set);
    uint8_t *records = malloc(size); /* to the byte: beyond it lies the sanitizer's guard */
    uint8_t *expected = calloc(size + 1, 1);
    REQUIRE((records || size == 0) && expected, "no memory");
    apply(expected, changes, count, train, begin, end);
    ae_status status = ae_cifar_read(records, set, folder, train, begin, end), should_be = AE_OK;
    for (int64_t i = begin; i < end; ++i)
        if (!has_labels(expected + (i - begin) * ae_cifar_record(set)) ||
            file_of(train, i) == wrong)
            should_be = AE_ERROR_DATA;
    REQUIRE(status == should_be, "status %d, not %d: %s", (int)status, (int)should_be,
            ae_message());
    if (status == AE_OK && size > 0)
        REQUIRE(memcmp(records, expected, size) == 0, "the records differ");
    free(expected);
    free(records);
}

static int try_input(const ae_cifar *which, const uint8_t *data, size_t size) {
    set = which;
    if (files[0].path[0] == '\0') make_folder();
    input in = {data, data + size};
    int wrong = (int)take(&in, 1);
    if (wrong > set->file_count) wrong = set->file_count;
    const off_t right_size = file_size(wrong < set->file_count ? wrong : 0);
    off_t wrong_size = right_size + (int32_t)(uint32_t)take(&in, 4);
    if (wrong_size < 0) wrong_size = 0;
    if (wrong_size == right_size) wrong = set->file_count;
    int64_t train = (int64_t)(take(&in, 2) % (uint64_t)(ae_cifar_train(set) + 1));
    int64_t begin = (int64_t)take(&in, 2) % (train + ae_cifar_test(set) + 1);
    int64_t end = begin + (int64_t)take(&in, 2) % (SLICE_MAX + 1);
    if (end > train + ae_cifar_test(set)) end = train + ae_cifar_test(set);
    change changes[CHANGES_MAX];
    int count = make_changes(changes, &in);
    if (wrong < set->file_count) set_size(wrong, wrong_size);

    ae_status status = ae_cifar_check(set, folder);
    REQUIRE(status == (wrong < set->file_count ? AE_ERROR_DATA : AE_OK), "status %d", (int)status);
    if (status != AE_OK) REQUIRE(strstr(ae_message(), set->files[wrong]), "%s", ae_message());
    check_slice(changes, count, wrong, train, begin, end);

    if (wrong < set->file_count) set_size(wrong, 0);
    for (int c = 0; c < count; ++c) set_size(changes[c].file, 0);
    for (int i = 0; i < set->file_count; ++i) set_size(i, file_size(i));
    return 0;
}

#endif
