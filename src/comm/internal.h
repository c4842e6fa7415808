/* The communicators behind an ae_comm, for this room. */
#ifndef AE_COMM_INTERNAL_H
#define AE_COMM_INTERNAL_H

#include <mpi.h>

#include "comm/comm.h"

struct ae_comm {
    MPI_Comm world, node;
    MPI_Comm leaders;  /* the nodes' first ranks; on others MPI_COMM_NULL */
    MPI_Comm rounds;   /* of work of unequal length (work.c), as what follows */
    MPI_Request round; /* MPI_REQUEST_NULL between them */
    int waits, all_wait;
    int rank, size;
    int node_rank, node_size, node_count;
    char *hosts;
    char *names;                           /* [size][MPI_MAX_PROCESSOR_NAME + 1]; rank 0's alone */
    char host[MPI_MAX_PROCESSOR_NAME + 1]; /* of this rank */
};

/* Fills what follows from world and node. Collective. */
void ae_comm_set_nodes(ae_comm *comm);

#endif
