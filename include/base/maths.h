/* Elementary functions in double precision made of IEEE operations alone, so that every machine
 * gives the same bits. libm's own differ from release to release. Relative errors, against a
 * multiple-precision result, are tested to lie below the bounds given. */
#ifndef AE_BASE_MATHS_H
#define AE_BASE_MATHS_H

/* Natural logarithm, x > 0 and finite (0 gives -infinity, a negative x or NaN gives NaN).
 * Error at most 4 ulp. */
double ae_log(double x);

/* Base-10 logarithm; as ae_log. Error at most 6 ulp. */
double ae_log10(double x);

/* cos(pi x) for |x| <= 1. Absolute error at most 4e-16. */
double ae_cospi(double x);

/* base^exponent by squaring, exponent >= 0. Relative error at most 1e-16 * (exponent + 1) for
 * 0 <= base <= 1. */
double ae_power(double base, unsigned long exponent);

#endif
