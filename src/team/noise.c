#include "team/noise.h"

#include <math.h>

/* Noise of images of which those are clamped that clamp_on calls `name`. */
static ae_noise noise_of(const ae_settings *settings, double sigma, ae_clamp_on name) {
    const int64_t on = settings->noise.clamp_on;
    if (on != AE_CLAMP_ON_ALL && on != name) return (ae_noise){sigma, -INFINITY, INFINITY};
    return (ae_noise){sigma, settings->noise.clamp_min, settings->noise.clamp_max};
}

ae_noise ae_noise_of_training(const ae_settings *settings) {
    return noise_of(settings, settings->noise.sigma, AE_CLAMP_ON_TRAINING);
}

ae_noise ae_noise_of_test(const ae_settings *settings) {
    return noise_of(settings, settings->noise.test_sigma, AE_CLAMP_ON_TEST);
}

void ae_noise_add(const ae_planes *noisy, const ae_planes *clean, const ae_noise *noise,
                  ae_stream stream, float *normals, const ae_kernels *kernels) {
    if (noise->sigma == 0) {
        ae_planes_copy(noisy, clean);
        return;
    }
    const ae_shape shape = {clean->channels, clean->height, clean->width};
    kernels->normals(normals, (ae_shape_values(shape) + 3) / 4, stream);
    kernels->add_noise(noisy, clean, normals, (float)noise->sigma, (float)noise->clamp_min,
                       (float)noise->clamp_max);
}
