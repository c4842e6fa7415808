/* What ae_simulate has in place of comm/shared.c and comm/placement.c: simulated ranks are one
 * process, and need the images once; each has a core of its own. And an MPI_Gatherv in place of
 * SimGrid's, which takes seconds of this machine for a thousand ranks. */
#include <smpi/smpi.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "comm/comm.h"
#include "comm/placement.h"

struct ae_shared {
    ae_comm *comm;
    uint8_t *bytes; /* rank 0's */
};

ae_status ae_shared_create(ae_shared **shared_out, ae_comm *comm, size_t size) {
    const bool is_first = ae_comm_rank(comm) == 0;
    ae_shared *shared = calloc(1, sizeof *shared);
    uint8_t *bytes = is_first ? ae_calloc(size, 1) : NULL;
    *shared_out = NULL;
    ae_status status = !shared || (is_first && !bytes) ? ae_fail_memory("the images") : AE_OK;
    status = ae_comm_agree(comm, status);
    if (status) {
        free(shared);
        free(bytes);
        return status;
    }
    ae_comm_broadcast(comm, &bytes, sizeof bytes);
    shared->comm = comm;
    shared->bytes = bytes;
    *shared_out = shared;
    return AE_OK;
}

void ae_shared_destroy(ae_shared **shared) {
    ae_comm *comm = (*shared)->comm;
    ae_comm_min(comm, 0); /* waits for all */
    if (ae_comm_rank(comm) == 0) free((*shared)->bytes);
    free(*shared);
    *shared = NULL;
}

uint8_t *ae_shared_bytes(const ae_shared *shared) {
    return shared->bytes;
}

bool ae_shared_is_shared(const ae_shared *shared) {
    (void)shared;
    return true;
}

void ae_shared_slice(const ae_shared *shared, int64_t count, int64_t *begin, int64_t *end) {
    const int64_t rank = ae_comm_rank(shared->comm), size = ae_comm_size(shared->comm);
    *begin = count * rank / size;
    *end = count * (rank + 1) / size;
}

ae_status ae_shared_publish(ae_shared *shared, int64_t count, size_t item_size) {
    (void)count, (void)item_size;
    ae_comm_min(shared->comm, 0); /* waits for all */
    return AE_OK;
}

int __wrap_MPI_Gatherv(const void *piece, int count, MPI_Datatype type, void *all,
                       const int *counts, const int *offsets, MPI_Datatype type_all, int root,
                       MPI_Comm comm) {
    int rank, size, bytes;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    MPI_Type_size(type, &bytes);
    if (rank != root) return MPI_Send(piece, count, type, root, 0, comm);
    for (int r = 0; r < size; ++r) {
        char *to = (char *)all + (size_t)offsets[r] * (size_t)bytes;
        if (r != root)
            MPI_Recv(to, counts[r], type_all, r, 0, comm, MPI_STATUS_IGNORE);
        else if (piece != MPI_IN_PLACE)
            memcpy(to, piece, (size_t)count * (size_t)bytes);
    }
    return MPI_SUCCESS;
}

ae_placement ae_placement_find(ae_comm *comm) {
    const int ranks = ae_comm_size(comm);
    return (ae_placement){.threads = 1, .total_threads = ranks, .total_cores = ranks};
}

void ae_placement_warn(const ae_placement *placement) {
    (void)placement;
}
