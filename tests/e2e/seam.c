/* Signals its process in a reduction of whole arrays (a step's, an evaluation's, a validation's):
 * preloaded, so that a run is stopped or killed at the very place that is named.
 *     AE_SEAM         which one, counted from 0 through the run
 *     AE_SEAM_SIGNAL  the signal's number
 * The reduction itself is done, and what its arrays hold was put there before. */
#include <mpi.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    STEP = 1000, /* numbers of a step's array at least; the first step begins the count */
    LEAST = 4    /* of the arrays that count */
};

int MPI_Allreduce(const void *send, void *receive, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
    static long done;
    const char *seam = getenv("AE_SEAM"), *signal_number = getenv("AE_SEAM_SIGNAL");
    int result = PMPI_Allreduce(send, receive, count, type, op, comm);
    const bool counts = count >= (done > 0 ? LEAST : STEP) && seam && signal_number;
    if (counts && done++ == atol(seam)) raise(atoi(signal_number));
    return result;
}
