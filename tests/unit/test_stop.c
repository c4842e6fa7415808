/* base/stop: a request, who sees it, and when a further one ends the process. */
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
#include "child.h"
#include "clock.h"

static const int ALL[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGXCPU};
enum { ALL_COUNT = sizeof ALL / sizeof *ALL };

/* What the watchdog does; nothing but the flags themselves orders it after the signal. */
static void *await_termination(void *seen_s) {
    double since_s = -1;
    while (since_s < 0) {
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

/* ---- in processes of their own ---- */

/* What a process is signalled, and what it must then be. */
typedef struct signals {
    int first, second;
    double between_s;
} signals;

static void is_signalled(const void *argument) {
    const signals *s = argument;
    for (int a = 0; a < ALL_COUNT; ++a) signal(ALL[a], SIG_DFL);
    ae_stop_install();
    if (ae_stop_requested()) _exit(1);
    raise(s->first);
    if (!ae_stop_requested() || ae_stop_by_clock()) _exit(2);
    clock_advance(s->between_s);
    if (s->second) raise(s->second);
}

static int code_after(int first, int second, double between_s) {
    char text[CHILD_TEXT_SIZE];
    const signals s = {first, second, between_s};
    return child_run(is_signalled, &s, text);
}

static void each_is_a_request(void **state) {
    (void)state;
    for (int a = 0; a < ALL_COUNT; ++a) assert_int_equal(code_after(ALL[a], 0, 0), CHILD_STAYED);
    assert_int_equal(code_after(SIGALRM, 0, 0), -1);
}

static void a_further_one_ends_the_process(void **state) {
    (void)state;
    for (int a = 0; a < ALL_COUNT; ++a) {
        const int first = ALL[a], other = ALL[(a + 1) % ALL_COUNT];
        assert_int_equal(code_after(first, first, 0.999), CHILD_STAYED);
        assert_int_equal(code_after(first, other, 0.999), CHILD_STAYED);
        const bool is_repeated = first == SIGXCPU, other_is = other == SIGXCPU;
        assert_int_equal(code_after(first, first, 1), is_repeated ? CHILD_STAYED : 128 + first);
        assert_int_equal(code_after(first, other, 1), other_is ? CHILD_STAYED : 128 + other);
    }
}

/* A rank that died has its launcher send these to the others; it sends none of the others. */
static void has_terminated_since(const void *argument) {
    const int number = *(const int *)argument;
    ae_stop_install();
    raise(number);
    clock_advance(7);
    const double since_s = ae_stop_terminated_s();
    if (since_s < 0) _exit(1);
    if (since_s < 6.99 || since_s > 7.01) _exit(2);
}

static void some_come_when_a_rank_is_dead(void **state) {
    (void)state;
    char text[CHILD_TEXT_SIZE];
    for (int a = 0; a < ALL_COUNT; ++a) {
        const bool is_such = ALL[a] == SIGTERM || ALL[a] == SIGINT;
        assert_int_equal(child_run(has_terminated_since, &ALL[a], text),
                         is_such ? CHILD_STAYED : 1);
    }
}

static void is_signalled_though_ignored(const void *argument) {
    const int number = *(const int *)argument;
    signal(number, SIG_IGN);
    ae_stop_install();
    raise(number);
    if (ae_stop_requested()) _exit(1);
}

static void ignored_ones_of_a_terminal_stay_so(void **state) {
    (void)state;
    char text[CHILD_TEXT_SIZE];
    for (int a = 0; a < ALL_COUNT; ++a) {
        const bool is_terminals = ALL[a] == SIGHUP || ALL[a] == SIGINT;
        assert_int_equal(child_run(is_signalled_though_ignored, &ALL[a], text),
                         is_terminals ? CHILD_STAYED : 1);
    }
}

static void has_deadlines(const void *unused) {
    (void)unused;
    const double begin_s = ae_now_s();
    if (ae_stop_requested()) _exit(1);
    ae_stop_at(begin_s + 20);
    ae_stop_at(begin_s + 10);
    ae_stop_at(begin_s + 30);
    clock_advance(9.99);
    if (ae_stop_requested() || ae_stop_by_clock()) _exit(2);
    clock_advance(0.02);
    if (!ae_stop_requested() || !ae_stop_by_clock()) _exit(3);
}

static void the_earliest_deadline_counts(void **state) {
    (void)state;
    char text[CHILD_TEXT_SIZE];
    assert_int_equal(child_run(has_deadlines, NULL, text), CHILD_STAYED);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_a_request),
                                       cmocka_unit_test(a_further_one_ends_the_process),
                                       cmocka_unit_test(some_come_when_a_rank_is_dead),
                                       cmocka_unit_test(ignored_ones_of_a_terminal_stay_so),
                                       cmocka_unit_test(the_earliest_deadline_counts),
                                       cmocka_unit_test(another_thread_sees_the_signal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
