/* What is the same for a convolution on all paths: its sizes, its algorithm; and the packed weights
 * that paths share. */
#include "kernels/conv.h"

#include <string.h>

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

/* ---- packing ---- */

/* The weights of a 3x3 kernel's components; g points to column j of its first row, the others
 * follow at `row`. */
static void components(float u[AE_WINOGRAD_COMPONENTS], const float *g, ptrdiff_t row) {
    float outer = g[0] + g[2 * row];
    u[0] = g[0];
    u[1] = 0.5f * (outer + g[row]);
    u[2] = 0.5f * (outer - g[row]);
    u[3] = g[2 * row];
}

static void pack_pairs(float *packed, const float *weight, int out, int in, ptrdiff_t out_stride,
                       ptrdiff_t in_stride, int direction) {
    for (int ic = 0; ic < in; ++ic)
        for (int oc = 0; oc < out; ++oc)
            for (int j = 0; j < 3; ++j) {
                float u[AE_WINOGRAD_COMPONENTS];
                components(u, weight + oc * out_stride + ic * in_stride + direction * j,
                           direction * 3);
                for (int c = 0; c < AE_WINOGRAD_COMPONENTS; ++c)
                    packed[((c * in + ic) * 3 + j) * out + oc] = u[c];
            }
}

/* A number for each of two channels of output. */
enum { PACKED_TOGETHER = 2 };
typedef double both __attribute__((vector_size(PACKED_TOGETHER * sizeof(double))));

/* The sum of weights `first`, first + 2 ... of a line times the powers of a square. */
static both powers(const both *g, int kernel, int first, double square) {
    int last = first + (kernel - 1 - first) / 2 * 2;
    both sum = g[last];
    while ((last -= 2) >= 0) sum = g[last] + square * sum;
    return sum;
}

/* The six components of a line of `kernel` weights. */
static void components_of_line(both u[AE_TILE_SIDE], const both *g, int kernel) {
    const double a = AE_TILE_A, a2 = AE_TILE_A2, of_a = 2 * a2 * (a2 - AE_TILE_B2);
    const double b = AE_TILE_B, b2 = AE_TILE_B2, of_b = 2 * b2 * (b2 - AE_TILE_A2);
    const both even_a = powers(g, kernel, 0, a2), odd_a = a * powers(g, kernel, 1, a2);
    const both even_b = powers(g, kernel, 0, b2), odd_b = b * powers(g, kernel, 1, b2);
    u[0] = g[0] / (double)AE_TILE_PRODUCT;
    u[1] = (even_a + odd_a) / of_a;
    u[2] = (even_a - odd_a) / of_a;
    u[3] = (even_b + odd_b) / of_b;
    u[4] = (even_b - odd_b) / of_b;
    u[5] = g[kernel - 1];
}

/* u = the components of two kernels whose weights are `direction` apart from g and `other` on. */
static void components_of_tile(both u[AE_TILE_COMPONENTS], const float *g, const float *other,
                               int kernel, int direction) {
    both down[AE_TILE_SIDE][AE_TILE_SIDE], line[AE_TILE_SIDE];
    for (int j = 0; j < kernel; ++j) {
        for (int i = 0; i < kernel; ++i) {
            const int at = direction * (i * kernel + j);
            line[i] = (both){(double)g[at], (double)other[at]};
        }
        components_of_line(down[j], line, kernel);
    }
    for (int k = 0; k < AE_TILE_SIDE; ++k) {
        for (int j = 0; j < kernel; ++j) line[j] = down[j][k];
        components_of_line(u + k * AE_TILE_SIDE, line, kernel);
    }
}

/* lanes[component] = those of the kernels of `count` <= AE_LANES channels of output, the first
 * one's weights at g; zeros for channels that there aren't. */
static void components_of_lanes(float lanes[AE_TILE_COMPONENTS][AE_LANES], const float *g,
                                int count, int kernel, ptrdiff_t out_stride, int direction) {
    memset(lanes, 0, AE_TILE_COMPONENTS * sizeof *lanes);
    for (int oc = 0; oc < count; oc += PACKED_TOGETHER, g += PACKED_TOGETHER * out_stride) {
        both u[AE_TILE_COMPONENTS];
        const int together = count - oc < PACKED_TOGETHER ? 1 : PACKED_TOGETHER;
        components_of_tile(u, g, g + (together - 1) * out_stride, kernel, direction);
        for (int k = 0; k < AE_TILE_COMPONENTS; ++k)
            for (int o = 0; o < together; ++o) lanes[k][oc + o] = (float)u[k][o];
    }
}

static void pack_tiles(float *packed, const float *weight, int out, int in, int kernel,
                       ptrdiff_t out_stride, ptrdiff_t in_stride, int direction) {
    const size_t component = (size_t)in * ae_lane_channels(out);
    for (int oc = 0; oc < out; oc += AE_LANES)
        for (int ic = 0; ic < in; ++ic) {
            float lanes[AE_TILE_COMPONENTS][AE_LANES];
            const int count = out - oc < AE_LANES ? out - oc : AE_LANES;
            components_of_lanes(lanes, weight + oc * out_stride + ic * in_stride, count, kernel,
                                out_stride, direction);
            for (int k = 0; k < AE_TILE_COMPONENTS; ++k) /* whole lines, which lie far apart */
                memcpy(packed + (size_t)k * component + ae_lane_weight(in, oc, ic), lanes[k],
                       sizeof lanes[k]);
        }
}

static void pack_pixels(float *packed, const float *weight, int out, int in, int taps,
                        ptrdiff_t out_stride, ptrdiff_t in_stride, int direction) {
    memset(packed, 0, (size_t)taps * (size_t)in * ae_lane_channels(out) * sizeof *packed);
    for (int oc = 0; oc < out; ++oc)
        for (int tap = 0; tap < taps; ++tap)
            for (int ic = 0; ic < in; ++ic)
                packed[ae_lane_weight(taps * in, oc, tap * in + ic)] =
                    weight[oc * out_stride + ic * in_stride + direction * tap];
}

static void pack_taps(float *packed, const float *weight, int out, int in, int taps,
                      ptrdiff_t out_stride, ptrdiff_t in_stride, int direction) {
    for (int ic = 0; ic < in; ++ic)
        for (int tap = 0; tap < taps; ++tap)
            for (int oc = 0; oc < out; ++oc)
                *packed++ = weight[oc * out_stride + ic * in_stride + direction * tap];
}

void ae_conv_pack(float *packed, const float *weight, const ae_conv *conv, bool backward) {
    const int taps = conv->kernel * conv->kernel;
    const int in = backward ? conv->out_channels : conv->in_channels;
    const int out = backward ? conv->in_channels : conv->out_channels;
    const bool adjoint = ae_conv_is_adjoint(conv, backward);
    /* Stored by small's channels, then large's: a correlation makes small's. */
    const ptrdiff_t out_stride = adjoint ? taps : (ptrdiff_t)in * taps;
    const ptrdiff_t in_stride = adjoint ? (ptrdiff_t)out * taps : taps;
    const bool turned = adjoint && conv->stride == 1;
    if (turned) weight += taps - 1;
    const int direction = turned ? -1 : 1;
    switch (ae_conv_algorithm_of(conv)) {
    case AE_CONV_PAIRS:
        pack_pairs(packed, weight, out, in, out_stride, in_stride, direction);
        break;
    case AE_CONV_TILES:
        pack_tiles(packed, weight, out, in, conv->kernel, out_stride, in_stride, direction);
        break;
    case AE_CONV_PIXELS:
        pack_pixels(packed, weight, out, in, taps, out_stride, in_stride, direction);
        break;
    case AE_CONV_TAPS:
        pack_taps(packed, weight, out, in, taps, out_stride, in_stride, direction);
        break;
    }
}
