#include "comm/cores.h"

#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

bool ae_cores_of(ae_cores *set, pid_t id) {
    memset(set, 0, sizeof *set);
    return sched_getaffinity(id, sizeof *set, (cpu_set_t *)(void *)set) == 0;
}

/* Adds the cores of one of OpenMP's places. */
static void add_place(ae_cores *set, int place) {
    const int count = omp_get_place_num_procs(place);
    int *ids = calloc((size_t)count + 1, sizeof *ids);
    if (ids) omp_get_place_proc_ids(place, ids);
    for (int i = 0; ids && i < count; ++i)
        if (ids[i] < AE_CORES) set->bits[ids[i] / 8] |= (unsigned char)(1 << ids[i] % 8);
    free(ids);
}

void ae_cores_of_process(ae_cores *set) {
    memset(set, 0, sizeof *set);
    for (int place = 0; place < omp_get_num_places(); ++place) add_place(set, place);
    if (ae_cores_count(set) == 0) ae_cores_of(set, 0);
    if (ae_cores_count(set) == 0) set->bits[0] = 1;
}

void ae_cores_of_team(ae_cores *set, int threads) {
    memset(set, 0, sizeof *set);
#pragma omp parallel num_threads(threads)
    {
        ae_cores mine;
        ae_cores_of(&mine, 0);
#pragma omp critical
        ae_cores_add(set, &mine);
    }
    if (ae_cores_count(set) == 0) set->bits[0] = 1;
}

int ae_cores_count(const ae_cores *set) {
    const ae_cores none = {{0}};
    return ae_cores_missing(set, &none);
}

bool ae_cores_meet(const ae_cores *a, const ae_cores *b) {
    return ae_cores_missing(a, b) < ae_cores_count(a);
}

void ae_cores_add(ae_cores *set, const ae_cores *more) {
    for (int i = 0; i < AE_CORES / 8; ++i) set->bits[i] |= more->bits[i];
}

int ae_cores_missing(const ae_cores *set, const ae_cores *other) {
    int count = 0;
    for (int i = 0; i < AE_CORES / 8; ++i)
        count += __builtin_popcount(set->bits[i] & ~other->bits[i] & 0xff);
    return count;
}
