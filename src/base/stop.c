#include "base/stop.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/timer.h"

static const double SAME_REQUEST_S = 1;

/* Any thread may be given the signal, and the watchdog's asks. */
static atomic_bool requested, terminated;
static double requested_s, terminated_s; /* written once, before their flag */
static double deadline_s = INFINITY;

static void request(int signal_number) {
    double now_s = ae_now_s();
    if (requested && now_s - requested_s >= SAME_REQUEST_S) _exit(128 + signal_number);
    if (!requested) {
        requested_s = now_s;
        requested = true;
    }
    if (!terminated && signal_number != SIGUSR1) {
        terminated_s = now_s;
        terminated = true;
    }
}

void ae_stop_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1); /* one at a time */
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    action.sa_flags = SA_RESTART; /* a write in hand is finished */
    action.sa_handler = request;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
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
