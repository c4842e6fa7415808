/* The kernel tables of this build, one a path. */
#ifndef AE_KERNELS_TABLES_H
#define AE_KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const ae_kernels ae_kernels_ref;
#ifdef AE_X86
extern const ae_kernels ae_kernels_avx2;
extern const ae_kernels ae_kernels_avx512;
#endif

/* The entry `ssim` of the path that is being built (ssim.c). */
#ifdef AE_KERNELS_SSIM
double AE_KERNELS_SSIM(const ae_planes *a, const ae_planes *b, double range);
#endif

#endif
