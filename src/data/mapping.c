#include "data/mapping.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/status.h"
#include "config/config.h"

/* What the handler reads, which may take no lock and no memory. */
static struct {
    uintptr_t begin, end;
    char message[AE_TEXT_SIZE + 512];
    size_t message_size;
} guarded;

static void end_process(int number, siginfo_t *info, void *context) {
    (void)context;
    const uintptr_t at = (uintptr_t)info->si_addr;
    if (at < guarded.begin || at >= guarded.end) { /* another fault: it takes its course */
        signal(number, SIG_DFL);
        return;
    }
    const ssize_t written = write(STDERR_FILENO, guarded.message, guarded.message_size);
    (void)written; /* there is nobody else to tell */
    _exit(AE_ERROR_DATA);
}

void ae_mapping_guard(const void *base, size_t size, const char *path) {
    const struct sigaction action = {.sa_sigaction = end_process, .sa_flags = SA_SIGINFO};
    const int length =
        snprintf(guarded.message, sizeof guarded.message,
                 "ae_dist: error: the images in the cache '%s' can't be read any more: its disk "
                 "failed, is full, or the file was cut; delete it, and start again\n",
                 path);
    guarded.message_size =
        length < (int)sizeof guarded.message ? (size_t)length : sizeof guarded.message;
    guarded.begin = (uintptr_t)base;
    guarded.end = guarded.begin + size;
    sigaction(SIGBUS, &action, NULL);
}

void ae_mapping_release(void) {
    signal(SIGBUS, SIG_DFL);
    guarded.begin = guarded.end = 0;
}
