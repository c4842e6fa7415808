#include "team/noise.h"

#include <math.h>
#include <stdio.h>

#include "base/poisson.h"

/* ---- as configured ---- */

/* Noise of the settings' kind, on images of which those are clamped that clamp_on calls `name`. */
static ae_noise noise_of(const ae_settings *settings, const double sigma[2], const double level[2],
                         ae_clamp_on name) {
    const int64_t on = settings->noise.clamp_on;
    ae_noise noise = {.kind = settings->noise.kind,
                      .sigma = {sigma[0], sigma[1]},
                      .level = {level[0], level[1]},
                      .clamp_min = -INFINITY,
                      .clamp_max = INFINITY};
    if (on == AE_CLAMP_ON_ALL || on == name) {
        noise.clamp_min = settings->noise.clamp_min;
        noise.clamp_max = settings->noise.clamp_max;
    }
    return noise;
}

ae_noise ae_noise_of_training(const ae_settings *settings) {
    return noise_of(settings, settings->noise.sigma, settings->noise.level, AE_CLAMP_ON_TRAINING);
}

/* The list's number, or its only one. */
static double at_level(const ae_numbers *numbers, int level) {
    return numbers->values[numbers->count > 1 ? level : 0];
}

ae_noise ae_noise_of_test(const ae_settings *settings, int l) {
    const double sigma = at_level(&settings->noise.test_sigma, l);
    const double level = at_level(&settings->noise.test_level, l);
    return noise_of(settings, (double[]){sigma, sigma}, (double[]){level, level}, AE_CLAMP_ON_TEST);
}

int ae_noise_levels(const ae_settings *settings) {
    const int64_t sigmas = settings->noise.test_sigma.count;
    const int64_t levels = settings->noise.test_level.count;
    return (int)(sigmas > levels ? sigmas : levels);
}

/* ---- told ---- */

bool ae_noise_is_none(const ae_noise *noise) {
    return noise->sigma[1] == 0 && noise->level[1] == 0;
}

/* "0.1", "0 .. 0.2". */
static const char *range_text(char text[40], const double range[2]) {
    snprintf(text, 40, range[0] == range[1] ? "%g" : "%g .. %g", range[0], range[1]);
    return text;
}

const char *ae_noise_text(char text[AE_NOISE_TEXT_SIZE], const ae_noise *noise) {
    char sigma[40], level[40];
    range_text(sigma, noise->sigma);
    range_text(level, noise->level);
    if (noise->kind == AE_NOISE_GAUSSIAN)
        snprintf(text, AE_NOISE_TEXT_SIZE, "noise %s", sigma);
    else
        snprintf(text, AE_NOISE_TEXT_SIZE, "%s noise %s, sigma %s",
                 ae_config_word(AE_OPTION(noise, kind), noise->kind), level, sigma);
    return text;
}

/* ---- of a picture ---- */

/* Its own sigma and level, where there are ranges to draw them from: by its stream alone. */
typedef struct drawn {
    double sigma, level;
} drawn;

static double between(const double range[2], double place) {
    return range[0] == range[1] ? range[0] : range[0] + (range[1] - range[0]) * place;
}

static drawn draw(const ae_noise *noise, ae_stream stream) {
    uint32_t words[4];
    stream.purpose += AE_RANDOM_LEVEL;
    ae_random_words(words, stream, 0);
    return (drawn){.sigma = between(noise->sigma, ae_random_real(words[0], words[1])),
                   .level = between(noise->level, ae_random_real(words[2], words[3]))};
}

/* ---- put on: each in double, and rounded once ---- */

static size_t values_of(const ae_planes *planes) {
    return ae_shape_values((ae_shape){planes->channels, planes->height, planes->width});
}

static void put_poisson(const ae_planes *noisy, const ae_planes *clean, double level,
                        ae_stream stream) {
    uint32_t value = 0;
    for (int c = 0; c < clean->channels; ++c)
        for (int h = 0; h < clean->height; ++h) {
            const float *x = ae_planes_row(clean, c, h);
            float *y = ae_planes_row(noisy, c, h);
            for (int w = 0; w < clean->width; ++w)
                y[w] = (float)(ae_poisson(level * (double)x[w], stream, value++) / level);
        }
}

static void put_speckle(const ae_planes *noisy, const ae_planes *clean, double level,
                        const float *normals) {
    for (int c = 0; c < clean->channels; ++c)
        for (int h = 0; h < clean->height; ++h, normals += clean->width) {
            const float *x = ae_planes_row(clean, c, h);
            float *y = ae_planes_row(noisy, c, h);
            for (int w = 0; w < clean->width; ++w)
                y[w] = (float)((double)x[w] + level * (double)normals[w] * (double)x[w]);
        }
}

static void add_normals(const ae_planes *noisy, double sigma, const float *normals) {
    for (int c = 0; c < noisy->channels; ++c)
        for (int h = 0; h < noisy->height; ++h, normals += noisy->width) {
            float *y = ae_planes_row(noisy, c, h);
            for (int w = 0; w < noisy->width; ++w)
                y[w] = (float)((double)y[w] + sigma * (double)normals[w]);
        }
}

/* A word of the stream for each value. */
static void put_salt_pepper(const ae_planes *noisy, double level, ae_stream stream) {
    uint32_t value = 0, words[4];
    for (int c = 0; c < noisy->channels; ++c)
        for (int h = 0; h < noisy->height; ++h) {
            float *y = ae_planes_row(noisy, c, h);
            for (int w = 0; w < noisy->width; ++w, ++value) {
                if (value % 4 == 0) ae_random_words(words, stream, value / 4);
                const double place = (double)words[value % 4] * 0x1p-32;
                if (place < level) y[w] = place < level / 2 ? 0 : 1;
            }
        }
}

static void clamp(const ae_planes *noisy, float low, float high) {
    for (int c = 0; c < noisy->channels; ++c)
        for (int h = 0; h < noisy->height; ++h) {
            float *y = ae_planes_row(noisy, c, h);
            for (int w = 0; w < noisy->width; ++w)
                y[w] = y[w] < low ? low : y[w] > high ? high : y[w];
        }
}

/* ---- all together ---- */

static void make_normals(float *normals, const ae_planes *planes, ae_stream stream,
                         const ae_kernels *kernels) {
    kernels->normals(normals, (values_of(planes) + 3) / 4, stream);
}

/* What is of the kind, but for salt and pepper. */
static void put_kind(const ae_planes *noisy, const ae_planes *clean, int64_t kind, double level,
                     ae_stream stream, float *normals, const ae_kernels *kernels) {
    if (kind == AE_NOISE_POISSON) {
        put_poisson(noisy, clean, level, stream);
    } else if (kind == AE_NOISE_SPECKLE) {
        make_normals(normals, clean, stream, kernels);
        put_speckle(noisy, clean, level, normals);
    } else {
        ae_planes_copy(noisy, clean);
    }
}

/* Noise that isn't Gaussian alone. */
static void add_kind(const ae_planes *noisy, const ae_planes *clean, const ae_noise *noise,
                     ae_stream stream, float *normals, const ae_kernels *kernels) {
    const drawn its = draw(noise, stream);
    ae_stream of_kind = stream;
    of_kind.purpose += AE_RANDOM_KIND;
    put_kind(noisy, clean, noise->kind, its.level, of_kind, normals, kernels);
    if (its.sigma > 0) {
        make_normals(normals, noisy, stream, kernels);
        add_normals(noisy, its.sigma, normals);
    }
    if (noise->kind == AE_NOISE_SALT_PEPPER) put_salt_pepper(noisy, its.level, of_kind);
    clamp(noisy, (float)noise->clamp_min, (float)noise->clamp_max);
}

void ae_noise_add(const ae_planes *noisy, const ae_planes *clean, const ae_noise *noise,
                  ae_stream stream, float *normals, const ae_kernels *kernels) {
    if (ae_noise_is_none(noise)) {
        ae_planes_copy(noisy, clean);
    } else if (noise->kind == AE_NOISE_GAUSSIAN) {
        make_normals(normals, clean, stream, kernels);
        kernels->add_noise(noisy, clean, normals, (float)draw(noise, stream).sigma,
                           (float)noise->clamp_min, (float)noise->clamp_max);
    } else {
        add_kind(noisy, clean, noise, stream, normals, kernels);
    }
}
