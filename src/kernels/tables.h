/* What the files of a path share. */
#ifndef AE_KERNELS_TABLES_H
#define AE_KERNELS_TABLES_H

#include "kernels/kernels.h"

/* Entries of the path that is being built: `conv_pack` (pack.c) and `ssim` (ssim.c). */
#ifdef AE_KERNELS_NAME
void AE_KERNELS_PACK(float *packed, const float *weight, const ae_conv *conv, bool backward);
double AE_KERNELS_SSIM(const ae_planes *a, const ae_planes *b, double range);
#endif

#endif
