/* Samples: what an epoch takes of the pictures, and as pixels. Sample s is of picture s / crops.
 * Local, safe in threads. */
#ifndef AE_DATA_SAMPLE_H
#define AE_DATA_SAMPLE_H

#include "data/dataset.h"
#include "kernels/kernels.h"

/* How samples are made of pictures. */
typedef struct ae_sampling {
    uint64_t seed;
    int64_t crops;      /* samples of a picture */
    int patch;          /* side of the part that is taken; 0: all of it */
    ae_augment augment; /* and how it may be mirrored and turned */
} ae_sampling;

/* A part of a picture, mirrored or turned. */
typedef struct ae_cut {
    int row, column; /* its first */
    int symmetry;    /* 0 to 7, bits: columns mirrored, rows mirrored, and before that transposed */
} ae_cut;

/* The cut that is sample `sample` of an epoch: by (seed, epoch, sample) alone. */
ae_cut ae_sample_draw(const ae_sampling *sampling, const ae_image_place *place, uint32_t epoch,
                      uint32_t sample);

/* That of the picture's middle, as it is: what it is validated with. */
ae_cut ae_sample_middle(const ae_sampling *sampling, const ae_image_place *place);

/* planes = the cut of picture `index` that is as large as they are, as pixels: (sample - low) /
 * (high - low), calculated in double. `room`: 4 bytes a value of the planes, 4-byte aligned. */
void ae_sample_load(const ae_planes *planes, const ae_images *images, int64_t index, ae_cut cut,
                    const ae_kernels *kernels, void *room);

#endif
