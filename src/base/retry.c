#include "base/retry.h"

#include <errno.h>
#include <time.h>
#include "base/watchdog.h"

static const double FIRST_S = 0.01, LONGEST_S = 0.5, LIMIT_S = 5;

static bool may_pass(int error) {
    switch (error) {
    case EINTR:
    case EAGAIN:
    case EBUSY:
    case EIO:
    case EREMOTEIO:
    case EACCES:
    case ESTALE:
    case ENOLCK:
    case ETIMEDOUT:
    case ENOTCONN:
    case ESHUTDOWN:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

bool ae_retry(double *waited_s, int error) {
    errno = error;
    if (!may_pass(error) || *waited_s >= LIMIT_S) return false;
    double pause_s = *waited_s < FIRST_S ? FIRST_S : *waited_s < LONGEST_S ? *waited_s : LONGEST_S;
    const struct timespec pause = {0, (long)(pause_s * 1e9)};
    ae_watchdog_progress();
    nanosleep(&pause, NULL); /* SimGrid's is a macro, and takes no literal */
    ae_watchdog_progress();
    *waited_s += pause_s;
    errno = error;
    return true;
}
