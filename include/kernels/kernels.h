/* The arithmetic of the network, in one specified order of operations.
 *
 * Every function here exists as a readable reference (src/kernels/reference.c and the plain build
 * of src/kernels/elementwise.c): that is the specification, and every other path gives the same
 * bits. Multiply-adds are fused; sums over pixels run in 16 virtual lanes (lane = column mod 16)
 * and end in a fixed tree. A valid transposed convolution is a correlation of the zero-padded image
 * with the flipped kernel, and so is a convolution's backward pass; both are `correlate` here.
 * All functions are local and safe in threads; outputs come first. */
#ifndef AE_KERNELS_KERNELS_H
#define AE_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arithmetic.h"
#include "base/random.h"
#include "base/status.h"
#include "kernels/planes.h"

/* The order of operations described here, recorded with every checkpoint. */
enum { AE_CONTRACT_VERSION = 2 };

enum { AE_KERNEL_MAX = 7 }; /* largest kernel side */

/* 3x3 kernels work by Winograd's F(2, 3) down the columns (Lavin and Gray, "Fast algorithms for
 * convolutional neural networks", 2016): two rows of output at a time, 4 multiplications where 6
 * were. Of the four input rows d0 .. d3 that the pair reads and the kernel's rows g0, g1, g2,
 *
 *     component   pixels p   weights u             pixels q of two rows e0, e1 of a gradient
 *     0           d0 - d2    g0                    e0
 *     1           d1 + d2    ((g0 + g2) + g1) / 2  e0 + e1
 *     2           d2 - d1    ((g0 + g2) - g1) / 2  e0 - e1
 *     3           d3 - d1    g2                    e1
 *
 * and with the products m = u p the upper row is m1 + m2 + m0, the lower m1 - m2 + m3. With the
 * products s = q p, the derivatives by g0, g1, g2 are s0 + (s1 + s2) / 2, (s1 - s2) / 2 and
 * (s1 + s2) / 2 + s3. The second row of the pair an odd height ends in isn't computed; in a
 * gradient it is zero. */
enum { AE_WINOGRAD_COMPONENTS = 4 };

typedef enum ae_window {
    AE_WINDOW_VALID, /* out[y][x] reads in[y + i][x + j], 0 <= i, j < k: out is k - 1 smaller */
    AE_WINDOW_FULL   /* out[y][x] reads in[y + i - (k - 1)][x + j - (k - 1)]: out is k - 1 larger */
} ae_window;

typedef enum ae_epilogue {
    AE_EPILOGUE_NONE,
    AE_EPILOGUE_RELU, /* out = 0 > value ? 0 : value (a NaN stays) */
    AE_EPILOGUE_GATE  /* out = gate > 0 ? value : 0: the backward pass of a ReLU whose output was
                         gate */
} ae_epilogue;

enum { AE_SSIM_WINDOW = 7 }; /* side of the SSIM's window, pixels */

typedef struct ae_kernels {
    const char *name; /* "ref", "avx2", "avx512" */

    /* out[oc][y][x] = epilogue(bias[oc] + sum over ic, i, j of w[oc][ic][i][j] * in[ic][..]), the
     * weights w packed by ae_weights_pack(); no bias if `bias` is NULL. Chains of fused
     * multiply-adds, in the order (ic, i, j) beginning with the bias (or 0); of a 3x3 kernel, in
     * the order (ic, j): m1 begins with the bias, m2 with 0, component 0 goes on from m1 + m2 and
     * component 3 from m1 - m2. `gate` has out's shape (AE_EPILOGUE_GATE; else NULL). Overwrites
     * out. */
    void (*correlate)(const ae_planes *out, const ae_planes *in, const float *weights,
                      const float *bias, int kernel, ae_window window, ae_epilogue epilogue,
                      const ae_planes *gate);

    /* gradient[a][b][i][j] += sum over y, x of small[a][y][x] * large[b][y + i][x + j]: chains of
     * fused multiply-adds over (y, x / 16), or of a 3x3 kernel over (pair of rows, x / 16) for each
     * component, in lanes (lane = x mod 16) that are then summed by halving: lane l += lane l + 8,
     * then + 4, 2, 1. Columns from the width to the next multiple of 16 take part with small's
     * zeros. large is kernel - 1 larger. `scratch`: ae_gradient_scratch() floats, 64-byte aligned.
     * Accumulates. */
    void (*correlate_gradient)(float *gradient, const ae_planes *small, const ae_planes *large,
                               int kernel, float *scratch);

    /* sums[c] += sum over y, x of planes[c][y][x], in lanes in the order (y, x / 16), then the
     * lanes by halving. Accumulates. */
    void (*sum_pixels)(float *sums, const ae_planes *planes);

    /* planes = 1 / (1 + exp(-planes)), in place. exp: own arithmetic; the result's absolute error
     * is at most 1.5e-7. */
    void (*sigmoid)(const ae_planes *planes);

    /* gradient *= output * (1 - output), in place: the backward pass of a sigmoid. */
    void (*sigmoid_gradient)(const ae_planes *gradient, const ae_planes *output);

    /* Mean over the image of (output - target)^2, and gradient = its derivative. The squares are
     * taken in double; lane sums (lane = column mod 16) in the order (c, y, x / 16). */
    double (*loss_mse)(const ae_planes *gradient, const ae_planes *output, const ae_planes *target);

    /* The same for |output - target|; its derivative at 0 is 0. */
    double (*loss_l1)(const ae_planes *gradient, const ae_planes *output, const ae_planes *target);

    /* planes = bytes / 255, bytes dense [channel][row][column]. */
    void (*from_bytes)(const ae_planes *planes, const uint8_t *bytes);

    /* noisy = min(max(clean + sigma * normal, low), high); `normals` dense in (c, y, x) order. */
    void (*add_noise)(const ae_planes *noisy, const ae_planes *clean, const float *normals,
                      float sigma, float low, float high);

    /* normals[4 * quarter]: standard normal deviates by Box and Muller from Philox blocks 0 to
     * quarter - 1 of the stream. Block g with words w gives normals[g], normals[quarter + g]
     * (cosine and sine of w0, w1), normals[2 quarter + g], normals[3 quarter + g] (of w2, w3).
     * |normal| is below 5.78; error against exact arithmetic on the same words at most 1e-6. */
    void (*normals)(float *normals, size_t quarter, ae_stream stream);

    /* Adds each value * 2^k, rounded to nearest even, to sums. Where any value is not finite or
     * exceeds `bound` in magnitude, adds nothing. Returns the fault bits (base/fixed.h). */
    int (*add_fixed)(int64_t *sums, const float *values, size_t count, int k, double bound);

    /* Mean over the image of (a - b)^2, differences and sums in double; lanes as in loss_mse. */
    double (*mean_squared_error)(const ae_planes *a, const ae_planes *b);

    /* Structural similarity, in double (include/metrics/metrics.h). Not a number where a side is
     * shorter than the window. */
    double (*ssim)(const ae_planes *a, const ae_planes *b, double data_range);

    /* Does `rounds` rounds of independent fused multiply-adds in registers, enough of them to keep
     * the processor's units busy; returns their number, each lane of a vector counted. For
     * measuring the peak rate. */
    double (*multiply_adds)(long rounds);
} ae_kernels;

/* Floats of a packed weight. */
size_t ae_weights_packed(int out, int in, int kernel);

/* Floats that correlate_gradient needs for `small` channels x height x width and `large` channels.
 */
size_t ae_gradient_scratch(int small, int large, int height, int width);

/* packed = w[oc][ic][i][j] = weight[oc * out_stride + ic * in_stride + i * kernel + j] as correlate
 * reads it: [ic][i][j][oc], or of a 3x3 kernel the components' [component][ic][j][oc]. `turned`
 * takes i and j from the end instead, k - 1 - i and k - 1 - j. */
void ae_weights_pack(float *packed, const float *weight, int out, int in, int kernel,
                     ptrdiff_t out_stride, ptrdiff_t in_stride, bool turned);

/* How many paths this build has for this kind of processor; path 0 is the reference, later ones
 * are faster. */
int ae_kernels_count(void);

/* The path, or NULL where this processor can't run it. 0 <= level < ae_kernels_count(). */
const ae_kernels *ae_kernels_at(int level);

/* Finds the level to use: that named by the environment variable AE_KERNELS, else the highest this
 * processor can run. AE_ERROR_USAGE where the named one is unknown or can't be run. Local: ranks
 * agree on the lowest. */
ae_status ae_kernels_find(int *level);

#endif
