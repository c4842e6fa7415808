#include "data/mapping.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/status.h"
#include "config/config.h"

/* What the handler reads, which may take no lock and no memory. */
typedef struct guarded {
    uintptr_t begin, end; /* both 0: none */
    char message[AE_TEXT_SIZE + 512];
    size_t message_size;
} guarded;

static guarded all[AE_MAPPINGS_MAX];

/* The one that holds the address; of 0, one that is free. */
static guarded *find(uintptr_t at) {
    for (int i = 0; i < AE_MAPPINGS_MAX; ++i)
        if (at == all[i].begin || (at > all[i].begin && at < all[i].end)) return &all[i];
    return NULL;
}

static void end_process(int number, siginfo_t *info, void *context) {
    (void)context;
    const guarded *its = info->si_addr ? find((uintptr_t)info->si_addr) : NULL;
    if (!its) { /* another fault: it takes its course */
        signal(number, SIG_DFL);
        return;
    }
    const ssize_t written = write(STDERR_FILENO, its->message, its->message_size);
    (void)written; /* there is nobody else to tell */
    _exit(AE_ERROR_DATA);
}

void ae_mapping_guard(const void *base, size_t size, const char *path) {
    const struct sigaction action = {.sa_sigaction = end_process, .sa_flags = SA_SIGINFO};
    guarded *its = find(0);
    const int length =
        snprintf(its->message, sizeof its->message,
                 "ae_dist: error: the images in the cache '%s' can't be read any more: its disk "
                 "failed, is full, or the file was cut; delete it, and start again\n",
                 path);
    its->message_size = length < (int)sizeof its->message ? (size_t)length : sizeof its->message;
    its->begin = (uintptr_t)base;
    its->end = its->begin + size;
    sigaction(SIGBUS, &action, NULL);
}

void ae_mapping_release(const void *base) {
    guarded *its = find((uintptr_t)base);
    its->begin = its->end = 0;
}
