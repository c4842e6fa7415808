/* The run's files: rank 0 reads and writes, and all ranks leave together where it fails. */
#include "train/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/launcher.h"
#include "base/log.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "io/checkpoint.h"
#include "io/model_file.h"
#include "train/origin.h"

static bool is_writer(const ae_files *files) {
    return files->plan->rank == 0;
}

/* AE_ERROR_IO: the run can't have come to the position that the checkpoint tells. */
static ae_status check_position(const ae_plan *plan, const ae_position *position,
                                const char *path) {
    if (ae_plan_can_reach(plan, position)) return AE_OK;
    return ae_fail(AE_ERROR_IO,
                   "%s is damaged, or no checkpoint of ae_dist: this run can't be where /position "
                   "tells, after %lld epochs and %lld steps with %lld images",
                   path, (long long)position->epoch, (long long)position->step,
                   (long long)position->images);
}

static ae_status read_checkpoint(const ae_files *files, ae_state *state, const char *path) {
    ae_status status = ae_checkpoint_read(path, state, files->config);
    return status == AE_OK ? check_position(files->plan, &state->position, path) : status;
}

/* Rank 0: takes the state of the newest checkpoint that is whole; none there: the run begins. */
static ae_status read_newest(const ae_files *files, ae_state *state) {
    const ae_settings *settings = files->plan->settings;
    char(*paths)[AE_PATH_SIZE] = NULL;
    int count = 0;
    ae_status status = ae_run_folder_list(files->folder, &paths, &count);
    if (status == AE_OK && count == 0) status = ae_origin_begin(state, settings);
    for (int i = 0; status == AE_OK && i < count; ++i) {
        status = read_checkpoint(files, state, paths[i]);
        if (status == AE_ERROR_IO) /* a passing fault of a network's disk, perhaps */
            status = read_checkpoint(files, state, paths[i]);
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
                    settings->run.dir, reason);
        }
    }
    free(paths);
    return status == AE_OK && count > 0 ? ae_origin_check(state, settings) : status;
}

/* Rank 0: the folder, its lock, and the newest state. */
static ae_status open_folder(ae_files *files, ae_state *state) {
    const ae_settings *settings = files->plan->settings;
    bool holds_run = false;
    ae_status status = ae_run_folder_open(&files->folder, settings->run.dir);
    if (status == AE_OK && settings->run.resume == AE_RESUME_NEVER)
        status = ae_run_folder_holds_run(&holds_run, settings->run.dir);
    if (status == AE_OK && holds_run)
        status = ae_fail(AE_ERROR_USAGE,
                         "%s holds a run already, and run.resume is never; choose another run.dir, "
                         "or set run.resume=auto to go on with it",
                         settings->run.dir);
    if (status == AE_OK) status = read_newest(files, state);
    return status;
}

/* Rank 0's state on all ranks, but for its origin. Collective. */
static void broadcast_state(ae_state *state, ae_comm *comm) {
    ae_optimizer *optimizer = &state->optimizer;
    const size_t bytes = ae_network_size(state->network) * sizeof(float);
    ae_comm_broadcast(comm, state->parameters, bytes);
    for (int m = 0; m < optimizer->moments; ++m)
        ae_comm_broadcast(comm, optimizer->moment[m], bytes);
    ae_comm_broadcast(comm, &optimizer->steps, sizeof optimizer->steps);
    ae_comm_broadcast(comm, &state->position, sizeof state->position);
    ae_comm_broadcast(comm, state->data_hash, sizeof state->data_hash);
}

ae_status ae_files_open(ae_files *files, ae_state *state) {
    ae_watchdog_doing("opening the run's folder");
    ae_status status = is_writer(files) ? open_folder(files, state) : AE_OK;
    status = ae_comm_agree(files->comm, status);
    if (status == AE_OK) broadcast_state(state, files->comm);
    return status;
}

void ae_files_close(ae_files *files) {
    ae_results_destroy(&files->results);
    if (files->folder) ae_run_folder_close(&files->folder);
}

ae_status ae_files_check(const ae_files *files, ae_state *state) {
    const ae_settings *settings = files->plan->settings;
    bool goes_on = true;
    ae_status status = AE_OK;
    if (is_writer(files)) status = ae_run_folder_holds_checkpoint(&goes_on, settings->run.dir);
    if (status == AE_OK && !goes_on) status = ae_origin_begin(state, settings);
    return ae_comm_agree(files->comm, status);
}

/* What this start of the program is, for results.h5. */
static ae_provenance provenance_of(const ae_files *files, const ae_state *state) {
    return (ae_provenance){.hosts = ae_comm_hosts(files->comm),
                           .ranks = files->plan->ranks,
                           .threads = files->plan->placement.total_threads,
                           .mpi = ae_comm_library(),
                           .kernel_path = files->kernel_path,
                           .job_id = ae_launcher_job_id(),
                           .data_hash = state->data_hash,
                           .origin = state->origin,
                           .from_epoch = state->position.epoch,
                           .from_step = state->position.step};
}

/* Pictures that results.h5 keeps. */
static int64_t picture_count(const ae_plan *plan) {
    const int64_t wanted = plan->settings->output.reconstructions;
    return wanted < plan->test_images ? wanted : plan->test_images;
}

static ae_shape shape_of(const ae_images *images, int64_t index) {
    const ae_image_place *place = ae_images_place(images, index);
    return (ae_shape){images->channels, place->height, place->width};
}

/* The memory of so many pictures; the caller frees it. */
static float *allocate_pictures(const ae_images *images, int64_t count) {
    size_t values = 1;
    for (int64_t n = 0; n < count; ++n) values += ae_shape_values(shape_of(images, n));
    return calloc(values, sizeof(float));
}

/* What results.h5 keeps of the test images from the beginning. */
typedef struct kept {
    uint8_t *labels;
    ae_shape *shapes;
    float *clean, *noisy;
} kept;

/* To be released whatever is returned. AE_FAILED: memory. */
static ae_status keep_images(kept *k, const ae_evaluation *evaluation, int64_t pictures,
                             int64_t epoch) {
    const ae_images images = ae_dataset_test(evaluation->dataset);
    *k = (kept){.labels = malloc((size_t)images.count),
                .shapes = malloc((size_t)(pictures + 1) * sizeof *k->shapes),
                .clean = allocate_pictures(&images, pictures),
                .noisy = allocate_pictures(&images, pictures)};
    if (!k->labels || !k->shapes || !k->clean || !k->noisy)
        return ae_fail_memory("the pictures in results.h5");
    for (int64_t n = 0; n < images.count; ++n) k->labels[n] = (uint8_t)ae_images_label(&images, n);
    for (int64_t n = 0; n < pictures; ++n) k->shapes[n] = shape_of(&images, n);
    ae_evaluation_pictures(evaluation, k->clean, pictures, AE_PICTURE_CLEAN, epoch);
    ae_evaluation_pictures(evaluation, k->noisy, pictures, AE_PICTURE_NOISY, epoch);
    return AE_OK;
}

static void release_images(kept *k) {
    free(k->labels);
    free(k->shapes);
    free(k->clean);
    free(k->noisy);
}

/* Rank 0: results.h5 with what doesn't change through a run. */
static ae_status create_results(ae_files *files, const ae_state *state,
                                const ae_evaluation *evaluation) {
    const ae_plan *plan = files->plan;
    const ae_image_set *test = &plan->images.test;
    const int64_t pictures = picture_count(plan), epoch = state->position.epoch;
    kept k;
    ae_status status = keep_images(&k, evaluation, pictures, epoch);
    const ae_results_setup setup = {
        .config = files->config,
        .network = state->network,
        .provenance = provenance_of(files, state),
        .test_count = test->count,
        .labels = plan->images.has_labels ? k.labels : NULL,
        .reconstructions = pictures,
        .shape = {test->shape.channels, test->shape.height, test->shape.width},
        .shapes = ae_image_set_is_mixed(test) ? k.shapes : NULL,
        .clean = k.clean,
        .noisy = k.noisy};
    if (status == AE_OK)
        status =
            ae_results_create(&files->results, ae_run_folder_results(files->folder), &setup, epoch);
    if (status == AE_OK) status = ae_results_publish(files->results);
    release_images(&k);
    return status;
}

ae_status ae_files_begin_results(ae_files *files, const ae_state *state,
                                 const ae_evaluation *evaluation) {
    ae_status status = is_writer(files) ? create_results(files, state, evaluation) : AE_OK;
    return ae_comm_agree(files->comm, status);
}

/* Every so many epochs, and after a phase's last. */
static bool is_due(const ae_plan *plan, const ae_position *position, int64_t epoch, int64_t every) {
    return epoch % every == 0 || ae_plan_ends(plan, position, epoch) ||
           epoch == plan->settings->train.pretrain_epochs;
}

/* Rank 0: the network's outputs for the pictures of results.h5, after `epoch` (from 1). */
static ae_status add_pictures(ae_files *files, const ae_evaluation *evaluation, int64_t epoch) {
    const int64_t pictures = picture_count(files->plan);
    if (pictures == 0) return AE_OK;
    const ae_images images = ae_dataset_test(evaluation->dataset);
    float *output = allocate_pictures(&images, pictures);
    if (!output) return ae_fail_memory("the pictures in results.h5");
    ae_evaluation_pictures(evaluation, output, pictures, AE_PICTURE_OUTPUT, epoch - 1);
    ae_status status = ae_results_add_reconstructions(files->results, epoch, output);
    free(output);
    return status;
}

/* Rank 0. */
static ae_status write_results(ae_files *files, const ae_position *position, const ae_evaluation *e,
                               const ae_epoch_row *row) {
    const int64_t every = files->plan->settings->output.reconstruction_epochs;
    ae_status status = ae_results_add_epoch(files->results, row);
    if (status == AE_OK && ae_plan_tests(files->plan, position, row->epoch))
        status = ae_results_set_test(files->results, e->psnr_db, e->ssim, e->input_psnr_db,
                                     e->input_ssim);
    if (status == AE_OK && is_due(files->plan, position, row->epoch, every))
        status = add_pictures(files, e, row->epoch);
    if (status != AE_OK) return status;
    return ae_plan_ends(files->plan, position, row->epoch) ? ae_results_finish(files->results)
                                                           : ae_results_publish(files->results);
}

/* Rank 0. */
static ae_status write_checkpoint(ae_files *files, const ae_state *state, ae_clock *clock) {
    char path[AE_PATH_SIZE];
    ae_run_folder_checkpoint(files->folder, path, state->position.epoch, state->position.step);
    ae_status status = ae_checkpoint_write(path, state, files->config, files->kernel_path);
    if (status == AE_OK) status = ae_checkpoint_verify(path, state); /* before older ones go */
    clock->saved_s = ae_now_s();
    if (status == AE_OK)
        status = ae_run_folder_prune(files->folder, files->plan->settings->output.keep);
    return status;
}

/* Rank 0: the checkpoint of the best epoch, beside the others. */
static ae_status write_best(const ae_files *files, const ae_state *state) {
    char path[AE_PATH_SIZE];
    ae_run_folder_best(files->folder, path);
    return ae_checkpoint_write(path, state, files->config, files->kernel_path);
}

/* Rank 0: the network by itself. */
static ae_status write_model(const ae_files *files, const ae_state *state) {
    return ae_model_file_write(ae_run_folder_model(files->folder), state, files->config,
                               files->kernel_path);
}

/* Rank 0: what is due after a whole epoch. Checkpoints come last: killed before, the run does the
 * epoch again, and writes the rest once more. */
static ae_status write_epoch(ae_files *files, const ae_state *state, bool is_best,
                             ae_clock *clock) {
    const ae_settings *settings = files->plan->settings;
    const ae_position *position = &state->position;
    const bool due =
        is_due(files->plan, position, position->epoch, settings->output.checkpoint_epochs);
    ae_status status = is_best ? write_best(files, state) : AE_OK;
    if (status == AE_OK && (settings->train.validation_images > 0 ? is_best : due))
        status = write_model(files, state);
    if (status == AE_OK && due) status = write_checkpoint(files, state, clock);
    return status;
}

ae_status ae_files_save_epoch(ae_files *files, ae_state *state, const ae_evaluation *evaluation,
                              const ae_epoch_row *row, bool is_best, ae_clock *clock) {
    const double begin_s = ae_now_s();
    ae_watchdog_doing("writing the run's files");
    ae_status status =
        is_writer(files) ? write_results(files, &state->position, evaluation, row) : AE_OK;
    ae_position_next_epoch(&state->position);
    if (status == AE_OK && is_writer(files)) status = write_epoch(files, state, is_best, clock);
    clock->part_s[AE_PART_IO] += ae_now_s() - begin_s;
    return ae_comm_agree(files->comm, status);
}

ae_status ae_files_hold_epoch(const ae_files *files, int64_t epoch, bool *hold) {
    ae_status status = AE_OK;
    if (is_writer(files))
        status = ae_results_look(hold, ae_run_folder_results(files->folder), epoch);
    status = ae_comm_agree(files->comm, status);
    if (status == AE_OK) ae_comm_broadcast(files->comm, hold, sizeof *hold);
    return status;
}

ae_status ae_files_save_checkpoint(ae_files *files, const ae_state *state, ae_clock *clock) {
    ae_watchdog_doing("writing a checkpoint");
    ae_status status = is_writer(files) ? write_checkpoint(files, state, clock) : AE_OK;
    return ae_comm_agree(files->comm, status);
}
