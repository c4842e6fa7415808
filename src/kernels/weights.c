#include "kernels/kernels.h"

size_t ae_weights_packed(int out, int in, int kernel) {
    int rows = kernel == 3 ? AE_WINOGRAD_COMPONENTS : kernel;
    return (size_t)out * (size_t)in * (size_t)(rows * kernel);
}

size_t ae_gradient_scratch(int small, int large, int height, int width) {
    const size_t pairs = ((size_t)height + 1) / 2, as = (size_t)small, bs = (size_t)large;
    const size_t row = ((size_t)width + AE_LANES - 1) / AE_LANES * AE_LANES;
    return 2 * as * pairs * row + AE_WINOGRAD_COMPONENTS * as * bs * 3;
}

/* The weights of a 3x3 kernel's components; g points to column j of its first row, the others
 * follow at `row`. */
static void components(float u[AE_WINOGRAD_COMPONENTS], const float *g, ptrdiff_t row) {
    float outer = g[0] + g[2 * row];
    u[0] = g[0];
    u[1] = 0.5f * (outer + g[row]);
    u[2] = 0.5f * (outer - g[row]);
    u[3] = g[2 * row];
}

void ae_weights_pack(float *packed, const float *weight, int out, int in, int kernel,
                     ptrdiff_t out_stride, ptrdiff_t in_stride, bool turned) {
    const int taps = kernel * kernel, direction = turned ? -1 : 1;
    for (int ic = 0; ic < in; ++ic)
        for (int oc = 0; oc < out; ++oc) {
            const float *w = weight + oc * out_stride + ic * in_stride + (turned ? taps - 1 : 0);
            for (int j = 0; j < kernel; ++j) {
                float u[AE_KERNEL_MAX];
                if (kernel == 3) {
                    components(u, w + direction * j, direction * kernel);
                    for (int c = 0; c < AE_WINOGRAD_COMPONENTS; ++c)
                        packed[((c * in + ic) * kernel + j) * out + oc] = u[c];
                } else {
                    for (int i = 0; i < kernel; ++i)
                        packed[(ic * taps + i * kernel + j) * out + oc] =
                            w[direction * (i * kernel + j)];
                }
            }
        }
}
