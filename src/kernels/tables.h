/* What the files of a path share. */
#ifndef AE_KERNELS_TABLES_H
#define AE_KERNELS_TABLES_H

#include "kernels/kernels.h"

/* The entry `ssim` of the path that is being built (ssim.c). */
#ifdef AE_KERNELS_SSIM
double AE_KERNELS_SSIM(const ae_planes *a, const ae_planes *b, double range);
#endif

#endif
