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
#include "base/random.h"
#include "base/status.h"
#include "kernels/planes.h"

/* The order of operations described here, recorded with every checkpoint. */
enum { AE_CONTRACT_VERSION = 1 };

enum { AE_KERNEL_MAX = 7 }; /* largest kernel side */

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

typedef struct ae_kernels {
    const char *name; /* "ref", "avx2", "avx512" */

    /* out[oc][y][x] = epilogue(bias[oc] + sum over ic, i, j of weights[ic][i][j][oc] * in[ic][..])
     * as one chain of fused multiply-adds in the order (ic, i, j) that begins with the bias (0 if
     * `bias` is NULL). `gate` has out's shape (AE_EPILOGUE_GATE; else NULL). Overwrites out. */
    void (*correlate)(const ae_planes *out, const ae_planes *in, const float *weights,
                      const float *bias, int kernel, ae_window window, ae_epilogue epilogue,
                      const ae_planes *gate);

    /* lanes[a][b][i][j][x mod 16] += sum over y, x of small[a][y][x] * large[b][y + i][x + j]:
     * a chain of fused multiply-adds over (y, x / 16) in each lane; columns from the width to the
     * next multiple of 16 take part with small's zeros. large is kernel - 1 larger. Accumulates. */
    void (*correlate_gradient)(float *lanes, const ae_planes *small, const ae_planes *large,
                               int kernel);

    /* lanes[c][x mod 16] += sum over y, x of planes[c][y][x], in the order (y, x / 16).
     * Accumulates. */
    void (*sum_pixels)(float *lanes, const ae_planes *planes);

    /* values[i] = the sum of lanes[i][0..15] by halving: lane l += lane l + 8, then + 4, 2, 1.
     * Overwrites values. */
    void (*reduce_lanes)(float *values, const float *lanes, size_t count);

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

    /* Does `rounds` rounds of independent fused multiply-adds in registers, enough of them to keep
     * the processor's units busy; returns their number, each lane of a vector counted. For
     * measuring the peak rate. */
    double (*multiply_adds)(long rounds);
} ae_kernels;

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
