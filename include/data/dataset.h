/* The images: CIFAR-10 files or generated pictures, once in a node's memory, as bytes. */
#ifndef AE_DATA_DATASET_H
#define AE_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"

enum {
    AE_IMAGE_CHANNELS = 3,
    AE_IMAGE_HEIGHT = 32,
    AE_IMAGE_WIDTH = 32,
    AE_IMAGE_PIXELS = AE_IMAGE_CHANNELS * AE_IMAGE_HEIGHT * AE_IMAGE_WIDTH,
    AE_RECORD_SIZE = 1 + AE_IMAGE_PIXELS, /* bytes: label, then [channel][row][column] */
    AE_LABELS = 10
};

/* A split of the data set. A view. */
typedef struct ae_images {
    const uint8_t *records; /* [count][AE_RECORD_SIZE] */
    int64_t count;
} ae_images;

static inline int ae_images_label(const ae_images *images, int64_t index) {
    return images->records[index * AE_RECORD_SIZE];
}

static inline const uint8_t *ae_images_pixels(const ae_images *images, int64_t index) {
    return images->records + index * AE_RECORD_SIZE + 1;
}

typedef struct ae_dataset ae_dataset;

/* Number of training and test images the settings ask for, without reading any pixel; for cifar10
 * the files are looked for and their sizes checked. Rank 0's answer on all ranks. Collective.
 * AE_ERROR_DATA: a missing folder or batch, a wrong size; AE_ERROR_USAGE: more images asked for
 * than there are. */
ae_status ae_dataset_count(ae_comm *comm, const ae_settings *settings, int64_t *train,
                           int64_t *test);

/* Reads or makes the images, each rank of a node its slice, and checks the labels; warns of files
 * of CIFAR-10 that are not as published. Collective; the caller owns *dataset. AE_ERROR_DATA as
 * above, and a label beyond 9; AE_STOPPED where a rank was asked to stop meanwhile. */
ae_status ae_dataset_create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings);
void ae_dataset_destroy(ae_dataset **dataset); /* collective */

/* Borrowed. */
ae_images ae_dataset_train(const ae_dataset *dataset);
ae_images ae_dataset_test(const ae_dataset *dataset);

/* Hash of all records, the same on every rank. Borrowed. */
const char *ae_dataset_hash(const ae_dataset *dataset);

/* Is there one copy for the node (else one a rank)? */
bool ae_dataset_is_shared(const ae_dataset *dataset);

#endif
