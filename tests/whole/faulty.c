/* A program with one fault, in its last rank, for the tools that must notice it.
 * Usage: faulty none | overrun | leak | uninitialised | overflow | race */
#include <limits.h>
#include <stdio.h>
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

static void none(void) {
    int count = 0;
#pragma omp parallel num_threads(4)
    for (int i = 0; i < 1000; ++i) {
#pragma omp atomic
        ++count;
    }
    sink = count;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*make)(void);
    } faults[] = {{"none", none},         {"overrun", overrun},
                  {"leak", leak},         {"uninitialised", uninitialised},
                  {"overflow", overflow}, {"race", race}};
    ae_comm *comm = NULL;
    ae_comm_create(&comm, &argc, &argv);
    for (size_t f = 0; f < sizeof faults / sizeof *faults; ++f)
        if (argc == 2 && strcmp(argv[1], faults[f].name) == 0 &&
            ae_comm_rank(comm) == ae_comm_size(comm) - 1) {
            faults[f].make();
            printf("made: %s\n", faults[f].name);
        }
    ae_comm_destroy(&comm);
    return 0;
}
