/* The readable F(4x4, 3x3): the specification of include/kernels/kernels.h. */
#include <math.h>

#include "kernels/conv.h"
#include "kernels/reference.h"

enum { TILE = AE_TILE, SIDE = AE_TILE_SIDE };

/* ---- transforms of one line; the matrices are those of the header ---- */

static void transform_input(float r[SIDE], const float d[SIDE]) {
    const float p = d[4] - d[2], q = d[3] - d[1];
    const float s = fmaf(0.5f, d[2], fmaf(1.5f, d[3], d[4]));
    r[0] = fmaf(1.5f, q, (d[0] - d[2]) + p);
    r[1] = s + q;
    r[2] = fmaf(-3, d[2], s - q);
    r[3] = fmaf(2, q, p);
    r[4] = fmaf(-0.5f, q, p);
    r[5] = fmaf(1.5f, p, (d[5] - d[3]) - q);
}

static void transform_output(float y[TILE], const float m[SIDE]) {
    const float a = m[1] + m[2], b = m[1] - m[2];
    y[0] = ((m[0] + a) + m[3]) + m[4];
    y[1] = fmaf(-2, m[4], fmaf(0.5f, m[3], b));
    y[2] = fmaf(4, m[4], fmaf(0.25f, m[3], a));
    y[3] = fmaf(-8, m[4], fmaf(0.125f, m[3], b)) + m[5];
}

static void transform_gradient(float q[SIDE], const float y[TILE]) {
    const float even = y[0] + y[2], odd = y[1] + y[3];
    q[0] = y[0];
    q[1] = even + odd;
    q[2] = even - odd;
    q[3] = fmaf(0.5f, fmaf(0.25f, y[3], y[1]), fmaf(0.25f, y[2], y[0]));
    q[4] = fmaf(-2, fmaf(4, y[3], y[1]), fmaf(4, y[2], y[0]));
    q[5] = y[3];
}

static void transform_weights(float g[3], const float s[SIDE]) {
    const float third = 1 / 3.0f, fifteenth = 1 / 15.0f;
    const float sum = s[1] + s[2], difference = s[1] - s[2];
    const float b = fifteenth * s[4], a = (-4 * fifteenth) * s[3];
    g[0] = fmaf(4, a, fmaf(third, difference, s[0])) + b;
    g[1] = fmaf(-2, b, fmaf(2, a, third * sum));
    g[2] = fmaf(4, b, fmaf(third, difference, s[5]) + a);
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

static void gradient_tile(float v[SIDE][SIDE], const ae_planes *in, int c, int row, int column) {
    float down[TILE][SIDE];
    for (int x = 0; x < TILE; ++x) {
        float d[TILE];
        for (int y = 0; y < TILE; ++y) d[y] = pixel_at(in, c, row + y, column + x);
        transform_gradient(down[x], d);
    }
    for (int k = 0; k < SIDE; ++k) {
        float d[TILE];
        for (int x = 0; x < TILE; ++x) d[x] = down[x][k];
        transform_gradient(v[k], d);
    }
}

static void output_tile(float y[TILE][TILE], float m[SIDE][SIDE]) {
    float down[SIDE][TILE];
    for (int x = 0; x < SIDE; ++x) {
        float column[SIDE];
        for (int k = 0; k < SIDE; ++k) column[k] = m[k][x];
        transform_output(down[x], column);
    }
    for (int r = 0; r < TILE; ++r) {
        float row[SIDE];
        for (int x = 0; x < SIDE; ++x) row[x] = down[x][r];
        transform_output(y[r], row);
    }
}

/* ---- the kernels ---- */

void ae_reference_tiles(const ae_planes *out, const ae_planes *in, const float *weights,
                        const float *bias, const ae_epilogue *epilogue, int shift, float *scratch) {
    float(*v)[SIDE][SIDE] = (float(*)[SIDE][SIDE])scratch;
    const size_t component = (size_t)in->channels * ae_tile_channels(out->channels);
    for (int row = 0; row < out->height; row += TILE)
        for (int column = 0; column < out->width; column += TILE) {
            for (int ic = 0; ic < in->channels; ++ic)
                input_tile(v[ic], in, ic, row - shift, column - shift);
            for (int oc = 0; oc < out->channels; ++oc) {
                float m[SIDE][SIDE] = {{0}}, y[TILE][TILE];
                for (int k = 0; k < SIDE * SIDE; ++k)
                    for (int ic = 0; ic < in->channels; ++ic)
                        m[k / SIDE][k % SIDE] = fmaf(
                            weights[(size_t)k * component + ae_tile_weight(in->channels, oc, ic)],
                            v[ic][k / SIDE][k % SIDE], m[k / SIDE][k % SIDE]);
                output_tile(y, m);
                for (int oh = row; oh < row + TILE && oh < out->height; ++oh)
                    for (int ow = column; ow < column + TILE && ow < out->width; ++ow) {
                        float gate = epilogue->gate ? ae_planes_row(epilogue->gate, oc, oh)[ow] : 0;
                        float value = y[oh - row][ow - column] + (bias ? bias[oc] : 0);
                        ae_planes_row(out, oc, oh)[ow] = ae_epilogue_value(value, epilogue, gate);
                    }
            }
        }
}

/* Adds the derivatives by the kernel from channel b of `large` to channel a of `small`. */
static void add_kernel(float sums[9], const ae_planes *small, const ae_planes *large, int a, int b,
                       int padding) {
    float s[SIDE][SIDE] = {{0}}, down[SIDE][3];
    for (int row = 0; row < small->height; row += TILE)
        for (int column = 0; column < small->width; column += TILE) {
            float q[SIDE][SIDE], p[SIDE][SIDE];
            gradient_tile(q, small, a, row, column);
            input_tile(p, large, b, row - padding, column - padding);
            for (int k = 0; k < SIDE * SIDE; ++k)
                s[k / SIDE][k % SIDE] =
                    fmaf(q[k / SIDE][k % SIDE], p[k / SIDE][k % SIDE], s[k / SIDE][k % SIDE]);
        }
    for (int x = 0; x < SIDE; ++x) {
        float column[SIDE];
        for (int k = 0; k < SIDE; ++k) column[k] = s[k][x];
        transform_weights(down[x], column);
    }
    for (int i = 0; i < 3; ++i) {
        float row[SIDE], g[3];
        for (int x = 0; x < SIDE; ++x) row[x] = down[x][i];
        transform_weights(g, row);
        for (int j = 0; j < 3; ++j) sums[3 * i + j] += g[j];
    }
}

void ae_reference_tiles_weights(float *sums, const ae_planes *small, const ae_planes *large,
                                int padding) {
    for (int a = 0; a < small->channels; ++a)
        for (int b = 0; b < large->channels; ++b, sums += 9)
            add_kernel(sums, small, large, a, b, padding);
}
