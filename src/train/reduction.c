/* One training step's sums, and what becomes of them. */
#include "train/reduction.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "comm/machine.h"

ae_status ae_reduction_init(ae_reduction *reduction, size_t parameters) {
    *reduction = (ae_reduction){.size = parameters + AE_STEP_EXTRAS};
    reduction->message = ae_calloc(reduction->size, sizeof *reduction->message);
    reduction->gradient = ae_calloc(parameters, sizeof *reduction->gradient);
    if (!reduction->message || !reduction->gradient) return ae_fail_memory("a step's sums");
    reduction->sums = reduction->message + parameters;
    return AE_OK;
}

void ae_reduction_release(ae_reduction *reduction) {
    free(reduction->message);
    free(reduction->gradient);
    *reduction = (ae_reduction){0};
}

void ae_reduction_sum(ae_reduction *reduction, ae_comm *comm, ae_team *team, const ae_step *step,
                      bool save, ae_clock *clock) {
    int64_t *extras = reduction->message + reduction->size - AE_STEP_EXTRAS;
    ae_watchdog_doing("training");
    ae_team_train(team, step, reduction->message);
    for (int t = 0; t < team->threads; ++t) {
        clock->part_s[AE_PART_DATA] += team->members[t].load_s / team->threads;
        clock->part_s[AE_PART_COMPUTE] += team->members[t].work_s / team->threads;
    }
    clock->blocks += step->shard.blocks;
    extras[AE_STEP_STOP] = ae_stop_requested();
    extras[AE_STEP_SAVE] = save;
    const double begin_s = ae_now_s();
    ae_comm_sum(comm, reduction->message, (int)reduction->size);
    clock->part_s[AE_PART_ALLREDUCE] += ae_now_s() - begin_s;
}

static ae_status fail_diverged(const ae_plan *plan, const ae_position *position, const char *what) {
    return ae_plan_fail_diverged(plan, position->epoch, position->step + 1, what);
}

/* AE_ERROR_NUMERIC: so many of the batch's blocks are at fault. */
static ae_status fail_faults(const ae_plan *plan, const ae_position *position,
                             const int64_t *sums) {
    char what[256];
    const ae_shard shard = ae_plan_shard(plan, position);
    snprintf(what, sizeof what,
             "of %lld blocks of images, %lld gave a loss or gradient that is not a finite number "
             "and %lld one above %.3g",
             (long long)shard.batch_blocks, (long long)sums[AE_BLOCK_NONFINITE],
             (long long)sums[AE_BLOCK_OVERFLOW], ae_fixed_bound(AE_FIXED_K, shard.batch_images));
    return fail_diverged(plan, position, what);
}

/* Leaves the step out: no update, and its images count for nothing. */
static void skip(ae_position *position, const ae_plan *plan, int64_t faults) {
    ae_warn("epoch %lld, step %lld: %lld of its blocks gave numbers that are not finite or too "
            "large; the step is left out (%lld of %lld that may be)",
            (long long)position->epoch + 1, (long long)position->step + 1, (long long)faults,
            (long long)position->skipped + 1, (long long)plan->settings->train.skip_steps);
    position->skipped += 1;
    position->step += 1;
}

/* Mean gradient from the sums over `images`, and the update. */
static void update(ae_reduction *reduction, ae_state *state, double lr, int64_t images) {
    const size_t size = ae_network_size(state->network);
    const double unit = ae_fixed_to(1, AE_FIXED_K); /* a power of two: exact */
    const int64_t *restrict message = reduction->message;
    float *restrict gradient = reduction->gradient;
#pragma omp parallel for simd if (parallel : size >= AE_SHARED_FROM)
    for (size_t i = 0; i < size; ++i)
        gradient[i] = (float)((double)message[i] * unit / (double)images);
    ae_optimizer_step(&state->optimizer, state->parameters, reduction->gradient, lr);
    ae_machine_passed_update();
}

static bool is_finite(const float *values, size_t count) {
    int faults = 0;
    for (size_t i = 0; i < count; ++i) faults += !isfinite(values[i]);
    return faults == 0;
}

ae_status ae_reduction_apply(ae_reduction *reduction, ae_state *state, ae_model *model,
                             const ae_plan *plan, ae_clock *clock) {
    const double begin_s = ae_now_s();
    const int64_t *sums = reduction->sums, images = sums[AE_BLOCK_IMAGES];
    const int64_t faults = sums[AE_BLOCK_NONFINITE] + sums[AE_BLOCK_OVERFLOW];
    ae_position *position = &state->position;
    if (faults > 0 && position->skipped < plan->settings->train.skip_steps) {
        skip(position, plan, faults);
        return AE_OK;
    }
    if (faults > 0) return fail_faults(plan, position, sums);
    if (__builtin_add_overflow(position->loss_sum, sums[AE_BLOCK_LOSS], &position->loss_sum))
        return fail_diverged(plan, position, "the sum of losses is too large");
    update(reduction, state, ae_plan_lr(plan, state->optimizer.steps), images);
    if (!is_finite(state->parameters, ae_network_size(state->network)))
        return fail_diverged(plan, position, "a parameter is no longer a finite number");
    ae_model_take(model, state->parameters);
    clock->part_s[AE_PART_OPTIMIZER] += ae_now_s() - begin_s;
    clock->images_seen += images;
    position->images += images;
    position->step += 1;
    reduction->loss = ae_fixed_to(sums[AE_BLOCK_LOSS], AE_FIXED_K) / (double)images;
    return AE_OK;
}
