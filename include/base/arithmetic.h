/* The floating-point arithmetic that equal bits rest on: IEEE 754's default, which rounds to
 * nearest and keeps subnormal numbers, compiled without shortcuts. Headers of what calculates
 * include this one.
 *
 * Where processors differ nevertheless, numbers don't rest on it: the sign and fraction of a NaN
 * are no part of the results; the larger and the smaller of two numbers are written as comparisons,
 * whose outcome for a NaN and for zeros of both signs is C's; and a number is known to lie in the
 * range of the whole numbers that it is converted to. */
#ifndef AE_BASE_ARITHMETIC_H
#define AE_BASE_ARITHMETIC_H

#include <stdbool.h>

#include "base/status.h"

/* CMakeLists.txt appends the flags that undo these; a build without it, or after it, comes here. */
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) ||           \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) ||                               \
    defined(__NO_SIGNED_ZEROS__) || (defined(__GCC_IEC_559) && __GCC_IEC_559 < 1)
#error "compiled for fast mathematics, or a part of it: take that out of the flags (CFLAGS)"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 &&                                    \
    __FLT_EVAL_METHOD__ != 16 /* of half precision alone, which isn't used */
#error "float is calculated in more than its own precision: compile with -mfpmath=sse"
#endif

/* Sets this thread's arithmetic to IEEE 754's default. A library may have set it otherwise: as it
 * was loaded (one linked for fast mathematics does), or when it was called. */
void ae_arithmetic_reset(void);

/* Does this thread's arithmetic round to nearest and keep subnormal numbers? */
bool ae_arithmetic_is_default(void);

/* Resets the arithmetic of this thread and its OpenMP team of `threads`. AE_ERROR_NUMERIC: one's is
 * another nevertheless. Local. */
ae_status ae_arithmetic_begin(int threads);

#endif
