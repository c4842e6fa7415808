/* ae_bench: how fast a core's memory is. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "bench.h"

/* A cache line, which the compiler takes as vectors as wide as the function's processor has. */
typedef float line __attribute__((vector_size(AE_ALIGNMENT)));

#define TRIAD(name, target)                                                                        \
    target static void name(line *a, const line *b, const line *c, size_t lines) {                 \
        for (size_t i = 0; i < lines; ++i) a[i] = b[i] + 0.5f * c[i];                              \
    }

TRIAD(triad_plain, )
#if defined __x86_64__
TRIAD(triad_avx2, __attribute__((target("avx2"))))
TRIAD(triad_avx512, __attribute__((target("avx512f"))))
#endif

typedef void triad(line *a, const line *b, const line *c, size_t lines);

static triad *choose_triad(void) {
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512f")) return triad_avx512;
    if (__builtin_cpu_supports("avx2")) return triad_avx2;
#endif
    return triad_plain;
}

double ae_bench_stream(double bytes, int rounds) {
    const double round_s = 0.01;
    size_t lines = (size_t)(bytes / (3 * sizeof(line)));
    triad *run = choose_triad();
    line *arrays = ae_calloc(3 * lines, sizeof *arrays);
    double *rates = ae_calloc((size_t)rounds, sizeof *rates), rate = 0;
    if (!arrays || !rates) goto done;
    line *a = arrays, *b = arrays + lines, *c = arrays + 2 * lines;
    for (size_t i = 0; i < lines; ++i) b[i] = c[i] = a[i] + 1; /* pages of their own */
    for (int r = -1; r < rounds; ++r) {                        /* round -1 warms up */
        double begin_s = ae_now_s(), spent_s, passes = 0;
        do {
            run(a, b, c, lines);
            passes += 1;
            spent_s = ae_now_s() - begin_s;
        } while (spent_s < round_s);
        if (r >= 0) rates[r] = passes * 3 * (double)(lines * sizeof(line)) / spent_s;
    }
    rate = ae_bench_median(rates, rounds);
done:
    free(arrays);
    free(rates);
    return rate;
}
