/* The readable F(4x4, 3x3) and F(2x2, 5x5): the specification of include/kernels/kernels.h. */
#include <math.h>

#include "kernels/conv.h"
#include "kernels/reference.h"

/* Sides of a tile, of its output at most (`tile`: that of the kernel), and of its kernel at most.
 */
enum { SIDE = AE_TILE_SIDE, TILE_MAX = 4, KERNEL_MAX = 5 };

/* ---- transforms of one line; the matrices are those of the header ---- */

static void transform_input(float r[SIDE], const float d[SIDE]) {
    const float a = AE_TILE_A, even_a = fmaf(-AE_TILE_B2, d[2], d[4]);
    const float b = AE_TILE_B, even_b = fmaf(-AE_TILE_A2, d[2], d[4]);
    const float odd_a = fmaf(-AE_TILE_B2, d[1], d[3]), odd_b = fmaf(-AE_TILE_A2, d[1], d[3]);
    r[0] = fmaf(AE_TILE_PRODUCT, d[0], fmaf(-AE_TILE_SUM, d[2], d[4]));
    r[1] = fmaf(a, odd_a, even_a);
    r[2] = fmaf(-a, odd_a, even_a);
    r[3] = fmaf(b, odd_b, even_b);
    r[4] = fmaf(-b, odd_b, even_b);
    r[5] = fmaf(AE_TILE_PRODUCT, d[1], fmaf(-AE_TILE_SUM, d[3], d[5]));
}

static void transform_output(float *y, const float m[SIDE], int tile) {
    const float even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const float even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = (m[0] + even_a) + even_b;
    if (tile == 2) {
        y[1] = fmaf(AE_TILE_B, odd_b, fmaf(AE_TILE_A, odd_a, m[5]));
        return;
    }
    y[1] = fmaf(AE_TILE_B, odd_b, AE_TILE_A * odd_a);
    y[2] = fmaf(AE_TILE_B2, even_b, AE_TILE_A2 * even_a);
    y[3] = fmaf(AE_TILE_B3, odd_b, fmaf(AE_TILE_A3, odd_a, m[5]));
}

static void transform_gradient(float q[SIDE], const float *y, int tile) {
    const float a = AE_TILE_A, even_a = tile == 2 ? y[0] : fmaf(AE_TILE_A2, y[2], y[0]);
    const float b = AE_TILE_B, even_b = tile == 2 ? y[0] : fmaf(AE_TILE_B2, y[2], y[0]);
    const float odd_a = tile == 2 ? y[1] : fmaf(AE_TILE_A2, y[3], y[1]);
    const float odd_b = tile == 2 ? y[1] : fmaf(AE_TILE_B2, y[3], y[1]);
    q[0] = y[0];
    q[1] = fmaf(a, odd_a, even_a);
    q[2] = fmaf(-a, odd_a, even_a);
    q[3] = fmaf(b, odd_b, even_b);
    q[4] = fmaf(-b, odd_b, even_b);
    q[5] = y[tile - 1];
}

static void transform_weights(float *g, const float s[SIDE], int kernel) {
    const float even_a = AE_TILE_CA * (s[1] + s[2]), odd_a = AE_TILE_ACA * (s[1] - s[2]);
    const float even_b = AE_TILE_CB * (s[3] + s[4]), odd_b = AE_TILE_BCB * (s[3] - s[4]);
    g[0] = fmaf(AE_TILE_C0, s[0], even_a) + even_b;
    g[1] = odd_a + odd_b;
    if (kernel == 3) {
        g[2] = fmaf(AE_TILE_B2, even_b, fmaf(AE_TILE_A2, even_a, s[5]));
        return;
    }
    g[2] = fmaf(AE_TILE_B2, even_b, AE_TILE_A2 * even_a);
    g[3] = fmaf(AE_TILE_B2, odd_b, AE_TILE_A2 * odd_a);
    g[4] = fmaf(AE_TILE_B4, even_b, fmaf(AE_TILE_A4, even_a, s[5]));
}

/* ---- tiles: down the columns, then along the rows ---- */

static float pixel_at(const ae_planes *planes, int c, int h, int w) {
    const bool inside = h >= 0 && h < planes->height && w >= 0 && w < planes->width;
    return inside ? ae_planes_row(planes, c, h)[w] : 0;
}

/* The components of the SIDE x SIDE pixels from (row, column) on. */
static void input_tile(float v[SIDE][SIDE], const ae_planes *in, int c, int row, int column) {
    float down[SIDE][SIDE]; /* [column][component] */
    for (int x = 0; x < SIDE; ++x) {
        float d[SIDE];
        for (int y = 0; y < SIDE; ++y) d[y] = pixel_at(in, c, row + y, column + x);
        transform_input(down[x], d);
    }
    for (int k = 0; k < SIDE; ++k) {
        float d[SIDE];
        for (int x = 0; x < SIDE; ++x) d[x] = down[x][k];
        transform_input(v[k], d);
    }
}

/* The same of the tile x tile pixels of a gradient. */
static void gradient_tile(float v[SIDE][SIDE], const ae_planes *in, int c, int row, int column,
                          int tile) {
    float down[TILE_MAX][SIDE];
    for (int x = 0; x < tile; ++x) {
        float d[TILE_MAX];
        for (int y = 0; y < tile; ++y) d[y] = pixel_at(in, c, row + y, column + x);
        transform_gradient(down[x], d, tile);
    }
    for (int k = 0; k < SIDE; ++k) {
        float d[TILE_MAX];
        for (int x = 0; x < tile; ++x) d[x] = down[x][k];
        transform_gradient(v[k], d, tile);
    }
}

static void output_tile(float y[TILE_MAX][TILE_MAX], float m[SIDE][SIDE], int tile) {
    float down[SIDE][TILE_MAX];
    for (int x = 0; x < SIDE; ++x) {
        float column[SIDE];
        for (int k = 0; k < SIDE; ++k) column[k] = m[k][x];
        transform_output(down[x], column, tile);
    }
    for (int r = 0; r < tile; ++r) {
        float row[SIDE];
        for (int x = 0; x < SIDE; ++x) row[x] = down[x][r];
        transform_output(y[r], row, tile);
    }
}

/* ---- the kernels ---- */

/* The sum of component k's products over the input channels: chains of some, then added. */
static float component_sum(const float *weights, float v[][SIDE][SIDE], int channels, int chain,
                           int oc, int k) {
    float total = 0;
    for (int first = 0; first < channels; first += chain) {
        float sum = 0;
        for (int ic = first; ic < first + chain && ic < channels; ++ic)
            sum = fmaf(weights[ae_lane_weight(channels, oc, ic)], v[ic][k / SIDE][k % SIDE], sum);
        total = first > 0 ? total + sum : sum;
    }
    return total;
}

void ae_reference_tiles(const ae_planes *out, const ae_planes *in, const float *weights,
                        const float *bias, const ae_epilogue *epilogue, int kernel, int shift,
                        float *scratch) {
    const int tile = ae_tile_outputs(kernel), chain = ae_tile_chain(kernel);
    float(*v)[SIDE][SIDE] = (float(*)[SIDE][SIDE])scratch;
    const size_t component = (size_t)in->channels * ae_lane_channels(out->channels);
    for (int row = 0; row < out->height; row += tile)
        for (int column = 0; column < out->width; column += tile) {
            for (int ic = 0; ic < in->channels; ++ic)
                input_tile(v[ic], in, ic, row - shift, column - shift);
            for (int oc = 0; oc < out->channels; ++oc) {
                float m[SIDE][SIDE], y[TILE_MAX][TILE_MAX];
                for (int k = 0; k < SIDE * SIDE; ++k)
                    m[k / SIDE][k % SIDE] = component_sum(weights + (size_t)k * component, v,
                                                          in->channels, chain, oc, k);
                output_tile(y, m, tile);
                for (int oh = row; oh < row + tile && oh < out->height; ++oh)
                    for (int ow = column; ow < column + tile && ow < out->width; ++ow) {
                        float gate = epilogue->gate ? ae_planes_row(epilogue->gate, oc, oh)[ow] : 0;
                        float value = y[oh - row][ow - column] + (bias ? bias[oc] : 0);
                        ae_planes_row(out, oc, oh)[ow] = ae_epilogue_value(value, epilogue, gate);
                    }
            }
        }
}

/* s += the components' products of the tile at (row, column) of channels a and b. */
static void add_products(float s[SIDE][SIDE], const ae_planes *small, const ae_planes *large, int a,
                         int b, int row, int column, int kernel, int padding) {
    float q[SIDE][SIDE], p[SIDE][SIDE];
    gradient_tile(q, small, a, row, column, ae_tile_outputs(kernel));
    input_tile(p, large, b, row - padding, column - padding);
    for (int k = 0; k < SIDE * SIDE; ++k)
        s[k / SIDE][k % SIDE] =
            fmaf(q[k / SIDE][k % SIDE], p[k / SIDE][k % SIDE], s[k / SIDE][k % SIDE]);
}

/* Adds the derivatives by the kernel from channel b of `large` to channel a of `small`. */
static void add_kernel(float *sums, const ae_planes *small, const ae_planes *large, int images,
                       int a, int b, int kernel, int padding) {
    const int tile = ae_tile_outputs(kernel);
    float s[SIDE][SIDE] = {{0}}, down[SIDE][KERNEL_MAX];
    for (int i = 0; i < images; ++i)
        for (int row = 0; row < small->height; row += tile)
            for (int column = 0; column < small->width; column += tile)
                add_products(s, &small[i], &large[i], a, b, row, column, kernel, padding);
    for (int x = 0; x < SIDE; ++x) {
        float column[SIDE];
        for (int k = 0; k < SIDE; ++k) column[k] = s[k][x];
        transform_weights(down[x], column, kernel);
    }
    for (int i = 0; i < kernel; ++i) {
        float row[SIDE], g[KERNEL_MAX];
        for (int x = 0; x < SIDE; ++x) row[x] = down[x][i];
        transform_weights(g, row, kernel);
        for (int j = 0; j < kernel; ++j) sums[kernel * i + j] += g[j];
    }
}

void ae_reference_tiles_weights(float *sums, const ae_planes *small, const ae_planes *large,
                                int images, int kernel, int padding) {
    for (int a = 0; a < small->channels; ++a)
        for (int b = 0; b < large->channels; ++b, sums += kernel * kernel)
            add_kernel(sums, small, large, images, a, b, kernel, padding);
}
