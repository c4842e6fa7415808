#include "base/stop.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/timer.h"

static const double SAME_REQUEST_S = 1;

/* One system or another asks with each of these. */
static const int REQUESTS[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGXCPU};
enum { REQUEST_COUNT = sizeof REQUESTS / sizeof *REQUESTS };

/* Any thread may be given the signal, and the watchdog's asks. */
static atomic_bool requested, terminated;
static double requested_s, terminated_s; /* written once, before their flag */
static double deadline_s = INFINITY;

static void request(int signal_number) {
    double now_s = ae_now_s();
    bool is_further = requested && now_s - requested_s >= SAME_REQUEST_S;
    if (is_further && signal_number != SIGXCPU) _exit(128 + signal_number);
    if (!requested) {
        requested_s = now_s;
        requested = true;
    }
    if (!terminated && (signal_number == SIGTERM || signal_number == SIGINT)) {
        terminated_s = now_s;
        terminated = true;
    }
}

/* Was the program told to outlive its terminal, by nohup, or by a shell that put it into the
 * background? */
static bool is_kept_ignored(int signal_number) {
    struct sigaction before;
    if (signal_number != SIGHUP && signal_number != SIGINT) return false;
    return sigaction(signal_number, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
}

void ae_stop_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    for (int r = 0; r < REQUEST_COUNT; ++r) sigaddset(&action.sa_mask, REQUESTS[r]);
    action.sa_flags = SA_RESTART; /* a write in hand is finished */
    action.sa_handler = request;  /* one at a time */
    for (int r = 0; r < REQUEST_COUNT; ++r)
        if (!is_kept_ignored(REQUESTS[r])) sigaction(REQUESTS[r], &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
}

void ae_stop_at(double at_s) {
    if (at_s < deadline_s) deadline_s = at_s;
}

bool ae_stop_requested(void) {
    return requested || (deadline_s < INFINITY && ae_now_s() >= deadline_s);
}

bool ae_stop_by_clock(void) {
    return !requested && ae_stop_requested();
}

double ae_stop_terminated_s(void) {
    return terminated ? ae_now_s() - terminated_s : -1;
}
