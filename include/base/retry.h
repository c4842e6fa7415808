/* Operations on files that fail for a moment, as on a network's or a busy disk, are tried again. */
#ifndef AE_BASE_RETRY_H
#define AE_BASE_RETRY_H

#include <stdbool.h>

/* After an operation failed with `error` (an errno): is it to be tried again? If the fault may pass
 * (EBUSY, EIO, EACCES, ESTALE, EINTR and the like; not a full or read-only disk), and *waited_s (0
 * before the first try) is below five seconds: waits, each time for as long as in all tries before,
 * half a second at most, and adds that to *waited_s. Feeds the watchdog. errno becomes `error`.
 *
 *     double waited_s = 0;
 *     while ((fd = open(path, flags)) < 0 && ae_retry(&waited_s, errno)) continue;
 *
 * What fsync refused may be lost though a second fsync succeeds: the unit to try again is then the
 * whole file (ae_file_replace()). Local. */
bool ae_retry(double *waited_s, int error);

#endif
