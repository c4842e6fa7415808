/* What ae_simulate adds to the program: time passes where it computes. The linker puts these
 * functions before those of the program (--wrap); SimGrid's clock stands still but for them and for
 * messages.
 *
 *     AE_IMAGE_S    seconds of an image's forward and backward pass and all else it needs
 *     AE_UPDATE_S   seconds of the rest of a step */
#include <smpi/smpi.h>
#include <stdlib.h>

#include "base/stop.h"
#include "base/watchdog.h"
#include "nn/network.h"
#include "nn/optimizer.h"

/* Of the hosts in the platform, so that a second of work is a second of theirs. */
static const double FLOPS_PER_S = 1e9;

static void pass(const char *variable) {
    const char *seconds = getenv(variable);
    if (seconds) smpi_execute_flops(atof(seconds) * FLOPS_PER_S);
}

double __real_ae_network_backward(ae_workspace *workspace, const float *packed, ae_loss loss);
double __wrap_ae_network_backward(ae_workspace *workspace, const float *packed, ae_loss loss) {
    pass("AE_IMAGE_S");
    return __real_ae_network_backward(workspace, packed, loss);
}

double __real_ae_optimizer_step(ae_optimizer *optimizer, float *parameters, float *gradient,
                                double lr);
double __wrap_ae_optimizer_step(ae_optimizer *optimizer, float *parameters, float *gradient,
                                double lr) {
    pass("AE_UPDATE_S");
    return __real_ae_optimizer_step(optimizer, parameters, gradient, lr);
}

/* A thread of the system can't live among simulated ranks. */
void __wrap_ae_watchdog_start(void) {
}

/* A signal is for the simulation, which it ends. */
void __wrap_ae_stop_install(void) {
}
