/* A picture whole through the network, of any size, in tiles that a rank's threads share. Local. */
#ifndef AE_TEAM_WHOLE_H
#define AE_TEAM_WHOLE_H

#include "data/dataset.h"
#include "team/team.h"
#include "team/tiles.h"

typedef struct ae_whole {
    const ae_model *model; /* borrowed */
    ae_tiles *tiles;
    float *memory[3];                /* [floats] each */
    size_t floats;                   /* of the largest picture */
    ae_planes target, input, output; /* of the picture in hand, in that order in memory */
} ae_whole;

/* For any of the images, whose sizes the network must fit (ae_tiles_fit). Borrows the model. The
 * caller owns *whole, NULL on failure. AE_FAILED: memory or threads. */
ae_status ae_whole_create(ae_whole **whole, const ae_model *model, const ae_images *images,
                          int threads);
void ae_whole_destroy(ae_whole **whole);

/* Loads all of image `index`, with random numbers from `stream`, of a task without masks. */
void ae_whole_load(ae_whole *whole, const ae_task *task, int64_t index, ae_stream stream);

/* output = the network's picture of the input. False when asked to stop. */
bool ae_whole_apply(ae_whole *whole);

/* The loss of output against target: mean over the picture. Overwrites the input. */
double ae_whole_loss(ae_whole *whole, ae_loss loss);

#endif
