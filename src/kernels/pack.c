/* The weights of a convolution as its kernels take them (conv_pack). Components of tiles are made
 * for several channels of output at once, in vectors that are gcc's and clang's own. */
#include <string.h>

#include "kernels/conv.h"
#include "kernels/tables.h"

#if defined __AVX512F__
enum { PACKED_TOGETHER = 8 };
#elif defined __AVX2__
enum { PACKED_TOGETHER = 4 };
#else
enum { PACKED_TOGETHER = 2 };
#endif

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

/* A number for each of some channels of output. */
typedef double vector __attribute__((vector_size(PACKED_TOGETHER * sizeof(double))));
typedef float narrow __attribute__((vector_size(PACKED_TOGETHER * sizeof(float)), aligned(4)));

/* The sum of weights `first`, first + 2 ... of a line times the powers of a square. */
static vector powers(const vector *g, int kernel, int first, double square) {
    int last = first + (kernel - 1 - first) / 2 * 2;
    vector sum = g[last];
    while ((last -= 2) >= 0) sum = g[last] + square * sum;
    return sum;
}

/* The six components of a line of `kernel` weights. */
static void components_of_line(vector u[AE_TILE_SIDE], const vector *g, int kernel) {
    const double a = AE_TILE_A, a2 = AE_TILE_A2, of_a = 2 * a2 * (a2 - AE_TILE_B2);
    const double b = AE_TILE_B, b2 = AE_TILE_B2, of_b = 2 * b2 * (b2 - AE_TILE_A2);
    const vector even_a = powers(g, kernel, 0, a2), odd_a = a * powers(g, kernel, 1, a2);
    const vector even_b = powers(g, kernel, 0, b2), odd_b = b * powers(g, kernel, 1, b2);
    u[0] = g[0] / (double)AE_TILE_PRODUCT;
    u[1] = (even_a + odd_a) / of_a;
    u[2] = (even_a - odd_a) / of_a;
    u[3] = (even_b + odd_b) / of_b;
    u[4] = (even_b - odd_b) / of_b;
    u[5] = g[kernel - 1];
}

/* u = the components of as many kernels; those of the o-th are of weights that lie `direction`
 * apart from g[o] on. */
static void components_of_tile(vector u[AE_TILE_COMPONENTS], const float *const g[PACKED_TOGETHER],
                               int kernel, int direction) {
    vector down[AE_TILE_SIDE][AE_TILE_SIDE], line[AE_TILE_SIDE];
    for (int j = 0; j < kernel; ++j) {
        for (int i = 0; i < kernel; ++i)
            for (int o = 0; o < PACKED_TOGETHER; ++o)
                line[i][o] = (double)g[o][direction * (i * kernel + j)];
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
    for (int oc = 0; oc < count; oc += PACKED_TOGETHER) {
        vector u[AE_TILE_COMPONENTS];
        const float *each[PACKED_TOGETHER]; /* the last again for those that there aren't */
        for (int o = 0; o < PACKED_TOGETHER; ++o)
            each[o] = g + (oc + o < count ? oc + o : count - 1) * out_stride;
        components_of_tile(u, each, kernel, direction);
        for (int k = 0; k < AE_TILE_COMPONENTS; ++k)
            *(narrow *)(lanes[k] + oc) = __builtin_convertvector(u[k], narrow);
    }
    for (int k = 0; k < AE_TILE_COMPONENTS; ++k)
        for (int oc = count; oc < AE_LANES; ++oc) lanes[k][oc] = 0;
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

void AE_KERNELS_PACK(float *packed, const float *weight, const ae_conv *conv, bool backward) {
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
