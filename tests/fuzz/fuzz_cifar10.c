/* The reader of CIFAR-10. The six files hold zeros but for what an input says:
 *
 *     1 byte    which file has the wrong size, from 0; beyond 5 none
 *     4 bytes   by how much it is longer or, negative, shorter
 *     2 bytes   training images asked for, at most 50000
 *     2 bytes   first record of the slice to read
 *     2 bytes   records in it
 *     then for each changed byte 1 byte file, 2 bytes record, 2 bytes place in it, 1 byte value */
#include "data/cifar10.h"
#include "data/dataset.h"
#include "fuzz.h"

enum { FILES = 6, FILE_RECORDS = 10000, SLICE_MAX = 1100, CHANGES_MAX = 32 };
static const off_t file_size = (off_t)FILE_RECORDS * AE_CIFAR10_RECORD;
static const char *const names[FILES] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};

static char folder[] = "/tmp/ae_dist-fuzz-XXXXXX"; /* of links to the files in memory */
static memory_file files[FILES];

typedef struct change {
    int file;
    int64_t record;
    int byte;
    uint8_t value;
} change;

static void link_name(char name[64], int file) {
    snprintf(name, 64, "%s/%s", folder, names[file]);
}

static void delete_folder(void) {
    for (int i = 0; i < FILES; ++i) {
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
    for (int i = 0; i < FILES; ++i) {
        char name[64];
        link_name(name, i);
        files[i] = memory_file_make();
        REQUIRE(symlink(files[i].path, name) == 0, "no link");
        set_size(i, file_size);
    }
}

/* Takes the rest of the input and makes its changes; returns how many. */
static int make_changes(change *changes, input *in) {
    int count = 0;
    for (; count < CHANGES_MAX && in->next < in->end; ++count) {
        change *c = &changes[count];
        c->file = (int)(take(in, 1) % FILES);
        c->record = (int64_t)(take(in, 2) % FILE_RECORDS);
        c->byte = (int)(take(in, 2) % AE_CIFAR10_RECORD);
        c->value = (uint8_t)take(in, 1);
        off_t offset = c->record * AE_CIFAR10_RECORD + c->byte;
        REQUIRE(pwrite(files[c->file].descriptor, &c->value, 1, offset) == 1, "file %d", c->file);
    }
    return count;
}

/* The file that holds record `index` of the first `train` training images followed by the test
 * images. */
static int file_of(int64_t train, int64_t index) {
    return index < train ? (int)(index / FILE_RECORDS) : FILES - 1;
}

/* Writes the changes within records [begin, end) into them. */
static void apply(uint8_t *records, const change *changes, int count, int64_t train, int64_t begin,
                  int64_t end) {
    for (int c = 0; c < count; ++c) {
        bool test = changes[c].file == FILES - 1;
        int64_t index = changes[c].record + (test ? train : changes[c].file * FILE_RECORDS);
        if (index >= begin && index < end && file_of(train, index) == changes[c].file)
            records[(index - begin) * AE_CIFAR10_RECORD + changes[c].byte] = changes[c].value;
    }
}

/* Reads a slice, and compares what comes with what should. */
static void check_slice(const change *changes, int count, int wrong, int64_t train, int64_t begin,
                        int64_t end) {
    size_t size = (size_t)(end - begin) * AE_CIFAR10_RECORD;
    uint8_t *records = malloc(size); /* to the byte: beyond it lies the sanitizer's guard */
    uint8_t *expected = calloc(size + 1, 1);
    REQUIRE((records || size == 0) && expected, "no memory");
    apply(expected, changes, count, train, begin, end);
    ae_status status = ae_cifar_read(records, &ae_cifar10, folder, train, begin, end),
              should_be = AE_OK;
    for (int64_t i = begin; i < end; ++i)
        if (expected[(i - begin) * AE_CIFAR10_RECORD] >= AE_CIFAR10_LABELS ||
            file_of(train, i) == wrong)
            should_be = AE_ERROR_DATA;
    REQUIRE(status == should_be, "status %d, not %d: %s", (int)status, (int)should_be,
            ae_message());
    if (status == AE_OK && size > 0)
        REQUIRE(memcmp(records, expected, size) == 0, "the records differ");
    free(expected);
    free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (files[0].path[0] == '\0') make_folder();
    input in = {data, data + size};
    int wrong = (int)take(&in, 1);
    off_t wrong_size = file_size + (int32_t)(uint32_t)take(&in, 4);
    if (wrong_size < 0) wrong_size = 0;
    if (wrong_size == file_size) wrong = FILES;
    int64_t train = (int64_t)(take(&in, 2) % (AE_CIFAR10_TRAIN + 1));
    int64_t begin = (int64_t)take(&in, 2) % (train + AE_CIFAR10_TEST + 1);
    int64_t end = begin + (int64_t)take(&in, 2) % (SLICE_MAX + 1);
    if (end > train + AE_CIFAR10_TEST) end = train + AE_CIFAR10_TEST;
    change changes[CHANGES_MAX];
    int count = make_changes(changes, &in);
    if (wrong < FILES) set_size(wrong, wrong_size);

    ae_status status = ae_cifar_check(&ae_cifar10, folder);
    REQUIRE(status == (wrong < FILES ? AE_ERROR_DATA : AE_OK), "status %d", (int)status);
    if (status != AE_OK) REQUIRE(strstr(ae_message(), names[wrong]), "%s", ae_message());
    check_slice(changes, count, wrong, train, begin, end);

    if (wrong < FILES) set_size(wrong, 0);
    for (int c = 0; c < count; ++c) set_size(changes[c].file, 0);
    for (int i = 0; i < FILES; ++i) set_size(i, file_size);
    return 0;
}
