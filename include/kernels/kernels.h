/* The arithmetic of the network, in one specified order of operations.
 *
 * Every function here exists as a readable reference (src/kernels/reference.c and the plain build
 * of src/kernels/elementwise.c): that is the specification, and every other path gives the same
 * bits. Multiply-adds are fused; sums over pixels run in 16 virtual lanes (lane = column mod 16)
 * and end in a fixed tree.
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

/* The order of operations described here. What checkpoints record is the version that their
 * network's numbers have had since (ae_network_contract). */
enum { AE_CONTRACT_VERSION = 4 };

enum { AE_KERNEL_MAX = 7 }; /* largest kernel side */

/* 3x3 kernels of fewer channels work by Winograd's F(2, 3) down the columns (Lavin and Gray, "Fast
 * algorithms for convolutional neural networks", 2016): two rows of output at a time, 4
 * multiplications where 6 were. Of the four input rows d0 .. d3 that the pair reads and the
 * kernel's rows g0, g1, g2,
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

/* Kernels of 3x3 and 5x5 with stride 1 from and to 16 channels and more work by F(m x m, r x r)
 * (ibid.), m + r = 7, at the points 0, a, -a, b, -b and infinity, a = 5/8 and b = 3/2: a tile of
 * m x m pixels of output from 6 x 6 of input, 36 multiplications where 144 were, or 100. (Of the
 * eighths and sixteenths these two give the smallest errors of 3x3.) With the matrices (rows for
 * components)
 *
 *     BT = aabb    0    -aa-bb   0    1  0     G =  1 / aabb       0        0 ...
 *            0  -abb     -bb     a    1  0         (1   a   aa ...) / (2 aa (aa - bb))
 *            0   abb     -bb    -a    1  0         (1  -a   aa ...) / (2 aa (aa - bb))
 *            0  -aab     -aa     b    1  0         (1   b   bb ...) / (2 bb (bb - aa))
 *            0   aab     -aa    -b    1  0         (1  -b   bb ...) / (2 bb (bb - aa))
 *            0  aabb      0   -aa-bb  0  1         (0   0   ...  1)
 *
 * and A with rows (1 0 ...), (1 a aa ...), (1 -a aa ...), the same of b, and (... 0 1), G of r
 * columns and A of m, a tile d of pixels has the components v = BT d BT', the kernel u = G g G'
 * (taken in double and rounded once), each component's products are summed over the channels,
 * m = sum of u v, and the tile of output is A' m A. Of a tile e of a gradient by the output the
 * components are q = A e A'; the products s = sum over the tiles, image by image and row by row,
 * of q v give the derivatives G' s G by the kernel.
 * Pixels outside the image are zeros. Transforms go down the columns first, then along the rows;
 * their order of operations is that of src/kernels/reference_tiles.c. */
enum { AE_TILE_SIDE = 6, AE_TILE_COMPONENTS = 36 };

/* Sums over channels are made of chains of so many: errors grow with a chain's length, and those of
 * 3x3 are the larger ones beside a direct chain's. */
enum { AE_TILE_CHAIN_3X3 = 8, AE_TILE_CHAIN_5X5 = 32 };

/* A convolution, as every kernel takes it. Of n rows or columns a plain one makes
 * (n + 2 padding - kernel) / stride + 1, rounded down; a transposed one, its adjoint,
 * (n - 1) stride + kernel - 2 padding. Strides are 1 and 2. Weights are PyTorch's:
 * [out][in][kernel][kernel], of a transposed one [in][out][kernel][kernel]. */
typedef struct ae_conv {
    bool transposed;
    int in_channels, out_channels;
    int kernel, stride, padding;
} ae_conv;

/* What becomes of a convolution's values. */
typedef enum ae_epilogue_kind {
    AE_EPILOGUE_NONE,
    AE_EPILOGUE_RELU,      /* 0 > value ? 0 : value (a NaN stays) */
    AE_EPILOGUE_GATE,      /* gate > 0 ? value : 0: the backward pass of a ReLU whose output was
                              gate */
    AE_EPILOGUE_LEAKY,     /* 0 > value ? slope * value : value */
    AE_EPILOGUE_LEAKY_GATE /* gate > 0 ? value : slope * value */
} ae_epilogue_kind;

typedef struct ae_epilogue {
    ae_epilogue_kind kind;
    float slope;           /* of the leaky ones */
    const ae_planes *gate; /* of the gates: [images], of the output's shape */
} ae_epilogue;

enum { AE_SSIM_WINDOW = 7 }; /* side of the SSIM's window, pixels */

typedef struct ae_kernels {
    const char *name; /* "ref", "avx2", "avx512", "neon" */

    /* Floats of a convolution's weight as this path reads it, forward or back, and packed = it. */
    size_t (*conv_packed)(const ae_conv *conv);
    void (*conv_pack)(float *packed, const float *weight, const ae_conv *conv, bool backward);

    /* Floats of scratch, 64-byte aligned and of any content, that the path's convolutions need for
     * any number of inputs of height x width. */
    size_t (*conv_scratch)(const ae_conv *conv, int height, int width);

    /* out = epilogue(bias + the convolution of in), no bias if it is NULL; `weights` packed for it
     * (conv_pack). Overwrites out. A convolution's kernels take several images of one shape at once
     * (out[images], in[images]), for which the weights are then read together. Two linear maps
     * serve all four cases, in what follows with s for the stride, p for the padding and
     * w[o][c][i][j] for the weight between channel c of what is read and channel o of what is made:
     *
     * Correlation (a convolution; a transposed one's gradient):
     *     out[o][y][x] = sum over c, i, j of w[o][c][i][j] * in[c][s y + i - p][s x + j - p]
     * Its adjoint (a transposed convolution; a convolution's gradient):
     *     out[o][s y + i - p][s x + j - p] = sum over c, i, j of w[o][c][i][j] * in[c][y][x]
     * where of stride 1 the adjoint is the correlation with the weights turned by half a turn and
     * the padding kernel - 1 - p, and is done as such.
     *
     * Sums are chains of fused multiply-adds that begin with the bias (or 0), in the order
     * (c, i, j) of the taps that there are, from and to 16 channels and more (i, j, c); pixels
     * outside the image are zeros and take part. Of pairs of rows, in the order (c, j): m1 begins
     * with the bias, m2 with 0, component 0 goes on from m1 + m2 and component 3 from m1 - m2. Of
     * tiles, each component's are chains of AE_TILE_CHAIN_... channels, in the order of c, that
     * begin with 0 and are then added, the bias to the whole tile. */
    void (*conv_forward)(const ae_planes *out, const ae_planes *in, int images, const ae_conv *conv,
                         const float *weights, const float *bias, const ae_epilogue *epilogue,
                         float *scratch);

    /* below = epilogue(the gradient by the convolution's input), from that by its output; weights
     * packed for it (conv_pack with `backward`). Overwrites below. */
    void (*conv_backward)(const ae_planes *below, const ae_planes *gradient, int images,
                          const ae_conv *conv, const float *weights, const ae_epilogue *epilogue,
                          float *scratch);

    /* Adds the derivatives by the weights to `sums`, in the weights' own layout. With `small` for
     * the plain convolution's output's gradient, or a transposed one's input, and `large` for the
     * other:
     *     sums[a][b][i][j] += sum over y, x of small[a][y][x] * large[b][s y + i - p][s x + j - p]
     * in chains of fused multiply-adds, from and to 16 channels and more but for kernels of 1 x 1
     * with stride 1 over (image, y, x), else image by image over (y, x / 16), or over (pair of
     * rows, x / 16) for each component of pairs, in lanes (lane = x mod 16) that are then summed by
     * halving: lane l += lane l + 8, then + 4, 2, 1. Columns from the width to the next multiple of
     * 16 take part with small's zeros. */
    void (*conv_weights)(float *sums, const ae_planes *in, const ae_planes *gradient, int images,
                         const ae_conv *conv, float *scratch);

    /* sums[c] += sum over y, x of planes[c][y][x], in lanes in the order (y, x / 16), then the
     * lanes by halving. Accumulates. */
    void (*sum_pixels)(float *sums, const ae_planes *planes);

    /* planes = epilogue(planes), in place. */
    void (*apply)(const ae_planes *planes, const ae_epilogue *epilogue);

    /* out = a + sign * b, one rounding (sign: 1 or -1); out may be a or b. */
    void (*add)(const ae_planes *out, const ae_planes *a, const ae_planes *b, float sign);

    /* out[4 c + 2 i + j][y][x] = in[c][2 y + i][2 x + j], i, j = 0, 1 (PyTorch's PixelUnshuffle),
     * and back. */
    void (*unshuffle)(const ae_planes *out, const ae_planes *in);
    void (*shuffle)(const ae_planes *out, const ae_planes *in);

    /* out[c][y][x] = the largest of in[c][2 y + i][2 x + j], i, j = 0, 1: the first of equals in
     * the order (i, j), or the last NaN; an odd last row or column is left out. */
    void (*max_pool)(const ae_planes *out, const ae_planes *in);

    /* below = gradient at the pixels that max_pool chose, 0 at the others. Overwrites below. */
    void (*max_pool_gradient)(const ae_planes *below, const ae_planes *gradient,
                              const ae_planes *in);

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

    /* noisy = min(max(clean + sigma * normal, low), high); `normals` dense in (c, y, x) order.
     * Noisy may be clean. */
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

/* ---- convolutions, the same on all paths ---- */

/* Rows or columns of the output for n of the input; 0 or less: the kernel doesn't fit. */
int ae_conv_side(const ae_conv *conv, int n);

/* Floats of a weight. */
size_t ae_conv_weights(const ae_conv *conv);

/* Rows and columns of zeros that the convolution's kernels need around images (ae_planes). */
int ae_conv_halo(const ae_conv *conv);

/* The version of the contract since which the convolution's numbers are as they are: from and to 16
 * channels and more 4 for kernels of 5 x 5 with stride 1, 2 for those of 1 x 1 and 3 for all
 * others; else 2. */
int ae_conv_contract(const ae_conv *conv);

/* A picture can be worked on in tiles, each as a picture of its own. Rows (and columns) of a tile's
 * images are counted from its origin: row y is the whole's row origin / scale + y. Of an image
 * whose nominal height is the tile's over the image's scale, the first `before` and the last
 * `after` rows are not the whole's, or aren't there, where the tile's edge isn't the picture's. */
typedef struct ae_margin {
    int before, after;
} ae_margin;

/* The margin of the convolution's output from that of what it reads: output rows with a tap in the
 * margin. Pairs don't add to it: of the four rows that a pair reads, each of its rows is made of
 * the three alone that it needs. Tiles do: all of a tile's bits depend on all that it reads. */
ae_margin ae_conv_margin(const ae_conv *conv, ae_margin in);

/* Rows of output that the algorithm makes together: tiles of its output begin at a multiple. */
int ae_conv_tile(const ae_conv *conv);

/* Multiply-adds of an output image for an input of height x width, those with zeros outside it
 * included. The passes back do as many each. */
double ae_conv_work(const ae_conv *conv, int height, int width);

/* The multiplications that its algorithm does in their place, in each of the three kernels: of
 * pairs 2 of 3, of tiles 1 of 4 or 9 of 25, else all. Those of rows and columns that complete the
 * last tiles, and the transforms', aren't counted. */
double ae_conv_multiplications(const ae_conv *conv, int height, int width);

/* How many paths this build has for this kind of processor (src/kernels/paths.def); path 0 is the
 * reference, later ones are faster. */
int ae_kernels_count(void);

/* Name of a path, 0 <= path < ae_kernels_count(), whether this processor can run it or not. */
const char *ae_kernels_name(int path);

/* The path, or NULL where this processor can't run it. */
const ae_kernels *ae_kernels_at(int path);

/* Finds the path to use: that named by the environment variable AE_KERNELS, else the last one this
 * processor can run. AE_ERROR_USAGE where the named one is unknown or can't be run. Local: ranks
 * agree on the lowest. */
ae_status ae_kernels_find(int *path);

#endif
