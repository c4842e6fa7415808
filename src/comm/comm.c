#include "comm/comm.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arithmetic.h"
#include "base/launcher.h"
#include "base/watchdog.h"
#include "comm/internal.h"
#include "comm/quota.h"

/* Around what can block while other ranks are late, or dead. */
static void begin_wait(void) {
    ae_watchdog_doing("waiting for the other ranks");
}

static void end_wait(void) {
    ae_arithmetic_reset(); /* MPI loads parts of itself, and other libraries, when it needs them */
    ae_watchdog_progress();
}

enum { NAME_WIDTH = MPI_MAX_PROCESSOR_NAME + 1 };

/* "n1:4,n2:4" from the ranks' host names in rank order; on rank 0, NULL elsewhere and for want of
 * memory. */
static char *join_hosts(const char *names, int size) {
    char *text = malloc((size_t)size * (NAME_WIDTH + 12) + 1);
    if (!text) return NULL;
    char *end = text;
    *end = '\0';
    for (int r = 0; r < size; ++r) {
        const char *name = names + (size_t)r * NAME_WIDTH;
        int ranks = 0, first = r;
        for (int other = size - 1; other >= 0; --other)
            if (strcmp(names + (size_t)other * NAME_WIDTH, name) == 0) ++ranks, first = other;
        if (first == r) end += sprintf(end, "%s%s:%d", r > 0 ? "," : "", name, ranks);
    }
    return text;
}

/* Fills comm->hosts on every rank. Collective. */
static void find_hosts(ae_comm *comm) {
    int length = 0;
    MPI_Get_processor_name(comm->host, &length);
    if (comm->rank == 0) comm->names = malloc((size_t)comm->size * NAME_WIDTH);
    if (comm->rank == 0 && !comm->names) MPI_Abort(comm->world, AE_FAILED);
    ae_comm_gather(comm, comm->host, NAME_WIDTH, comm->names);
    int64_t bytes = 0;
    if (comm->rank == 0) {
        comm->hosts = join_hosts(comm->names, comm->size);
        bytes = comm->hosts ? (int64_t)strlen(comm->hosts) + 1 : 0;
    }
    ae_comm_broadcast(comm, &bytes, sizeof bytes);
    if (comm->rank != 0) comm->hosts = malloc((size_t)bytes);
    if (!comm->hosts) MPI_Abort(comm->world, AE_FAILED);
    ae_comm_broadcast(comm, comm->hosts, (size_t)bytes);
}

/* Open MPI's waiting ranks keep their core busy unless told to yield it, which it finds out by
 * itself only where the launcher says that there are more ranks than slots. With more ranks than
 * cores on a node, or than a quota has the time of, an Allreduce would take a scheduler's time
 * slices. */
static void yield_where_crowded(void) {
    const ae_launcher launcher = ae_launcher_find();
    const int64_t ranks = launcher.node_size;
    cpu_set_t cores; /* of the launcher, which isn't bound */
    ae_quota quota;
    if (launcher.kind != AE_LAUNCHER_OPEN_MPI || ranks == 0) return;
    ae_quota_find(&quota, "");
    if ((double)ranks > ae_quota_share(&quota, &quota, 1) ||
        (sched_getaffinity(getppid(), sizeof cores, &cores) == 0 && ranks > CPU_COUNT(&cores)))
        setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}

/* Open MPI's ranks read larger messages out of each other's memory. It doesn't try whether that is
 * forbidden, as containers do, and then complains of every message before it sends it otherwise. So
 * it is tried here, on this process, and left out unless somebody set the variables: up to Open MPI
 * 4, and from 5 on. */
static void avoid_forbidden_copies(void) {
    char from = 1, to = 0;
    struct iovec local = {&to, 1}, remote = {&from, 1};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1) return;
    if (errno != EPERM && errno != ENOSYS) return;
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("OMPI_MCA_smsc", "^cma", 0);
}

void ae_comm_set_nodes(ae_comm *comm) {
    MPI_Comm_rank(comm->node, &comm->node_rank);
    MPI_Comm_size(comm->node, &comm->node_size);
    int first = comm->node_rank == 0;
    MPI_Allreduce(&first, &comm->node_count, 1, MPI_INT, MPI_SUM, comm->world);
    MPI_Comm_split(comm->world, first ? 0 : MPI_UNDEFINED, comm->rank, &comm->leaders);
}

void ae_comm_create(ae_comm **comm, int *argc, char ***argv) {
    int provided = 0;
    ae_watchdog_doing("starting MPI");
    yield_where_crowded();
    avoid_forbidden_copies();
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
    ae_comm *made = calloc(1, sizeof *made);
    if (!made) MPI_Abort(MPI_COMM_WORLD, AE_FAILED);
    MPI_Comm_dup(MPI_COMM_WORLD, &made->world);
    MPI_Comm_dup(MPI_COMM_WORLD, &made->rounds);
    made->round = MPI_REQUEST_NULL;
    MPI_Comm_rank(made->world, &made->rank);
    MPI_Comm_size(made->world, &made->size);
    MPI_Comm_split_type(made->world, MPI_COMM_TYPE_SHARED, made->rank, MPI_INFO_NULL, &made->node);
    ae_comm_set_nodes(made);
    find_hosts(made);
    *comm = made;
}

void ae_comm_destroy(ae_comm **comm) {
    ae_watchdog_doing("ending MPI");
    if ((*comm)->leaders != MPI_COMM_NULL) MPI_Comm_free(&(*comm)->leaders);
    MPI_Comm_free(&(*comm)->node);
    MPI_Comm_free(&(*comm)->rounds);
    MPI_Comm_free(&(*comm)->world);
    free((*comm)->hosts);
    free((*comm)->names);
    free(*comm);
    *comm = NULL;
    MPI_Finalize();
}

ae_status ae_comm_check_launcher(const ae_comm *comm) {
    const ae_launcher launcher = ae_launcher_find();
    if (comm->size > 1 || launcher.size == 1) return AE_OK;
    if (launcher.rank != 0) return ae_fail(AE_ERROR_USAGE, "%s", ""); /* the first one tells */
    return ae_fail(AE_ERROR_USAGE,
                   "%s started %lld processes, but each is alone for the MPI library this program "
                   "was built with, %s; start it with that library's mpirun, or with srun "
                   "--mpi=pmix where the library knows PMIx",
                   launcher.name, (long long)launcher.size, ae_comm_library());
}

int ae_comm_rank(const ae_comm *comm) {
    return comm->rank;
}

int ae_comm_size(const ae_comm *comm) {
    return comm->size;
}

int ae_comm_node_count(const ae_comm *comm) {
    return comm->node_count;
}

const char *ae_comm_host_of(const ae_comm *comm, int rank) {
    return comm->names + (size_t)rank * NAME_WIDTH;
}

const char *ae_comm_hosts(const ae_comm *comm) {
    return comm->hosts;
}

const char *ae_comm_library(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, "\r\n")] = '\0';
    for (char *c = text; *c; ++c)
        if (*c == '\t') *c = ' ';
    return text;
}

/* First within each node, so that the network carries one message a node and not one a rank. */
static void sum_by_nodes(ae_comm *comm, int64_t *values, int count) {
    bool first = comm->node_rank == 0;
    MPI_Reduce(first ? MPI_IN_PLACE : values, first ? values : NULL, count, MPI_INT64_T, MPI_SUM, 0,
               comm->node);
    if (first) MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_INT64_T, MPI_SUM, comm->leaders);
    MPI_Bcast(values, count, MPI_INT64_T, 0, comm->node);
}

void ae_comm_sum(ae_comm *comm, int64_t *values, int count) {
    begin_wait();
    ae_watchdog_voting(true);
    if (comm->node_count > 1 && comm->node_count < comm->size)
        sum_by_nodes(comm, values, count);
    else
        MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_INT64_T, MPI_SUM, comm->world);
    ae_watchdog_voting(false);
    end_wait();
}

int64_t ae_comm_min(ae_comm *comm, int64_t value) {
    begin_wait();
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_INT64_T, MPI_MIN, comm->world);
    end_wait();
    return value;
}

void ae_comm_spread(ae_comm *comm, const double *values, int count, double *lowest, double *mean,
                    double *highest) {
    begin_wait();
    MPI_Reduce(values, lowest, count, MPI_DOUBLE, MPI_MIN, 0, comm->world);
    MPI_Reduce(values, mean, count, MPI_DOUBLE, MPI_SUM, 0, comm->world);
    MPI_Reduce(values, highest, count, MPI_DOUBLE, MPI_MAX, 0, comm->world);
    end_wait();
    if (comm->rank == 0)
        for (int i = 0; i < count; ++i) mean[i] /= comm->size;
}

void ae_comm_broadcast(ae_comm *comm, void *bytes, size_t size) {
    char *next = bytes;
    begin_wait();
    while (size > 0) { /* an MPI count is an int */
        int piece = size < INT_MAX ? (int)size : INT_MAX;
        MPI_Bcast(next, piece, MPI_BYTE, 0, comm->world);
        next += piece;
        size -= (size_t)piece;
    }
    end_wait();
}

void ae_comm_node_broadcast(ae_comm *comm, void *bytes, size_t size) {
    begin_wait();
    MPI_Bcast(bytes, (int)size, MPI_BYTE, 0, comm->node);
    end_wait();
}

int ae_comm_node_rank(const ae_comm *comm) {
    return comm->node_rank;
}

/* The items before the slice of rank `node_rank`. */
static int64_t slice_begin(const ae_comm *comm, int64_t count, int node_rank) {
    return count / comm->node_size * node_rank +
           count % comm->node_size * node_rank / comm->node_size;
}

void ae_comm_node_slice(const ae_comm *comm, int64_t count, int64_t *begin, int64_t *end) {
    *begin = slice_begin(comm, count, comm->node_rank);
    *end = slice_begin(comm, count, comm->node_rank + 1);
}

bool ae_comm_equals_first(ae_comm *comm, const void *bytes, size_t size) {
    void *first = malloc(size);
    if (!first) MPI_Abort(comm->world, AE_FAILED);
    memcpy(first, bytes, size);
    ae_comm_broadcast(comm, first, size);
    bool equal = memcmp(first, bytes, size) == 0;
    free(first);
    return equal;
}

void ae_comm_gather(ae_comm *comm, const void *piece, size_t size, void *all) {
    MPI_Gather(piece, (int)size, MPI_BYTE, all, (int)size, MPI_BYTE, 0, comm->world);
}

/* One after the other: SimGrid's MPI_Gatherv takes seconds for a thousand ranks. */
void ae_comm_gather_doubles(ae_comm *comm, const double *piece, int count, double *all) {
    if (comm->rank != 0) {
        MPI_Send(piece, count, MPI_DOUBLE, 0, 0, comm->world);
        return;
    }
    if (piece != all) memcpy(all, piece, (size_t)count * sizeof *all);
    for (int r = 1; r < comm->size; ++r) {
        MPI_Status told;
        all += count;
        MPI_Probe(r, 0, comm->world, &told);
        MPI_Get_count(&told, MPI_DOUBLE, &count);
        MPI_Recv(all, count, MPI_DOUBLE, r, 0, comm->world, MPI_STATUS_IGNORE);
    }
}

ae_status ae_comm_agree(ae_comm *comm, ae_status status) {
    int first = status == AE_OK ? comm->size : comm->rank;
    begin_wait();
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm->world);
    end_wait();
    if (first == comm->size) return AE_OK;
    char message[AE_MESSAGE_SIZE] = "";
    int code = (int)status;
    if (comm->rank == first) snprintf(message, sizeof message, "%s", ae_message());
    if (comm->rank == first && first > 0 && message[0]) {
        char named[AE_MESSAGE_SIZE];
        int used = snprintf(named, sizeof named, "rank %d on %s: ", first, comm->host);
        snprintf(named + used, sizeof named - (size_t)used, "%s", ae_message());
        memcpy(message, named, sizeof message);
    }
    MPI_Bcast(&code, 1, MPI_INT, first, comm->world);
    MPI_Bcast(message, AE_MESSAGE_SIZE, MPI_CHAR, first, comm->world);
    return ae_fail((ae_status)code, "%s", message);
}
