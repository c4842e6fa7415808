#include "kernels/reference.h"

#include <math.h>
#include <string.h>
#include "kernels/conv.h"

static float pixel_at(const ae_planes *planes, int c, int h, int w) {
    const bool inside = h >= 0 && h < planes->height && w >= 0 && w < planes->width;
    return inside ? ae_planes_row(planes, c, h)[w] : 0;
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

static float winograd_pixel(float sum, const ae_planes *out, const ae_planes *in,
                            const float *weights, int oc, int oh, int ow, int shift) {
    int pair = oh / 2 * 2;
    float m1 = add_component(sum, 1, out, in, weights, oc, pair, ow, shift);
    float m2 = add_component(0, 2, out, in, weights, oc, pair, ow, shift);
    if (oh == pair) return add_component(m1 + m2, 0, out, in, weights, oc, pair, ow, shift);
    return add_component(m1 - m2, 3, out, in, weights, oc, pair, ow, shift);
}

/* Correlation, tap by tap. */
static float correlate_pixel(float sum, const ae_planes *out, const ae_planes *in,
                             const float *weights, int oc, int oh, int ow, int kernel, int stride,
                             int shift) {
    const float *weight = weights + oc;
    for (int ic = 0; ic < in->channels; ++ic)
        for (int kh = 0; kh < kernel; ++kh)
            for (int kw = 0; kw < kernel; ++kw, weight += out->channels) {
                float pixel = pixel_at(in, ic, stride * oh + kh - shift, stride * ow + kw - shift);
                sum = fmaf(*weight, pixel, sum);
            }
    return sum;
}

/* The same with many channels, (kh, kw) before ic. */
static float correlate_many(float sum, const ae_planes *in, const float *weights, int oc, int oh,
                            int ow, const ae_conv *conv, int shift) {
    const int k = conv->kernel, count = k * k * in->channels;
    for (int kh = 0, i = 0; kh < k; ++kh)
        for (int kw = 0; kw < k; ++kw)
            for (int ic = 0; ic < in->channels; ++ic, ++i) {
                float pixel = pixel_at(in, ic, conv->stride * oh + kh - shift,
                                       conv->stride * ow + kw - shift);
                sum = fmaf(weights[ae_lane_weight(count, oc, i)], pixel, sum);
            }
    return sum;
}

/* The adjoint of a correlation of stride 2, with many channels. */
static float spread_many(float sum, const ae_planes *in, const float *weights, int oc, int oh,
                         int ow, const ae_conv *conv) {
    const int k = conv->kernel, count = k * k * in->channels;
    for (int kh = 0; kh < k; ++kh)
        for (int kw = 0; kw < k; ++kw) {
            const int h = oh - kh + conv->padding, w = ow - kw + conv->padding;
            if (h % 2 != 0 || w % 2 != 0) continue;
            for (int ic = 0; ic < in->channels; ++ic)
                sum = fmaf(weights[ae_lane_weight(count, oc, (kh * k + kw) * in->channels + ic)],
                           pixel_at(in, ic, h / 2, w / 2), sum);
        }
    return sum;
}

/* The adjoint of a correlation of stride 2. */
static float spread_pixel(float sum, const ae_planes *out, const ae_planes *in,
                          const float *weights, int oc, int oh, int ow, int kernel, int padding) {
    const float *weight = weights + oc;
    for (int ic = 0; ic < in->channels; ++ic)
        for (int kh = 0; kh < kernel; ++kh)
            for (int kw = 0; kw < kernel; ++kw, weight += out->channels) {
                const int h = oh - kh + padding, w = ow - kw + padding;
                if (h % 2 == 0 && w % 2 == 0)
                    sum = fmaf(*weight, pixel_at(in, ic, h / 2, w / 2), sum);
            }
    return sum;
}

static void convolve_image(const ae_planes *out, const ae_planes *in, const ae_conv *conv,
                           bool backward, const float *weights, const float *bias,
                           const ae_epilogue *epilogue, float *scratch) {
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    const bool spreads = conv->stride > 1 && ae_conv_is_adjoint(conv, backward);
    const int shift = ae_conv_shift(conv, backward);
    if (algorithm == AE_CONV_TILES) {
        ae_reference_tiles(out, in, weights, bias, epilogue, conv->kernel, shift, scratch);
        return;
    }
    for (int oc = 0; oc < out->channels; ++oc)
        for (int oh = 0; oh < out->height; ++oh)
            for (int ow = 0; ow < out->width; ++ow) {
                float sum = bias ? bias[oc] : 0;
                if (algorithm == AE_CONV_PAIRS)
                    sum = winograd_pixel(sum, out, in, weights, oc, oh, ow, shift);
                else if (algorithm == AE_CONV_PIXELS && spreads)
                    sum = spread_many(sum, in, weights, oc, oh, ow, conv);
                else if (algorithm == AE_CONV_PIXELS)
                    sum = correlate_many(sum, in, weights, oc, oh, ow, conv, shift);
                else if (spreads)
                    sum = spread_pixel(sum, out, in, weights, oc, oh, ow, conv->kernel,
                                       conv->padding);
                else
                    sum = correlate_pixel(sum, out, in, weights, oc, oh, ow, conv->kernel,
                                          conv->stride, shift);
                float gate = epilogue->gate ? ae_planes_row(epilogue->gate, oc, oh)[ow] : 0;
                ae_planes_row(out, oc, oh)[ow] = ae_epilogue_value(sum, epilogue, gate);
            }
}

static void convolve(const ae_planes *out, const ae_planes *in, int images, const ae_conv *conv,
                     bool backward, const float *weights, const float *bias,
                     const ae_epilogue *epilogue, float *scratch) {
    for (int i = 0; i < images; ++i) {
        const ae_epilogue its = ae_epilogue_of(epilogue, i);
        convolve_image(&out[i], &in[i], conv, backward, weights, bias, &its, scratch);
    }
}

void ae_reference_conv_forward(const ae_planes *out, const ae_planes *in, int images,
                               const ae_conv *conv, const float *weights, const float *bias,
                               const ae_epilogue *epilogue, float *scratch) {
    convolve(out, in, images, conv, false, weights, bias, epilogue, scratch);
}

void ae_reference_conv_backward(const ae_planes *below, const ae_planes *gradient, int images,
                                const ae_conv *conv, const float *weights,
                                const ae_epilogue *epilogue, float *scratch) {
    convolve(below, gradient, images, conv, true, weights, NULL, epilogue, scratch);
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
static float tap_gradient(const ae_planes *small, const ae_planes *large, int a, int b,
                          const ae_conv *conv, int kh, int kw) {
    const int s = conv->stride, p = conv->padding;
    float lanes[AE_LANES] = {0};
    for (int h = 0; h < small->height; ++h) /* Whole lane groups: small is zero beyond its width. */
        for (int w = 0; w < small->width; w += AE_LANES)
            for (int l = 0; l < AE_LANES; ++l)
                lanes[l] = fmaf(ae_planes_row(small, a, h)[w + l],
                                pixel_at(large, b, s * h + kh - p, s * (w + l) + kw - p), lanes[l]);
    return sum_lanes(lanes);
}

/* The same with many channels: pixel by pixel, of all images. */
static float pixel_gradient(const ae_planes *small, const ae_planes *large, int images, int a,
                            int b, const ae_conv *conv, int kh, int kw) {
    const int s = conv->stride, p = conv->padding;
    float sum = 0;
    for (int i = 0; i < images; ++i)
        for (int h = 0; h < small->height; ++h)
            for (int w = 0; w < small->width; ++w)
                sum = fmaf(ae_planes_row(&small[i], a, h)[w],
                           pixel_at(&large[i], b, s * h + kh - p, s * w + kw - p), sum);
    return sum;
}

/* The same for a component, over pairs of rows; an odd last row's partner is a row of zeros. */
static float component_gradient(const ae_planes *small, const ae_planes *large, int a, int b,
                                int component, int kw, int padding) {
    float lanes[AE_LANES] = {0};
    for (int h = 0; h < small->height; h += 2)
        for (int w = 0; w < small->width; w += AE_LANES)
            for (int l = 0; l < AE_LANES; ++l) {
                const float e0 = ae_planes_row(small, a, h)[w + l];
                const float e1 = ae_planes_row(small, a, h + 1)[w + l];
                const float q[AE_WINOGRAD_COMPONENTS] = {e0, e0 + e1, e0 - e1, e1};
                const float p =
                    component_pixel(component, large, b, h - padding, w + l + kw - padding);
                lanes[l] = fmaf(q[component], p, lanes[l]);
            }
    return sum_lanes(lanes);
}

/* Adds the derivatives by column kw of a 3x3 kernel. */
static void add_winograd_column(float *sums, const ae_planes *small, const ae_planes *large, int a,
                                int b, int kw, int padding) {
    float s[AE_WINOGRAD_COMPONENTS];
    for (int c = 0; c < AE_WINOGRAD_COMPONENTS; ++c)
        s[c] = component_gradient(small, large, a, b, c, kw, padding);
    float both = 0.5f * (s[1] + s[2]);
    sums[kw] += s[0] + both;
    sums[3 + kw] += 0.5f * (s[1] - s[2]);
    sums[6 + kw] += both + s[3];
}

static void add_pixel_gradients(float *sums, const ae_planes *small, const ae_planes *large,
                                int images, const ae_conv *conv) {
    const int kernel = conv->kernel;
    for (int a = 0; a < small->channels; ++a)
        for (int b = 0; b < large->channels; ++b)
            for (int tap = 0; tap < kernel * kernel; ++tap)
                *sums++ +=
                    pixel_gradient(small, large, images, a, b, conv, tap / kernel, tap % kernel);
}

static void add_image_gradients(float *sums, const ae_planes *small, const ae_planes *large,
                                const ae_conv *conv) {
    const int kernel = conv->kernel;
    const bool in_pairs = ae_conv_algorithm_of(conv) == AE_CONV_PAIRS;
    for (int a = 0; a < small->channels; ++a)
        for (int b = 0; b < large->channels; ++b, sums += kernel * kernel)
            for (int kw = 0; kw < kernel; ++kw) {
                if (in_pairs)
                    add_winograd_column(sums, small, large, a, b, kw, conv->padding);
                else
                    for (int kh = 0; kh < kernel; ++kh)
                        sums[kh * kernel + kw] += tap_gradient(small, large, a, b, conv, kh, kw);
            }
}

void ae_reference_conv_weights(float *sums, const ae_planes *in, const ae_planes *gradient,
                               int images, const ae_conv *conv, float *scratch) {
    const ae_planes *small = conv->transposed ? in : gradient;
    const ae_planes *large = conv->transposed ? gradient : in;
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    (void)scratch;
    if (algorithm == AE_CONV_TILES)
        ae_reference_tiles_weights(sums, small, large, images, conv->kernel, conv->padding);
    else if (algorithm == AE_CONV_PIXELS)
        add_pixel_gradients(sums, small, large, images, conv);
    else
        for (int i = 0; i < images; ++i) add_image_gradients(sums, &small[i], &large[i], conv);
}

size_t ae_reference_conv_scratch(const ae_conv *conv, int height, int width) {
    const int in = conv->in_channels, out = conv->out_channels;
    (void)height, (void)width;
    if (ae_conv_algorithm_of(conv) != AE_CONV_TILES) return 0;
    return AE_TILE_COMPONENTS * (size_t)(in > out ? in : out); /* of a tile's input */
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
