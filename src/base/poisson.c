#include "base/poisson.h"

#include <math.h>

#include "base/maths.h"

/* ---- the distribution ---- */

/* ln n! - ln (sqrt(2 pi n) (n / e)^n), n >= 1: what Stirling's formula leaves. */
static double stirling_rest(double n) {
    static const double few[] = {0,
                                 0x1.4c071bcda0a5bp-4,
                                 0x1.52a9b923ea649p-5,
                                 0x1.c579a268d80b3p-6,
                                 0x1.54a2662fd78a9p-6,
                                 0x1.10b4e513fcbedp-6,
                                 0x1.c6b167bebdf36p-7,
                                 0x1.85d4d612e4a86p-7,
                                 0x1.552805e7b3076p-7,
                                 0x1.2f4871b12ab64p-7};
    if (n < 10) return few[(int)n];
    const double n2 = n * n; /* the series leaves 1 / (1188 n^9) */
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / n2) / n2) / n2) / n;
}

/* n ln(n / m) + m - n without the cancellation near n = m, by v = (n - m) / (n + m) and ln(n / m) =
 * 2 artanh(v) (Loader, "Fast and accurate computation of binomial probabilities", 2000). */
static double deviance(double n, double m) {
    const double v = (n - m) / (n + m), v2 = v * v;
    double series = 0;
    if (fabs(v) >= 0.1) return n * ae_log(n / m) + m - n;
    for (int j = 8; j >= 1; --j) series = (series + 1.0 / (2 * j + 1)) * v2; /* leaves 1e-18 */
    return (n - m) * v + 2 * n * v * series;
}

double ae_poisson_log(double count, double mean) {
    static const double pi = 0x1.921fb54442d18p+1;
    if (count == 0) return -mean;
    return -0.5 * ae_log(2 * pi * count) - stirling_rest(count) - deviance(count, mean);
}

/* ---- deviates ---- */

/* Two numbers in [0, 1). */
static void draw(double *u, double *v, ae_stream stream, uint32_t element) {
    uint32_t words[4];
    ae_random_words(words, stream, element);
    *u = ae_random_real(words[0], words[1]);
    *v = ae_random_real(words[2], words[3]);
}

/* The count at which the sum of the probabilities from 0 on passes a random number. */
static double by_inversion(double mean, ae_stream stream, uint32_t element) {
    enum { MOST = 100 }; /* above it less is left, of a mean of 10, than a double's rounding */
    double u, v, probability = ae_exp(-mean);
    int count = 0;
    draw(&u, &v, stream, element);
    for (; u >= probability && count < MOST; probability *= mean / ++count) u -= probability;
    return count;
}

/* Transformed rejection with squeezes (Hoermann, "The transformed rejection method for generating
 * Poisson random variables", 1993: PTRS), for means from 10: of two numbers nine tenths give a
 * count, mostly without its probability. */
static double by_rejection(double mean, ae_stream stream, uint32_t element) {
    const double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    const double height = 1.1239 + 1.1328 / (b - 3.4), inside = 0.9277 - 3.6224 / (b - 2);
    for (;; stream.purpose += AE_RANDOM_ATTEMPT) {
        double u, v;
        draw(&u, &v, stream, element);
        u -= 0.5;
        const double side = 0.5 - fabs(u); /* of the hat */
        const double count = floor((2 * a / side + b) * u + mean + 0.43);
        if (side >= 0.07 && v <= inside) return count;
        if (!(count >= 0) || (side < 0.013 && v > side)) continue;
        if (ae_log(v * height / (a / (side * side) + b)) <= ae_poisson_log(count, mean))
            return count;
    }
}

double ae_poisson(double mean, ae_stream stream, uint32_t element) {
    if (!(mean > 0)) return 0;
    if (mean < 10) return by_inversion(mean, stream, element);
    return mean < 0x1p53 ? by_rejection(mean, stream, element) : mean;
}
