#include "metrics/metrics.h"

#include <math.h>
#include "base/maths.h"

enum {
    LANES = 8, /* partial sums of the squared error */
    WINDOW_PIXELS = AE_SSIM_WINDOW * AE_SSIM_WINDOW,
    STRIP = 64, /* windows of a row taken at a time */
    STRIP_COLUMNS = STRIP + AE_SSIM_WINDOW - 1
};

/* Sums over pixels (x of one image, y of the other) that the SSIM is made of. */
enum { SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, SUMS };

double ae_metrics_mse(const ae_planes *a, const ae_planes *b) {
    double lanes[LANES] = {0};
    for (int c = 0; c < a->channels; ++c) {
        for (int h = 0; h < a->height; ++h) {
            const float *x = ae_planes_row(a, c, h), *y = ae_planes_row(b, c, h);
            int w = 0;
            for (; w + LANES <= a->width; w += LANES) {
                for (int i = 0; i < LANES; ++i) {
                    double difference = (double)x[w + i] - (double)y[w + i];
                    lanes[i] += difference * difference;
                }
            }
            for (; w < a->width; ++w) {
                double difference = (double)x[w] - (double)y[w];
                lanes[0] += difference * difference;
            }
        }
    }
    double sum = 0;
    for (int i = 0; i < LANES; ++i) sum += lanes[i];
    return sum / ((double)a->channels * a->height * a->width);
}

double ae_metrics_psnr_db(double mse) {
    return -10 * ae_log10(mse);
}

/* Adds `sign` times a row's pixels to the column sums. */
static void add_row(double sums[restrict SUMS][STRIP_COLUMNS], const float *restrict x_row,
                    const float *restrict y_row, int columns, double sign) {
    for (int w = 0; w < columns; ++w) {
        double x = x_row[w], y = y_row[w];
        sums[SUM_X][w] += sign * x;
        sums[SUM_Y][w] += sign * y;
        sums[SUM_XX][w] += sign * (x * x);
        sums[SUM_YY][w] += sign * (y * y);
        sums[SUM_XY][w] += sign * (x * y);
    }
}

/* means[i][w] = mean over the window whose first column is w, from the column sums. */
static void window_means(double means[restrict SUMS][STRIP],
                         double sums[restrict SUMS][STRIP_COLUMNS], int windows) {
    for (int i = 0; i < SUMS; ++i) {
        const double *s = sums[i];
        for (int w = 0; w < windows; ++w) {
            double sum =
                ((s[w] + s[w + 1]) + (s[w + 2] + s[w + 3])) + ((s[w + 4] + s[w + 5]) + s[w + 6]);
            means[i][w] = sum * (1.0 / WINDOW_PIXELS);
        }
    }
}

/* Sum over the windows of a row of
 * (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2)),
 * with means m, sample covariances s, C1 = (K1 range)^2 and C2 = (K2 range)^2. */
static double ssim_row(double means[restrict SUMS][STRIP], int windows, double range) {
    const double sample = (double)WINDOW_PIXELS / (WINDOW_PIXELS - 1);
    const double c1 = (0.01 * range) * (0.01 * range), c2 = (0.03 * range) * (0.03 * range);
    double values[STRIP], sum = 0;
    for (int w = 0; w < windows; ++w) {
        double x = means[SUM_X][w], y = means[SUM_Y][w];
        double xx = x * x, yy = y * y, xy = x * y;
        double covariance = sample * (means[SUM_XY][w] - xy);
        double variances = sample * ((means[SUM_XX][w] - xx) + (means[SUM_YY][w] - yy));
        values[w] = ((2 * xy + c1) * (2 * covariance + c2)) / ((xx + yy + c1) * (variances + c2));
    }
    for (int w = 0; w < windows; ++w) sum += values[w];
    return sum;
}

/* Adds to out[i] the sum over a channel's windows whose first column lies in [column, column +
 * windows). The column sums move down the image row by row. */
static void ssim_strip(double *out, const ae_planes *a, const ae_planes *b, int channel, int column,
                       int windows, const double *data_range, int ranges) {
    double sums[SUMS][STRIP_COLUMNS] = {{0}}, means[SUMS][STRIP];
    int columns = windows + AE_SSIM_WINDOW - 1;
    for (int h = 0; h < a->height; ++h) {
        add_row(sums, ae_planes_row(a, channel, h) + column, ae_planes_row(b, channel, h) + column,
                columns, 1);
        int top = h - (AE_SSIM_WINDOW - 1); /* row of the window that ends here */
        if (top < 0) continue;
        window_means(means, sums, windows);
        for (int i = 0; i < ranges; ++i) out[i] += ssim_row(means, windows, data_range[i]);
        add_row(sums, ae_planes_row(a, channel, top) + column,
                ae_planes_row(b, channel, top) + column, columns, -1);
    }
}

void ae_metrics_ssim(double *out, const ae_planes *a, const ae_planes *b, const double *data_range,
                     int ranges) {
    int across = a->width - (AE_SSIM_WINDOW - 1), down = a->height - (AE_SSIM_WINDOW - 1);
    for (int i = 0; i < ranges; ++i) out[i] = across > 0 && down > 0 ? 0 : NAN;
    if (across <= 0 || down <= 0) return;
    for (int c = 0; c < a->channels; ++c) {
        for (int column = 0; column < across; column += STRIP) {
            int windows = across - column < STRIP ? across - column : STRIP;
            ssim_strip(out, a, b, c, column, windows, data_range, ranges);
        }
    }
    for (int i = 0; i < ranges; ++i) out[i] /= (double)a->channels * across * down;
}
