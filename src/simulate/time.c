/* What ae_simulate has in place of comm/machine.c: time passes where the program computes.
 * SimGrid's clock stands still but for that and for messages.
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
#include "comm/machine.h"

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

void ae_machine_passed_image(void) {
    pass(IMAGE);
}

void ae_machine_passed_update(void) {
    pass(UPDATE);
}

/* Times that aren't any end the simulation before it begins. A signal ends it too: it is for all
 * ranks, among which a thread of the system can't live. */
void ae_machine_begin(void) {
    seconds_of(IMAGE);
    seconds_of(UPDATE);
}
