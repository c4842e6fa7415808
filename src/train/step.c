/* One training step: each thread computes blocks of the rank's shard, their sums are integers, and
 * one MPI_Allreduce makes them the batch's. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "data/order.h"
#include "train/internal.h"

bool ae_trainer_is_pretraining(const ae_trainer *trainer, int64_t epoch) {
    return epoch < trainer->settings->train.pretrain_epochs;
}

double ae_trainer_lr(const ae_trainer *trainer, int64_t update) {
    return ae_schedule_lr(trainer->settings, update, trainer->steps_per_epoch,
                          trainer->steps_per_epoch * trainer->total_epochs);
}

/* One thread's memory; called by the thread itself. */
static bool worker_create(worker *w, const ae_trainer *trainer) {
    w->normals = ae_calloc(AE_IMAGE_PIXELS, sizeof *w->normals);
    w->sums = ae_calloc(trainer->message_size, sizeof *w->sums);
    return ae_workspace_create(&w->workspace, trainer->network, AE_IMAGE_HEIGHT, AE_IMAGE_WIDTH,
                               trainer->kernels) == AE_OK &&
           w->normals && w->sums;
}

ae_status ae_workers_create(ae_trainer *trainer) {
    const int threads = trainer->placement.threads;
    trainer->workers = calloc((size_t)threads, sizeof *trainer->workers);
    int made = 0;
    if (trainer->workers) {
#pragma omp parallel num_threads(threads)
        {
            bool ok = worker_create(&trainer->workers[omp_get_thread_num()], trainer);
#pragma omp atomic
            made += ok;
        }
    }
    ae_status status = AE_OK;
    if (made != threads)
        status = ae_fail(AE_FAILED,
                         "%d of %d threads could be started with their memory; set "
                         "OMP_NUM_THREADS lower",
                         made, threads);
    return ae_comm_agree(trainer->comm, status);
}

void ae_workers_destroy(ae_trainer *trainer) {
    for (int t = 0; trainer->workers && t < trainer->placement.threads; ++t) {
        worker *w = &trainer->workers[t];
        ae_workspace_destroy(&w->workspace);
        free(w->normals);
        free(w->sums);
    }
    free(trainer->workers);
    trainer->workers = NULL;
}

void ae_worker_load(const ae_trainer *trainer, worker *w, const uint8_t *pixels, ae_stream stream,
                    double sigma) {
    const ae_kernels *kernels = trainer->kernels;
    const ae_planes *input = ae_workspace_input(w->workspace);
    const ae_planes *target = ae_workspace_target(w->workspace);
    kernels->from_bytes(target, pixels);
    if (sigma > 0) {
        kernels->normals(w->normals, AE_IMAGE_PIXELS / 4, stream);
        kernels->add_noise(input, target, w->normals, (float)sigma,
                           (float)trainer->settings->noise.clamp_min,
                           (float)trainer->settings->noise.clamp_max);
    } else {
        kernels->from_bytes(input, pixels);
    }
}

/* What the threads need to know of the step. */
typedef struct step {
    ae_shard shard;
    ae_images images;
    int64_t epoch;
    double sigma;
    double bound; /* of one block's gradient elements, and of one image's loss */
} step;

/* The gradient and loss of block `b` of the shard, added to the worker's sums. */
static void train_block(const ae_trainer *trainer, worker *w, const step *s, int64_t b) {
    const ae_settings *settings = trainer->settings;
    const size_t size = ae_network_size(trainer->network);
    int64_t *extras = w->sums + size;
    int64_t begin = s->shard.begin + b * settings->train.block;
    int64_t end = begin + settings->train.block;
    if (end > s->shard.end) end = s->shard.end;

    int faults = 0;
    int64_t loss_sum = 0;
    ae_network_begin_block(w->workspace);
    for (int64_t position = begin; position < end; ++position) {
        double begin_s = ae_now_s();
        uint32_t sample = trainer->order[position];
        ae_stream stream = {(uint64_t)settings->run.seed, AE_RANDOM_TRAIN_NOISE, (uint32_t)s->epoch,
                            sample};
        ae_worker_load(trainer, w, ae_images_pixels(&s->images, sample), stream, s->sigma);
        double loaded_s = ae_now_s();
        ae_network_forward(w->workspace, trainer->packed);
        double loss =
            ae_network_backward(w->workspace, trainer->packed, (ae_loss)settings->train.loss);
        loss_sum += ae_fixed_from(loss, AE_FIXED_K, s->bound, &faults);
        ae_watchdog_progress();
        w->data_s += loaded_s - begin_s;
        w->work_s += ae_now_s() - loaded_s;
    }
    double begin_s = ae_now_s();
    const float *gradient = ae_network_end_block(w->workspace);
    faults |= trainer->kernels->add_fixed(w->sums, gradient, size, AE_FIXED_K, s->bound);
    w->work_s += ae_now_s() - begin_s;
    extras[AE_STEP_LOSS] += loss_sum;
    extras[AE_STEP_IMAGES] += end - begin;
    extras[AE_STEP_NONFINITE] += (faults & AE_FIXED_NONFINITE) != 0;
    extras[AE_STEP_OVERFLOW] += (faults & AE_FIXED_OVERFLOW) != 0;
}

/* All of the shard's blocks on this rank's threads, and the sum of the threads' sums in the
 * message: one fork and join. */
static void train_shard(ae_trainer *trainer, const step *s) {
    int64_t *message = trainer->message;
    const size_t size = trainer->message_size;
#pragma omp parallel num_threads(trainer->placement.threads)
    {
        worker *w = &trainer->workers[omp_get_thread_num()];
        memset(w->sums, 0, size * sizeof *w->sums);
        w->data_s = w->work_s = 0;
#pragma omp for schedule(dynamic)
        for (int64_t b = 0; b < s->shard.blocks; ++b) train_block(trainer, w, s, b);
#pragma omp for schedule(static)
        for (size_t i = 0; i < size; ++i) {
            int64_t sum = 0;
            for (int t = 0; t < omp_get_num_threads(); ++t) sum += trainer->workers[t].sums[i];
            message[i] = sum;
        }
    }
    for (int t = 0; t < trainer->placement.threads; ++t) {
        trainer->phase_s[AE_PHASE_DATA] += trainer->workers[t].data_s / trainer->placement.threads;
        trainer->phase_s[AE_PHASE_COMPUTE] +=
            trainer->workers[t].work_s / trainer->placement.threads;
    }
}

static bool has_faults(const int64_t *extras) {
    return extras[AE_STEP_NONFINITE] > 0 || extras[AE_STEP_OVERFLOW] > 0;
}

/* The same decision on every rank, from the reduced counts. */
static ae_status check_faults(const ae_trainer *trainer, const int64_t *extras, const step *s) {
    const ae_position *position = &trainer->state.position;
    if (!has_faults(extras)) return AE_OK;
    return ae_fail(AE_ERROR_NUMERIC,
                   "epoch %lld, step %lld: of %lld blocks of images, %lld gave a loss or gradient "
                   "that is not a finite number and %lld one above %.3g; training diverges. Lower "
                   "optimizer.lr (now %g), or set optimizer.clip_norm or train.skip_steps, in a "
                   "new run.dir",
                   (long long)position->epoch + 1, (long long)position->step + 1,
                   (long long)s->shard.batch_blocks, (long long)extras[AE_STEP_NONFINITE],
                   (long long)extras[AE_STEP_OVERFLOW], s->bound, trainer->settings->optimizer.lr);
}

/* Mean gradient from the reduced sums, and the update; every rank does the same. AE_ERROR_NUMERIC:
 * a parameter is no longer finite. */
static ae_status update(ae_trainer *trainer, int64_t images) {
    const size_t size = ae_network_size(trainer->network);
    for (size_t i = 0; i < size; ++i)
        trainer->gradient[i] =
            (float)(ae_fixed_to(trainer->message[i], AE_FIXED_K) / (double)images);
    ae_optimizer_step(&trainer->optimizer, trainer->state.parameters, trainer->gradient,
                      ae_trainer_lr(trainer, trainer->optimizer.steps));
    for (size_t i = 0; i < size; ++i)
        if (!isfinite(trainer->state.parameters[i]))
            return ae_fail(AE_ERROR_NUMERIC,
                           "epoch %lld, step %lld: a parameter is no longer a finite number; "
                           "training diverges. Lower optimizer.lr (now %g) or set "
                           "optimizer.clip_norm, in a new run.dir",
                           (long long)trainer->state.position.epoch + 1,
                           (long long)trainer->state.position.step + 1,
                           trainer->settings->optimizer.lr);
    ae_network_pack(trainer->network, trainer->packed, trainer->state.parameters);
    return AE_OK;
}

/* Leaves the step out: no update, and its images count for nothing. */
static void skip(ae_trainer *trainer, const int64_t *extras) {
    ae_position *position = &trainer->state.position;
    ae_warn("epoch %lld, step %lld: %lld of its blocks gave numbers that are not finite or too "
            "large; the step is left out (%lld of %lld that may be)",
            (long long)position->epoch + 1, (long long)position->step + 1,
            (long long)(extras[AE_STEP_NONFINITE] + extras[AE_STEP_OVERFLOW]),
            (long long)position->skipped + 1, (long long)trainer->settings->train.skip_steps);
    position->skipped += 1;
    position->step += 1;
}

ae_status ae_trainer_step(ae_trainer *trainer, bool *stop, bool *save) {
    const ae_settings *settings = trainer->settings;
    ae_position *position = &trainer->state.position;
    int64_t *extras = trainer->message + ae_network_size(trainer->network);
    step s = {.shard = ae_order_shard(trainer->train_count, settings->train.batch,
                                      settings->train.block, position->step,
                                      ae_comm_rank(trainer->comm), ae_comm_size(trainer->comm)),
              .images = ae_dataset_train(trainer->dataset),
              .epoch = position->epoch};
    if (!ae_trainer_is_pretraining(trainer, position->epoch)) s.sigma = settings->noise.sigma;
    s.bound = ae_fixed_bound(AE_FIXED_K, s.shard.batch_images);

    ae_watchdog_phase("training");
    train_shard(trainer, &s);
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
    ae_status status = check_faults(trainer, extras, &s);
    if (status) return status;
    if (__builtin_add_overflow(position->loss_sum, extras[AE_STEP_LOSS], &position->loss_sum))
        return ae_fail(AE_ERROR_NUMERIC,
                       "epoch %lld, step %lld: the sum of losses is too large; training diverges. "
                       "Lower optimizer.lr (now %g), in a new run.dir",
                       (long long)position->epoch + 1, (long long)position->step + 1,
                       settings->optimizer.lr);
    status = update(trainer, extras[AE_STEP_IMAGES]);
    if (status) return status;
    trainer->phase_s[AE_PHASE_OPTIMIZER] += ae_now_s() - reduced_s;
    position->images += extras[AE_STEP_IMAGES];
    position->step += 1;
    trainer->images_seen += extras[AE_STEP_IMAGES];
    trainer->last_loss =
        ae_fixed_to(extras[AE_STEP_LOSS], AE_FIXED_K) / (double)extras[AE_STEP_IMAGES];
    return AE_OK;
}
