/* Elementary functions in double precision made of IEEE operations alone, so that every machine
 * gives the same bits. libm's own differ from release to release. Relative errors, against a
 * multiple-precision result, are tested to lie below the bounds given. */
#ifndef AE_BASE_MATHS_H
#define AE_BASE_MATHS_H

#include "base/arithmetic.h"

/* e^x for |x| <= 700. Error at most 2 ulp. */
double ae_exp(double x);

/* Natural logarithm, x > 0 and finite (0 gives -infinity, a negative x or NaN gives NaN).
 * Error at most 4 ulp. */
double ae_log(double x);

/* Base-10 logarithm; as ae_log. Error at most 6 ulp. */
double ae_log10(double x);

/* cos(pi x) for |x| <= 1. Absolute error at most 4e-16. */
double ae_cospi(double x);

/* base^exponent by squaring, 0 <= base <= 1. Relative error at most 1.2e-16 * exponent while the
 * result is at least 1e-300; smaller ones go down to 0. */
double ae_power(double base, unsigned long exponent);

#endif
