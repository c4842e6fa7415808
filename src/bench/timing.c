/* ae_bench: medians, of values and of times, and figures made of them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/timer.h"
#include "bench.h"

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ae_bench_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

double ae_bench_time(void (*task)(void *), void *context) {
    const double round_s = 0.01;
    double seconds[AE_BENCH_CORE_ROUNDS];
    long calls = 1;
    for (int round = -1; round < AE_BENCH_CORE_ROUNDS; ++round) { /* -1 finds the number of calls */
        double begin_s = ae_now_s(), spent_s;
        long done = 0;
        do {
            for (long c = 0; c < calls; ++c) task(context);
            done += calls;
            spent_s = ae_now_s() - begin_s;
        } while (round < 0 && spent_s < round_s);
        if (round < 0)
            calls = done;
        else
            seconds[round] = spent_s / (double)calls;
    }
    return ae_bench_median(seconds, AE_BENCH_CORE_ROUNDS);
}

ae_bench_figure *ae_bench_add(ae_bench_core *core, const char *name, double seconds, double work) {
    ae_bench_figure *f = &core->figures[core->figure_count++];
    *f = (ae_bench_figure){.seconds = seconds, .work = work};
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}
