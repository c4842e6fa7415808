/* base/arithmetic: another arithmetic is noticed, and undone in every thread. */
#include <fenv.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "base/arithmetic.h"

enum { THREADS = 4 };

static void set_default(void) {
    ae_arithmetic_reset();
}

static void round_up(void) {
    fesetround(FE_UPWARD);
}

static void round_down(void) {
    fesetround(FE_DOWNWARD);
}

static void round_to_zero(void) {
    fesetround(FE_TOWARDZERO);
}

/* Subnormal results (x86's FTZ) and operands (DAZ) become zero. */
#ifdef __SSE__
static void flush_results(void) {
    _mm_setcsr(_mm_getcsr() | 0x8000);
}

static void flush_operands(void) {
    _mm_setcsr(_mm_getcsr() | 0x0040);
}
#elif defined(__aarch64__)
static void flush_both(void) {
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)1 << 24));
}
#endif

static const struct {
    void (*set)(void);
    bool is_default;
} cases[] = {{set_default, true},    {round_up, false},      {round_down, false},
             {round_to_zero, false},
#ifdef __SSE__
             {flush_results, false}, {flush_operands, false}
#elif defined(__aarch64__)
             {flush_both, false}
#endif
};
enum { CASES = sizeof cases / sizeof *cases };

static void other_arithmetic_is_noticed_and_undone(void **state) {
    (void)state;
    for (int c = 0; c < CASES; ++c) {
        cases[c].set();
        const bool before = ae_arithmetic_is_default();
        ae_arithmetic_reset();
        const bool after = ae_arithmetic_is_default();
        assert_int_equal(before, cases[c].is_default);
        assert_true(after);
    }
}

/* The number of a team's threads, each set before, whose arithmetic is the default. */
static int count_defaults(void (*set)(void)) {
    int count = 0;
#pragma omp parallel num_threads(THREADS)
    {
        if (set) set();
        const bool is_default = ae_arithmetic_is_default();
#pragma omp atomic
        count += is_default;
    }
    return count;
}

static void begin_sets_every_thread(void **state) {
    (void)state;
    omp_set_dynamic(0);
    for (int c = 0; c < CASES; ++c) {
        assert_int_equal(count_defaults(cases[c].set), cases[c].is_default ? THREADS : 0);
        assert_int_equal(ae_arithmetic_begin(THREADS), AE_OK);
        assert_int_equal(count_defaults(NULL), THREADS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_arithmetic_is_noticed_and_undone),
        cmocka_unit_test(begin_sets_every_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
