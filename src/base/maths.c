#include "base/maths.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const double ln2_high = 0x1.62e42fefa3800p-1; /* ln 2 with its last bits zero ... */
static const double ln2_low = 0x1.ef35793c76730p-45; /* ... and the rest */

/* 2^n e^r with |r| <= ln 2 / 2; the series of e^r to r^13 leaves 5e-18. */
double ae_exp(double x) {
    static const double inverse_factorials[] = {1.0,
                                                1.0,
                                                1.0 / 2,
                                                1.0 / 6,
                                                1.0 / 24,
                                                1.0 / 120,
                                                1.0 / 720,
                                                1.0 / 5040,
                                                1.0 / 40320,
                                                1.0 / 362880,
                                                1.0 / 3628800,
                                                1.0 / 39916800,
                                                1.0 / 479001600,
                                                1.0 / 6227020800};
    const double n = rint(x * 0x1.71547652b82fep+0); /* log2 e */
    const double r = (x - n * ln2_high) - n * ln2_low;
    double series = 0;
    for (int k = 13; k >= 0; --k) series = series * r + inverse_factorials[k];
    return ldexp(series, (int)n);
}

double ae_log(double x) {
    if (isnan(x) || x < 0) return NAN;
    if (x == 0) return -INFINITY;
    if (isinf(x)) return x;
    int exponent = 0;
    double m = frexp(x, &exponent); /* [1/2, 1) */
    if (m < 0x1.6a09e667f3bcdp-1) { /* sqrt(1/2) */
        m *= 2;
        exponent -= 1;
    }
    /* ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| <= 0.1716: the series to s^21 leaves 1e-18. */
    double f = m - 1;
    double s = f / (m + 1);
    double s2 = s * s;
    double series = 0;
    for (int n = 21; n >= 3; n -= 2) series = fma(series, s2, 1.0 / n);
    series *= s2; /* s^2/3 + s^4/5 + ... */
    /* 2 s = f - s f exactly, which keeps the leading term free of the division's rounding. */
    double tail = fma(s, 2 * series - f, exponent * ln2_low);
    return exponent * ln2_high + (f + tail);
}

double ae_log10(double x) {
    static const double log10_e = 0x1.bcb7b1526e50ep-2;
    return ae_log(x) * log10_e;
}

/* sin(pi x) and cos(pi x) for |x| <= 1/4 by their Taylor series, nested: sin t = t (1 - t^2 / (2 3)
 * (1 - t^2 / (4 5) (...))), cos t = 1 - t^2 / (1 2) (1 - t^2 / (3 4) (...)). What is left out is
 * below 1e-18. */
static double sinpi_near_zero(double x) {
    double t = x * M_PI, t2 = t * t, nested = 1;
    for (int n = 16; n >= 2; n -= 2) nested = 1 - t2 * nested / (n * (n + 1));
    return t * nested;
}

static double cospi_near_zero(double x) {
    double t = x * M_PI, t2 = t * t, nested = 1;
    for (int n = 17; n >= 1; n -= 2) nested = 1 - t2 * nested / (n * (n + 1));
    return nested;
}

double ae_cospi(double x) {
    x = fabs(x);
    if (x <= 0.25) return cospi_near_zero(x);
    if (x <= 0.75) return sinpi_near_zero(0.5 - x);
    return -cospi_near_zero(1 - x);
}

double ae_power(double base, unsigned long exponent) {
    double result = 1;
    while (exponent > 0) {
        if (exponent & 1) result *= base;
        base *= base;
        exponent >>= 1;
    }
    return result;
}
