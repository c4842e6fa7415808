#include "kernels/reference.h"

#include <math.h>

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

void ae_reference_correlate(const ae_planes *out, const ae_planes *in, const float *weights,
                            const float *bias, int kernel, ae_window window, ae_epilogue epilogue,
                            const ae_planes *gate) {
    int shift = window == AE_WINDOW_FULL ? kernel - 1 : 0;
    for (int oc = 0; oc < out->channels; ++oc)
        for (int oh = 0; oh < out->height; ++oh)
            for (int ow = 0; ow < out->width; ++ow) {
                float sum = bias ? bias[oc] : 0;
                const float *weight = weights + oc;
                for (int ic = 0; ic < in->channels; ++ic)
                    for (int kh = 0; kh < kernel; ++kh)
                        for (int kw = 0; kw < kernel; ++kw) {
                            float pixel = ae_planes_row(in, ic, oh + kh - shift)[ow + kw - shift];
                            sum = fmaf(*weight, pixel, sum);
                            weight += out->channels;
                        }
                float gate_value = gate ? ae_planes_row(gate, oc, oh)[ow] : 0;
                ae_planes_row(out, oc, oh)[ow] = finish(sum, epilogue, gate_value);
            }
}

void ae_reference_correlate_gradient(float *lanes, const ae_planes *small, const ae_planes *large,
                                     int kernel) {
    for (int a = 0; a < small->channels; ++a)
        for (int b = 0; b < large->channels; ++b)
            for (int kh = 0; kh < kernel; ++kh)
                for (int kw = 0; kw < kernel; ++kw) {
                    for (int h = 0; h < small->height; ++h) {
                        const float *a_row = ae_planes_row(small, a, h);
                        const float *b_row = ae_planes_row(large, b, h + kh) + kw;
                        /* Whole lane groups: small is zero beyond its width. */
                        for (int w = 0; w < small->width; w += AE_LANES)
                            for (int l = 0; l < AE_LANES; ++l)
                                lanes[l] = fmaf(a_row[w + l], b_row[w + l], lanes[l]);
                    }
                    lanes += AE_LANES;
                }
}

void ae_reference_sum_pixels(float *lanes, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c, lanes += AE_LANES)
        for (int h = 0; h < planes->height; ++h) {
            const float *row = ae_planes_row(planes, c, h);
            for (int w = 0; w < planes->width; w += AE_LANES)
                for (int l = 0; l < AE_LANES; ++l) lanes[l] += row[w + l];
        }
}

void ae_reference_reduce_lanes(float *values, const float *lanes, size_t count) {
    for (size_t i = 0; i < count; ++i, lanes += AE_LANES) {
        float sum[AE_LANES];
        for (int l = 0; l < AE_LANES; ++l) sum[l] = lanes[l];
        for (int half = AE_LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; ++l) sum[l] += sum[l + half];
        values[i] = sum[0];
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
