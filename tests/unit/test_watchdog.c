/* base/watchdog: a process that makes no progress leaves, and one that does stays. The watchdog's
 * own waiting moves the clock on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/status.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "child.h"
#include "clock.h"

/* It looks twenty times a second; times are told to two looks. */
static const double NEAR_S = 0.1;

typedef struct stall {
    const char *rank; /* as a launcher tells it; NULL: none does */
    double limit_s;   /* negative: the first one, before any is set */
    int order;
    double seconds; /* without progress */
} stall;

static void stalls(const void *argument) {
    const stall *s = argument;
    if (s->rank) setenv("OMPI_COMM_WORLD_RANK", s->rank, 1);
    if (s->rank) setenv("OMPI_COMM_WORLD_SIZE", "1000", 1);
    clock_hold();
    ae_watchdog_start();
    clock_run(0.5);
    if (s->limit_s >= 0) ae_watchdog_limit(s->limit_s, s->order);
    ae_watchdog_doing("testing");
    clock_run(s->seconds);
}

/* The process is there just before `end_s`, and gone just after it. */
static void check_end(stall s, double end_s, const char *told) {
    char text[CHILD_TEXT_SIZE];
    s.seconds = end_s - NEAR_S;
    assert_int_equal(child_run(stalls, &s, text), CHILD_STAYED);
    assert_string_equal(text, "");
    s.seconds = end_s + NEAR_S;
    assert_int_equal(child_run(stalls, &s, text), AE_STALLED);
    assert_non_null(strstr(text, told));
}

static void one_that_stalls_leaves(void **state) {
    (void)state;
    check_end((stall){.limit_s = 7}, 7, "ae_dist: error: no progress for 7 s while testing; ");
    check_end((stall){.limit_s = 3600}, 3600, "no progress for 3600 s while testing; ");
}

static void ranks_take_turns(void **state) {
    (void)state;
    check_end((stall){.limit_s = 7, .order = 1}, 8, "no progress for 8 s");
    check_end((stall){.limit_s = 7, .order = 10}, 17, "no progress for 17 s");
    check_end((stall){.limit_s = 7, .order = 11}, 17, "no progress for 17 s");
    check_end((stall){.limit_s = 7, .order = 4000}, 17, "no progress for 17 s");
}

static void the_start_has_five_minutes(void **state) {
    (void)state;
    check_end((stall){.limit_s = -1}, 300, "no progress for 300 s");
    check_end((stall){.limit_s = -1, .rank = "3"}, 303, "no progress for 303 s");
}

static void without_a_limit_all_stay(void **state) {
    (void)state;
    char text[CHILD_TEXT_SIZE];
    assert_int_equal(child_run(stalls, &(stall){.seconds = 1e5}, text), CHILD_STAYED);
}

static void goes_on(const void *unused) {
    (void)unused;
    clock_hold();
    ae_watchdog_start();
    ae_watchdog_limit(2, 0);
    for (int i = 0; i < 20; ++i) {
        clock_run(1.8);
        ae_watchdog_progress();
    }
}

/* A night in which the process is stopped counts as a look or a few. */
static void is_stopped_meanwhile(const void *unused) {
    (void)unused;
    clock_hold();
    ae_watchdog_start();
    ae_watchdog_limit(2, 0);
    clock_run(1);
    clock_advance(1e5);
    atomic_fetch_add(&clock_end_ns, (long long)1e5 * CLOCK_SECOND);
    clock_run(0.7);
}

static void those_that_are_well_stay(void **state) {
    (void)state;
    void (*const works[])(const void *) = {goes_on, is_stopped_meanwhile};
    char text[CHILD_TEXT_SIZE];
    for (size_t w = 0; w < sizeof works / sizeof *works; ++w) {
        assert_int_equal(child_run(works[w], NULL, text), CHILD_STAYED);
        assert_string_equal(text, "");
    }
}

/* ---- a vote that a dead rank holds up ---- */

typedef struct vote {
    int signal_number;
    bool waits;
    double seconds; /* after the signal */
} vote;

static void votes(const void *argument) {
    const vote *v = argument;
    ae_stop_install();
    clock_hold();
    ae_watchdog_start();
    ae_watchdog_voting(v->waits);
    clock_run(5);
    raise(v->signal_number);
    clock_run(v->seconds);
}

static int code_of_vote(int signal_number, bool waits, double seconds) {
    char text[CHILD_TEXT_SIZE];
    return child_run(votes, &(vote){signal_number, waits, seconds}, text);
}

/* Half a second after the launcher's signal to the survivors; and only then. */
static void a_dead_vote_is_left(void **state) {
    (void)state;
    for (int s = 0; s < 2; ++s) {
        const int number = s == 0 ? SIGTERM : SIGINT;
        assert_int_equal(code_of_vote(number, true, 0.5 - NEAR_S), CHILD_STAYED);
        assert_int_equal(code_of_vote(number, true, 0.5 + NEAR_S), 128 + SIGTERM);
        assert_int_equal(code_of_vote(number, false, 60), CHILD_STAYED);
    }
    const int others[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU};
    for (size_t o = 0; o < sizeof others / sizeof *others; ++o)
        assert_int_equal(code_of_vote(others[o], true, 60), CHILD_STAYED);
}

/* A vote that began after the signal has its half second too. */
static void votes_later(const void *argument) {
    ae_stop_install();
    clock_hold();
    ae_watchdog_start();
    raise(SIGTERM);
    clock_run(5);
    ae_watchdog_voting(true);
    clock_run(*(const double *)argument);
}

static void a_vote_has_its_time(void **state) {
    (void)state;
    char text[CHILD_TEXT_SIZE];
    const double before = 0.5 - NEAR_S, after = 0.5 + NEAR_S;
    assert_int_equal(child_run(votes_later, &before, text), CHILD_STAYED);
    assert_int_equal(child_run(votes_later, &after, text), 128 + SIGTERM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_stalls_leaves),     cmocka_unit_test(ranks_take_turns),
        cmocka_unit_test(the_start_has_five_minutes), cmocka_unit_test(without_a_limit_all_stay),
        cmocka_unit_test(those_that_are_well_stay),   cmocka_unit_test(a_dead_vote_is_left),
        cmocka_unit_test(a_vote_has_its_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
