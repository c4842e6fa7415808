/* What is the same for a convolution on all paths: its sizes, and its algorithm. */
#include "kernels/conv.h"

/* Below so many channels, they leave lanes of vectors empty, and forming the components of tiles
 * takes more than they save. Turning planes into pixels of channels pays for more than one tap. */
enum { MANY_CHANNELS = 16 };

ae_conv_algorithm ae_conv_algorithm_of(const ae_conv *conv) {
    const bool has_many = conv->in_channels >= MANY_CHANNELS && conv->out_channels >= MANY_CHANNELS;
    const bool is_tiled = (conv->kernel == 3 || conv->kernel == 5) && conv->stride == 1;
    if (is_tiled && has_many) return AE_CONV_TILES;
    if (is_tiled && conv->kernel == 3) return AE_CONV_PAIRS;
    return has_many && conv->kernel * conv->stride > 1 ? AE_CONV_PIXELS : AE_CONV_TAPS;
}

int ae_conv_contract(const ae_conv *conv) {
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    if (algorithm == AE_CONV_TILES) return conv->kernel == 5 ? 4 : 3;
    return algorithm == AE_CONV_PIXELS ? 3 : 2;
}

bool ae_conv_is_adjoint(const ae_conv *conv, bool backward) {
    return conv->transposed != backward;
}

int ae_conv_shift(const ae_conv *conv, bool backward) {
    return ae_conv_is_adjoint(conv, backward) ? conv->kernel - 1 - conv->padding : conv->padding;
}

int ae_conv_side(const ae_conv *conv, int n) {
    const int left = n + 2 * conv->padding - conv->kernel;
    if (conv->transposed) return (n - 1) * conv->stride + conv->kernel - 2 * conv->padding;
    return left < 0 ? left + 1 : left / conv->stride + 1;
}

size_t ae_conv_weights(const ae_conv *conv) {
    return (size_t)conv->in_channels * (size_t)conv->out_channels *
           (size_t)(conv->kernel * conv->kernel);
}

/* Of either direction, with channels of output rounded up. */
static size_t lane_weights(const ae_conv *conv) {
    const int in = conv->in_channels, out = conv->out_channels;
    const size_t forward = (size_t)in * ae_lane_channels(out);
    const size_t backward = (size_t)out * ae_lane_channels(in);
    return forward > backward ? forward : backward;
}

size_t ae_conv_packed(const ae_conv *conv) {
    switch (ae_conv_algorithm_of(conv)) {
    case AE_CONV_PAIRS:
        return ae_conv_weights(conv) / 3 * AE_WINOGRAD_COMPONENTS;
    case AE_CONV_TILES:
        return AE_TILE_COMPONENTS * lane_weights(conv);
    case AE_CONV_PIXELS:
        return (size_t)(conv->kernel * conv->kernel) * lane_weights(conv);
    case AE_CONV_TAPS:
        break;
    }
    return ae_conv_weights(conv);
}

int ae_conv_halo(const ae_conv *conv) {
    const int far = conv->kernel - 1 - conv->padding;
    const int halo = conv->padding > far ? conv->padding : far;
    return conv->stride > 1 && halo < 1 ? 1 : halo;
}

int ae_conv_tile(const ae_conv *conv) {
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    if (algorithm == AE_CONV_TILES) return ae_tile_outputs(conv->kernel);
    return algorithm == AE_CONV_PAIRS ? 2 : 1;
}

/* The margin of a correlation with padding p is (margin + p) / s before, rounded up; behind it, row
 * y is the whole's where its last tap, s y - p + k - 1, is. */
static ae_margin correlation_margin(ae_margin in, int kernel, int stride, int padding) {
    const int after = in.after + kernel - padding;
    return (ae_margin){(in.before + padding + stride - 1) / stride,
                       (after + stride - 1) / stride - 1};
}

/* Of the six rows that a tile reads, the first makes its first row alone and the last its last one;
 * each of the others makes all rows. So a tile of which more than one row would be in the margin is
 * all in it. */
static int tile_margin(int margin, int rows) {
    return margin % rows == 1 ? margin : (margin + rows - 1) / rows * rows;
}

ae_margin ae_conv_margin(const ae_conv *conv, ae_margin in) {
    const int k = conv->kernel, p = conv->padding;
    if (!ae_conv_is_adjoint(conv, false) || conv->stride == 1) {
        const ae_margin m = correlation_margin(in, k, conv->stride, ae_conv_shift(conv, false));
        if (ae_conv_algorithm_of(conv) != AE_CONV_TILES) return m;
        const int rows = ae_tile_outputs(k);
        return (ae_margin){tile_margin(m.before, rows), tile_margin(m.after, rows)};
    }
    /* Row 2 y + i - p of the adjoint has tap y of what it reads, for each i < k. */
    const int before = 2 * in.before + k - 2 - p, missing = 2 - k + p;
    return (ae_margin){before > 0 ? before : 0, 2 * in.after + p + (missing > 0 ? missing : 0)};
}

double ae_conv_work(const ae_conv *conv, int height, int width) {
    if (!conv->transposed) {
        height = ae_conv_side(conv, height);
        width = ae_conv_side(conv, width);
    }
    return (double)ae_conv_weights(conv) * height * width;
}

double ae_conv_multiplications(const ae_conv *conv, int height, int width) {
    const double work = ae_conv_work(conv, height, width);
    switch (ae_conv_algorithm_of(conv)) {
    case AE_CONV_PAIRS:
        return work * AE_WINOGRAD_COMPONENTS / (2 * 3);
    case AE_CONV_TILES:
        return work * AE_TILE_COMPONENTS /
               (ae_conv_tile(conv) * ae_conv_tile(conv) * conv->kernel * conv->kernel);
    case AE_CONV_PIXELS:
    case AE_CONV_TAPS:
        break;
    }
    return work;
}
