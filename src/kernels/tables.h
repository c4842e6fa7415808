/* The kernel tables of this build, one a path. */
#ifndef AE_KERNELS_TABLES_H
#define AE_KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const ae_kernels ae_kernels_ref;
#ifdef AE_X86
extern const ae_kernels ae_kernels_avx2;
extern const ae_kernels ae_kernels_avx512;
#endif

#endif
