/* Masks, by which a network learns to denoise from noisy pictures alone: it must tell some values
 * from what is around them (Krull, Buchholz, Jug, "Noise2Void - learning denoising from single
 * noisy images", CVPR 2019). Local, safe in threads. */
#ifndef AE_TEAM_MASK_H
#define AE_TEAM_MASK_H

#include "base/random.h"
#include "config/config.h"
#include "kernels/planes.h"

/* Each channel is divided into boxes of the same size as nearly as can be, of which one value each
 * is masked, wherever in the box. It is filled in from the others in a square around it, as far as
 * that is within the picture: with any of them, or with their median. */
typedef struct ae_mask {
    double share;      /* of a channel's values, rounded up to whole boxes a side; 0: no mask */
    int window;        /* side of the square; where it is even, one less behind the value */
    ae_mask_fill fill; /* with what */
} ae_mask;

/* That of the training images, as configured. */
ae_mask ae_mask_of(const ae_settings *settings);

/* How many values of a picture are masked. */
int64_t ae_mask_count(const ae_mask *mask, ae_shape picture);

/* Masks the input, a noisy picture of more than one pixel: of the target its masked
 * values are what they were, and the others NaN. They depend on the stream alone. noisy: [values],
 * overwritten. */
void ae_mask_put(const ae_planes *input, const ae_planes *target, const ae_mask *mask,
                 ae_stream stream, float *noisy);

#endif
