/* The readable convolutions: the specification of include/kernels/kernels.h. */
#ifndef AE_KERNELS_REFERENCE_H
#define AE_KERNELS_REFERENCE_H

#include "kernels/kernels.h"

void ae_reference_conv_forward(const ae_planes *out, const ae_planes *in, int images,
                               const ae_conv *conv, const float *weights, const float *bias,
                               const ae_epilogue *epilogue, float *scratch);
void ae_reference_conv_backward(const ae_planes *below, const ae_planes *gradient, int images,
                                const ae_conv *conv, const float *weights,
                                const ae_epilogue *epilogue, float *scratch);
void ae_reference_conv_weights(float *sums, const ae_planes *in, const ae_planes *gradient,
                               int images, const ae_conv *conv, float *scratch);
size_t ae_reference_conv_scratch(const ae_conv *conv, int height, int width);

/* A correlation of an image by tiles with padding `shift`, and the derivatives by the weights of
 * several. */
void ae_reference_tiles(const ae_planes *out, const ae_planes *in, const float *weights,
                        const float *bias, const ae_epilogue *epilogue, int kernel, int shift,
                        float *scratch);
void ae_reference_tiles_weights(float *sums, const ae_planes *small, const ae_planes *large,
                                int images, int kernel, int padding);

void ae_reference_sum_pixels(float *sums, const ae_planes *planes);
double ae_reference_multiply_adds(long rounds);

#endif
