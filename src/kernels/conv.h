/* How convolutions are done, for the paths of this room. */
#ifndef AE_KERNELS_CONV_H
#define AE_KERNELS_CONV_H

#include "kernels/kernels.h"

/* Which algorithm serves a convolution, in all three of its kernels, is decided here alone, by
 * kernel, stride and channels. */
typedef enum ae_conv_algorithm {
    AE_CONV_TAPS,   /* tap by tap, planes in the lanes of vectors */
    AE_CONV_PIXELS, /* tap by tap, channels in the lanes */
    AE_CONV_PAIRS,  /* Winograd's F(2, 3) down the columns: pairs of rows */
    AE_CONV_TILES   /* Winograd's F(4x4, 3x3) and F(2x2, 5x5): tiles of 6 x 6 pixels */
} ae_conv_algorithm;

ae_conv_algorithm ae_conv_algorithm_of(const ae_conv *conv);

/* Side of the output of a tile. */
static inline int ae_tile_outputs(int kernel) {
    return AE_TILE_SIDE + 1 - kernel;
}

static inline int ae_tile_chain(int kernel) {
    return kernel == 3 ? AE_TILE_CHAIN_3X3 : AE_TILE_CHAIN_5X5;
}

/* The points a and b of tiles, and the numbers of their matrices; but for the last five all are
 * exact. */
#define AE_TILE_A 0.625f
#define AE_TILE_B 1.5f
#define AE_TILE_A2 (AE_TILE_A * AE_TILE_A)
#define AE_TILE_B2 (AE_TILE_B * AE_TILE_B)
#define AE_TILE_A3 (AE_TILE_A2 * AE_TILE_A)
#define AE_TILE_B3 (AE_TILE_B2 * AE_TILE_B)
#define AE_TILE_A4 (AE_TILE_A2 * AE_TILE_A2)
#define AE_TILE_B4 (AE_TILE_B2 * AE_TILE_B2)
#define AE_TILE_SUM (AE_TILE_A2 + AE_TILE_B2)
#define AE_TILE_PRODUCT (AE_TILE_A2 * AE_TILE_B2)
#define AE_TILE_C0 ((float)(1 / (double)AE_TILE_PRODUCT))
#define AE_TILE_CA ((float)(1 / (2 * (double)AE_TILE_A2 * ((double)AE_TILE_A2 - AE_TILE_B2))))
#define AE_TILE_CB ((float)(1 / (2 * (double)AE_TILE_B2 * ((double)AE_TILE_B2 - AE_TILE_A2))))
#define AE_TILE_ACA (AE_TILE_A * AE_TILE_CA)
#define AE_TILE_BCB (AE_TILE_B * AE_TILE_CB)

/* Channels of the packed weights of AE_CONV_PIXELS and AE_CONV_TILES, with those of zeros that
 * round them up. */
static inline size_t ae_lane_channels(int channels) {
    return ae_round_up_lanes((size_t)channels);
}

/* Is the convolution forward (`backward`: back) a correlation or its adjoint, as conv_forward in
 * include/kernels/kernels.h tells? Of stride 1 the adjoint is a correlation too, of other weights
 * and padding. */
bool ae_conv_is_adjoint(const ae_conv *conv, bool backward);

/* Padding of the correlation of stride 1 that the convolution is forward, or back. */
int ae_conv_shift(const ae_conv *conv, bool backward);

/* Packed weights as today's paths read them (ae_kernels): [c][i][j][o], of pairs
 * [component][c][j][o], of pixels [o / 16][tap][c][o % 16], of tiles
 * [component][o / 16][c][o % 16], these with o rounded up to ae_lane_channels(o). */
static inline size_t ae_lane_weight(int count, int oc, int i) { /* [oc / 16][i < count][oc % 16] */
    return ((size_t)(oc / AE_LANES) * (size_t)count + (size_t)i) * AE_LANES +
           (size_t)(oc % AE_LANES);
}
size_t ae_conv_packed(const ae_conv *conv);

/* That of one of several images. */
static inline ae_epilogue ae_epilogue_of(const ae_epilogue *epilogue, int image) {
    ae_epilogue its = *epilogue;
    if (its.gate) its.gate += image;
    return its;
}

static inline float ae_epilogue_value(float value, const ae_epilogue *epilogue, float gate) {
    switch (epilogue->kind) {
    case AE_EPILOGUE_RELU:
        return 0 > value ? 0 : value;
    case AE_EPILOGUE_GATE:
        return gate > 0 ? value : 0;
    case AE_EPILOGUE_LEAKY:
        return 0 > value ? epilogue->slope * value : value;
    case AE_EPILOGUE_LEAKY_GATE:
        return gate > 0 ? value : epilogue->slope * value;
    case AE_EPILOGUE_NONE:
        break;
    }
    return value;
}

#endif
