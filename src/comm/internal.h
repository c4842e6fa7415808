/* The communicators behind an ae_comm, for this room. */
#ifndef AE_COMM_INTERNAL_H
#define AE_COMM_INTERNAL_H

#include <mpi.h>

#include "comm/comm.h"

struct ae_comm {
    MPI_Comm world, node;
    int rank, size;
    int node_rank, node_size, node_count;
    char *hosts;
    char *names;                           /* [size][MPI_MAX_PROCESSOR_NAME + 1]; rank 0's alone */
    char host[MPI_MAX_PROCESSOR_NAME + 1]; /* of this rank */
};

#endif
