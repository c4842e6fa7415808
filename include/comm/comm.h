/* MPI behind the few operations the program needs. `mpi.h` is included in this room alone. An MPI
 * error ends the program (MPI_ERRORS_ARE_FATAL). */
#ifndef AE_COMM_COMM_H
#define AE_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct ae_comm ae_comm;

/* Starts MPI (thread level FUNNELED). Collective; the caller owns *comm. Without memory for it the
 * program ends. */
void ae_comm_create(ae_comm **comm, int *argc, char ***argv);

/* Did the launcher start several processes that MPI knows nothing of, being another library's?
 * Local. AE_ERROR_USAGE: yes; the message is empty on all but the first process. */
ae_status ae_comm_check_launcher(const ae_comm *comm);

/* Has every rank the version, revision, contract (of kernels/kernels.h) and arguments of rank 0?
 * Compilers, flags and kernels may differ, as they give the same bits. To be called before anything
 * else is said. Collective. AE_ERROR_USAGE: no, and which. */
ae_status ae_comm_check_alike(ae_comm *comm, int contract, int argc, char **argv);

/* Ends MPI. Collective. */
void ae_comm_destroy(ae_comm **comm);

/* Local, constant through a run. A node is a set of ranks that can share memory. */
int ae_comm_rank(const ae_comm *comm);
int ae_comm_size(const ae_comm *comm);
int ae_comm_node_count(const ae_comm *comm);

/* "n1:4,n2:4": each host with its number of ranks, in the order of first ranks. Borrowed. */
const char *ae_comm_hosts(const ae_comm *comm);

/* The host of a rank. For rank 0. Borrowed. */
const char *ae_comm_host_of(const ae_comm *comm, int rank);

/* "Open MPI v4.1.4, ..." on one line. Works before MPI has started. Borrowed. */
const char *ae_comm_library(void);

/* values[i] becomes its sum over the ranks: over each node's, and then over the nodes. Collective.
 */
void ae_comm_sum(ae_comm *comm, int64_t *values, int count);

/* The smallest of the ranks' values, on all ranks. Collective. */
int64_t ae_comm_min(ae_comm *comm, int64_t value);

/* lowest[i], mean[i], highest[i] over the ranks; on rank 0 alone. Collective. */
void ae_comm_spread(ae_comm *comm, const double *values, int count, double *lowest, double *mean,
                    double *highest);

/* Sends rank 0's bytes to all. Collective. */
void ae_comm_broadcast(ae_comm *comm, void *bytes, size_t size);

/* Sends the bytes of the node's first rank, which rank 0 of the node is, to the node's others.
 * Collective. */
void ae_comm_node_broadcast(ae_comm *comm, void *bytes, size_t size);

/* This rank's number on its node, and the node's share [*begin, *end) of `count` items that falls
 * to it. Local. */
int ae_comm_node_rank(const ae_comm *comm);
void ae_comm_node_slice(const ae_comm *comm, int64_t count, int64_t *begin, int64_t *end);

/* Work of unequal length: from ae_comm_begin_work() on, which is local, each rank does its own part
 * and tells of it by ae_watchdog_progress() in the main thread; ae_comm_wait() then waits for all,
 * however long each of them works, as long as all make progress. It is collective; there may be
 * other collectives between the two. */
void ae_comm_begin_work(ae_comm *comm);
void ae_comm_wait(ae_comm *comm);

/* Are this rank's bytes those of rank 0? Collective; the answer is each rank's own. */
bool ae_comm_equals_first(ae_comm *comm, const void *bytes, size_t size);

/* Gathers equal-sized pieces on rank 0: all[rank][size] (NULL elsewhere). Collective. */
void ae_comm_gather(ae_comm *comm, const void *piece, size_t size, void *all);

/* Gathers runs of doubles on rank 0: rank r's `count` values go to all[sum of lower ranks' counts];
 * rank 0's piece may lie there already. Collective. */
void ae_comm_gather_doubles(ae_comm *comm, const double *piece, int count, double *all);

/* Tells all ranks of a failure of any: returns the status of the lowest rank that has one, with its
 * message in place on every rank (prefixed with "rank R on HOST: " if R isn't 0), else AE_OK.
 * To be called by all ranks after each stretch of work that can fail on one. Collective. */
ae_status ae_comm_agree(ae_comm *comm, ae_status status);

/* One array of bytes a node, in an MPI shared-memory window; or one a rank, where /dev/shm has no
 * room for it. */
typedef struct ae_shared ae_shared;

/* Collective. The caller owns *shared and destroys it before the comm. */
ae_status ae_shared_create(ae_shared **shared, ae_comm *comm, size_t size);
void ae_shared_destroy(ae_shared **shared); /* collective */

/* The array. Borrowed; each rank of a node writes its own slice alone, then all publish. */
uint8_t *ae_shared_bytes(const ae_shared *shared);

/* After this, every rank of the node sees what each has written to its bytes [begin, end), of which
 * no two ranks have the same ones. Collective; AE_FAILED: memory. */
ae_status ae_shared_publish(ae_shared *shared, size_t begin, size_t end);

#endif
