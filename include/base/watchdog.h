/* A thread of its own that ends a process which would hang: one that makes no progress, because
 * another rank or its host is stopped, dead or cut off, or a disk doesn't answer. It calls no MPI
 * (whose thread level is FUNNELED) and takes no lock: it prints one message and leaves with
 * _exit(), at which the launcher ends the other ranks. Files are whole at any moment. */
#ifndef AE_BASE_WATCHDOG_H
#define AE_BASE_WATCHDOG_H

#include <stdbool.h>

/* Starts the thread, which from then on ends the process with AE_STALLED after a time without
 * ae_watchdog_progress(): until ae_watchdog_limit() says otherwise, five minutes. Time in which
 * this process itself is stopped doesn't count. Local; call once, before MPI and other threads. */
void ae_watchdog_start(void);

/* That time, in seconds (0: for ever); `order` (>= 0) staggers the ranks by a second each, up to
 * ten, so that as a rule one of them tells the reason: that with the lowest. Local. */
void ae_watchdog_limit(double stall_s, int order);

/* What this process is at, for the message; text that is never freed. Counts as progress. Local,
 * for the main thread. */
void ae_watchdog_doing(const char *what);

/* Something was done: an image, a step, a piece of a file. Local, cheap, safe in threads. */
void ae_watchdog_progress(void);

/* What ae_watchdog_progress() calls in the main thread, twice a second at most; NULL: nothing.
 * Local, for the main thread. */
void ae_watchdog_beat(void (*beat)(void *context), void *context);

/* The process is waiting for all ranks' part in a vote, or no longer. Where it waits half a second
 * after a SIGTERM or SIGINT, a rank is dead, the vote can't complete, and the process leaves at
 * once, without writing, with 128 + SIGTERM. For the main thread. */
void ae_watchdog_voting(bool waiting);

#endif
