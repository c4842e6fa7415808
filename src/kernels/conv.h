/* How convolutions are done, for the paths of this room. */
#ifndef AE_KERNELS_CONV_H
#define AE_KERNELS_CONV_H

#include "kernels/kernels.h"

/* Which algorithm serves a convolution, in all three of its kernels, is decided here alone, by
 * kind, kernel, stride and channels: Winograd's F(2, 3) down the columns, or else tap by tap. */
bool ae_conv_is_winograd(const ae_conv *conv);

/* Is the convolution forward (`backward`: back) a correlation or its adjoint, as conv_forward in
 * include/kernels/kernels.h tells? Of stride 1 the adjoint is a correlation too, of other weights
 * and padding. */
bool ae_conv_is_adjoint(const ae_conv *conv, bool backward);

/* Padding of the correlation of stride 1 that the convolution is forward, or back. */
int ae_conv_shift(const ae_conv *conv, bool backward);

/* Of an image of height x width its four phases, [4 c + 2 i + j][y][x] = [c][2 y + i][2 x + j], in
 * scratch with zeros around: so a stride of 2 becomes one of 1. */
size_t ae_phases_floats(int channels, int height, int width);
ae_planes ae_phases_view(float *scratch, int channels, int height, int width);

/* Of an offset of d rows or columns from 2 y: that in its phase. */
static inline int ae_phase_of(int d) {
    return d & 1;
}
static inline int ae_phase_offset(int d) {
    return (d - ae_phase_of(d)) / 2;
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
