/* One training step: the team computes the rank's shard, and one MPI_Allreduce makes its integer
 * sums the batch's. */
#include <math.h>
#include <stdio.h>

#include "base/fixed.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "train/internal.h"

bool ae_trainer_is_pretraining(const ae_trainer *trainer, int64_t epoch) {
    return epoch < trainer->settings->train.pretrain_epochs;
}

double ae_trainer_lr(const ae_trainer *trainer, int64_t update) {
    return ae_schedule_lr(trainer->settings, update, trainer->steps_per_epoch,
                          trainer->steps_per_epoch * trainer->total_epochs);
}

ae_noise ae_trainer_noise(const ae_trainer *trainer, double sigma) {
    return (ae_noise){sigma, trainer->settings->noise.clamp_min,
                      trainer->settings->noise.clamp_max};
}

ae_status ae_trainer_fail_diverged(const ae_trainer *trainer, int64_t step, const char *what) {
    char place[64] = "";
    if (step > 0) snprintf(place, sizeof place, ", step %lld", (long long)step);
    return ae_fail(AE_ERROR_NUMERIC,
                   "epoch %lld%s: %s; training diverges. Lower optimizer.lr (now %g), or set "
                   "optimizer.clip_norm%s, in a new run.dir",
                   (long long)trainer->state.position.epoch + 1, place, what,
                   trainer->settings->optimizer.lr, step > 0 ? " or train.skip_steps" : "");
}

/* The shard's sums in the message. */
static void train_shard(ae_trainer *trainer, const ae_step *step) {
    const ae_team *team = trainer->team;
    ae_team_train(trainer->team, step, trainer->message);
    for (int t = 0; t < team->threads; ++t) {
        trainer->phase_s[AE_PHASE_DATA] += team->members[t].load_s / team->threads;
        trainer->phase_s[AE_PHASE_COMPUTE] += team->members[t].work_s / team->threads;
    }
}

static bool has_faults(const int64_t *extras) {
    return extras[AE_BLOCK_NONFINITE] > 0 || extras[AE_BLOCK_OVERFLOW] > 0;
}

/* The same decision on every rank, from the reduced counts. */
static ae_status check_faults(const ae_trainer *trainer, const int64_t *extras,
                              const ae_step *step) {
    char what[256];
    if (!has_faults(extras)) return AE_OK;
    snprintf(what, sizeof what,
             "of %lld blocks of images, %lld gave a loss or gradient that is not a finite number "
             "and %lld one above %.3g",
             (long long)step->shard.batch_blocks, (long long)extras[AE_BLOCK_NONFINITE],
             (long long)extras[AE_BLOCK_OVERFLOW], step->bound);
    return ae_trainer_fail_diverged(trainer, trainer->state.position.step + 1, what);
}

/* Mean gradient from the reduced sums, and the update; every rank does the same. AE_ERROR_NUMERIC:
 * a parameter is no longer finite. */
static ae_status update(ae_trainer *trainer, int64_t images) {
    const size_t size = ae_network_size(trainer->model.network);
    for (size_t i = 0; i < size; ++i)
        trainer->gradient[i] =
            (float)(ae_fixed_to(trainer->message[i], AE_FIXED_K) / (double)images);
    ae_optimizer_step(&trainer->state.optimizer, trainer->state.parameters, trainer->gradient,
                      ae_trainer_lr(trainer, trainer->state.optimizer.steps));
    for (size_t i = 0; i < size; ++i)
        if (!isfinite(trainer->state.parameters[i]))
            return ae_trainer_fail_diverged(trainer, trainer->state.position.step + 1,
                                            "a parameter is no longer a finite number");
    ae_model_take(&trainer->model, trainer->state.parameters);
    return AE_OK;
}

/* Leaves the step out: no update, and its images count for nothing. */
static void skip(ae_trainer *trainer, const int64_t *extras) {
    ae_position *position = &trainer->state.position;
    ae_warn("epoch %lld, step %lld: %lld of its blocks gave numbers that are not finite or too "
            "large; the step is left out (%lld of %lld that may be)",
            (long long)position->epoch + 1, (long long)position->step + 1,
            (long long)(extras[AE_BLOCK_NONFINITE] + extras[AE_BLOCK_OVERFLOW]),
            (long long)position->skipped + 1, (long long)trainer->settings->train.skip_steps);
    position->skipped += 1;
    position->step += 1;
}

ae_status ae_trainer_step(ae_trainer *trainer, bool *stop, bool *save) {
    const ae_settings *settings = trainer->settings;
    ae_position *position = &trainer->state.position;
    int64_t *extras = trainer->message + ae_network_size(trainer->model.network);
    ae_step step = {.images = ae_dataset_train(trainer->dataset),
                    .order = trainer->order,
                    .shard = ae_order_shard(
                        trainer->train_count, settings->train.batch, settings->train.block,
                        position->step, ae_comm_rank(trainer->comm), ae_comm_size(trainer->comm)),
                    .block = settings->train.block,
                    .seed = (uint64_t)settings->run.seed,
                    .epoch = (uint32_t)position->epoch,
                    .loss = (ae_loss)settings->train.loss};
    const bool is_clean = ae_trainer_is_pretraining(trainer, position->epoch);
    step.noise = ae_trainer_noise(trainer, is_clean ? 0 : settings->noise.sigma);
    step.bound = ae_fixed_bound(AE_FIXED_K, step.shard.batch_images);

    ae_watchdog_phase("training");
    train_shard(trainer, &step);
    extras[AE_STEP_STOP] = ae_stop_requested();
    extras[AE_STEP_SAVE] = ae_limits_checkpoint_is_due(trainer);
    double begin_s = ae_now_s();
    ae_comm_sum(trainer->comm, trainer->message, (int)trainer->message_size);
    double reduced_s = ae_now_s();
    trainer->phase_s[AE_PHASE_ALLREDUCE] += reduced_s - begin_s;
    *stop = extras[AE_STEP_STOP] > 0;
    *save = extras[AE_STEP_SAVE] > 0;

    if (has_faults(extras) && position->skipped < settings->train.skip_steps) {
        skip(trainer, extras);
        return AE_OK;
    }
    ae_status status = check_faults(trainer, extras, &step);
    if (status) return status;
    if (__builtin_add_overflow(position->loss_sum, extras[AE_BLOCK_LOSS], &position->loss_sum))
        return ae_trainer_fail_diverged(trainer, position->step + 1,
                                        "the sum of losses is too large");
    status = update(trainer, extras[AE_BLOCK_IMAGES]);
    if (status) return status;
    trainer->phase_s[AE_PHASE_OPTIMIZER] += ae_now_s() - reduced_s;
    position->images += extras[AE_BLOCK_IMAGES];
    position->step += 1;
    trainer->images_seen += extras[AE_BLOCK_IMAGES];
    trainer->last_loss =
        ae_fixed_to(extras[AE_BLOCK_LOSS], AE_FIXED_K) / (double)extras[AE_BLOCK_IMAGES];
    return AE_OK;
}
