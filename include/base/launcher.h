/* Who started this process, as the environment tells: the launcher of its ranks, and the batch
 * system around it. Local. */
#ifndef AE_BASE_LAUNCHER_H
#define AE_BASE_LAUNCHER_H

#include <stdint.h>

typedef enum ae_launcher_kind {
    AE_LAUNCHER_NONE, /* or one that tells nothing */
    AE_LAUNCHER_OPEN_MPI,
    AE_LAUNCHER_MPICH, /* or another that speaks its protocol */
    AE_LAUNCHER_SRUN
} ae_launcher_kind;

/* What a launcher says of itself. Where one was started by another, the innermost counts. */
typedef struct ae_launcher {
    ae_launcher_kind kind;
    const char *name;   /* for messages; NULL without one */
    int64_t rank, size; /* of this process, and of all; 0 and 1 without one */
    int64_t node_size;  /* ranks on this node; 0: it doesn't tell */
} ae_launcher;

ae_launcher ae_launcher_find(void);

/* The batch system's name for this job, "" outside one. Borrowed. */
const char *ae_launcher_job_id(void);

/* Seconds until the batch system ends this job, and until the time that AE_STOP_TIME names;
 * infinite where nothing tells. Negative: it has passed. Warns of what isn't a time. */
double ae_launcher_job_left_s(void);
double ae_launcher_stop_left_s(void);

#endif
