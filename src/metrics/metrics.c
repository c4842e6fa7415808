#include "metrics/metrics.h"

#include "base/maths.h"

double ae_metrics_mse(const ae_kernels *kernels, const ae_planes *a, const ae_planes *b) {
    return kernels->mean_squared_error(a, b);
}

double ae_metrics_psnr_db(double mse) {
    return -10 * ae_log10(mse);
}

double ae_metrics_ssim(const ae_kernels *kernels, const ae_planes *a, const ae_planes *b,
                       double data_range) {
    return kernels->ssim(a, b, data_range);
}
