#include "kernels/reference.h"

#include <math.h>
#include <string.h>

static float finish(float value, ae_epilogue epilogue, float gate) {
    switch (epilogue) {
    case AE_EPILOGUE_RELU:
        return 0 > value ? 0 : value;
    case AE_EPILOGUE_GATE:
        return gate > 0 ? value : 0;
    case AE_EPILOGUE_NONE:
        break;
    }
    return value;
}

/* A pixel of component `component` of the pair of output rows oh and oh + 1, ih being the first
 * input row they read. */
static float component_pixel(int component, const ae_planes *in, int ic, int ih, int iw) {
    const float d0 = ae_planes_row(in, ic, ih)[iw], d1 = ae_planes_row(in, ic, ih + 1)[iw];
    const float d2 = ae_planes_row(in, ic, ih + 2)[iw], d3 = ae_planes_row(in, ic, ih + 3)[iw];
    const float components[AE_WINOGRAD_COMPONENTS] = {d0 - d2, d1 + d2, d2 - d1, d3 - d1};
    return components[component];
}

/* `sum` with the products of a component for pixel ow of output rows oh and oh + 1 added. */
static float add_component(float sum, int component, const ae_planes *out, const ae_planes *in,
                           const float *weights, int oc, int oh, int ow, int shift) {
    const float *weight = weights + component * in->channels * 3 * out->channels + oc;
    for (int ic = 0; ic < in->channels; ++ic)
        for (int kw = 0; kw < 3; ++kw) {
            float pixel = component_pixel(component, in, ic, oh - shift, ow + kw - shift);
            sum = fmaf(*weight, pixel, sum);
            weight += out->channels;
        }
    return sum;
}

static float add_taps(float sum, const ae_planes *out, const ae_planes *in, const float *weights,
                      int kernel, int oc, int oh, int ow, int shift) {
    const float *weight = weights + oc;
    for (int ic = 0; ic < in->channels; ++ic)
        for (int kh = 0; kh < kernel; ++kh)
            for (int kw = 0; kw < kernel; ++kw) {
                float pixel = ae_planes_row(in, ic, oh + kh - shift)[ow + kw - shift];
                sum = fmaf(*weight, pixel, sum);
                weight += out->channels;
            }
    return sum;
}

void ae_reference_correlate(const ae_planes *out, const ae_planes *in, const float *weights,
                            const float *bias, int kernel, ae_window window, ae_epilogue epilogue,
                            const ae_planes *gate) {
    int shift = window == AE_WINDOW_FULL ? kernel - 1 : 0;
    for (int oc = 0; oc < out->channels; ++oc)
        for (int oh = 0; oh < out->height; ++oh)
            for (int ow = 0; ow < out->width; ++ow) {
                float sum = bias ? bias[oc] : 0;
                if (kernel == 3) {
                    int pair = oh / 2 * 2;
                    float m1 = add_component(sum, 1, out, in, weights, oc, pair, ow, shift);
                    float m2 = add_component(0, 2, out, in, weights, oc, pair, ow, shift);
                    if (oh == pair)
                        sum = add_component(m1 + m2, 0, out, in, weights, oc, pair, ow, shift);
                    else
                        sum = add_component(m1 - m2, 3, out, in, weights, oc, pair, ow, shift);
                } else {
                    sum = add_taps(sum, out, in, weights, kernel, oc, oh, ow, shift);
                }
                float gate_value = gate ? ae_planes_row(gate, oc, oh)[ow] : 0;
                ae_planes_row(out, oc, oh)[ow] = finish(sum, epilogue, gate_value);
            }
}

/* The sum of 16 lanes by halving. */
static float sum_lanes(const float *lanes) {
    float sum[AE_LANES];
    memcpy(sum, lanes, sizeof sum);
    for (int half = AE_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) sum[l] += sum[l + half];
    return sum[0];
}

/* The sum over all pixels of small channel a times those of large channel b at tap (kh, kw). */
static float tap_gradient(const ae_planes *small, const ae_planes *large, int a, int b, int kh,
                          int kw) {
    float lanes[AE_LANES] = {0};
    for (int h = 0; h < small->height; ++h) /* Whole lane groups: small is zero beyond its width. */
        for (int w = 0; w < small->width; w += AE_LANES)
            for (int l = 0; l < AE_LANES; ++l)
                lanes[l] = fmaf(ae_planes_row(small, a, h)[w + l],
                                ae_planes_row(large, b, h + kh)[w + l + kw], lanes[l]);
    return sum_lanes(lanes);
}

/* The same for a component, over pairs of rows; an odd last row's partner is a row of zeros. */
static float component_gradient(const ae_planes *small, const ae_planes *large, int a, int b,
                                int component, int kw) {
    float lanes[AE_LANES] = {0};
    for (int h = 0; h < small->height; h += 2)
        for (int w = 0; w < small->width; w += AE_LANES)
            for (int l = 0; l < AE_LANES; ++l) {
                const float e0 = ae_planes_row(small, a, h)[w + l];
                const float e1 = ae_planes_row(small, a, h + 1)[w + l];
                const float q[AE_WINOGRAD_COMPONENTS] = {e0, e0 + e1, e0 - e1, e1};
                lanes[l] = fmaf(q[component], component_pixel(component, large, b, h, w + l + kw),
                                lanes[l]);
            }
    return sum_lanes(lanes);
}

void ae_reference_correlate_gradient(float *gradient, const ae_planes *small,
                                     const ae_planes *large, int kernel, float *scratch) {
    (void)scratch;
    for (int a = 0; a < small->channels; ++a)
        for (int b = 0; b < large->channels; ++b, gradient += kernel * kernel)
            for (int kw = 0; kw < kernel; ++kw) {
                if (kernel == 3) {
                    float s[AE_WINOGRAD_COMPONENTS];
                    for (int c = 0; c < AE_WINOGRAD_COMPONENTS; ++c)
                        s[c] = component_gradient(small, large, a, b, c, kw);
                    float both = 0.5f * (s[1] + s[2]);
                    gradient[kw] += s[0] + both;
                    gradient[3 + kw] += 0.5f * (s[1] - s[2]);
                    gradient[6 + kw] += both + s[3];
                } else {
                    for (int kh = 0; kh < kernel; ++kh)
                        gradient[kh * kernel + kw] += tap_gradient(small, large, a, b, kh, kw);
                }
            }
}

void ae_reference_sum_pixels(float *sums, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c) {
        float lanes[AE_LANES] = {0};
        for (int h = 0; h < planes->height; ++h) {
            const float *row = ae_planes_row(planes, c, h);
            for (int w = 0; w < planes->width; w += AE_LANES)
                for (int l = 0; l < AE_LANES; ++l) lanes[l] += row[w + l];
        }
        sums[c] += sum_lanes(lanes);
    }
}

double ae_reference_multiply_adds(long rounds) {
    enum { CHAINS = 8 };
    volatile float factor = 0.5f, sink; /* the compiler can't foresee, nor leave out */
    float chain[CHAINS] = {0}, f = factor;
    for (long r = 0; r < rounds; ++r)
        for (int c = 0; c < CHAINS; ++c) chain[c] = fmaf(chain[c], f, 1);
    for (int c = 0; c < CHAINS; ++c) sink = chain[c];
    (void)sink;
    return (double)rounds * CHAINS;
}
