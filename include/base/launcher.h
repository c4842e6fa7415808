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

/* A time at which to have ended, as a variable tells it in seconds since 1970. */
typedef struct ae_launcher_end {
    const char *variable;
    const char *wrong; /* its value where that is no time; else NULL. Borrowed */
    double left_s;     /* until then; infinite where nothing tells; negative: it has passed */
} ae_launcher_end;

/* When the batch system ends this job, and what AE_STOP_TIME asks for. */
ae_launcher_end ae_launcher_job_end(void);
ae_launcher_end ae_launcher_stop_time(void);

#endif
