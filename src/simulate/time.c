/* What ae_simulate adds to the program: time passes where it computes. The linker puts these
 * functions before those of the program (--wrap); SimGrid's clock stands still but for them and for
 * messages.
 *
 *     AE_IMAGE_S    seconds of an image's forward and backward pass and all else it needs
 *     AE_UPDATE_S   seconds of the rest of a step */
#include <math.h>
#include <smpi/smpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/status.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "nn/network.h"
#include "nn/optimizer.h"

/* Of the hosts in the platform, so that a second of work is a second of theirs. */
static const double FLOPS_PER_S = 1e9;

static const char *const IMAGE = "AE_IMAGE_S", *const UPDATE = "AE_UPDATE_S";

/* The variable's seconds, 0 where it is unset. */
static double seconds_of(const char *variable) {
    const char *text = ae_environment_text(variable);
    char *end = NULL;
    double seconds = text ? strtod(text, &end) : 0;
    if (!text || (end != text && !*end && isfinite(seconds) && seconds >= 0)) return seconds;
    fprintf(stderr, "ae_simulate: error: %s=%s: it can be a number of seconds, from 0\n", variable,
            text);
    _exit(AE_ERROR_USAGE); /* exit() would end this rank alone */
}

static void pass(const char *variable) {
    smpi_execute_flops(seconds_of(variable) * FLOPS_PER_S);
}

double __real_ae_network_backward(ae_workspace *workspace, const float *packed, ae_loss loss);
double __wrap_ae_network_backward(ae_workspace *workspace, const float *packed, ae_loss loss) {
    pass(IMAGE);
    return __real_ae_network_backward(workspace, packed, loss);
}

double __real_ae_optimizer_step(ae_optimizer *optimizer, float *parameters, float *gradient,
                                double lr);
double __wrap_ae_optimizer_step(ae_optimizer *optimizer, float *parameters, float *gradient,
                                double lr) {
    pass(UPDATE);
    return __real_ae_optimizer_step(optimizer, parameters, gradient, lr);
}

/* A thread of the system can't live among simulated ranks. */
void __wrap_ae_watchdog_start(void) {
}

/* A signal is for the simulation, which it ends. Called first: times that aren't any end it too. */
void __wrap_ae_stop_install(void) {
    seconds_of(IMAGE);
    seconds_of(UPDATE);
}
