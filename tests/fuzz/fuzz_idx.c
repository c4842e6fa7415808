/* The reader of MNIST's format:
 *
 *     1 byte    data.axes
 *     1 byte    share of the images that is kept for testing, of 256; 0: the file is read for both
 *     2 bytes   size of the labels' file; beyond 4096 there is none
 *     then the bytes of the labels' file, and those of the images' */
#include "source.h"

static char folder[] = "/tmp/ae_dist-fuzz-XXXXXX"; /* of links to the files in memory */
static memory_file images, labels;

static void name_of(char name[64], const char *file) {
    snprintf(name, 64, "%s/%s", folder, file);
}

static void delete_folder(void) {
    char name[64];
    name_of(name, "images");
    unlink(name);
    name_of(name, "labels");
    unlink(name);
    rmdir(folder);
}

static void make_folder(void) {
    char name[64];
    REQUIRE(mkdtemp(folder), "no folder");
    atexit(delete_folder);
    images = memory_file_make();
    labels = memory_file_make();
    name_of(name, "images");
    REQUIRE(symlink(images.path, name) == 0, "no link");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char name[64];
    if (images.path[0] == '\0') make_folder();
    input in = {data, data + size};
    ae_settings settings = {.data = {.source = AE_SOURCE_IDX}};
    settings.data.axes = (int64_t)(take(&in, 1) % 3);
    settings.data.test_fraction = (double)take(&in, 1) / 256;
    size_t labels_size = (size_t)take(&in, 2), left = (size_t)(in.end - in.next);
    const bool has_labels = labels_size <= 4096;
    if (labels_size > left) labels_size = left;
    if (!has_labels) labels_size = 0;
    memory_file_fill(&labels, in.next, labels_size);
    memory_file_fill(&images, in.next + labels_size, left - labels_size);
    name_of(name, "labels");
    if (has_labels) REQUIRE(symlink(labels.path, name) == 0, "no link");
    name_of(settings.data.train, "images");
    if (settings.data.test_fraction == 0) name_of(settings.data.test, "images");
    try_source(&ae_source_idx, &settings, folder);
    unlink(name);
    return 0;
}
