#include "data/sample.h"

/* The bytes' own range has a kernel; it rounds a quotient once, as this does. */
static bool is_plain(const ae_images *images) {
    return images->type == AE_SAMPLE_U8 && images->low == 0 && images->high == UINT8_MAX;
}

#define ROW_TO_PIXELS(name, type)                                                                  \
    static void name(float *row, const type *samples, int count, double low, double span) {        \
        for (int w = 0; w < count; ++w) row[w] = (float)(((double)samples[w] - low) / span);       \
    }
ROW_TO_PIXELS(bytes_to_pixels, uint8_t)
ROW_TO_PIXELS(words_to_pixels, uint16_t)
ROW_TO_PIXELS(floats_to_pixels, float)

static void row_to_pixels(float *row, const void *samples, int count, const ae_images *images) {
    const double low = images->low, span = images->high - images->low;
    if (images->type == AE_SAMPLE_U8) bytes_to_pixels(row, samples, count, low, span);
    if (images->type == AE_SAMPLE_U16) words_to_pixels(row, samples, count, low, span);
    if (images->type == AE_SAMPLE_F32) floats_to_pixels(row, samples, count, low, span);
}

void ae_sample_to_planes(const ae_planes *planes, const void *samples, const ae_images *images,
                         const ae_kernels *kernels) {
    if (is_plain(images)) {
        kernels->from_bytes(planes, samples);
        return;
    }
    const uint8_t *next = samples;
    const size_t row_size = (size_t)planes->width * ae_sample_size(images->type);
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h, next += row_size)
            row_to_pixels(ae_planes_row(planes, c, h), next, planes->width, images);
}
