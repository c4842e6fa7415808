/* What the parts of ae_bench share: one core (bench.c), its memory (bench_stream.c), all ranks
 * together (bench_team.c), and the JSON file (bench_json.c). */
#ifndef AE_BENCH_H
#define AE_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "nn/network.h"

/* One line of what is measured on one core. */
typedef struct figure {
    char name[64];
    double seconds; /* median of the rounds, of one call */
    double work;    /* useful multiply-adds of a call, or values; 0: neither */
    bool is_value;  /* work counts values */
} figure;

/* How fast one core's memory is. */
typedef struct stream {
    const char *name;
    double bytes, bytes_per_s;
} stream;

/* What was measured on one core. Borrowed. */
typedef struct bench_core {
    double peak; /* multiply-adds a second */
    const figure *figures;
    const stream *streams;
    int figure_count, stream_count;
} bench_core;

/* The median of values[count], which are sorted. Local. */
double ae_bench_median(double *values, int count);

/* Bytes a second that one core moves in a[i] = b[i] + s c[i] over three arrays of `bytes` in all,
 * what it reads and what it writes each counted once; the median of `rounds`. 0: no memory. Local.
 */
double ae_bench_stream(double bytes, int rounds);

/* The step on all ranks; medians over rounds in each of which the ranks' own rates were taken too.
 */
typedef struct bench_team {
    int ranks, threads, cores; /* in all */
    int64_t batch;
    double work;             /* useful multiply-adds of an image */
    double images_per_s;     /* of the step */
    double efficiency;       /* the same over the sum of the ranks' own */
    double fraction_of_peak; /* the step's multiply-adds over the sum of the ranks' peaks */
    double allreduce_s;      /* of the step's message */
    int message;             /* its int64 values */
    /* [ranks] on rank 0, NULL elsewhere: each rank's number of threads, and what they do together a
     * second, with no step to meet in, while all the other ranks do the same. */
    double *rank_threads, *rank_peaks /* multiply-adds */, *rank_images_per_s;
} bench_team;

/* What the team is to do; borrowed. */
typedef struct bench_task {
    const ae_config *config;
    const ae_kernels *kernels;
    const ae_network *network;
    const float *packed;
    int rounds;
} bench_task;

/* Fills *team, to be released whatever is returned. AE_FAILED: memory, threads; AE_STOPPED.
 * Collective. */
ae_status ae_bench_team_measure(bench_team *team, ae_comm *comm, const bench_task *task);
void ae_bench_team_release(bench_team *team);

/* Both for rank 0: the report; the team's members of a JSON object. */
void ae_bench_team_print(const bench_team *team);
void ae_bench_team_write(const bench_team *team, FILE *file);

/* Writes all that is printed, and what ran where, to `path`; without `core` where that is NULL. For
 * rank 0. AE_ERROR_IO. */
ae_status ae_bench_write(const char *path, const bench_core *core, const bench_team *team,
                         const bench_task *task, ae_comm *comm);

#endif
