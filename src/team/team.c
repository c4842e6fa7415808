/* The members of a team and the loops they share. */
#include "team/team.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/fixed.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "comm/machine.h"

/* ---- members ---- */

static size_t sums_of(const ae_network *network) {
    return ae_network_size(network) + AE_BLOCK_SUMS;
}

/* Normal deviates come in fours. */
static size_t quarter_of(ae_shape picture) {
    return (ae_shape_values(picture) + 3) / 4;
}

size_t ae_member_bytes(const ae_model *model, ae_shape picture, int64_t block) {
    const int together = ae_network_together(block, picture.height, picture.width);
    return ae_workspace_bytes(model->network, model->kernels, together, picture.height,
                              picture.width) +
           (4 * quarter_of(picture) + ae_shape_values(picture)) * sizeof(float) +
           sums_of(model->network) * sizeof(int64_t);
}

/* Called by the thread itself. */
static bool member_create(ae_member *member, const ae_team *team) {
    member->normals = ae_calloc(4 * quarter_of(team->picture), sizeof *member->normals);
    member->sums = ae_calloc(sums_of(team->model->network), sizeof *member->sums);
    member->room = ae_calloc(ae_shape_values(team->picture), sizeof(float));
    return ae_workspace_create(&member->workspace, team->model->network, team->together,
                               team->picture.height, team->picture.width,
                               team->model->kernels) == AE_OK &&
           member->normals && member->sums && member->room;
}

ae_status ae_team_create(ae_team **team, const ae_model *model, ae_shape picture, int64_t block,
                         int threads) {
    ae_team *made = calloc(1, sizeof *made);
    int ready = 0;
    *team = NULL;
    if (!made) return ae_fail_memory("the threads");
    *made = (ae_team){.model = model,
                      .picture = picture,
                      .block = block,
                      .together = ae_network_together(block, picture.height, picture.width),
                      .threads = threads,
                      .members = calloc((size_t)threads, sizeof(ae_member))};
    if (made->members) {
#pragma omp parallel num_threads(threads)
        {
            bool ok = member_create(&made->members[omp_get_thread_num()], made);
#pragma omp atomic
            ready += ok;
        }
    }
    *team = made;
    if (ready == threads) return AE_OK;
    ae_team_destroy(team);
    return ae_fail(AE_FAILED,
                   "%d of %d threads could be started with their memory; set OMP_NUM_THREADS lower",
                   ready, threads);
}

void ae_team_destroy(ae_team **team) {
    if (!*team) return;
    for (int t = 0; (*team)->members && t < (*team)->threads; ++t) {
        ae_member *member = &(*team)->members[t];
        ae_workspace_destroy(&member->workspace);
        free(member->normals);
        free(member->sums);
        free(member->room);
    }
    free((*team)->members);
    free(*team);
    *team = NULL;
}

/* ---- samples ---- */

void ae_team_load(const ae_team *team, ae_member *member, int picture, const ae_task *task,
                  const ae_draw *draw) {
    ae_task_load(ae_workspace_input(member->workspace, picture),
                 ae_workspace_target(member->workspace, picture), task, draw, member->room,
                 member->normals, team->model->kernels);
}

ae_criterion ae_team_criterion(const ae_task *task, ae_loss loss) {
    return (ae_criterion){.loss = loss, .is_masked = task->mask.share > 0};
}

/* Loads the sample at `position` as picture number `picture`. */
static void load_sample(const ae_team *team, ae_member *member, int picture, const ae_step *step,
                        int64_t position) {
    const uint32_t sample = step->order[position];
    ae_draw draw = {.image = sample / step->sampling.crops,
                    .stream = {step->sampling.seed, AE_RANDOM_TRAIN_NOISE, step->epoch, sample}};
    draw.cut = ae_sample_draw(&step->sampling, ae_images_place(&step->task.images, draw.image),
                              step->epoch, sample);
    ae_team_load(team, member, picture, &step->task, &draw);
}

/* losses[count] = those of the images from `position` on, their gradients added to the block's. */
static void train_together(double *losses, const ae_team *team, ae_member *member,
                           const ae_step *step, int64_t position, int count) {
    const double begin_s = ae_now_s();
    for (int p = 0; p < count; ++p) load_sample(team, member, p, step, position + p);
    const double loaded_s = ae_now_s();
    ae_network_forward(member->workspace, team->model->packed, count);
    ae_network_backward(losses, member->workspace, team->model->packed, count,
                        ae_team_criterion(&step->task, step->loss));
    for (int p = 0; p < count; ++p) ae_machine_passed_image();
    ae_watchdog_progress();
    member->load_s += loaded_s - begin_s;
    member->work_s += ae_now_s() - loaded_s;
}

void ae_team_train_block(const ae_team *team, ae_member *member, const ae_step *step, int64_t b) {
    const size_t size = ae_network_size(team->model->network);
    int64_t *extras = member->sums + size, loss_sum = 0;
    const int64_t begin = step->shard.begin + b * team->block;
    int64_t end = begin + team->block;
    if (end > step->shard.end) end = step->shard.end;

    int faults = 0;
    ae_network_begin_block(member->workspace);
    for (int64_t position = begin, count; position < end; position += count) {
        double losses[AE_TOGETHER_MAX];
        count = end - position < team->together ? end - position : team->together;
        train_together(losses, team, member, step, position, (int)count);
        for (int p = 0; p < count; ++p)
            loss_sum += ae_fixed_from(losses[p], AE_FIXED_K, step->bound, &faults);
    }
    const double begin_s = ae_now_s();
    const float *gradient = ae_network_end_block(member->workspace);
    faults |=
        team->model->kernels->add_fixed(member->sums, gradient, size, AE_FIXED_K, step->bound);
    member->work_s += ae_now_s() - begin_s;
    extras[AE_BLOCK_LOSS] += loss_sum;
    extras[AE_BLOCK_IMAGES] += end - begin;
    extras[AE_BLOCK_NONFINITE] += (faults & AE_FIXED_NONFINITE) != 0;
    extras[AE_BLOCK_OVERFLOW] += (faults & AE_FIXED_OVERFLOW) != 0;
}

void ae_team_train(ae_team *team, const ae_step *step, int64_t *sums) {
    const size_t count = sums_of(team->model->network);
#pragma omp parallel num_threads(team->threads)
    {
        ae_member *member = &team->members[omp_get_thread_num()];
        memset(member->sums, 0, count * sizeof *member->sums);
        member->load_s = member->work_s = 0;
#pragma omp for schedule(dynamic)
        for (int64_t b = 0; b < step->shard.blocks; ++b) ae_team_train_block(team, member, step, b);
#pragma omp for schedule(static)
        for (size_t i = 0; i < count; ++i) {
            int64_t sum = 0;
            for (int t = 0; t < omp_get_num_threads(); ++t) sum += team->members[t].sums[i];
            sums[i] = sum;
        }
    }
}

/* ---- other loops ---- */

void ae_team_each(ae_team *team, int64_t *sums, int count, int64_t begin, int64_t end,
                  ae_team_visit *visit, void *context) {
#pragma omp parallel num_threads(team->threads)
    {
        ae_member *member = &team->members[omp_get_thread_num()];
        int64_t mine[AE_TEAM_SUMS_MAX] = {0};
#pragma omp for schedule(dynamic, 8)
        for (int64_t i = begin; i < end; ++i)
            if (!ae_stop_requested()) {
                visit(member, mine, i, context);
                ae_watchdog_progress();
            }
        for (int s = 0; s < count; ++s) {
#pragma omp atomic
            sums[s] += mine[s];
        }
    }
}

void ae_team_share(int64_t *begin, int64_t *end, int64_t count, int rank, int ranks) {
    *begin = count * rank / ranks;
    *end = count * (rank + 1) / ranks;
}
