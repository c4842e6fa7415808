/* The machine that there is. */
#include "comm/machine.h"

#include "base/stop.h"
#include "base/watchdog.h"

void ae_machine_begin(void) {
    ae_stop_install();
    ae_watchdog_start();
}

void ae_machine_passed_image(void) {
}

void ae_machine_passed_update(void) {
}
