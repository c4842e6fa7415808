/* What ae_simulate has in place of comm/shared.c and comm/placement.c: simulated ranks are one
 * process, and need the images once; each has a core of its own. */
#include <stdlib.h>

#include "base/memory.h"
#include "comm/comm.h"
#include "comm/placement.h"

struct ae_shared {
    ae_comm *comm;
    uint8_t *bytes; /* rank 0's */
};

ae_status ae_shared_create(ae_shared **shared, ae_comm *comm, size_t size) {
    const bool is_first = ae_comm_rank(comm) == 0;
    ae_shared *made = calloc(1, sizeof *made);
    uint8_t *bytes = is_first ? ae_calloc(size, 1) : NULL;
    *shared = NULL;
    ae_status status = !made || (is_first && !bytes) ? ae_fail_memory("the images") : AE_OK;
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) {
        free(made);
        free(bytes);
        return status;
    }
    ae_comm_broadcast(comm, &bytes, sizeof bytes);
    made->comm = comm;
    made->bytes = bytes;
    *shared = made;
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

ae_status ae_shared_publish(ae_shared *shared, size_t begin, size_t end) {
    (void)begin, (void)end;
    ae_comm_min(shared->comm, 0); /* waits for all */
    return AE_OK;
}

ae_placement ae_placement_find(ae_comm *comm) {
    const int ranks = ae_comm_size(comm);
    return (ae_placement){.threads = 1, .total_threads = ranks, .total_cores = ranks};
}

void ae_placement_warn(const ae_placement *placement) {
    (void)placement;
}
