#include "base/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/launcher.h"
#include "base/log.h"
#include "base/status.h"
#include "base/stop.h"
#include "base/timer.h"

static const double TICK_S = 0.05, VOTE_S = 0.5, START_S = 300, BEAT_S = 0.5;
enum { ORDER_MAX = 10 };

static _Atomic double stall_s;
static atomic_uint progress;
static _Atomic(const char *) doing = "starting";
static atomic_bool voting;

/* The main thread's alone. */
static struct {
    pthread_t thread;
    void (*call)(void *context); /* NULL: nothing is to be called */
    void *context;
    double last_s;
} beat;
static atomic_bool beats; /* it isn't NULL */

/* Prints without stdio's locks, which the main thread may hold. */
static _Noreturn void leave_stalled(double seconds) {
    char text[512];
    int length = snprintf(text, sizeof text,
                          "ae_dist: error: no progress for %.0f s while %s; another rank or its "
                          "host may be stopped, dead or cut off, or a disk not answer. The same "
                          "command, on other hosts if need be, goes on from the last checkpoint\n",
                          seconds, atomic_load(&doing));
    ssize_t written = write(STDERR_FILENO, text, (size_t)length);
    (void)written;
    _exit(AE_STALLED);
}

static void *watch(void *unused) {
    (void)unused;
    double idle_s = 0, voting_s = 0, last_s = ae_now_s();
    unsigned seen = atomic_load(&progress);
    for (;;) {
        struct timespec tick = {0, (long)(TICK_S * 1e9)};
        nanosleep(&tick, NULL);
        double now_s = ae_now_s(), passed_s = now_s - last_s;
        last_s = now_s;
        /* After a SIGSTOP, or a night of the laptop, much has passed that wasn't idleness. */
        if (passed_s > 4 * TICK_S) passed_s = 4 * TICK_S;
        unsigned made = atomic_load(&progress);
        idle_s = made == seen ? idle_s + passed_s : 0;
        seen = made;
        double limit_s = atomic_load(&stall_s);
        if (limit_s > 0 && idle_s >= limit_s) leave_stalled(idle_s);
        voting_s = atomic_load(&voting) && idle_s > 0 ? voting_s + passed_s : 0;
        if (voting_s >= VOTE_S && ae_stop_terminated_s() >= VOTE_S) _exit(128 + SIGTERM);
    }
    return NULL;
}

void ae_watchdog_start(void) {
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    ae_watchdog_limit(START_S, (int)ae_launcher_find().rank);
    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, watch, NULL) != 0)
        ae_warn("no thread can be started to watch over the run: it may hang where another rank "
                "does; raise the limit on processes (ulimit -u)");
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ae_watchdog_limit(double limit_s, int order) {
    atomic_store(&stall_s, limit_s > 0 ? limit_s + (order < ORDER_MAX ? order : ORDER_MAX) : 0);
    ae_watchdog_progress();
}

void ae_watchdog_doing(const char *what) {
    atomic_store(&doing, what);
    ae_watchdog_progress();
}

void ae_watchdog_beat(void (*call)(void *context), void *context) {
    beat.thread = pthread_self();
    beat.call = call;
    beat.context = context;
    beat.last_s = ae_now_s();
    atomic_store(&beats, call != NULL);
    ae_watchdog_progress();
}

void ae_watchdog_progress(void) {
    atomic_fetch_add_explicit(&progress, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&beats, memory_order_acquire)) return;
    if (!pthread_equal(beat.thread, pthread_self()) || ae_now_s() - beat.last_s < BEAT_S) return;
    beat.last_s = ae_now_s();
    beat.call(beat.context);
}

void ae_watchdog_voting(bool waiting) {
    atomic_store(&voting, waiting);
    ae_watchdog_progress();
}
