/* Status codes and the one failure message that goes with them.
 *
 * A function that can fail returns an ae_status. The one that notices a fault calls ae_fail() with
 * a sentence that names the file or key, the fault and the cure; callers pass the status up
 * unchanged. The values are the program's exit codes. */
#ifndef AE_BASE_STATUS_H
#define AE_BASE_STATUS_H

typedef enum ae_status {
    AE_OK = 0,
    AE_FAILED = 1,        /* memory, threads, MPI: anything without a code of its own */
    AE_ERROR_USAGE = 2,   /* command line or configuration */
    AE_ERROR_DATA = 3,    /* the images */
    AE_ERROR_IO = 4,      /* writing or reading the files of a run */
    AE_ERROR_NUMERIC = 5, /* NaN, infinity, overflow, replicas that differ, arithmetic */
    AE_STALLED = 6,       /* no progress (base/watchdog.h); a process that leaves with it is gone */
    AE_STOPPED = 75       /* stopped early on request; a checkpoint holds the state */
} ae_status;

enum { AE_MESSAGE_SIZE = 4096 }; /* bytes, with the final NUL; longer messages are cut */

/* Records the failure message of this thread (printf format) and returns `status`. What it quotes
 * may hold anything: misleading characters are shown by their codes (base/text.h). In a parallel
 * region whoever wants the message told takes it from the thread that failed. Local. */
ae_status ae_fail(ae_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Records out-of-memory for `what` ("the 12 MB of images") and returns AE_FAILED. Local. */
ae_status ae_fail_memory(const char *what);

/* The message of the last ae_fail() of this thread, "" if there was none. Owned by the module,
 * valid until the thread's next ae_fail(). */
const char *ae_message(void);

#endif
