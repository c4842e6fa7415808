/* The parts of ae_bench, from the top: the program (main.c); what one core does (core.c), all ranks
 * together (team.c), the JSON file (json.c); the network's layers on a core (layers.c), its memory
 * (stream.c); medians (timing.c). A part calls only what is below it; parts between the same
 * semicolons don't call each other. */
#ifndef AE_BENCH_BENCH_H
#define AE_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "team/team.h"
#include "train/trainer.h"

/* What is measured. main.c owns it, the other parts only read it. */
typedef struct ae_bench_task {
    ae_config *config;
    ae_trainer *trainer; /* the configuration's, which does the steps */
    ae_model model;      /* with the parameters of a run's begin */
    ae_shape picture;
    int64_t block;        /* images that a thread takes a gradient of, as the trainer does */
    uint8_t *pixels;      /* of one picture */
    ae_image_place place; /* its */
    uint32_t *order;      /* [block], of zeros */
    ae_step step;         /* of one block, which is that picture each time */
    int rounds;           /* of the measurement of steps */
} ae_bench_task;

/* ---- one core ---- */

enum {
    AE_BENCH_FIGURES_MAX = 3 * AE_NODES_MAX + 16,
    AE_BENCH_STREAMS = 2,
    AE_BENCH_CORE_ROUNDS = 7,
    AE_BENCH_NAME_SIZE = 64,
    AE_BENCH_LAYER_SIZE = 128
};

/* One line of what is measured on one core. */
typedef struct ae_bench_figure {
    char name[AE_BENCH_NAME_SIZE];
    double seconds; /* median of the rounds, of one call; of kernels, a picture's part of it */
    double work;    /* useful multiply-adds of that, or values */
    double multiplications; /* that are done for them; 0: work counts values */
    double bytes;           /* that a layer's kernel can't but move: its images once each, and the
                               weights */
    int layers;             /* of a kernel: how many such there are; 0: it isn't a layer's */
    int height, width;      /* of a kernel's output */
} ae_bench_figure;

/* A node of the network within the step, a picture's part. */
typedef struct ae_bench_node {
    char layer[AE_BENCH_LAYER_SIZE];
    double seconds[AE_PASSES]; /* medians */
} ae_bench_node;

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
    ae_bench_node nodes[AE_NODES_MAX];
    int node_count;
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
    double multiplications;  /* that are done for them */
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

/* Adds a figure to *core, with nothing but its name, seconds and work. */
ae_bench_figure *ae_bench_add(ae_bench_core *core, const char *name, double seconds, double work);

/* Adds the kernels of each layer, those that are alike once, for as many pictures at once as the
 * passes take together; and all of them. AE_FAILED: memory. Local. */
ae_status ae_bench_layers_measure(ae_bench_core *core, const ae_bench_task *task);

/* Fills the nodes of *core from steps of one block on the team's first member. Local. */
void ae_bench_nodes_measure(ae_bench_core *core, const ae_team *team, const ae_bench_task *task);

/* Bytes a second that one core moves in a[i] = b[i] + s c[i] over three arrays of `bytes` in all,
 * what it reads and what it writes each counted once; the median of `rounds`. 0: no memory. Local.
 */
double ae_bench_stream(double bytes, int rounds);

/* The median of values[count], which are sorted. Local. */
double ae_bench_median(double *values, int count);

/* Seconds of task(context): the median of AE_BENCH_CORE_ROUNDS rounds of about 10 ms or one call.
 * Local. */
double ae_bench_time(void (*task)(void *), void *context);

#endif
