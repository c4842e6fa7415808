/* The trainer: owns the parts of a run, and says what happens when. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "train/internal.h"
#include "train/limits.h"
#include "train/network_table.h"
#include "train/progress.h"
#include "train/replicas.h"

/* ---- made ---- */

/* The state before the first step, and the memory of steps. Local. */
static ae_status create_state(ae_trainer *trainer) {
    const ae_settings *settings = trainer->plan.settings;
    const ae_network *network = trainer->model.network;
    const ae_optimizer_options options = ae_optimizer_options_of(settings);
    ae_status status = ae_state_init(&trainer->state, network, &options);
    if (status == AE_OK) status = ae_reduction_init(&trainer->reduction, ae_network_size(network));
    if (status == AE_OK)
        status = ae_network_initialize(network, trainer->state.parameters,
                                       (ae_init)settings->model.init, (uint64_t)settings->run.seed);
    return status;
}

/* All that is made before the images. Collective. */
static ae_status create_parts(ae_trainer *trainer) {
    ae_comm *comm = trainer->comm;
    ae_plan *plan = &trainer->plan;
    ae_status status =
        ae_dataset_create(&trainer->dataset, comm, ae_config_settings(trainer->config));
    if (status == AE_OK)
        status = ae_plan_make(plan, comm, trainer->config, ae_dataset_info(trainer->dataset));
    if (status == AE_OK)
        status = ae_model_init(&trainer->model, comm, trainer->config, plan->picture);
    if (status == AE_OK) status = ae_evaluation_check(trainer->model.network, trainer->dataset);
    if (status == AE_OK) status = ae_comm_agree(comm, ae_arithmetic_begin(plan->placement.threads));
    if (status == AE_OK) status = ae_comm_agree(comm, create_state(trainer));
    if (status != AE_OK) return status;
    plan->block = ae_network_block(trainer->model.network, plan->settings);
    trainer->files = (ae_files){.plan = plan,
                                .config = trainer->config,
                                .comm = comm,
                                .kernel_path = trainer->model.kernels->name};
    return AE_OK;
}

ae_status ae_trainer_create(ae_trainer **trainer, ae_comm *comm, const ae_config *config) {
    ae_trainer *made = calloc(1, sizeof *made);
    *trainer = NULL;
    ae_status status = ae_comm_agree(comm, made ? AE_OK : ae_fail_memory("the trainer"));
    if (status != AE_OK) {
        free(made);
        return status;
    }
    made->comm = comm;
    made->config = config;
    ae_watchdog_limit((double)ae_config_settings(config)->run.stall_seconds, ae_comm_rank(comm));
    status = create_parts(made);
    if (status != AE_OK) {
        ae_trainer_destroy(&made);
        return status;
    }
    ae_plan_print(&made->plan, comm, &made->model);
    *trainer = made;
    return AE_OK;
}

void ae_trainer_destroy(ae_trainer **trainer) {
    ae_trainer *t = *trainer;
    if (!t) return;
    ae_files_close(&t->files);
    ae_evaluation_release(&t->evaluation);
    ae_team_destroy(&t->team);
    ae_dataset_destroy(&t->dataset);
    free(t->order);
    ae_reduction_release(&t->reduction);
    ae_state_release(&t->state);
    ae_model_release(&t->model);
    free(t);
    *trainer = NULL;
}

ae_shape ae_trainer_picture(const ae_trainer *trainer) {
    return trainer->plan.picture;
}

int64_t ae_trainer_block(const ae_trainer *trainer) {
    return trainer->plan.block;
}

int ae_trainer_message_size(const ae_trainer *trainer) {
    return (int)trainer->reduction.size;
}

ae_status ae_trainer_check(ae_trainer *trainer) {
    const ae_plan *plan = &trainer->plan;
    ae_network_table_print(&trainer->model, plan->picture, plan->block);
    ae_plan_print_memory(plan, &trainer->model, trainer->state.optimizer.moments,
                         trainer->reduction.size * sizeof *trainer->reduction.message);
    ae_plan_warn(plan);
    ae_status status = ae_files_check(&trainer->files, &trainer->state);
    if (status != AE_OK) return status;
    if (plan->settings->data.source == AE_SOURCE_DEADLEAVES) return AE_OK; /* always right */
    return ae_dataset_load(trainer->dataset);
}

/* The images, and room for their order. Collective. */
static ae_status load_images(ae_trainer *trainer) {
    const ae_plan *plan = &trainer->plan;
    ae_status status = ae_dataset_load(trainer->dataset);
    if (status != AE_OK) return status;
    trainer->order = calloc((size_t)plan->samples, sizeof *trainer->order);
    if (!trainer->order) status = ae_fail_memory("the order of the images");
    return ae_comm_agree(trainer->comm, status);
}

/* The threads that work. Collective. */
static ae_status create_team(ae_trainer *trainer) {
    const ae_plan *plan = &trainer->plan;
    ae_status status = ae_team_create(&trainer->team, &trainer->model, plan->picture, plan->block,
                                      plan->placement.threads);
    return ae_comm_agree(trainer->comm, status);
}

/* Collective. */
static ae_status create_evaluation(ae_trainer *trainer) {
    ae_status status = ae_evaluation_init(&trainer->evaluation, &trainer->plan, trainer->comm,
                                          trainer->team, trainer->dataset);
    return ae_comm_agree(trainer->comm, status);
}

/* Were the images the same when the run was begun? Notes what of them a model.h5 tells. Local, the
 * same on every rank. */
static ae_status check_images(ae_trainer *trainer) {
    char *begun_with = trainer->state.data_hash;
    const char *hash = ae_dataset_hash(trainer->dataset);
    char decoders[AE_DECODERS_SIZE];
    ae_dataset_decoders(trainer->dataset, decoders);
    if (begun_with[0] && strcmp(begun_with, hash) != 0)
        return ae_fail(AE_ERROR_DATA,
                       "the images (hash %s%s%s) are not those the run in %s was begun with (hash "
                       "%s); give it the same ones, or choose another run.dir",
                       hash, decoders[0] ? "; decoded by " : "", decoders,
                       trainer->plan.settings->run.dir, begun_with);
    memcpy(begun_with, hash, AE_HASH_TEXT_SIZE);
    trainer->state.range[0] = ae_dataset_info(trainer->dataset)->low;
    trainer->state.range[1] = ae_dataset_info(trainer->dataset)->high;
    return AE_OK;
}

/* ---- steps ---- */

/* A checkpoint of the state as it is. Collective. */
static ae_status save(ae_trainer *trainer) {
    char hash[AE_HASH_TEXT_SIZE];
    ae_status status = ae_replicas_compare(&trainer->state, trainer->comm, hash);
    if (status != AE_OK) return status;
    return ae_files_save_checkpoint(&trainer->files, &trainer->state, &trainer->clock);
}

/* Saves the state and says so. Collective. */
static ae_status stop_early(ae_trainer *trainer) {
    ae_status status = save(trainer);
    if (status != AE_OK) return status;
    const ae_position *position = &trainer->state.position;
    return ae_fail(AE_STOPPED,
                   "stopped %s after %lld whole epochs and %lld steps of the next; the state is in "
                   "%s/checkpoints/, and the same command goes on from it",
                   ae_stop_by_clock() ? "at the end of its time" : "on request",
                   (long long)position->epoch, (long long)position->step,
                   trainer->plan.settings->run.dir);
}

/* The order of the images in the state's epoch. */
static void shuffle(ae_trainer *trainer) {
    ae_order_shuffle(trainer->order, (uint32_t)trainer->plan.samples,
                     (uint64_t)trainer->plan.settings->run.seed,
                     (uint32_t)trainer->state.position.epoch);
}

/* This rank's part of the step at the state's position. */
static ae_step next_step(const ae_trainer *trainer) {
    const ae_plan *plan = &trainer->plan;
    const ae_position *position = &trainer->state.position;
    const ae_shard shard = ae_plan_shard(plan, position);
    return (ae_step){.task = ae_plan_train_task(plan, trainer->dataset, position->epoch),
                     .order = trainer->order,
                     .shard = shard,
                     .sampling = plan->sampling,
                     .epoch = (uint32_t)position->epoch,
                     .loss = (ae_loss)plan->settings->train.loss,
                     .bound = ae_fixed_bound(AE_FIXED_K, shard.batch_images)};
}

/* Does the step at the state's position and moves it on; *stop: a rank was asked to stop;
 * *save_now: a checkpoint is due by rank 0's clock. AE_ERROR_NUMERIC: training diverges, the same
 * on every rank. Collective. */
static ae_status do_step(ae_trainer *trainer, bool *stop, bool *save_now) {
    const ae_plan *plan = &trainer->plan;
    const ae_step step = next_step(trainer);
    const bool is_due = ae_limits_checkpoint_is_due(plan, &trainer->clock);
    ae_reduction_sum(&trainer->reduction, trainer->comm, trainer->team, &step, is_due,
                     &trainer->clock);
    *stop = trainer->reduction.sums[AE_STEP_STOP] > 0;
    *save_now = trainer->reduction.sums[AE_STEP_SAVE] > 0;
    return ae_reduction_apply(&trainer->reduction, &trainer->state, &trainer->model, plan,
                              &trainer->clock);
}

/* The rest of the epoch's steps; *stop: asked to stop before its end. Collective. */
static ae_status train_epoch(ae_trainer *trainer, bool *stop) {
    const ae_plan *plan = &trainer->plan;
    const ae_position *position = &trainer->state.position;
    const int64_t *step = &position->step, every = plan->settings->output.checkpoint_steps;
    shuffle(trainer);
    *stop = false;
    ae_clock_begin_steps(&trainer->clock);
    while (*step < plan->steps_per_epoch && !*stop) {
        bool save_now;
        ae_status status = do_step(trainer, stop, &save_now);
        if (status != AE_OK) return status;
        ae_progress_step(plan, position, &trainer->clock, trainer->reduction.loss);
        save_now |= every > 0 && *step % every == 0;
        if (!save_now || *stop || *step == plan->steps_per_epoch) continue;
        status = save(trainer);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

/* ---- epochs ---- */

/* What is known of the epoch at the state's position before it is evaluated. */
static ae_epoch_row begin_row(const ae_trainer *trainer) {
    const ae_plan *plan = &trainer->plan;
    const ae_position *position = &trainer->state.position;
    ae_epoch_row row = {.epoch = position->epoch + 1,
                        .learning_rate = ae_plan_lr(plan, trainer->state.optimizer.steps - 1),
                        .skipped_steps = position->skipped,
                        .test_loss = NAN, /* this, and what follows, unless it is evaluated */
                        .psnr_db = NAN,
                        .psnr_pooled_db = NAN,
                        .ssim = NAN,
                        .psnr_first10_db = NAN,
                        .ssim_first10_range2 = NAN,
                        .test_noise_sigma = ae_plan_test_noise(plan, position->epoch, 0).sigma[0],
                        .noise_sigma = ae_plan_train_noise(plan, position->epoch).sigma[1]};
    row.train_loss = position->images > 0
                         ? ae_fixed_to(position->loss_sum, AE_FIXED_K) / (double)position->images
                         : NAN; /* its checkpoint is of the epoch's end, and its results are lost */
    return row;
}

/* Fills the row's figures, and has the position tell the best epoch; *complete: false where a rank
 * was asked to stop and left images out. Collective. */
static ae_status evaluate(ae_trainer *trainer, ae_epoch_row *row, bool *is_best, bool *complete,
                          bool *stop) {
    ae_position after = trainer->state.position;
    bool stop_too = false;
    ae_status status = ae_evaluation_validate(&trainer->evaluation, &after, &row->validation_loss,
                                              is_best, &trainer->clock, complete, stop);
    if (status != AE_OK || !*complete) return status;
    if (ae_plan_tests(&trainer->plan, &after, row->epoch))
        status = ae_evaluation_test(&trainer->evaluation, row, after.epoch, &trainer->clock,
                                    complete, &stop_too);
    *stop |= stop_too;
    if (status == AE_OK && *complete) trainer->state.position = after;
    return status;
}

/* One epoch, or the rest of it, from the state's position; *stop: asked to stop. The position then
 * tells how far it came. Collective. */
static ae_status run_epoch(ae_trainer *trainer, bool *stop) {
    const ae_plan *plan = &trainer->plan;
    ae_state *state = &trainer->state;
    ae_clock *clock = &trainer->clock;
    ae_status status = train_epoch(trainer, stop);
    if (status != AE_OK || *stop) return status;
    const double steps_s = ae_now_s() - clock->steps_begin_s;

    ae_epoch_row row = begin_row(trainer);
    bool is_best = false, complete = false;
    status = ae_replicas_compare(state, trainer->comm, row.parameters_hash);
    if (status == AE_OK) status = evaluate(trainer, &row, &is_best, &complete, stop);
    if (status != AE_OK || !complete) return status;

    ae_clock_fill(clock, trainer->comm, &row, steps_s);
    ae_limits_warn_slow(clock, trainer->comm, plan->settings->run.slow_percent,
                        state->position.epoch);
    ae_clock_begin_epoch(clock);
    status =
        ae_files_save_epoch(&trainer->files, state, &trainer->evaluation, &row, is_best, clock);
    if (status != AE_OK) return status;
    ae_progress_epoch(plan, &row);
    if (ae_plan_ends(plan, &state->position, row.epoch)) {
        ae_progress_patience(plan, &state->position);
        ae_say("hash     %s", row.parameters_hash);
    }
    return AE_OK;
}

/* From the state's position to the end. Collective. */
static ae_status run_epochs(ae_trainer *trainer) {
    const ae_position *position = &trainer->state.position;
    ae_model_take(&trainer->model, trainer->state.parameters);
    ae_clock_begin_epoch(&trainer->clock);
    bool ended = false;
    while (!ended) {
        bool stop;
        ae_status status = run_epoch(trainer, &stop);
        if (status != AE_OK) return status;
        ended = position->step == 0 && ae_plan_ends(&trainer->plan, position, position->epoch);
        if (stop && !ended) return stop_early(trainer);
    }
    return AE_OK;
}

/* ---- measured ---- */

/* So many steps from the state's position, over the ends of epochs; *images = how many they are of.
 * Collective. */
static ae_status run_steps(ae_trainer *trainer, int64_t steps, int64_t *images) {
    ae_position *position = &trainer->state.position;
    *images = 0;
    for (int64_t s = 0; s < steps; ++s) {
        bool stop, save_now;
        if (position->step == trainer->plan.steps_per_epoch) ae_position_next_epoch(position);
        if (position->step == 0) shuffle(trainer);
        *images += ae_plan_shard(&trainer->plan, position).batch_images;
        ae_status status = do_step(trainer, &stop, &save_now);
        if (status != AE_OK) return status;
        if (stop) return ae_fail(AE_STOPPED, "stopped on request while measuring");
    }
    return AE_OK;
}

ae_status ae_trainer_measure(ae_trainer *trainer, int64_t steps, double *seconds, int64_t *images) {
    ae_status status = AE_OK;
    if (!trainer->order) {
        status = load_images(trainer);
        if (status == AE_OK) status = create_team(trainer);
        if (status != AE_OK) return status;
        ae_model_take(&trainer->model, trainer->state.parameters);
        status = run_steps(trainer, steps, images);
    }
    const double begin_s = ae_now_s();
    if (status == AE_OK) status = run_steps(trainer, steps, images);
    *seconds = ae_now_s() - begin_s;
    return status;
}

/* ---- run ---- */

/* The last epoch is done. *remains: but results.h5 lacks the last one's figures, and the state is
 * before its evaluation again. Collective. */
static ae_status find_end(ae_trainer *trainer, bool *remains) {
    ae_position *position = &trainer->state.position;
    bool hold;
    ae_status status = ae_files_hold_epoch(&trainer->files, position->epoch, &hold);
    if (status != AE_OK) return status;
    *remains = !hold;
    ae_progress_patience(&trainer->plan, position);
    ae_say("finished before: %s%lld epochs are done%s",
           position->epoch < trainer->plan.total_epochs ? "" : "all ", (long long)position->epoch,
           hold ? ""
                : "; results.h5 isn't there, or lacks the last, which is evaluated again (its "
                  "training loss is lost)");
    if (hold) {
        ae_progress_end(&trainer->plan);
    } else {
        position->epoch -= 1;
        position->step = trainer->plan.steps_per_epoch;
    }
    return AE_OK;
}

/* From the state's position to the end, which is looked for where it is told to be. Collective. */
static ae_status finish(ae_trainer *trainer) {
    bool hold;
    ae_status status = run_epochs(trainer);
    if (status == AE_OK)
        status = ae_files_hold_epoch(&trainer->files, trainer->state.position.epoch, &hold);
    if (status != AE_OK) return status;
    if (!hold)
        return ae_fail(
            AE_ERROR_IO,
            "%s/results.h5, just written, isn't there any more, or is another; see to it "
            "that nothing else changes the folder: the same command makes it again",
            trainer->plan.settings->run.dir);
    ae_progress_end(&trainer->plan);
    return AE_OK;
}

ae_status ae_trainer_run(ae_trainer *trainer) {
    const ae_plan *plan = &trainer->plan;
    const ae_position *position = &trainer->state.position;
    ae_limits_begin(plan->settings->run.time_limit);
    ae_status status = ae_files_open(&trainer->files, &trainer->state);
    trainer->clock.saved_s = ae_now_s();
    if (status != AE_OK) return status;
    if (ae_plan_ends(plan, position, position->epoch) && position->step == 0) {
        bool remains;
        status = find_end(trainer, &remains);
        if (status != AE_OK || !remains) return status;
    } else if (position->epoch > 0 || position->step > 0) {
        ae_say("goes on  after %lld whole epochs and %lld steps of the next",
               (long long)position->epoch, (long long)position->step);
    }
    ae_plan_warn(plan);
    status = load_images(trainer);
    if (status == AE_STOPPED) return stop_early(trainer);
    if (status == AE_OK) status = check_images(trainer);
    if (status == AE_OK) status = create_team(trainer);
    if (status == AE_OK) status = create_evaluation(trainer);
    if (status == AE_OK)
        status = ae_files_begin_results(&trainer->files, &trainer->state, &trainer->evaluation);
    if (status == AE_OK) status = finish(trainer);
    return status;
}
