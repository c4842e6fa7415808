/* Work of unequal length before a wait. While it lasts the ranks go through rounds, each a sum in
 * the background that every rank takes part in when it makes progress: a round that comes to its
 * end tells all of them that none is stopped or cut off. */
#include <stdbool.h>
#include <time.h>

#include "base/arithmetic.h"
#include "base/watchdog.h"
#include "comm/internal.h"

static void begin_round(ae_comm *comm, bool waits) {
    comm->waits = waits;
    MPI_Iallreduce(&comm->waits, &comm->all_wait, 1, MPI_INT, MPI_MIN, comm->rounds, &comm->round);
}

/* Is there none any more? */
static bool round_ended(ae_comm *comm) {
    int done;
    MPI_Test(&comm->round, &done, MPI_STATUS_IGNORE);
    return done;
}

/* One round at a time; a null request counts as done. */
static void take_part(void *context) {
    ae_comm *comm = context;
    if (round_ended(comm)) begin_round(comm, false);
}

void ae_comm_begin_work(ae_comm *comm) {
    ae_watchdog_beat(take_part, comm);
}

void ae_comm_wait(ae_comm *comm) {
    const struct timespec pause = {0, 2000000};
    ae_watchdog_beat(NULL, NULL);
    ae_watchdog_doing("waiting for the other ranks");
    do {
        if (round_ended(comm)) begin_round(comm, true);
        while (!round_ended(comm)) nanosleep(&pause, NULL);
        ae_watchdog_progress();
    } while (!comm->waits || !comm->all_wait);
    ae_arithmetic_reset(); /* as after every wait */
}
