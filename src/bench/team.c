/* ae_bench: the step on all ranks and threads, against what each of them does by itself.
 *
 * A machine's speed changes while it is measured, most of all where others work on it too. A round
 * therefore takes, one after the other and on all cores at once, their peak, images without steps,
 * and steps; ratios are taken within a round, and are then the rounds' medians. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "bench.h"
#include "comm/placement.h"
#include "data/dataset.h"

enum { RANKS_SHOWN = 16 };

/* Seconds of a round. */
static const double PEAK_S = 0.03, IMAGES_S = 0.08, STEPS_S = 0.15;

/* What is taken in a round, each a second: multiply-adds, images, and images of all in steps. */
enum { PEAK, IMAGES, STEPS, RATES };

typedef struct measurement {
    ae_comm *comm;             /* borrowed */
    const ae_bench_task *task; /* borrowed */
    ae_team *team;             /* this rank's threads */
    int64_t batch;
    double *mine;       /* [RATES][rounds] */
    double *all;        /* [ranks][RATES][rounds] on rank 0, NULL elsewhere */
    int message;        /* int64 values of a step's reduction */
    double allreduce_s; /* median */
} measurement;

/* ---- a rank by itself ---- */

/* Multiply-adds of a millisecond or less; returns their number. */
static double do_peak(const measurement *m, ae_member *member) {
    (void)member;
    return m->task->model.kernels->multiply_adds(50000);
}

/* A step's work on the images of a block; returns their number. */
static double do_block(const measurement *m, ae_member *member) {
    ae_team_train_block(m->team, member, &m->task->step, 0);
    return (double)m->task->block;
}

/* What this rank's threads do a second, together, while they do nothing else for `seconds`. All
 * ranks begin at once. Collective. */
static double measure_rate(measurement *m, double (*work)(const measurement *, ae_member *),
                           double seconds) {
    double rate = 0;
    ae_comm_min(m->comm, 0); /* waits for all */
#pragma omp parallel num_threads(m->team->threads)
    {
        ae_member *member = &m->team->members[omp_get_thread_num()];
        double done = 0, spent_s;
#pragma omp barrier
        double begin_s = ae_now_s();
        do {
            done += work(m, member);
            spent_s = ae_now_s() - begin_s;
        } while (spent_s < seconds);
#pragma omp atomic
        rate += done / spent_s;
    }
    return rate;
}

/* ---- all together ---- */

/* Median time of the step's reduction, m->allreduce_s. Collective. */
static ae_status measure_allreduce(measurement *m) {
    enum { REDUCTIONS = 301 };
    double one[REDUCTIONS];
    int64_t *message = ae_calloc((size_t)m->message, sizeof *message);
    ae_status status =
        ae_comm_agree(m->comm, message ? AE_OK : ae_fail_memory("the step's reduction"));
    for (int r = 0; r < REDUCTIONS && status == AE_OK; ++r) {
        double begin_s = ae_now_s();
        ae_comm_sum(m->comm, message, m->message);
        one[r] = ae_now_s() - begin_s;
    }
    if (status == AE_OK) m->allreduce_s = ae_bench_median(one, REDUCTIONS);
    free(message);
    return status;
}

/* The rounds of this rank, m->mine, and the reduction. Collective. */
static ae_status measure_rounds(measurement *m) {
    enum { FIRST_STEPS = 3 };
    const int rounds = m->task->rounds;
    double seconds = 0;
    int64_t images = 0;
    ae_status status = ae_trainer_measure(m->task->trainer, FIRST_STEPS, &seconds, &images);
    if (status != AE_OK) return status;
    double wanted = STEPS_S * FIRST_STEPS / seconds;
    int64_t steps = ae_comm_min(m->comm, wanted < 1 ? 1 : wanted > 1e6 ? 1000000 : (int64_t)wanted);
    measure_rate(m, do_block, IMAGES_S / 4); /* the first ones are slower */
    for (int r = 0; r < rounds && status == AE_OK; ++r) {
        m->mine[PEAK * rounds + r] = measure_rate(m, do_peak, PEAK_S);
        m->mine[IMAGES * rounds + r] = measure_rate(m, do_block, IMAGES_S);
        ae_comm_min(m->comm, 0);
        status = ae_trainer_measure(m->task->trainer, steps, &seconds, &images);
        m->mine[STEPS * rounds + r] = (double)images / seconds;
    }
    m->message = ae_trainer_message_size(m->task->trainer);
    return status == AE_OK ? measure_allreduce(m) : status;
}

/* On rank 0, the team's figures from m->all, which is sorted thereby; uses m->mine as room for the
 * rounds' values. */
static void sum_up(ae_bench_team *team, const measurement *m) {
    const int rounds = m->task->rounds;
    double *step = m->mine, *efficiency = step + rounds, *of_peak = efficiency + rounds;
    for (int r = 0; r < rounds; ++r) {
        double peak = 0, images = 0;
        for (int rank = 0; rank < team->ranks; ++rank) {
            const double *its = m->all + rank * RATES * rounds + r;
            peak += its[PEAK * rounds];
            images += its[IMAGES * rounds];
        }
        step[r] = m->all[STEPS * rounds + r];
        efficiency[r] = step[r] / images;
        of_peak[r] = step[r] * team->work / peak;
    }
    team->images_per_s = ae_bench_median(step, rounds);
    team->efficiency = ae_bench_median(efficiency, rounds);
    team->fraction_of_peak = ae_bench_median(of_peak, rounds);
    for (int rank = 0; rank < team->ranks; ++rank) {
        double *its = m->all + rank * RATES * rounds;
        team->rank_peaks[rank] = ae_bench_median(its + PEAK * rounds, rounds);
        team->rank_images_per_s[rank] = ae_bench_median(its + IMAGES * rounds, rounds);
    }
}

ae_status ae_bench_team_measure(ae_bench_team *team, ae_comm *comm, const ae_bench_task *task) {
    ae_placement placement = ae_placement_find(comm);
    ae_placement_warn(&placement);
    const size_t ranks = (size_t)ae_comm_size(comm), rounds = (size_t)task->rounds;
    const bool is_first = ae_comm_rank(comm) == 0;
    measurement m = {.comm = comm, .task = task};
    const ae_network *network = task->model.network;
    const int height = task->picture.height, width = task->picture.width;
    *team =
        (ae_bench_team){.ranks = (int)ranks,
                        .threads = placement.total_threads,
                        .cores = placement.total_cores,
                        .batch = ae_config_settings(task->config)->train.batch,
                        .work = ae_network_step_work(network, height, width),
                        .multiplications = ae_network_step_multiplications(network, height, width)};
    const double own_threads = placement.threads;
    m.mine = ae_calloc(RATES * rounds, sizeof *m.mine);
    if (is_first) m.all = ae_calloc(RATES * rounds * ranks, sizeof *m.all);
    if (is_first) team->rank_threads = ae_calloc(3 * ranks, sizeof *team->rank_threads);
    ae_status status =
        ae_team_create(&m.team, &task->model, task->picture, task->block, placement.threads);
    if (!m.mine || (is_first && (!m.all || !team->rank_threads)))
        status = ae_fail_memory("the measurements");
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) status = measure_rounds(&m);
    if (status != AE_OK) goto done;
    team->message = m.message;
    team->allreduce_s = m.allreduce_s;
    ae_comm_gather(comm, m.mine, RATES * rounds * sizeof *m.mine, m.all);
    ae_comm_gather(comm, &own_threads, sizeof own_threads, team->rank_threads);
    if (is_first) {
        team->rank_peaks = team->rank_threads + ranks;
        team->rank_images_per_s = team->rank_peaks + ranks;
        sum_up(team, &m);
    }
done:
    ae_team_destroy(&m.team);
    free(m.mine), free(m.all);
    return status;
}

void ae_bench_team_release(ae_bench_team *team) {
    free(team->rank_threads);
    team->rank_threads = team->rank_peaks = team->rank_images_per_s = NULL;
}

/* ---- what is told ---- */

void ae_bench_team_print(const ae_bench_team *team) {
    printf("%-42s %9s %9s %9s\n", "by itself, all at once", "threads", "G/s", "images/s");
    for (int r = 0; r < team->ranks && r < RANKS_SHOWN; ++r)
        printf("rank %-37d %9.0f %9.1f %9.0f\n", r, team->rank_threads[r],
               team->rank_peaks[r] / 1e9, team->rank_images_per_s[r]);
    if (team->ranks > RANKS_SHOWN)
        printf("and %d more, which --json tells\n", team->ranks - RANKS_SHOWN);
    printf("\nstep of %d rank%s, %d thread%s in all, batch %lld: %.0f images/s, %.1f %% of the "
           "ranks' peaks, %.1f %% of their images by themselves\n",
           team->ranks, ae_plural(team->ranks), team->threads, ae_plural(team->threads),
           (long long)team->batch, team->images_per_s, 100 * team->fraction_of_peak,
           100 * team->efficiency);
    printf("multiply-adds of an image: %.1f M, for which %.1f M multiplications are done\n",
           team->work / 1e6, team->multiplications / 1e6);
    printf("allreduce of %d int64: %.1f us\n", team->message, team->allreduce_s * 1e6);
}
