/* The images, from whichever source: counted and measured before any pixel is read, then once in a
 * node's memory, as the source has them: [channel][row][column] of bytes, 16-bit words or floats,
 * of one size or of many. */
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

typedef enum ae_sample_type { AE_SAMPLE_U8, AE_SAMPLE_U16, AE_SAMPLE_F32 } ae_sample_type;

/* Bytes of a sample of that type, and its name for messages. */
size_t ae_sample_size(ae_sample_type type);
const char *ae_sample_name(ae_sample_type type);

/* The images to train on, or those to test on. */
typedef struct ae_image_set {
    int64_t count;
    ae_shape shape;                /* of each; height and width are 0 where they differ */
    int least_height, least_width; /* of any */
} ae_image_set;

static inline bool ae_image_set_is_mixed(const ae_image_set *set) {
    return set->shape.height == 0;
}

/* What a data set is, told before any pixel is read. */
typedef struct ae_data_info {
    ae_sample_type type;
    bool has_labels;
    double low, high;     /* the samples that become 0 and 1; both 0: to be measured */
    int64_t bytes;        /* of memory, a node */
    int64_t others_bytes; /* the same, of the others; 0: there are none */
    ae_image_set train, test;
} ae_data_info;

/* Where an image lies in memory. */
typedef struct ae_image_place {
    int64_t offset; /* of its first sample, bytes */
    int32_t height, width;
    int32_t label; /* 0 where the source has none */
    int32_t unused;
} ae_image_place;

/* The images of one set. A view. */
typedef struct ae_images {
    const uint8_t *samples;
    const ae_image_place *places;
    const uint32_t *numbers; /* [count], of their places; NULL: 0, 1, 2, ... */
    int64_t count;
    int channels;
    ae_sample_type type;
    double low, high; /* the samples that become 0 and 1 */
} ae_images;

static inline const ae_image_place *ae_images_place(const ae_images *images, int64_t index) {
    return &images->places[images->numbers ? images->numbers[index] : index];
}

static inline int ae_images_label(const ae_images *images, int64_t index) {
    return ae_images_place(images, index)->label;
}

/* [channel][row][column] */
static inline const void *ae_images_samples(const ae_images *images, int64_t index) {
    return images->samples + ae_images_place(images, index)->offset;
}

typedef struct ae_dataset ae_dataset;

/* Looks what there is, without reading any pixel: for files, whether they are there, and their
 * headers. As many training and test images as the settings, which are borrowed, ask for; and where
 * data.other names them as many others, each of the shape of the image of its number. Rank 0's
 * answer on all ranks. Collective; the caller owns *dataset. AE_ERROR_DATA: files that are missing
 * or not such as they should be; AE_ERROR_USAGE: more images asked for than there are, or options
 * that don't go together. */
ae_status ae_dataset_create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings);
void ae_dataset_destroy(ae_dataset **dataset); /* collective */

/* Borrowed. Where it is to be measured, its range is known once the images are loaded. */
const ae_data_info *ae_dataset_info(const ae_dataset *dataset);

/* The shape of test image `index`, and what it is called in messages. Returns `name`. */
enum { AE_IMAGE_NAME_SIZE = AE_TEXT_SIZE + 64 };
ae_shape ae_dataset_test_shape(const ae_dataset *dataset, int64_t index);
const char *ae_dataset_test_name(const ae_dataset *dataset, int64_t index,
                                 char name[AE_IMAGE_NAME_SIZE]);

/* Reads or makes the images, each rank of a node its share, and checks that all hosts have the same
 * ones; warns of those that may not be what was meant. Collective. AE_ERROR_DATA; AE_STOPPED where
 * a rank was asked to stop meanwhile. */
ae_status ae_dataset_load(ae_dataset *dataset);

/* Views of what is loaded. */
ae_images ae_dataset_train(const ae_dataset *dataset);
ae_images ae_dataset_test(const ae_dataset *dataset);

/* Those of the others, in the same range; of no images where there are none. */
ae_images ae_dataset_train_others(const ae_dataset *dataset);
ae_images ae_dataset_test_others(const ae_dataset *dataset);

/* Hash of all images, the others among them, the same on every rank. Borrowed. */
const char *ae_dataset_hash(const ae_dataset *dataset);

/* What decoded the images, where that may differ from host to host: names and versions of
 * libraries; else "". Returns `text`. */
enum { AE_DECODERS_SIZE = 192 };
const char *ae_dataset_decoders(const ae_dataset *dataset, char text[AE_DECODERS_SIZE]);

/* *channels = those of the source's images. Looks for files only where it depends on them.
 * Collective; fails as ae_dataset_create(). */
ae_status ae_dataset_channels(int *channels, ae_comm *comm, const ae_settings *settings);

/* Are they known whatever files there are? */
bool ae_dataset_knows_channels(const ae_settings *settings);

#endif
