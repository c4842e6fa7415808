/* The request to stop early: SIGUSR1, SIGTERM or SIGINT. */
#ifndef AE_BASE_STOP_H
#define AE_BASE_STOP_H

#include <stdbool.h>

/* Takes SIGUSR1, SIGTERM and SIGINT from now on, and ignores SIGPIPE and SIGXFSZ (a write then
 * fails with a code instead). Local; call first: a launcher passes signals on to ranks that are
 * still starting MPI. */
void ae_stop_install(void);

/* Has this process been asked to stop? Local, cheap, safe in threads. Ranks may differ: agree
 * before acting on it. */
bool ae_stop_requested(void);

#endif
