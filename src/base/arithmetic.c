/* The arithmetic of a thread, set by the C library and looked at through sums and products. */
#include "base/arithmetic.h"

#include <fenv.h>
#include <float.h>

void ae_arithmetic_reset(void) {
    fesetenv(FE_DFL_ENV);
}

/* Half of the last place above 1 goes down to even, whatever the sign; one and a half go up. */
static bool rounds_to_nearest(void) {
    const volatile float one = 1, half = FLT_EPSILON / 2;
    const volatile double one_d = 1, half_d = DBL_EPSILON / 2;
    return one + half == one && -one - half == -one && one + 3 * half == one + 4 * half &&
           one_d + half_d == one_d && -one_d - half_d == -one_d &&
           one_d + 3 * half_d == one_d + 4 * half_d;
}

/* As results, and as operands. */
static bool keeps_subnormals(void) {
    const volatile float smallest = FLT_MIN, subnormal = FLT_TRUE_MIN, large = 0x1p+100f;
    const volatile double smallest_d = DBL_MIN, subnormal_d = DBL_TRUE_MIN, large_d = 0x1p+1000;
    const volatile float half = smallest / 2;
    const volatile double half_d = smallest_d / 2;
    return half * 2 == smallest && subnormal * large > 0 && half_d * 2 == smallest_d &&
           subnormal_d * large_d > 0;
}

bool ae_arithmetic_is_default(void) {
    return rounds_to_nearest() && keeps_subnormals();
}

ae_status ae_arithmetic_begin(int threads) {
    int others = 0;
#pragma omp parallel num_threads(threads)
    {
        ae_arithmetic_reset();
        const bool is_other = !ae_arithmetic_is_default();
#pragma omp atomic
        others += is_other;
    }
    if (others == 0) return AE_OK;
    return ae_fail(AE_ERROR_NUMERIC,
                   "%d of %d threads don't calculate as IEEE 754 says, rounding to nearest and "
                   "keeping subnormal numbers, and can't be set to it: something in this process "
                   "(LD_PRELOAD, a profiler, an emulated processor) hinders it; leave it out",
                   others, threads);
}
