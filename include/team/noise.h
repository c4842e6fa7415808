/* The noise on pictures, in units of the pixel range. Local, safe in threads. */
#ifndef AE_TEAM_NOISE_H
#define AE_TEAM_NOISE_H

#include "base/random.h"
#include "config/config.h"
#include "kernels/kernels.h"

/* What the samples of a loop have in common: with x a clean pixel, and z normal deviates of their
 * own each,
 *
 *     gaussian       x + sigma z
 *     poisson        n / level + sigma z, n a count of mean level x (0 where x is below 0)
 *     speckle        x + level z x + sigma z
 *     salt_pepper    0 or 1 in a share `level` of the values, as often each; else x + sigma z
 *
 * and the range that noisy pixels are cut to, infinite where they aren't. */
typedef struct ae_noise {
    int64_t kind;              /* ae_noise_kind */
    double sigma[2], level[2]; /* lowest and highest, between which each picture draws its own */
    double clamp_min, clamp_max;
} ae_noise;

/* That of the training images, as configured. */
ae_noise ae_noise_of_training(const ae_settings *settings);

/* That of the test images at one of the levels, at each of which they are evaluated, counted from
 * 0; and how many there are, AE_NUMBERS_MAX at most. */
ae_noise ae_noise_of_test(const ae_settings *settings, int level);
int ae_noise_levels(const ae_settings *settings);

/* Is it no noise at all? */
bool ae_noise_is_none(const ae_noise *noise);

/* "noise 0.1", "noise 0 .. 0.2", "poisson noise 30, sigma 0.01". Returns `text`. */
enum { AE_NOISE_TEXT_SIZE = 128 };
const char *ae_noise_text(char text[AE_NOISE_TEXT_SIZE], const ae_noise *noise);

/* noisy = clean, which it may be, with that noise from `stream`, or a copy where there is none.
 * normals: [values, rounded up to 4], overwritten. */
void ae_noise_add(const ae_planes *noisy, const ae_planes *clean, const ae_noise *noise,
                  ae_stream stream, float *normals, const ae_kernels *kernels);

#endif
