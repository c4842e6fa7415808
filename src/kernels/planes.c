#include "kernels/planes.h"

#include <string.h>

static int round_up(int value) {
    return (value + AE_LANES - 1) / AE_LANES * AE_LANES;
}

static int row_stride(int width, int halo) {
    return round_up(round_up(width) + halo);
}

/* Rows of a plane with its halo rows above and below. */
static int padded_height(int height, int halo) {
    return height + 2 * halo;
}

size_t ae_planes_floats(int channels, int height, int width, int halo) {
    size_t stride = (size_t)row_stride(width, halo);
    /* A vector of zeros before the first row is its left border where there is no halo row; a row
     * behind the last is read, and not used, where rows are taken in pairs. */
    return AE_LANES + ((size_t)channels * (size_t)padded_height(height, halo) + 1) * stride;
}

ae_planes ae_planes_view(float *memory, int channels, int height, int width, int halo) {
    int stride = row_stride(width, halo);
    ae_planes planes = {.data = memory + AE_LANES + (ptrdiff_t)halo * stride,
                        .channels = channels,
                        .height = height,
                        .width = width,
                        .row_stride = stride,
                        .plane_stride = padded_height(height, halo) * stride};
    return planes;
}

void ae_planes_from_dense(const ae_planes *planes, const float *dense) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            memcpy(ae_planes_row(planes, c, h), dense, (size_t)planes->width * sizeof *dense);
            dense += planes->width;
        }
}

void ae_planes_to_dense(float *dense, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            memcpy(dense, ae_planes_row(planes, c, h), (size_t)planes->width * sizeof *dense);
            dense += planes->width;
        }
}
