/* CIFAR-100 as a source of images: train.bin and test.bin, whose records have a coarse and a fine
 * label, of which the fine one is the image's. */
#include "data/cifar100.h"

#define CURE                                                                                       \
    "fetch cifar-100-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it, "  \
    "and point data.dir at the folder that holds train.bin and test.bin"

static const char *const names[] = {"train.bin", "test.bin"};

static const char *advice(const char *dir) {
    (void)dir;
    return CURE;
}

const ae_cifar ae_cifar100 = {
    .name = "CIFAR-100",
    .files_name = "file",
    .files = names,
    .file_records = {50000, 10000},
    .file_count = 2,
    .labels = {20, 100},
    .cure = CURE,
    .advice = advice,
};

static ae_status describe(ae_catalog *catalog, const ae_settings *settings) {
    return ae_cifar_describe(catalog, &ae_cifar100, settings);
}

static ae_status identify(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings) {
    (void)catalog;
    return ae_cifar_identify(hash, &ae_cifar100, settings);
}

static ae_status fill(const ae_filling *filling) {
    return ae_cifar_fill(filling, &ae_cifar100);
}

const ae_source_row ae_source_cifar100 = {.cure = AE_SAME_FILES "data.dir",
                                          .channels = ae_cifar_channels,
                                          .describe = describe,
                                          .fill = fill,
                                          .identify = identify};
