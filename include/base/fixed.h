/* Fixed-point numbers: value * 2^k as an int64, so that a sum doesn't depend on its order. */
#ifndef AE_BASE_FIXED_H
#define AE_BASE_FIXED_H

#include <stdint.h>

#include "base/arithmetic.h"

enum {
    AE_FIXED_K = 40,       /* fraction bits of gradients and losses */
    AE_FIXED_METRIC_K = 32 /* fraction bits of metric sums */
};

/* What was wrong with a value, as bits. */
enum { AE_FIXED_NONFINITE = 1, AE_FIXED_OVERFLOW = 2 };

/* The largest magnitude a term may have so that `terms` of them add up within 62 bits: a bound that
 * depends on the global count alone. terms >= 1. */
double ae_fixed_bound(int k, int64_t terms);

/* Rounds value * 2^k to nearest (ties to even). A value that is not finite, or whose magnitude
 * exceeds `bound`, sets the bit in *faults and gives 0. */
int64_t ae_fixed_from(double value, int k, double bound, int *faults);

/* sum / 2^k as a double. */
double ae_fixed_to(int64_t sum, int k);

#endif
