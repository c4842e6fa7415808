/* What is the same for a convolution on all paths: its sizes, its algorithm; and the packed weights
 * that paths share. */
#include "kernels/conv.h"

bool ae_conv_is_winograd(const ae_conv *conv) {
    return conv->kernel == 3 && conv->stride == 1;
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

size_t ae_conv_packed(const ae_conv *conv) {
    const size_t rows = ae_conv_is_winograd(conv) ? AE_WINOGRAD_COMPONENTS : (size_t)conv->kernel;
    return ae_conv_weights(conv) / (size_t)conv->kernel * rows;
}

int ae_conv_halo(const ae_conv *conv) {
    const int far = conv->kernel - 1 - conv->padding;
    const int halo = conv->padding > far ? conv->padding : far;
    return conv->stride > 1 && halo < 1 ? 1 : halo;
}

double ae_conv_work(const ae_conv *conv, int height, int width) {
    if (!conv->transposed) {
        height = ae_conv_side(conv, height);
        width = ae_conv_side(conv, width);
    }
    return (double)ae_conv_weights(conv) * height * width;
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

static void pack_winograd(float *packed, const float *weight, int out, int in, ptrdiff_t out_stride,
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
    if (ae_conv_is_winograd(conv))
        pack_winograd(packed, weight, out, in, out_stride, in_stride, turned ? -1 : 1);
    else
        pack_taps(packed, weight, out, in, taps, out_stride, in_stride, turned ? -1 : 1);
}
