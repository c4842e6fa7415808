/* Image quality in double precision. Images are planes (channel, row, column); local. */
#ifndef AE_METRICS_METRICS_H
#define AE_METRICS_METRICS_H

#include "kernels/kernels.h"

/* Mean over the image of (a - b)^2. */
double ae_metrics_mse(const ae_kernels *kernels, const ae_planes *a, const ae_planes *b);

/* 10 log10(1 / mse) dB: the data range is 1. +infinity for mse = 0. */
double ae_metrics_psnr_db(double mse);

/* Structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004) as scikit-image's
 * default computes it: 7x7 uniform window, sample covariance (49/48), K1 = 0.01, K2 = 0.03, windows
 * inside the image alone; mean over windows, then channels. Not a number where a side is shorter
 * than the window. */
double ae_metrics_ssim(const ae_kernels *kernels, const ae_planes *a, const ae_planes *b,
                       double data_range);

#endif
