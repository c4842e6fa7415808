/* What a network is shown of images, and what its outputs are compared with. Local, safe in
 * threads. */
#ifndef AE_TEAM_TASK_H
#define AE_TEAM_TASK_H

#include "data/dataset.h"
#include "data/sample.h"
#include "team/mask.h"
#include "team/noise.h"

/* What the samples of a loop have in common. An input is of an image, with noise. Its target is the
 * same part of the other image of its number, or of the image itself, with noise of its own; with a
 * mask the input before it was masked, where it was. */
typedef struct ae_task {
    ae_images images;
    ae_images others; /* count 0: none */
    ae_noise noise, target_noise;
    ae_mask mask;
} ae_task;

/* A sample: the number of its image, the part that is taken of it, and its random numbers. */
typedef struct ae_draw {
    int64_t image;
    ae_cut cut;
    ae_stream stream;
} ae_draw;

/* Fills input and target with a sample of their size. room: [values], 4 bytes each, only needed for
 * a part of an image and for a mask; normals: [values, rounded up to 4]; both are overwritten. */
void ae_task_load(const ae_planes *input, const ae_planes *target, const ae_task *task,
                  const ae_draw *draw, void *room, float *normals, const ae_kernels *kernels);

#endif
