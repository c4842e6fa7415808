/* base/watchdog: a process that makes no progress leaves, and one that does stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "base/timer.h"
#include "base/watchdog.h"

enum { STAYED = 42, TEXT_SIZE = 1024 };
static const double LIMIT_S = 1; /* so long may a loaded machine hold up a process that is well */

/* Is at something for `seconds`, and makes progress or not. */
static void be_busy(double seconds, bool progress) {
    const struct timespec pause = {0, 10 * 1000 * 1000};
    for (double begin_s = ae_now_s(); ae_now_s() - begin_s < seconds;) {
        if (progress) ae_watchdog_progress();
        nanosleep(&pause, NULL);
    }
}

static void stalls(void) {
    ae_watchdog_limit(LIMIT_S, 0);
    ae_watchdog_phase("testing");
    be_busy(60, false);
}

static void goes_on(void) {
    ae_watchdog_limit(LIMIT_S, 0);
    be_busy(2 * LIMIT_S, true);
}

static void has_no_limit(void) {
    ae_watchdog_limit(0, 0);
    be_busy(2 * LIMIT_S, false);
}

static void has_another_turn(void) {
    ae_watchdog_limit(LIMIT_S, 8);
    be_busy(2 * LIMIT_S, false);
}

static void starts(void) {
    be_busy(2 * LIMIT_S, false);
}

/* The exit code of a process that does `work` with a watchdog; text = what it said. */
static int run_watched(void (*work)(void), char text[TEXT_SIZE]) {
    int said[2], status = 0;
    assert_int_equal(pipe(said), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(said[1], STDERR_FILENO);
        ae_watchdog_start();
        work();
        _exit(STAYED);
    }
    close(said[1]);
    ssize_t length = 0, n;
    while ((n = read(said[0], text + length, (size_t)(TEXT_SIZE - 1 - length))) > 0) length += n;
    text[length] = '\0';
    close(said[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void one_that_stalls_leaves(void **state) {
    (void)state;
    char text[TEXT_SIZE];
    assert_int_equal(run_watched(stalls, text), AE_STALLED);
    assert_non_null(strstr(text, "ae_dist: error: no progress for 1 s while testing; "));
}

static void others_stay(void **state) {
    (void)state;
    void (*const works[])(void) = {goes_on, has_no_limit, has_another_turn, starts};
    char text[TEXT_SIZE];
    for (size_t w = 0; w < sizeof works / sizeof *works; ++w) {
        assert_int_equal(run_watched(works[w], text), STAYED);
        assert_string_equal(text, "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_that_stalls_leaves),
                                       cmocka_unit_test(others_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
