#include "base/fixed.h"

#include <math.h>

double ae_fixed_bound(int k, int64_t terms) {
    return ldexp(1.0, 62 - k) / (double)terms;
}

int64_t ae_fixed_from(double value, int k, double bound, int *faults) {
    if (!isfinite(value)) {
        *faults |= AE_FIXED_NONFINITE;
        return 0;
    }
    if (fabs(value) > bound) {
        *faults |= AE_FIXED_OVERFLOW;
        return 0;
    }
    return llrint(ldexp(value, k));
}

double ae_fixed_to(int64_t sum, int k) {
    return ldexp((double)sum, -k);
}
