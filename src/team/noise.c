#include "team/noise.h"

#include <math.h>
#include <stdio.h>

/* ---- as configured ---- */

/* Noise of images of which those are clamped that clamp_on calls `name`. */
static ae_noise noise_of(const ae_settings *settings, const double sigma[2], ae_clamp_on name) {
    const int64_t on = settings->noise.clamp_on;
    ae_noise noise = {{sigma[0], sigma[1]}, -INFINITY, INFINITY};
    if (on == AE_CLAMP_ON_ALL || on == name) {
        noise.clamp_min = settings->noise.clamp_min;
        noise.clamp_max = settings->noise.clamp_max;
    }
    return noise;
}

ae_noise ae_noise_of_training(const ae_settings *settings) {
    return noise_of(settings, settings->noise.sigma, AE_CLAMP_ON_TRAINING);
}

ae_noise ae_noise_of_test(const ae_settings *settings, int level) {
    const double sigma = settings->noise.test_sigma.values[level];
    return noise_of(settings, (double[]){sigma, sigma}, AE_CLAMP_ON_TEST);
}

int ae_noise_levels(const ae_settings *settings) {
    return (int)settings->noise.test_sigma.count;
}

/* ---- told ---- */

bool ae_noise_is_none(const ae_noise *noise) {
    return noise->sigma[1] == 0;
}

const char *ae_noise_text(char text[AE_NOISE_TEXT_SIZE], const ae_noise *noise) {
    if (noise->sigma[0] == noise->sigma[1])
        snprintf(text, AE_NOISE_TEXT_SIZE, "noise %g", noise->sigma[0]);
    else
        snprintf(text, AE_NOISE_TEXT_SIZE, "noise %g .. %g", noise->sigma[0], noise->sigma[1]);
    return text;
}

/* ---- put on ---- */

/* The picture's own, where there is a range to draw it from: by its stream alone. */
static double draw(const double range[2], ae_stream stream) {
    uint32_t words[4];
    if (range[0] == range[1]) return range[0];
    stream.purpose += AE_RANDOM_LEVEL;
    ae_random_words(words, stream, 0);
    return range[0] + (range[1] - range[0]) * ae_random_real(words[0], words[1]);
}

void ae_noise_add(const ae_planes *noisy, const ae_planes *clean, const ae_noise *noise,
                  ae_stream stream, float *normals, const ae_kernels *kernels) {
    if (ae_noise_is_none(noise)) {
        ae_planes_copy(noisy, clean);
        return;
    }
    const ae_shape shape = {clean->channels, clean->height, clean->width};
    kernels->normals(normals, (ae_shape_values(shape) + 3) / 4, stream);
    kernels->add_noise(noisy, clean, normals, (float)draw(noise->sigma, stream),
                       (float)noise->clamp_min, (float)noise->clamp_max);
}
