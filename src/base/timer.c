#include "base/timer.h"

#include <time.h>

double ae_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void ae_time_text(char text[32]) {
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%S%z", &local);
}
