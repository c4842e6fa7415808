/* Memory that the ranks of a node share, or a copy for each where there is no room. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/memory.h"
#include "comm/internal.h"

struct ae_shared {
    ae_comm *comm;
    MPI_Win window; /* MPI_WIN_NULL for a copy a rank */
    uint8_t *bytes;
};

/* Has this node's shared memory, which MPI libraries keep in /dev/shm, room for `size` bytes and as
 * much again as the library's own messages take? Memory that isn't there is a SIGBUS at its first
 * use, not an error. */
static bool has_room(size_t size) {
    const size_t margin = (size_t)8 << 20;
    struct statvfs info;
    if (statvfs("/dev/shm", &info) != 0) return false;
    return (unsigned long long)info.f_bavail * info.f_frsize >= size + margin;
}

/* Takes the pages of the window now: false where they aren't to be had after all, as when another
 * program filled the memory meanwhile. Linux before 5.14 can't tell. */
static bool take_pages(void *base, size_t size) {
#ifdef MADV_POPULATE_WRITE
    return madvise(base, size, MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
#else
    (void)base, (void)size;
    return true;
#endif
}

/* *window = one of `size` bytes, on the node's first rank; false where there is no room. Collective
 * over the node. */
static bool allocate_window(MPI_Win *window, uint8_t **bytes, ae_comm *comm, size_t size) {
    int room = comm->node_size == 1 || has_room(size);
    MPI_Bcast(&room, 1, MPI_INT, 0, comm->node);
    if (!room) return false;
    MPI_Aint found;
    int unit;
    void *base;
    MPI_Win_allocate_shared(comm->node_rank == 0 ? (MPI_Aint)size : 0, 1, MPI_INFO_NULL, comm->node,
                            &base, window);
    MPI_Win_shared_query(*window, 0, &found, &unit, &base);
    if (comm->node_rank == 0) room = comm->node_size == 1 || take_pages(base, size);
    MPI_Bcast(&room, 1, MPI_INT, 0, comm->node);
    *bytes = base;
    if (!room) MPI_Win_free(window);
    return room;
}

/* Says once on how many nodes each rank keeps a copy. Collective. */
static void warn_of_copies(ae_comm *comm, bool shared, size_t size) {
    int64_t nodes = comm->node_rank == 0 && !shared;
    ae_comm_sum(comm, &nodes, 1);
    if (nodes > 0)
        ae_warn(
            "/dev/shm has no room for %.0f MB on %lld of %d nodes: there each rank keeps its "
            "own copy of the images; make it larger (containers: --shm-size) to keep one a node",
            (double)size / 1e6, (long long)nodes, comm->node_count);
}

ae_status ae_shared_create(ae_shared **shared, ae_comm *comm, size_t size) {
    *shared = NULL;
    ae_shared *made = calloc(1, sizeof *made);
    ae_status status = ae_comm_agree(comm, made ? AE_OK : ae_fail_memory("the images"));
    if (status != AE_OK) {
        free(made);
        return status;
    }
    made->comm = comm;
    made->window = MPI_WIN_NULL;
    bool room = allocate_window(&made->window, &made->bytes, comm, size);
    warn_of_copies(comm, room, size);
    if (room) {
        MPI_Win_lock_all(MPI_MODE_NOCHECK, made->window);
    } else {
        made->bytes = ae_calloc(size, 1);
        if (!made->bytes) status = ae_fail_memory("a copy of the images");
    }
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) {
        ae_shared_destroy(&made);
        return status;
    }
    *shared = made;
    return AE_OK;
}

void ae_shared_destroy(ae_shared **shared) {
    if (!*shared) return;
    if ((*shared)->window != MPI_WIN_NULL) {
        MPI_Win_unlock_all((*shared)->window);
        MPI_Win_free(&(*shared)->window);
    } else {
        free((*shared)->bytes);
    }
    free(*shared);
    *shared = NULL;
}

uint8_t *ae_shared_bytes(const ae_shared *shared) {
    return shared->bytes;
}

/* Sends bytes [bounds[0], bounds[1]) of node rank `from` to the node's others, each with a copy. */
static void send_piece(ae_shared *shared, const uint64_t bounds[2], int from) {
    enum { AT_ONCE = 1 << 30 }; /* bytes: MPI counts with int */
    for (uint64_t at = bounds[0]; at < bounds[1]; at += AT_ONCE) {
        const uint64_t left = bounds[1] - at;
        MPI_Bcast(shared->bytes + at, (int)(left < AT_ONCE ? left : AT_ONCE), MPI_BYTE, from,
                  shared->comm->node);
    }
}

ae_status ae_shared_publish(ae_shared *shared, size_t begin, size_t end) {
    ae_comm *comm = shared->comm;
    if (shared->window != MPI_WIN_NULL) {
        MPI_Win_sync(shared->window);
        MPI_Barrier(comm->node);
        MPI_Win_sync(shared->window);
        return AE_OK;
    }
    const uint64_t mine[2] = {begin, end};
    uint64_t(*bounds)[2] = malloc((size_t)comm->node_size * sizeof *bounds);
    ae_status status = bounds ? AE_OK : ae_fail_memory("the ranks' pieces");
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) {
        MPI_Allgather(mine, 2, MPI_UINT64_T, bounds, 2, MPI_UINT64_T, comm->node);
        for (int r = 0; r < comm->node_size; ++r) send_piece(shared, bounds[r], r);
    }
    free(bounds);
    return status;
}
