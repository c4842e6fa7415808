/* The parts of ae_bench, from the top: the program (main.c); what one core does (core.c), all ranks
 * together (team.c), the JSON file (json.c); a core's memory (stream.c); the median (median.c). A
 * part calls only what is below it; parts between the same semicolons don't call each other. */
#ifndef AE_BENCH_BENCH_H
#define AE_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "team/team.h"

/* What is measured. main.c owns it, the other parts only read it. */
typedef struct ae_bench_task {
    ae_config *config;
    ae_model model; /* with the parameters of a run's begin */
    ae_shape picture;
    uint8_t *pixels;      /* of one picture */
    ae_image_place place; /* its */
    ae_step step;         /* of that picture alone */
    int rounds;           /* of the measurement of steps */
} ae_bench_task;

/* ---- one core ---- */

enum { AE_BENCH_FIGURES_MAX = 3 * AE_NODES_MAX + 16, AE_BENCH_STREAMS = 2 };

/* One line of what is measured on one core. */
typedef struct ae_bench_figure {
    char name[64];
    double seconds; /* median of the rounds, of one call */
    double work;    /* useful multiply-adds of a call, or values; 0: neither */
    bool is_value;  /* work counts values */
    double bytes;   /* that a layer's kernel can't but move: its images once each and the weights */
} ae_bench_figure;

/* How fast one core's memory is. */
typedef struct ae_bench_stream_rate {
    const char *name;
    double bytes, bytes_per_s;
} ae_bench_stream_rate;

/* What was measured on one core. Owns nothing. */
typedef struct ae_bench_core {
    double peak; /* multiply-adds a second, found in this run */
    ae_bench_figure figures[AE_BENCH_FIGURES_MAX];
    int figure_count;
    ae_bench_stream_rate streams[AE_BENCH_STREAMS];
} ae_bench_core;

/* Fills *core, on every rank at once: each core as it is with the others at work. AE_FAILED:
 * memory. Collective. */
ae_status ae_bench_core_measure(ae_bench_core *core, ae_comm *comm, const ae_bench_task *task);

/* The report, for rank 0. */
void ae_bench_core_print(const ae_bench_core *core, const ae_bench_task *task);

/* ---- all ranks ---- */

/* The step on all ranks; medians over rounds in each of which the ranks' own rates were taken too.
 */
typedef struct ae_bench_team {
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
} ae_bench_team;

/* Fills *team, to be released whatever is returned. AE_FAILED: memory, threads; AE_STOPPED.
 * Collective. */
ae_status ae_bench_team_measure(ae_bench_team *team, ae_comm *comm, const ae_bench_task *task);
void ae_bench_team_release(ae_bench_team *team);

/* The report, for rank 0. */
void ae_bench_team_print(const ae_bench_team *team);

/* ---- the file ---- */

/* Writes all that is printed, and what ran where, to `path`; without `core` where that is NULL. For
 * rank 0. AE_ERROR_IO. */
ae_status ae_bench_write(const char *path, const ae_bench_core *core, const ae_bench_team *team,
                         const ae_bench_task *task, ae_comm *comm);

/* ---- below core.c and team.c ---- */

/* Bytes a second that one core moves in a[i] = b[i] + s c[i] over three arrays of `bytes` in all,
 * what it reads and what it writes each counted once; the median of `rounds`. 0: no memory. Local.
 */
double ae_bench_stream(double bytes, int rounds);

/* The median of values[count], which are sorted. Local. */
double ae_bench_median(double *values, int count);

#endif
