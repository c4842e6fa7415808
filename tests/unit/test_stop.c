/* base/stop: a request, and who sees it. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/stop.h"
#include "base/timer.h"

static const double HANG_S = 60;

/* What the watchdog does; nothing but the flags themselves orders it after the signal. */
static void *await_termination(void *seen_s) {
    double begin_s = ae_now_s(), since_s = -1;
    while (since_s < 0 && ae_now_s() - begin_s < HANG_S) {
        sched_yield();
        since_s = ae_stop_terminated_s();
    }
    *(double *)seen_s = since_s;
    return NULL;
}

/* ThreadSanitizer looks on. */
static void another_thread_sees_the_signal(void **state) {
    (void)state;
    pthread_t watcher;
    double seen_s = -1;
    ae_stop_install();
    assert_false(ae_stop_requested());
    assert_true(ae_stop_terminated_s() < 0);
    assert_int_equal(pthread_create(&watcher, NULL, await_termination, &seen_s), 0);
    raise(SIGTERM);
    assert_int_equal(pthread_join(watcher, NULL), 0);
    assert_true(seen_s >= 0);
    assert_true(ae_stop_requested());
    assert_false(ae_stop_by_clock());
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_thread_sees_the_signal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
