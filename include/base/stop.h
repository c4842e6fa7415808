/* The request to stop early: a signal, or the end of the time there is. */
#ifndef AE_BASE_STOP_H
#define AE_BASE_STOP_H

#include <stdbool.h>

/* Takes SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP and SIGXCPU from now on, and ignores SIGPIPE and
 * SIGXFSZ (a write then fails with a code instead). SIGHUP and SIGINT stay ignored where they were,
 * for nohup and for background jobs; the others are taken all the same: a job script that ignores
 * them, to outlive its program, leaves that to it too. A further signal that comes a second or more
 * after the first ends the process at once, with 128 + its number; files are whole at any moment.
 * (Sooner ones are the same request, passed on by a launcher and a batch system both; and SIGXCPU
 * comes again every second of computing.) Local; call first: a launcher passes signals on to ranks
 * that are still starting MPI. */
void ae_stop_install(void);

/* Asks to stop from `deadline_s` (as ae_now_s()) on; the earliest such time counts. Local. */
void ae_stop_at(double deadline_s);

/* Has this process been asked to stop? Local, cheap, safe in threads. Ranks may differ: agree
 * before acting on it. */
bool ae_stop_requested(void);

/* Is it the time alone that asks? */
bool ae_stop_by_clock(void);

/* Seconds since the first SIGTERM or SIGINT; negative where there was none. These alone come also
 * to the survivors of a rank that died, from their launcher. Local, safe in threads. */
double ae_stop_terminated_s(void);

#endif
