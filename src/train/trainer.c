#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "data/order.h"
#include "train/internal.h"

/* What the source tells. Collective. */
static ae_status describe_images(ae_trainer *trainer) {
    ae_data_info info;
    ae_status status = ae_dataset_describe(&info, trainer->comm, trainer->settings);
    if (status) return status;
    trainer->picture = info.shape;
    trainer->train_count = info.train;
    trainer->test_count = info.test;
    return AE_OK;
}

/* The threads that work. Collective. */
static ae_status create_team(ae_trainer *trainer) {
    ae_status status = ae_team_create(&trainer->team, &trainer->model, trainer->picture,
                                      trainer->placement.threads);
    return ae_comm_agree(trainer->comm, status);
}

/* Buffers of the size of the network. Collective. */
static ae_status create_state(ae_trainer *trainer) {
    const size_t size = ae_network_size(trainer->model.network);
    ae_state *state = &trainer->state;
    trainer->message_size = size + AE_STEP_EXTRAS;
    trainer->gradient = ae_calloc(size, sizeof *trainer->gradient);
    trainer->message = ae_calloc(trainer->message_size, sizeof *trainer->message);
    const ae_optimizer_options options = ae_optimizer_options_of(trainer->settings);
    ae_status status = ae_state_init(state, trainer->model.network, &options);
    if (!trainer->gradient || !trainer->message) status = ae_fail_memory("the parameters");
    status = ae_comm_agree(trainer->comm, status);
    if (status) return status;
    status = ae_network_initialize(trainer->model.network, state->parameters, AE_INIT_PYTORCH,
                                   (uint64_t)trainer->settings->run.seed);
    return ae_comm_agree(trainer->comm, status);
}

/* Takes the validation images off the end of the training images. Local, alike on all ranks. */
static ae_status split_validation(ae_trainer *trainer) {
    const int64_t wanted = trainer->settings->train.validation_images;
    if (wanted >= trainer->train_count)
        return ae_fail(AE_ERROR_USAGE,
                       "%s = %lld leaves none of the %lld training images to train on; lower it",
                       ae_config_where(trainer->config, "train", "validation_images"),
                       (long long)wanted, (long long)trainer->train_count);
    trainer->validation_count = wanted;
    trainer->train_count -= wanted;
    return AE_OK;
}

ae_status ae_trainer_create(ae_trainer **trainer_out, ae_comm *comm, const ae_config *config) {
    *trainer_out = NULL;
    ae_trainer *trainer = calloc(1, sizeof *trainer);
    ae_status status = ae_comm_agree(comm, trainer ? AE_OK : ae_fail_memory("the trainer"));
    if (status) {
        free(trainer);
        return status;
    }
    trainer->comm = comm;
    trainer->config = config;
    trainer->settings = ae_config_settings(config);
    ae_watchdog_limit((double)trainer->settings->run.stall_seconds, ae_comm_rank(comm));
    status = describe_images(trainer);
    if (status == AE_OK) status = ae_model_init(&trainer->model, comm, config, trainer->picture);
    if (status) goto done;
    trainer->placement = ae_placement_find(comm);
    status = ae_comm_agree(comm, ae_arithmetic_begin(trainer->placement.threads));
    if (status) goto done;
    const ae_settings *settings = trainer->settings;
    status = split_validation(trainer);
    if (status) goto done;
    trainer->steps_per_epoch = ae_order_steps(trainer->train_count, settings->train.batch);
    trainer->total_epochs = settings->train.pretrain_epochs + settings->train.epochs;
    status = create_state(trainer);
    if (status) goto done;
    ae_plan_print(trainer);
done:
    if (status) ae_trainer_destroy(&trainer);
    *trainer_out = trainer;
    return status;
}

void ae_trainer_destroy(ae_trainer **trainer_ptr) {
    ae_trainer *trainer = *trainer_ptr;
    if (!trainer) return;
    ae_files_close(trainer);
    ae_team_destroy(&trainer->team);
    ae_dataset_destroy(&trainer->dataset);
    free(trainer->order);
    free(trainer->evaluation.psnr_db);
    free(trainer->evaluation.ssim);
    free(trainer->evaluation.input_psnr_db);
    free(trainer->evaluation.input_ssim);
    free(trainer->gradient);
    free(trainer->message);
    ae_state_release(&trainer->state);
    ae_model_release(&trainer->model);
    free(trainer);
    *trainer_ptr = NULL;
}

int ae_trainer_message_size(const ae_trainer *trainer) {
    return (int)trainer->message_size;
}

ae_status ae_trainer_check(ae_trainer *trainer) {
    ae_plan_print_memory(trainer);
    ae_plan_warn(trainer);
    ae_status status = ae_files_check(trainer);
    if (status) return status;
    if (trainer->settings->data.source == AE_SOURCE_DEADLEAVES) return AE_OK; /* always right */
    return ae_dataset_create(&trainer->dataset, trainer->comm, trainer->settings);
}

/* The images, and memory that depends on their number. Collective. */
static ae_status load_images(ae_trainer *trainer) {
    ae_status status = ae_dataset_create(&trainer->dataset, trainer->comm, trainer->settings);
    if (status) return status;
    const size_t images = (size_t)trainer->test_count;
    evaluation *e = &trainer->evaluation;
    double **arrays[] = {&e->psnr_db, &e->ssim, &e->input_psnr_db, &e->input_ssim};
    for (int a = 0; a < 4; ++a)
        if (!(*arrays[a] = calloc(images, sizeof(double)))) status = ae_fail_memory("the results");
    e->input_sigma = -1;
    trainer->order = calloc((size_t)trainer->train_count, sizeof *trainer->order);
    if (!trainer->order) status = ae_fail_memory("the order of the images");
    return ae_comm_agree(trainer->comm, status);
}

/* Were the images the same when the run was begun? Local, the same on every rank. */
static ae_status check_images(ae_trainer *trainer) {
    char *begun_with = trainer->state.data_hash;
    const char *hash = ae_dataset_hash(trainer->dataset);
    if (begun_with[0] && strcmp(begun_with, hash) != 0)
        return ae_fail(AE_ERROR_DATA,
                       "the images (hash %s) are not those the run in %s was begun with (hash %s); "
                       "give it the same ones, or choose another run.dir",
                       hash, trainer->settings->run.dir, begun_with);
    memcpy(begun_with, hash, AE_HASH_TEXT_SIZE);
    return AE_OK;
}

/* hash = that of parameters and optimiser; the same on every rank, else AE_ERROR_NUMERIC.
 * Collective. */
static ae_status compare_replicas(ae_trainer *trainer, char hash[AE_HASH_TEXT_SIZE]) {
    const size_t bytes = ae_network_size(trainer->model.network) * sizeof(float);
    ae_hash *sum = NULL;
    ae_status status = ae_hash_create(&sum);
    if (status == AE_OK) {
        ae_hash_add(sum, trainer->state.parameters, bytes);
        for (int m = 0; m < trainer->state.optimizer.moments; ++m)
            ae_hash_add(sum, trainer->state.optimizer.moment[m], bytes);
        ae_hash_text(sum, hash);
        ae_hash_destroy(&sum);
    }
    status = ae_comm_agree(trainer->comm, status);
    if (status) return status;
    int64_t differing = !ae_comm_equals_first(trainer->comm, hash, AE_HASH_TEXT_SIZE);
    const bool differs = differing > 0, is_first = ae_comm_rank(trainer->comm) == 0;
    const int size = ae_comm_size(trainer->comm);
    ae_comm_sum(trainer->comm, &differing, 1);
    if (differing == 0) return AE_OK;
    /* One alone against all others is wrong, rank 0 too; of two, nobody knows which. */
    const bool first_is_alone = size > 2 && differing == size - 1;
    char self[512] = ""; /* other ranks are named as the message is passed on */
    if (is_first) snprintf(self, sizeof self, "rank 0 on %s: ", ae_comm_host_of(trainer->comm, 0));
    if (first_is_alone ? is_first : differs)
        status = ae_fail(
            AE_ERROR_NUMERIC,
            "%safter epoch %lld its parameters (hash %s) differ from %s; %s memory or processor is "
            "at fault: leave the host out and start again, which goes on from the last checkpoint",
            self, (long long)trainer->state.position.epoch + 1, hash,
            is_first ? "those of all others" : "rank 0's", size > 2 ? "its" : "one of the two's");
    return ae_comm_agree(trainer->comm, status);
}

/* A checkpoint of the state as it is. Collective. */
static ae_status save(ae_trainer *trainer) {
    char hash[AE_HASH_TEXT_SIZE];
    ae_status status = compare_replicas(trainer, hash);
    return status == AE_OK ? ae_files_save_checkpoint(trainer) : status;
}

/* Saves the state and says so. Collective. */
static ae_status stop_early(ae_trainer *trainer) {
    ae_status status = save(trainer);
    if (status) return status;
    const ae_position *position = &trainer->state.position;
    return ae_fail(AE_STOPPED,
                   "stopped %s after %lld whole epochs and %lld steps of the next; the state is in "
                   "%s/checkpoints/, and the same command goes on from it",
                   ae_stop_by_clock() ? "at the end of its time" : "on request",
                   (long long)position->epoch, (long long)position->step,
                   trainer->settings->run.dir);
}

/* The order of the images in the state's epoch. */
static void shuffle(ae_trainer *trainer) {
    ae_order_shuffle(trainer->order, (uint32_t)trainer->train_count,
                     (uint64_t)trainer->settings->run.seed,
                     (uint32_t)trainer->state.position.epoch);
}

/* The rest of the epoch's steps; *stop: asked to stop before its end. Collective. */
static ae_status train_epoch(ae_trainer *trainer, bool *stop) {
    shuffle(trainer);
    *stop = false;
    trainer->steps_begin_s = ae_now_s();
    trainer->images_seen = 0;
    const int64_t *step = &trainer->state.position.step,
                  every = trainer->settings->output.checkpoint_steps;
    while (*step < trainer->steps_per_epoch && !*stop) {
        bool save_now;
        ae_status status = ae_trainer_step(trainer, stop, &save_now);
        if (status) return status;
        ae_progress_step(trainer);
        save_now |= every > 0 && *step % every == 0;
        if (!save_now || *stop || *step == trainer->steps_per_epoch) continue;
        status = save(trainer);
        if (status) return status;
    }
    return AE_OK;
}

/* Begins to count time anew. */
static void reset_clock(ae_trainer *trainer) {
    memset(trainer->phase_s, 0, sizeof trainer->phase_s);
    trainer->epoch_begin_s = ae_now_s();
}

/* The row's times, from all ranks. Collective. */
static void fill_times(ae_trainer *trainer, ae_epoch_row *row, double steps_s) {
    double lowest[AE_PHASES] = {0}, mean[AE_PHASES] = {0}, highest[AE_PHASES] = {0};
    ae_comm_spread(trainer->comm, trainer->phase_s, AE_PHASES, lowest, mean, highest);
    for (int p = 0; p < AE_PHASES; ++p) {
        row->phase_s[p][0] = lowest[p];
        row->phase_s[p][1] = mean[p];
        row->phase_s[p][2] = highest[p];
    }
    row->seconds = ae_now_s() - trainer->epoch_begin_s;
    row->images_per_s = steps_s > 0 ? (double)trainer->images_seen / steps_s : 0;
}

/* One epoch, or the rest of it, from the state's position; *stop: asked to stop. The position then
 * tells how far it came. Collective. */
static ae_status run_epoch(ae_trainer *trainer, bool *stop) {
    ae_position *position = &trainer->state.position;
    ae_status status = train_epoch(trainer, stop);
    if (status || *stop) return status;
    double steps_s = ae_now_s() - trainer->steps_begin_s;

    ae_epoch_row row = {.epoch = position->epoch + 1,
                        .learning_rate =
                            ae_trainer_lr(trainer, trainer->state.optimizer.steps - 1)};
    row.skipped_steps = position->skipped;
    row.train_loss = position->images > 0
                         ? ae_fixed_to(position->loss_sum, AE_FIXED_K) / (double)position->images
                         : NAN; /* its checkpoint is of the epoch's end, and its results are lost */
    if (!ae_trainer_is_pretraining(trainer, position->epoch))
        row.noise_sigma = trainer->settings->noise.sigma;
    bool complete, is_best, stop_too = false;
    status = compare_replicas(trainer, row.parameters_hash);
    if (status == AE_OK) status = ae_trainer_evaluate(trainer, &row, &complete, stop);
    if (status || !complete) return status;
    status = ae_trainer_validate(trainer, &row.validation_loss, &is_best, &complete, &stop_too);
    *stop |= stop_too;
    if (status || !complete) return status;

    fill_times(trainer, &row, steps_s);
    ae_limits_warn_slow(trainer);
    reset_clock(trainer);
    status = ae_files_save_epoch(trainer, &row, is_best);
    if (status) return status;
    ae_progress_epoch(trainer, &row);
    if (position->epoch == trainer->total_epochs) ae_say("hash     %s", row.parameters_hash);
    return AE_OK;
}

/* From the state's position to the end. Collective. */
static ae_status run_epochs(ae_trainer *trainer) {
    ae_model_take(&trainer->model, trainer->state.parameters);
    reset_clock(trainer);
    while (trainer->state.position.epoch < trainer->total_epochs) {
        bool stop;
        ae_status status = run_epoch(trainer, &stop);
        if (status) return status;
        if (stop && trainer->state.position.epoch < trainer->total_epochs)
            return stop_early(trainer);
    }
    return AE_OK;
}

/* So many steps from the state's position, over the ends of epochs. Collective. */
static ae_status run_steps(ae_trainer *trainer, int64_t steps) {
    ae_position *position = &trainer->state.position;
    for (int64_t s = 0; s < steps; ++s) {
        bool stop, save_now;
        if (position->step == trainer->steps_per_epoch) ae_position_next_epoch(position);
        if (position->step == 0) shuffle(trainer);
        ae_status status = ae_trainer_step(trainer, &stop, &save_now);
        if (status) return status;
        if (stop) return ae_fail(AE_STOPPED, "stopped on request while measuring");
    }
    return AE_OK;
}

ae_status ae_trainer_measure(ae_trainer *trainer, int64_t steps, double *seconds) {
    ae_status status = AE_OK;
    if (!trainer->dataset) {
        status = load_images(trainer);
        if (status == AE_OK) status = create_team(trainer);
        if (status) return status;
        ae_model_take(&trainer->model, trainer->state.parameters);
        status = run_steps(trainer, steps);
    }
    double begin_s = ae_now_s();
    if (status == AE_OK) status = run_steps(trainer, steps);
    *seconds = ae_now_s() - begin_s;
    return status;
}

/* All epochs are done. *remains: but results.h5 lacks the last one's figures, and the state is
 * before its evaluation again. Collective. */
static ae_status find_end(ae_trainer *trainer, bool *remains) {
    ae_position *position = &trainer->state.position;
    bool hold;
    ae_status status = ae_files_hold_end(trainer, &hold);
    if (status) return status;
    *remains = !hold;
    ae_say("finished before: all %lld epochs are done%s", (long long)position->epoch,
           hold ? ""
                : "; results.h5 isn't there, or lacks the last, which is evaluated again (its "
                  "training loss is lost)");
    if (hold) {
        ae_progress_end(trainer);
    } else {
        position->epoch -= 1;
        position->step = trainer->steps_per_epoch;
    }
    return AE_OK;
}

/* From the state's position to the end, which is looked for where it is told to be. Collective. */
static ae_status finish(ae_trainer *trainer) {
    bool hold;
    ae_status status = run_epochs(trainer);
    if (status == AE_OK) status = ae_files_hold_end(trainer, &hold);
    if (status) return status;
    if (!hold)
        return ae_fail(
            AE_ERROR_IO,
            "%s/results.h5, just written, isn't there any more, or is another; see to it "
            "that nothing else changes the folder: the same command makes it again",
            trainer->settings->run.dir);
    ae_progress_end(trainer);
    return AE_OK;
}

ae_status ae_trainer_run(ae_trainer *trainer) {
    const ae_position *position = &trainer->state.position;
    ae_limits_begin(trainer);
    ae_status status = ae_files_open(trainer);
    if (status) return status;
    if (position->epoch >= trainer->total_epochs) {
        bool remains;
        status = find_end(trainer, &remains);
        if (status || !remains) return status;
    } else if (position->epoch > 0 || position->step > 0) {
        ae_say("goes on  after %lld whole epochs and %lld steps of the next",
               (long long)position->epoch, (long long)position->step);
    }
    ae_plan_warn(trainer);
    status = load_images(trainer);
    if (status == AE_STOPPED) return stop_early(trainer);
    if (status == AE_OK) status = check_images(trainer);
    if (status == AE_OK) status = create_team(trainer);
    if (status == AE_OK) status = ae_files_begin_results(trainer);
    if (status == AE_OK) status = finish(trainer);
    return status;
}
