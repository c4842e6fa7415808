/* Sets of cores, for this room. */
#ifndef AE_COMM_CORES_H
#define AE_COMM_CORES_H

#include <stdbool.h>
#include <sys/types.h>

/* As Linux counts them; a machine of more isn't known. */
enum { AE_CORES = 8192 };
typedef struct ae_cores {
    unsigned char bits[AE_CORES / 8];
} ae_cores;

/* The cores that the thread or process `id` (0: the calling thread) may use; false, and none, where
 * that can't be found. */
bool ae_cores_of(ae_cores *set, pid_t id);

/* The cores that the threads of this process may be given: those of OpenMP's places where there are
 * any. It then binds the main thread to one of them, as the program is loaded or later. */
void ae_cores_of_process(ae_cores *set);

/* The cores that a team of so many threads is on, or may be moved to. Starts them. */
void ae_cores_of_team(ae_cores *set, int threads);

int ae_cores_count(const ae_cores *set);
bool ae_cores_meet(const ae_cores *a, const ae_cores *b);
void ae_cores_add(ae_cores *set, const ae_cores *more);

/* How many of `set` aren't in `other`. */
int ae_cores_missing(const ae_cores *set, const ae_cores *other);

#endif
