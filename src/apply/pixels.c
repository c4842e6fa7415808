#include "apply/pixels.h"

#include <math.h>
#include <omp.h>

/* Loops over a row's pixels, one of `samples` apart: a constant in the commonest cases, so that
 * they become vectors. */
#define EACH_STEP(loop)                                                                            \
    do {                                                                                           \
        if (samples == 1)                                                                          \
            loop(1);                                                                               \
        else if (samples == 3)                                                                     \
            loop(3);                                                                               \
        else                                                                                       \
            loop(samples);                                                                         \
    } while (0)

#define LOAD_ROW(name, type)                                                                       \
    static void name(float *restrict row, const type *restrict pixels, int samples, int width,     \
                     ae_scale scale) {                                                             \
        const float zero = scale.zero, span = scale.one - scale.zero;                              \
        EACH_STEP(LOAD_STEP);                                                                      \
    }
#define LOAD_STEP(step)                                                                            \
    for (int w = 0; w < width; ++w) row[w] = ((float)pixels[(ptrdiff_t)w * (step)] - zero) / span
LOAD_ROW(load_u8, uint8_t)
LOAD_ROW(load_u16, uint16_t)
LOAD_ROW(load_f32, float)

/* The nearest whole number of 0 .. white; 1.5 * 2^23 leaves a float no bits for fractions. */
static inline float nearest(float value, float white) {
    value = value > 0 ? value : 0;
    value = value < white ? value : white;
    return (value + 0x1.8p23f) - 0x1.8p23f;
}

#define STORE_ROW(name, type, convert)                                                             \
    static void name(type *restrict pixels, const float *restrict row, int samples, int width,     \
                     ae_scale scale) {                                                             \
        const float zero = scale.zero, span = scale.one - scale.zero;                              \
        EACH_STEP(convert);                                                                        \
    }
#define STORE_U8(step)                                                                             \
    for (int w = 0; w < width; ++w)                                                                \
    pixels[(ptrdiff_t)w * (step)] = (uint8_t)(int)nearest(row[w] * span + zero, 255)
#define STORE_U16(step)                                                                            \
    for (int w = 0; w < width; ++w)                                                                \
    pixels[(ptrdiff_t)w * (step)] = (uint16_t)(int)nearest(row[w] * span + zero, 65535)
#define STORE_F32(step)                                                                            \
    for (int w = 0; w < width; ++w) pixels[(ptrdiff_t)w * (step)] = row[w] * span + zero
STORE_ROW(store_u8, uint8_t, STORE_U8)
STORE_ROW(store_u16, uint16_t, STORE_U16)
STORE_ROW(store_f32, float, STORE_F32)

void ae_pixels_load_row(float *row, const void *pixels, const ae_picture_info *info, int channel,
                        int count, ae_scale scale) {
    const int samples = ae_picture_samples(info);
    if (info->type == AE_PICTURE_U8)
        load_u8(row, (const uint8_t *)pixels + channel, samples, count, scale);
    else if (info->type == AE_PICTURE_U16)
        load_u16(row, (const uint16_t *)pixels + channel, samples, count, scale);
    else
        load_f32(row, (const float *)pixels + channel, samples, count, scale);
}

void ae_pixels_load(const ae_planes *planes, const void *pixels, const ae_picture_info *info,
                    ae_scale scale) {
    const size_t row_bytes = ae_picture_row_bytes(info);
#pragma omp parallel for schedule(static)
    for (int h = 0; h < planes->height; ++h)
        for (int c = 0; c < planes->channels; ++c)
            ae_pixels_load_row(ae_planes_row(planes, c, h),
                               (const char *)pixels + (size_t)h * row_bytes, info, c, planes->width,
                               scale);
}

bool ae_pixels_are_finite(const void *pixels, const ae_picture_info *info, int rows) {
    const float *samples = pixels;
    const size_t count = (size_t)rows * (size_t)info->width * (size_t)ae_picture_samples(info);
    bool are = true;
    if (info->type != AE_PICTURE_F32) return true;
    for (size_t i = 0; i < count; ++i) are &= isfinite(samples[i]) != 0;
    return are;
}

void ae_pixels_store_row(void *pixels, const float *row, const ae_picture_info *info, int channel,
                         int count, ae_scale scale) {
    const int samples = ae_picture_samples(info);
    if (info->type == AE_PICTURE_U8)
        store_u8((uint8_t *)pixels + channel, row, samples, count, scale);
    else if (info->type == AE_PICTURE_U16)
        store_u16((uint16_t *)pixels + channel, row, samples, count, scale);
    else
        store_f32((float *)pixels + channel, row, samples, count, scale);
}

void ae_pixels_mean(const ae_planes *planes) {
    for (int h = 0; h < planes->height; ++h) {
        float *row = ae_planes_row(planes, 0, h);
        for (int w = 0; w < planes->width; ++w) {
            double sum = row[w]; /* of equal numbers it is exact, and so their mean */
            for (int c = 1; c < planes->channels; ++c) sum += ae_planes_row(planes, c, h)[w];
            row[w] = (float)(sum / planes->channels);
        }
    }
}

/* A view of one row. */
static ae_planes row_of(const ae_planes *planes, int channel, int row) {
    ae_planes view = *planes;
    view.data = ae_planes_row(planes, channel, row);
    view.channels = view.height = 1;
    return view;
}

void ae_pixels_add_noise(const ae_planes *noisy, const ae_planes *clean, double sigma,
                         ae_stream stream, const ae_kernels *kernels, float *normals) {
    const int height = clean->height;
    const size_t quarter = ((size_t)clean->width + 3) / 4;
#pragma omp parallel for schedule(static)
    for (int r = 0; r < clean->channels * height; ++r) {
        float *mine = normals + 4 * quarter * (size_t)omp_get_thread_num();
        const ae_planes to = row_of(noisy, r / height, r % height);
        const ae_planes from = row_of(clean, r / height, r % height);
        ae_stream of_row = stream;
        of_row.sample = (uint32_t)r;
        kernels->normals(mine, quarter, of_row);
        kernels->add_noise(&to, &from, mine, (float)sigma, -INFINITY, INFINITY);
    }
}
