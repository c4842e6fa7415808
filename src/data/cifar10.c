/* CIFAR-10 as a source of images. */
#include "data/cifar10.h"

#include "data/cifar10_review.h"
#include "data/source.h"

static ae_status describe(ae_catalog *catalog, const ae_settings *settings) {
    catalog->is_bare = true;
    return ae_cifar_describe(catalog, &ae_cifar10, settings);
}

static ae_status identify(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings) {
    (void)catalog;
    return ae_cifar_identify(hash, &ae_cifar10, settings);
}

static ae_status fill(const ae_filling *filling) {
    return ae_cifar_fill(filling, &ae_cifar10);
}

static void review(ae_comm *comm, const uint8_t *samples, const ae_settings *settings,
                   int64_t train, int64_t test) {
    ae_cifar10_review(comm, samples, settings->data.dir, train, test);
}

const ae_source_row ae_source_cifar10 = {.cure = AE_SAME_FILES "data.dir",
                                         .channels = ae_cifar_channels,
                                         .describe = describe,
                                         .fill = fill,
                                         .identify = identify,
                                         .review = review};
