/* The test set, each epoch: every rank its run of images, sums as integers. */
#include <math.h>
#include <omp.h>

#include "base/fixed.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "metrics/metrics.h"
#include "train/internal.h"

enum { FIRST = 10 }; /* images of the reference experiment's own measure */

/* Sums over test images; fixed point with the fraction bits given. */
enum {
    SUM_LOSS,          /* AE_FIXED_K */
    SUM_MSE,           /* AE_FIXED_K */
    SUM_PSNR,          /* dB, AE_FIXED_METRIC_K, finite ones */
    SUM_PSNR_INFINITE, /* number */
    SUM_SSIM,          /* AE_FIXED_METRIC_K */
    SUM_FIRST_PSNR,    /* dB, AE_FIXED_METRIC_K, finite ones of the first images */
    SUM_FIRST_FINITE,  /* number */
    SUM_FIRST_SSIM,    /* data range 2, AE_FIXED_METRIC_K */
    SUM_IMAGES,
    SUM_FAULTS, /* images with a figure that is not a number */
    SUM_STOP,   /* ranks asked to stop */
    SUMS
};

/* The test images' noise: that of the phase. */
static double test_sigma(const ae_trainer *trainer, int64_t epoch) {
    return ae_trainer_is_pretraining(trainer, epoch) ? 0 : trainer->settings->noise.test_sigma;
}

/* The test images' noise depends on the image alone, so that curves are smooth and runs compare. */
static void load_test_image(const ae_trainer *trainer, worker *w, int64_t index, double sigma) {
    ae_images images = ae_dataset_test(trainer->dataset);
    ae_stream stream = {.purpose = AE_RANDOM_TEST_NOISE, .sample = (uint32_t)index};
    ae_worker_load(trainer, w, ae_images_pixels(&images, index), stream, sigma);
}

/* Sums over validation images. */
enum {
    VALIDATION_LOSS /* AE_FIXED_K */,
    VALIDATION_IMAGES,
    VALIDATION_FAULTS,
    VALIDATION_STOP,
    VALIDATION_SUMS
};

/* Image `index` of the training split, with noise that depends on the image alone. */
static void validate_image(const ae_trainer *trainer, worker *w, int64_t *sums, int64_t index,
                           double sigma) {
    ae_images images = ae_dataset_train(trainer->dataset);
    ae_stream stream = {.purpose = AE_RANDOM_VALIDATION_NOISE, .sample = (uint32_t)index};
    ae_worker_load(trainer, w, ae_images_pixels(&images, index), stream, sigma);
    ae_network_forward(w->workspace, trainer->packed);
    int faults = 0;
    double loss = ae_network_loss(w->workspace, (ae_loss)trainer->settings->train.loss);
    sums[VALIDATION_LOSS] += ae_fixed_from(
        loss, AE_FIXED_K, ae_fixed_bound(AE_FIXED_K, trainer->validation_count), &faults);
    sums[VALIDATION_IMAGES] += 1;
    sums[VALIDATION_FAULTS] += faults != 0;
    ae_watchdog_progress();
}

/* This rank's run [begin, end) of training images on its threads. */
static void validate_run(ae_trainer *trainer, int64_t *sums, int64_t begin, int64_t end,
                         double sigma) {
#pragma omp parallel num_threads(trainer->placement.threads)
    {
        worker *w = &trainer->workers[omp_get_thread_num()];
        int64_t mine[VALIDATION_SUMS] = {0};
#pragma omp for schedule(dynamic, 8)
        for (int64_t i = begin; i < end; ++i)
            if (!ae_stop_requested()) validate_image(trainer, w, mine, i, sigma);
        for (int s = 0; s < VALIDATION_SUMS; ++s) {
#pragma omp atomic
            sums[s] += mine[s];
        }
    }
}

ae_status ae_trainer_validate(ae_trainer *trainer, double *loss, bool *is_best, bool *complete,
                              bool *stop) {
    const int64_t count = trainer->validation_count, first = trainer->train_count;
    const int rank = ae_comm_rank(trainer->comm), size = ae_comm_size(trainer->comm);
    ae_position *position = &trainer->state.position;
    const double sigma =
        ae_trainer_is_pretraining(trainer, position->epoch) ? 0 : trainer->settings->noise.sigma;
    const int64_t begin = first + count * rank / size, end = first + count * (rank + 1) / size;
    int64_t sums[VALIDATION_SUMS] = {0};
    *loss = NAN;
    *is_best = *stop = false;
    *complete = true;
    if (count == 0) return AE_OK;
    const double begin_s = ae_now_s();
    validate_run(trainer, sums, begin, end, sigma);
    sums[VALIDATION_STOP] = ae_stop_requested();
    ae_comm_sum(trainer->comm, sums, VALIDATION_SUMS);
    trainer->phase_s[AE_PHASE_EVALUATE] += ae_now_s() - begin_s;
    *stop = sums[VALIDATION_STOP] > 0;
    *complete = sums[VALIDATION_IMAGES] == count;
    if (!*complete) return AE_OK;
    if (sums[VALIDATION_FAULTS] > 0)
        return ae_fail(
            AE_ERROR_NUMERIC,
            "epoch %lld: %lld of %lld validation images gave a loss that is not a finite "
            "number; training diverges. Lower optimizer.lr (now %g) or set "
            "optimizer.clip_norm, in a new run.dir",
            (long long)position->epoch + 1, (long long)sums[VALIDATION_FAULTS], (long long)count,
            trainer->settings->optimizer.lr);
    *loss = ae_fixed_to(sums[VALIDATION_LOSS], AE_FIXED_K) / (double)count;
    /* Losses with noise and without don't compare. */
    bool is_first =
        position->best_epoch == 0 || position->epoch == trainer->settings->train.pretrain_epochs;
    *is_best = is_first || sums[VALIDATION_LOSS] < position->best_sum;
    if (*is_best) {
        position->best_epoch = position->epoch + 1;
        position->best_sum = sums[VALIDATION_LOSS];
    }
    return AE_OK;
}

/* One image's figures added to sums; its own to entry `slot` of the evaluation's arrays. */
static void evaluate_image(ae_trainer *trainer, worker *w, int64_t *sums, int64_t index,
                           int64_t slot, double sigma, bool with_input) {
    const ae_kernels *kernels = trainer->kernels;
    evaluation *e = &trainer->evaluation;
    load_test_image(trainer, w, index, sigma);
    ae_network_forward(w->workspace, trainer->packed);
    const ae_planes *input = ae_workspace_input(w->workspace);
    const ae_planes *output = ae_workspace_output(w->workspace);
    const ae_planes *target = ae_workspace_target(w->workspace);

    double mse = ae_metrics_mse(kernels, output, target), psnr_db = ae_metrics_psnr_db(mse);
    double ssim = ae_metrics_ssim(kernels, output, target, 1);
    e->psnr_db[slot] = psnr_db;
    e->ssim[slot] = ssim;

    int faults = 0;
    const double bound = ae_fixed_bound(AE_FIXED_K, trainer->test_count);
    const double metric_bound = ae_fixed_bound(AE_FIXED_METRIC_K, trainer->test_count);
    double loss = ae_network_loss(w->workspace, (ae_loss)trainer->settings->train.loss);
    sums[SUM_LOSS] += ae_fixed_from(loss, AE_FIXED_K, bound, &faults);
    sums[SUM_MSE] += ae_fixed_from(mse, AE_FIXED_K, bound, &faults);
    sums[SUM_SSIM] += ae_fixed_from(ssim, AE_FIXED_METRIC_K, metric_bound, &faults);
    bool exact = mse == 0;
    int64_t psnr = exact ? 0 : ae_fixed_from(psnr_db, AE_FIXED_METRIC_K, metric_bound, &faults);
    sums[SUM_PSNR] += psnr;
    sums[SUM_PSNR_INFINITE] += exact;
    if (index < FIRST) {
        sums[SUM_FIRST_PSNR] += psnr;
        sums[SUM_FIRST_FINITE] += !exact;
        double ssim_range2 = ae_metrics_ssim(kernels, output, target, 2);
        sums[SUM_FIRST_SSIM] +=
            ae_fixed_from(ssim_range2, AE_FIXED_METRIC_K, metric_bound, &faults);
    }
    sums[SUM_IMAGES] += 1;
    ae_watchdog_progress();
    sums[SUM_FAULTS] += faults != 0;
    if (with_input) {
        e->input_psnr_db[slot] = ae_metrics_psnr_db(ae_metrics_mse(kernels, input, target));
        e->input_ssim[slot] = ae_metrics_ssim(kernels, input, target, 1);
    }
}

/* This rank's run [begin, end) of test images on its threads; leaves the rest out when asked to
 * stop. */
static void evaluate_run(ae_trainer *trainer, int64_t *sums, int64_t begin, int64_t end,
                         double sigma, bool with_input) {
#pragma omp parallel num_threads(trainer->placement.threads)
    {
        worker *w = &trainer->workers[omp_get_thread_num()];
        int64_t mine[SUMS] = {0};
#pragma omp for schedule(dynamic, 8)
        for (int64_t i = begin; i < end; ++i)
            if (!ae_stop_requested())
                evaluate_image(trainer, w, mine, i, i - begin, sigma, with_input);
        for (int s = 0; s < SUMS; ++s) {
#pragma omp atomic
            sums[s] += mine[s];
        }
    }
}

static void fill_row(ae_epoch_row *row, const int64_t *sums, int64_t count) {
    const double n = (double)count;
    const double first = (double)(count < FIRST ? count : FIRST);
    row->test_loss = ae_fixed_to(sums[SUM_LOSS], AE_FIXED_K) / n;
    row->psnr_pooled_db = ae_metrics_psnr_db(ae_fixed_to(sums[SUM_MSE], AE_FIXED_K) / n);
    row->psnr_infinite = sums[SUM_PSNR_INFINITE];
    /* Where every image is exact the mean is infinite too. */
    double finite = n - (double)row->psnr_infinite;
    row->psnr_db = finite > 0 ? ae_fixed_to(sums[SUM_PSNR], AE_FIXED_METRIC_K) / finite : INFINITY;
    row->ssim = ae_fixed_to(sums[SUM_SSIM], AE_FIXED_METRIC_K) / n;
    double first_finite = (double)sums[SUM_FIRST_FINITE];
    row->psnr_first10_db = first_finite > 0
                               ? ae_fixed_to(sums[SUM_FIRST_PSNR], AE_FIXED_METRIC_K) / first_finite
                               : INFINITY;
    row->ssim_first10_range2 = ae_fixed_to(sums[SUM_FIRST_SSIM], AE_FIXED_METRIC_K) / first;
}

/* Brings the runs' per-image figures together on rank 0, in place. Collective. */
static ae_status gather_images(ae_trainer *trainer, int count, bool with_input) {
    evaluation *e = &trainer->evaluation;
    double *arrays[] = {e->psnr_db, e->ssim, e->input_psnr_db, e->input_ssim};
    for (int a = 0; a < (with_input ? 4 : 2); ++a) {
        ae_status status = ae_comm_gather_doubles(trainer->comm, arrays[a], count, arrays[a]);
        if (status) return status;
    }
    return AE_OK;
}

ae_status ae_trainer_evaluate(ae_trainer *trainer, ae_epoch_row *row, bool *complete, bool *stop) {
    double begin_s = ae_now_s();
    const int64_t count = trainer->test_count;
    const int rank = ae_comm_rank(trainer->comm), size = ae_comm_size(trainer->comm);
    const double sigma = test_sigma(trainer, trainer->state.position.epoch);
    const bool with_input = trainer->evaluation.input_sigma != sigma;
    int64_t begin = count * rank / size, end = count * (rank + 1) / size;
    int64_t sums[SUMS] = {0};
    ae_watchdog_phase("evaluating");
    evaluate_run(trainer, sums, begin, end, sigma, with_input);
    sums[SUM_STOP] = ae_stop_requested();
    ae_comm_sum(trainer->comm, sums, SUMS);
    *stop = sums[SUM_STOP] > 0;
    *complete = sums[SUM_IMAGES] == count;
    if (!*complete) return AE_OK;
    if (sums[SUM_FAULTS] > 0)
        return ae_fail(AE_ERROR_NUMERIC,
                       "epoch %lld: %lld of %lld test images gave a loss, PSNR or SSIM that is not "
                       "a finite number; training diverges. Lower optimizer.lr (now %g) or set "
                       "optimizer.clip_norm, in a new run.dir",
                       (long long)trainer->state.position.epoch + 1, (long long)sums[SUM_FAULTS],
                       (long long)count, trainer->settings->optimizer.lr);
    fill_row(row, sums, count);
    row->test_noise_sigma = sigma;
    ae_status status = gather_images(trainer, (int)(end - begin), with_input);
    trainer->evaluation.input_sigma = sigma;
    trainer->evaluation_s = ae_now_s() - begin_s;
    trainer->phase_s[AE_PHASE_EVALUATE] += trainer->evaluation_s;
    return status;
}

void ae_trainer_pictures(ae_trainer *trainer, float *images, int64_t count, picture kind) {
    worker *w = &trainer->workers[0];
    double sigma = kind == PICTURE_NOISY ? trainer->settings->noise.test_sigma
                                         : test_sigma(trainer, trainer->state.position.epoch);
    for (int64_t n = 0; n < count; ++n) {
        load_test_image(trainer, w, n, sigma);
        if (kind == PICTURE_OUTPUT) ae_network_forward(w->workspace, trainer->packed);
        const ae_planes *planes = kind == PICTURE_CLEAN   ? ae_workspace_target(w->workspace)
                                  : kind == PICTURE_NOISY ? ae_workspace_input(w->workspace)
                                                          : ae_workspace_output(w->workspace);
        ae_planes_to_dense(images + n * AE_IMAGE_PIXELS, planes);
    }
}
