/* The readable convolutions: the specification of include/kernels/kernels.h. */
#ifndef AE_KERNELS_REFERENCE_H
#define AE_KERNELS_REFERENCE_H

#include "kernels/kernels.h"

void ae_reference_correlate(const ae_planes *out, const ae_planes *in, const float *weights,
                            const float *bias, int kernel, ae_window window, ae_epilogue epilogue,
                            const ae_planes *gate);
void ae_reference_correlate_gradient(float *gradient, const ae_planes *small,
                                     const ae_planes *large, int kernel, float *scratch);
void ae_reference_sum_pixels(float *sums, const ae_planes *planes);
double ae_reference_multiply_adds(long rounds);

#endif
