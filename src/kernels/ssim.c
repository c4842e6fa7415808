/* Structural similarity in double precision. A strip of windows side by side moves down a channel;
 * vectors are gcc's and clang's own, for any processor. */
#include <math.h>

#include "kernels/tables.h"

#ifdef __AVX512F__
enum { LANES = 8 };
#define FROM(a, b, n)                                                                              \
    __builtin_shufflevector(a, b, n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7)
#else
enum { LANES = 4 };
#define FROM(a, b, n) __builtin_shufflevector(a, b, n, n + 1, n + 2, n + 3)
#endif
typedef double vector __attribute__((vector_size(LANES * sizeof(double))));
typedef float narrow __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
#define WIDE(floats) __builtin_convertvector(*(const narrow *)(floats), vector)

enum {
    SSIM_PIXELS = AE_SSIM_WINDOW * AE_SSIM_WINDOW,
    STRIP = 32,          /* windows */
    COLUMNS = STRIP + 8, /* those that they cover and two more */
    VECTORS = COLUMNS / LANES
};

/* Sums over pixels (x of one image, y of the other) that the SSIM is made of. */
enum { SUM_X, SUM_Y, SUM_SQUARES, SUM_XY, SUMS };

/* Of a row of pixels, or of the column sums over the window's rows. */
typedef vector terms[SUMS][VECTORS];

/* Of `vectors` whole vectors, which may reach into the zeros behind a row; the others are zero. */
static inline void row_terms(terms row, const float *x_row, const float *y_row, int vectors) {
    for (int v = 0; v < VECTORS; ++v, x_row += LANES, y_row += LANES) {
        const bool there = v < vectors;
        const vector x = there ? WIDE(x_row) : (vector){0}, y = there ? WIDE(y_row) : (vector){0};
        row[SUM_X][v] = x;
        row[SUM_Y][v] = y;
        row[SUM_SQUARES][v] = x * x + y * y;
        row[SUM_XY][v] = x * y;
    }
}

/* Columns from LANES v + n on. */
#define SHIFTED(row, v, n) FROM((row)[(v) + (n) / LANES], (row)[(v) + (n) / LANES + 1], (n) % LANES)

/* means = means over the windows, each by its first column, from the column sums. */
static inline void window_means(vector means[STRIP / LANES], const vector sums[VECTORS]) {
    vector two[VECTORS]; /* columns w and w + 1 together */
    for (int v = 0; v < VECTORS - 1; ++v) two[v] = sums[v] + SHIFTED(sums, v, 1);
    two[VECTORS - 1] = sums[VECTORS - 1] + FROM(sums[VECTORS - 1], (vector){0}, 1);
    for (int v = 0; v < STRIP / LANES; ++v)
        means[v] = ((two[v] + SHIFTED(two, v, 2)) + (SHIFTED(two, v, 4) + SHIFTED(sums, v, 6))) *
                   (1.0 / SSIM_PIXELS);
}

/* Adds to totals the SSIM of each window:
 * (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2)),
 * with means m, sample covariances s, C1 = (K1 range)^2 and C2 = (K2 range)^2. */
static inline void add_windows(vector totals[STRIP / LANES], terms sums, double range) {
    const double sample = (double)SSIM_PIXELS / (SSIM_PIXELS - 1);
    const double c1 = (0.01 * range) * (0.01 * range), c2 = (0.03 * range) * (0.03 * range);
    vector means[SUMS][STRIP / LANES];
    for (int i = 0; i < SUMS; ++i) window_means(means[i], sums[i]);
    for (int v = 0; v < STRIP / LANES; ++v) {
        const vector x = means[SUM_X][v], y = means[SUM_Y][v];
        const vector squares = x * x + y * y, xy = x * y;
        const vector covariance = sample * (means[SUM_XY][v] - xy);
        const vector variances = sample * (means[SUM_SQUARES][v] - squares);
        totals[v] += ((2 * xy + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2));
    }
}

/* The windows of one channel whose first column lies in [column, column + windows). */
static double ssim_strip(const ae_planes *a, const ae_planes *b, int channel, int column,
                         int windows, double range) {
    terms rows[AE_SSIM_WINDOW] = {{{{0}}}}; /* the window's; row h is rows[h % 7] */
    terms sums = {{{0}}};
    vector totals[STRIP / LANES] = {{0}};
    const int vectors = (a->width - column + LANES - 1) / LANES;
    for (int h = 0; h < a->height; ++h) {
        vector(*row)[VECTORS] = rows[h % AE_SSIM_WINDOW];
        for (int i = 0; i < SUMS; ++i)
            for (int v = 0; v < VECTORS; ++v) sums[i][v] -= row[i][v]; /* the one that leaves */
        row_terms(row, ae_planes_row(a, channel, h) + column, ae_planes_row(b, channel, h) + column,
                  vectors);
        for (int i = 0; i < SUMS; ++i)
            for (int v = 0; v < VECTORS; ++v) sums[i][v] += row[i][v];
        if (h >= AE_SSIM_WINDOW - 1) add_windows(totals, sums, range);
    }
    double sum = 0;
    for (int w = 0; w < windows; ++w) sum += totals[w / LANES][w % LANES];
    return sum;
}

double AE_KERNELS_SSIM(const ae_planes *a, const ae_planes *b, double range) {
    int across = a->width - (AE_SSIM_WINDOW - 1), down = a->height - (AE_SSIM_WINDOW - 1);
    if (across <= 0 || down <= 0) return NAN;
    double sum = 0;
    for (int c = 0; c < a->channels; ++c)
        for (int column = 0; column < across; column += STRIP)
            sum += ssim_strip(a, b, c, column, across - column < STRIP ? across - column : STRIP,
                              range);
    return sum / ((double)a->channels * across * down);
}
