/* The run's files: rank 0 reads and writes, and all ranks leave together where it fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/environment.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "train/internal.h"

static bool is_writer(const ae_trainer *trainer) {
    return ae_comm_rank(trainer->comm) == 0;
}

/* Can the run have come to the position that a checkpoint tells? */
static ae_status check_position(const ae_trainer *trainer, const char *path) {
    const ae_position *position = &trainer->state.position;
    const bool is_possible = position->epoch <= trainer->total_epochs &&
                             position->step <= trainer->steps_per_epoch &&
                             position->images <= trainer->train_count &&
                             position->skipped <= trainer->settings->train.skip_steps &&
                             (position->images > 0 || position->step <= position->skipped) &&
                             position->best_epoch <= position->epoch;
    if (is_possible) return AE_OK;
    return ae_fail(AE_ERROR_IO,
                   "%s is damaged, or no checkpoint of ae_dist: this run can't be where /position "
                   "tells, after %lld epochs and %lld steps with %lld images",
                   path, (long long)position->epoch, (long long)position->step,
                   (long long)position->images);
}

/* Reads a checkpoint into the trainer's state. */
static ae_status read_checkpoint(ae_trainer *trainer, const char *path) {
    ae_status status = ae_checkpoint_read(path, &trainer->state, trainer->config);
    return status == AE_OK ? check_position(trainer, path) : status;
}

/* Rank 0: takes the state of the newest checkpoint that is whole; none there: the run begins. */
static ae_status read_newest(ae_trainer *trainer) {
    char(*paths)[AE_PATH_SIZE] = NULL;
    int count = 0;
    ae_status status = ae_run_folder_list(trainer->folder, &paths, &count);
    if (status == AE_OK && count == 0) status = ae_origin_begin(trainer);
    for (int i = 0; status == AE_OK && i < count; ++i) {
        status = read_checkpoint(trainer, paths[i]);
        if (status == AE_ERROR_IO) /* a passing fault of a network's disk, perhaps */
            status = read_checkpoint(trainer, paths[i]);
        if (status == AE_OK) break;
        if (status != AE_ERROR_IO) continue;
        if (i + 1 < count) {
            ae_warn("%s; it is set aside, and the one before is taken", ae_message());
            status = ae_run_folder_set_aside(paths[i]);
        } else {
            char reason[AE_MESSAGE_SIZE / 2];
            snprintf(reason, sizeof reason, "%s", ae_message());
            ae_fail(status,
                    "no checkpoint in %s is whole: %s; choose another run.dir to begin anew",
                    trainer->settings->run.dir, reason);
        }
    }
    free(paths);
    return status == AE_OK && count > 0 ? ae_origin_check(trainer) : status;
}

/* Rank 0: the folder, its lock, and the newest state. */
static ae_status open_folder(ae_trainer *trainer) {
    const ae_settings *settings = trainer->settings;
    bool holds_run = false;
    ae_status status = ae_run_folder_open(&trainer->folder, settings->run.dir);
    if (status == AE_OK && settings->run.resume == AE_RESUME_NEVER)
        status = ae_run_folder_holds_run(&holds_run, settings->run.dir);
    if (status == AE_OK && holds_run)
        status = ae_fail(AE_ERROR_USAGE,
                         "%s holds a run already, and run.resume is never; choose another run.dir, "
                         "or set run.resume=auto to go on with it",
                         settings->run.dir);
    if (status == AE_OK) status = read_newest(trainer);
    return status;
}

/* Rank 0's state on all ranks. Collective. */
static void broadcast_state(ae_trainer *trainer) {
    ae_state *state = &trainer->state;
    const size_t bytes = ae_network_size(trainer->model.network) * sizeof(float);
    ae_comm_broadcast(trainer->comm, state->parameters, bytes);
    for (int m = 0; m < trainer->state.optimizer.moments; ++m)
        ae_comm_broadcast(trainer->comm, trainer->state.optimizer.moment[m], bytes);
    ae_comm_broadcast(trainer->comm, &trainer->state.optimizer.steps,
                      sizeof trainer->state.optimizer.steps);
    ae_comm_broadcast(trainer->comm, &state->position, sizeof state->position);
    ae_comm_broadcast(trainer->comm, state->data_hash, sizeof state->data_hash);
}

ae_status ae_files_open(ae_trainer *trainer) {
    ae_watchdog_phase("opening the run's folder");
    ae_status status = is_writer(trainer) ? open_folder(trainer) : AE_OK;
    trainer->saved_s = ae_now_s();
    status = ae_comm_agree(trainer->comm, status);
    if (status == AE_OK) broadcast_state(trainer);
    return status;
}

ae_status ae_files_check(ae_trainer *trainer) {
    bool goes_on = true;
    ae_status status = AE_OK;
    if (is_writer(trainer))
        status = ae_run_folder_holds_checkpoint(&goes_on, trainer->settings->run.dir);
    if (status == AE_OK && !goes_on) status = ae_origin_begin(trainer);
    return ae_comm_agree(trainer->comm, status);
}

/* The batch system's name for this job, "" outside one. */
static const char *job_id(void) {
    static const char *const variables[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; ++i)
        if (ae_environment_text(variables[i])) return ae_environment_text(variables[i]);
    return "";
}

/* Rank 0: results.h5 with what doesn't change through a run. */
static ae_status create_results(ae_trainer *trainer) {
    const ae_settings *settings = trainer->settings;
    const ae_position *position = &trainer->state.position;
    const ae_images images = ae_dataset_test(trainer->dataset);
    int64_t pictures = settings->output.reconstructions;
    if (pictures > images.count) pictures = images.count;
    float *clean = calloc((size_t)pictures * ae_shape_values(trainer->picture) + 1, sizeof *clean);
    float *noisy = calloc((size_t)pictures * ae_shape_values(trainer->picture) + 1, sizeof *noisy);
    uint8_t *labels = malloc((size_t)images.count);
    ae_status status = AE_OK;
    if (!clean || !noisy || !labels) {
        status = ae_fail_memory("the pictures in results.h5");
        goto done;
    }
    ae_trainer_pictures(trainer, clean, pictures, PICTURE_CLEAN);
    ae_trainer_pictures(trainer, noisy, pictures, PICTURE_NOISY);
    for (int64_t n = 0; n < images.count; ++n) labels[n] = (uint8_t)ae_images_label(&images, n);
    ae_results_setup setup = {
        .config = trainer->config,
        .provenance = {.hosts = ae_comm_hosts(trainer->comm),
                       .ranks = ae_comm_size(trainer->comm),
                       .threads = trainer->placement.total_threads,
                       .mpi = ae_comm_library(),
                       .kernel_path = trainer->model.kernels->name,
                       .job_id = job_id(),
                       .data_hash = trainer->state.data_hash,
                       .origin = trainer->state.origin,
                       .from_epoch = position->epoch,
                       .from_step = position->step},
        .test_count = images.count,
        .labels = labels,
        .reconstructions = pictures,
        .shape = {trainer->picture.channels, trainer->picture.height, trainer->picture.width},
        .clean = clean,
        .noisy = noisy};
    status = ae_results_create(&trainer->results, ae_run_folder_results(trainer->folder), &setup,
                               position->epoch);
    if (status == AE_OK) status = ae_results_publish(trainer->results);
done:
    free(clean);
    free(noisy);
    free(labels);
    return status;
}

ae_status ae_files_begin_results(ae_trainer *trainer) {
    return ae_comm_agree(trainer->comm, is_writer(trainer) ? create_results(trainer) : AE_OK);
}

/* Every so many epochs, and after a phase's last. */
static bool is_due(const ae_trainer *trainer, int64_t epoch, int64_t every) {
    return epoch % every == 0 || epoch == trainer->total_epochs ||
           epoch == trainer->settings->train.pretrain_epochs;
}

/* Rank 0: the network's outputs for the pictures of results.h5. The state's epoch is still that of
 * the evaluation. */
static ae_status add_pictures(ae_trainer *trainer, int64_t epoch) {
    int64_t pictures = trainer->settings->output.reconstructions;
    if (pictures > trainer->test_count) pictures = trainer->test_count;
    if (pictures == 0) return AE_OK;
    float *output = calloc((size_t)pictures * ae_shape_values(trainer->picture), sizeof *output);
    if (!output) return ae_fail_memory("the pictures in results.h5");
    ae_trainer_pictures(trainer, output, pictures, PICTURE_OUTPUT);
    ae_status status = ae_results_add_reconstructions(trainer->results, epoch, output);
    free(output);
    return status;
}

/* Rank 0. */
static ae_status write_results(ae_trainer *trainer, const ae_epoch_row *row) {
    const evaluation *e = &trainer->evaluation;
    ae_status status = ae_results_add_epoch(trainer->results, row);
    if (status == AE_OK)
        status = ae_results_set_test(trainer->results, e->psnr_db, e->ssim, e->input_psnr_db,
                                     e->input_ssim);
    if (status == AE_OK &&
        is_due(trainer, row->epoch, trainer->settings->output.reconstruction_epochs))
        status = add_pictures(trainer, row->epoch);
    if (status == AE_OK) status = ae_results_publish(trainer->results);
    return status;
}

/* Rank 0. */
static ae_status write_checkpoint(ae_trainer *trainer) {
    char path[AE_PATH_SIZE];
    const ae_position *position = &trainer->state.position;
    ae_run_folder_checkpoint(trainer->folder, path, position->epoch, position->step);
    ae_status status =
        ae_checkpoint_write(path, &trainer->state, trainer->config, trainer->model.kernels->name);
    if (status == AE_OK)
        status = ae_checkpoint_verify(path, &trainer->state); /* before older ones go */
    trainer->saved_s = ae_now_s();
    if (status == AE_OK)
        status = ae_run_folder_prune(trainer->folder, trainer->settings->output.keep);
    return status;
}

/* Rank 0: the checkpoint of the best epoch, beside the others. */
static ae_status write_best(ae_trainer *trainer) {
    char path[AE_PATH_SIZE];
    ae_run_folder_best(trainer->folder, path);
    return ae_checkpoint_write(path, &trainer->state, trainer->config,
                               trainer->model.kernels->name);
}

ae_status ae_files_save_epoch(ae_trainer *trainer, const ae_epoch_row *row, bool is_best) {
    double begin_s = ae_now_s();
    ae_watchdog_phase("writing the run's files");
    ae_status status = is_writer(trainer) ? write_results(trainer, row) : AE_OK;
    ae_position_next_epoch(&trainer->state.position);
    /* Best first: killed in between, the run does the epoch again, and writes it once more. */
    if (status == AE_OK && is_writer(trainer) && is_best) status = write_best(trainer);
    if (status == AE_OK && is_writer(trainer) &&
        is_due(trainer, row->epoch, trainer->settings->output.checkpoint_epochs))
        status = write_checkpoint(trainer);
    trainer->phase_s[AE_PHASE_IO] += ae_now_s() - begin_s;
    return ae_comm_agree(trainer->comm, status);
}

ae_status ae_files_save_checkpoint(ae_trainer *trainer) {
    ae_watchdog_phase("writing a checkpoint");
    return ae_comm_agree(trainer->comm, is_writer(trainer) ? write_checkpoint(trainer) : AE_OK);
}

ae_status ae_files_hold_end(ae_trainer *trainer, bool *hold) {
    ae_status status = AE_OK;
    if (is_writer(trainer))
        status = ae_results_look(hold, ae_run_folder_results(trainer->folder),
                                 trainer->state.position.epoch);
    status = ae_comm_agree(trainer->comm, status);
    if (status == AE_OK) ae_comm_broadcast(trainer->comm, hold, sizeof *hold);
    return status;
}

void ae_files_close(ae_trainer *trainer) {
    ae_results_destroy(&trainer->results);
    if (trainer->folder) ae_run_folder_close(&trainer->folder);
}
