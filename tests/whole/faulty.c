/* A program with faults, in its last rank, for the tools that must notice them.
 * Usage: faulty [overrun | leak | uninitialised | overflow | race]... */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm.h"

/* Volatile, so that no compiler sees the faults or leaves them out. */
static volatile int eight = 8, largest = INT_MAX, sink;
static int *volatile memory;

static void overrun(void) {
    memory = calloc((size_t)eight, sizeof *memory);
    memory[eight] = 1;
    free(memory);
}

static void leak(void) {
    for (int i = 0; i < eight; ++i) memory = malloc((size_t)eight);
    memory = NULL;
}

static void uninitialised(void) {
    memory = malloc((size_t)eight * sizeof *memory);
    if (memory[0] > eight) sink = 1;
    free(memory);
}

static void overflow(void) {
    sink = largest + eight;
}

static void race(void) {
    int count = 0;
#pragma omp parallel num_threads(4)
    for (int i = 0; i < 1000; ++i) ++count;
    sink = count;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*make)(void);
    } faults[] = {
        {"overrun", overrun},   {"leak", leak}, {"uninitialised", uninitialised},
        {"overflow", overflow}, {"race", race},
    };
    ae_comm *comm = NULL;
    ae_comm_create(&comm, &argc, &argv);
    bool is_last = ae_comm_rank(comm) == ae_comm_size(comm) - 1;
    for (int i = 1; is_last && i < argc; ++i)
        for (size_t f = 0; f < sizeof faults / sizeof *faults; ++f)
            if (strcmp(argv[i], faults[f].name) == 0) faults[f].make();
    ae_comm_destroy(&comm);
    return 0;
}
