/* The noise on pictures, in units of the pixel range. Local, safe in threads. */
#ifndef AE_TEAM_NOISE_H
#define AE_TEAM_NOISE_H

#include "base/random.h"
#include "config/config.h"
#include "kernels/kernels.h"

/* What the samples of a loop have in common: Gaussian noise (0: none), and the range that noisy
 * pixels are cut to, infinite where they aren't. */
typedef struct ae_noise {
    double sigma, clamp_min, clamp_max;
} ae_noise;

/* That of the training images, and of the test images, as configured. */
ae_noise ae_noise_of_training(const ae_settings *settings);
ae_noise ae_noise_of_test(const ae_settings *settings);

/* noisy = clean with that noise from `stream`, or a copy where there is none. normals: [values,
 * rounded up to 4], overwritten. */
void ae_noise_add(const ae_planes *noisy, const ae_planes *clean, const ae_noise *noise,
                  ae_stream stream, float *normals, const ae_kernels *kernels);

#endif
