/* What a process needs of the machine it runs on, beside messages, for which ae_simulate has its
 * own in src/simulate/: the functions of this header, those of comm/placement.h, and ae_shared_* of
 * comm/comm.h. Nothing else of the program differs there. Local. */
#ifndef AE_COMM_MACHINE_H
#define AE_COMM_MACHINE_H

/* Takes signals (base/stop.h) and starts the watchdog (base/watchdog.h). To be called first. The
 * simulated machine has neither: its ranks are one process. */
void ae_machine_begin(void);

/* An image's forward and backward pass was computed; the rest of a step was. The simulated
 * machine's clock, which stands still otherwise, moves on; a real one's does by itself. */
void ae_machine_passed_image(void);
void ae_machine_passed_update(void);

#endif
