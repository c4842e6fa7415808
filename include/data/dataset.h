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
#include "kernels/planes.h"

/* What a data set is, told before any pixel is read. */
typedef struct ae_data_info {
    ae_shape shape;      /* of an image */
    int64_t train, test; /* images */
} ae_data_info;

/* Bytes of an image's record: its label, then [channel][row][column]. */
static inline size_t ae_record_size(ae_shape shape) {
    return 1 + ae_shape_values(shape);
}

/* A split of the data set. A view. */
typedef struct ae_images {
    const uint8_t *records; /* [count][record_size] */
    int64_t count;
    size_t record_size;
} ae_images;

static inline int ae_images_label(const ae_images *images, int64_t index) {
    return images->records[(size_t)index * images->record_size];
}

static inline const uint8_t *ae_images_pixels(const ae_images *images, int64_t index) {
    return images->records + (size_t)index * images->record_size + 1;
}

typedef struct ae_dataset ae_dataset;

/* Channels of the source's images, known before any file is looked for. Local. */
int ae_dataset_channels(const ae_settings *settings);

/* *info = what the source tells, with as many training and test images as the settings ask for; for
 * cifar10 the files are looked for and their sizes checked. Rank 0's answer on all ranks.
 * Collective. AE_ERROR_DATA: a missing folder or batch, a wrong size; AE_ERROR_USAGE: more images
 * asked for than there are. */
ae_status ae_dataset_describe(ae_data_info *info, ae_comm *comm, const ae_settings *settings);

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

#endif
