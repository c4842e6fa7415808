#include "kernels/planes.h"

#include <string.h>

static int round_up(int value) {
    return (int)ae_round_up_lanes((size_t)value);
}

static int row_stride(int width, int halo) {
    return round_up(round_up(width) + halo);
}

/* Rows of a plane with its halo rows above and below. */
static int padded_height(int height, int halo) {
    return height + 2 * halo;
}

/* Floats behind a plane of whole pages, zeros. Without them a pixel's channels would lie in one set
 * of the first-level cache, which holds eight or twelve lines. */
static int gap(int height, int width, int halo) {
    enum { PAGE = 4096 / sizeof(float) };
    return padded_height(height, halo) * row_stride(width, halo) % PAGE == 0 ? AE_LANES : 0;
}

static int plane_stride(int height, int width, int halo) {
    return padded_height(height, halo) * row_stride(width, halo) + gap(height, width, halo);
}

size_t ae_planes_floats(int channels, int height, int width, int halo) {
    /* A vector of zeros before the first row is its left border where there is no halo row; a row
     * behind the last is read, and not used, where rows are taken in pairs. */
    return AE_LANES + (size_t)channels * (size_t)plane_stride(height, width, halo) +
           (size_t)row_stride(width, halo);
}

ae_planes ae_planes_view(float *memory, int channels, int height, int width, int halo) {
    const int stride = row_stride(width, halo);
    ae_planes planes = {.data = memory + AE_LANES + (ptrdiff_t)halo * stride,
                        .channels = channels,
                        .height = height,
                        .width = width,
                        .row_stride = stride,
                        .plane_stride = plane_stride(height, width, halo)};
    return planes;
}

void ae_planes_to_dense(float *dense, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            memcpy(dense, ae_planes_row(planes, c, h), (size_t)planes->width * sizeof *dense);
            dense += planes->width;
        }
}

ae_planes ae_planes_channels(const ae_planes *planes, int first, int count) {
    ae_planes part = *planes;
    part.data = ae_planes_row(planes, first, 0);
    part.channels = count;
    return part;
}

void ae_planes_copy(const ae_planes *out, const ae_planes *in) {
    for (int c = 0; c < out->channels; ++c)
        for (int h = 0; h < out->height; ++h)
            memcpy(ae_planes_row(out, c, h), ae_planes_row(in, c, h),
                   (size_t)out->width * sizeof(float));
}

void ae_planes_clear(const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h)
            memset(ae_planes_row(planes, c, h), 0, (size_t)planes->width * sizeof(float));
}

void ae_planes_clear_border(const ae_planes *planes, int halo) {
    const size_t stride = (size_t)planes->row_stride;
    const size_t beyond = (stride - (size_t)planes->width) * sizeof(float);
    const size_t rows = (size_t)halo * stride * sizeof(float);
    const size_t behind = (size_t)gap(planes->height, planes->width, halo) * sizeof(float);
    memset(ae_planes_row(planes, 0, -halo) - AE_LANES, 0, AE_LANES * sizeof(float));
    for (int c = 0; c < planes->channels; ++c) {
        memset(ae_planes_row(planes, c, -halo), 0, rows);
        for (int h = 0; h < planes->height; ++h)
            memset(ae_planes_row(planes, c, h) + planes->width, 0, beyond);
        memset(ae_planes_row(planes, c, planes->height), 0, rows + behind);
    }
}

void ae_planes_extend(const ae_planes *out, const ae_planes *in) {
    for (int c = 0; c < out->channels; ++c)
        for (int h = 0; h < out->height; ++h) {
            float *row = ae_planes_row(out, c, h);
            memcpy(row, ae_planes_row(in, c, h < in->height ? h : in->height - 1),
                   (size_t)in->width * sizeof(float));
            for (int w = in->width; w < out->width; ++w) row[w] = row[in->width - 1];
        }
}
