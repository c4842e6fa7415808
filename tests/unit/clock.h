/* A clock that the test sets: a test program that includes this defines the functions that tell the
 * time and that wait, in place of the system's. Time stands still but for clock_advance(), and for
 * waiting, which takes no time and moves the clock on. */
#ifndef AE_TEST_CLOCK_H
#define AE_TEST_CLOCK_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { CLOCK_SECOND = 1000 * 1000 * 1000 };

static atomic_llong clock_ns = 1000LL * CLOCK_SECOND;
static atomic_llong clock_end_ns = INT64_MAX; /* waiting doesn't move the clock beyond it */
static atomic_llong clock_reached_ns;         /* the end at which a thread waits now */

int clock_gettime(clockid_t clock, struct timespec *now) {
    (void)clock;
    const long long ns = atomic_load(&clock_ns);
    now->tv_sec = ns / CLOCK_SECOND;
    now->tv_nsec = ns % CLOCK_SECOND;
    return 0;
}

time_t time(time_t *now) {
    const time_t seconds = atomic_load(&clock_ns) / CLOCK_SECOND;
    if (now) *now = seconds;
    return seconds;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    (void)left;
    const long long ns = (long long)wanted->tv_sec * CLOCK_SECOND + wanted->tv_nsec;
    for (long long end; atomic_load(&clock_ns) + ns > (end = atomic_load(&clock_end_ns));) {
        atomic_store(&clock_reached_ns, end);
        sched_yield();
    }
    atomic_fetch_add(&clock_ns, ns);
    return 0;
}

static inline void clock_advance(double seconds) {
    atomic_fetch_add(&clock_ns, (long long)(seconds * CLOCK_SECOND));
}

/* From now on the one other thread moves the clock on, by waiting, and only within clock_run(). */
static inline void clock_hold(void) {
    atomic_store(&clock_end_ns, atomic_load(&clock_ns));
}

/* Returns when the other thread has waited for so long, and done what it does in between. */
static inline void clock_run(double seconds) {
    const long long end = atomic_load(&clock_end_ns) + (long long)(seconds * CLOCK_SECOND);
    atomic_store(&clock_end_ns, end);
    while (atomic_load(&clock_reached_ns) != end) sched_yield();
}

#endif
