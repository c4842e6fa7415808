/* The test set, each epoch, and the images kept for validation: every rank its run of them, sums as
 * integers. */
#include <math.h>
#include <stdio.h>

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

/* What a loop over images needs to know. */
typedef struct loop {
    ae_trainer *trainer;
    ae_noise noise;
    int64_t begin;   /* the rank's first image */
    bool with_input; /* are the input's figures to be taken too? */
} loop;

/* The test images' noise depends on the image alone, so that curves are smooth and runs compare. */
static void load_test_image(const ae_trainer *trainer, ae_member *member, int64_t index,
                            const ae_noise *noise) {
    ae_images images = ae_dataset_test(trainer->dataset);
    ae_stream stream = {.purpose = AE_RANDOM_TEST_NOISE, .sample = (uint32_t)index};
    ae_team_load(trainer->team, member, ae_images_pixels(&images, index), stream, noise);
}

/* AE_ERROR_NUMERIC: so many of the images had figures that are no numbers. */
static ae_status fail_faults(const ae_trainer *trainer, int64_t faults, int64_t count,
                             const char *what) {
    char text[256];
    snprintf(text, sizeof text, "%lld of %lld %s that is not a finite number", (long long)faults,
             (long long)count, what);
    return ae_trainer_fail_diverged(trainer, 0, text);
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
static void validate_image(ae_member *member, int64_t *sums, int64_t index, void *context) {
    const loop *l = context;
    const ae_trainer *trainer = l->trainer;
    ae_images images = ae_dataset_train(trainer->dataset);
    ae_stream stream = {.purpose = AE_RANDOM_VALIDATION_NOISE, .sample = (uint32_t)index};
    ae_team_load(trainer->team, member, ae_images_pixels(&images, index), stream, &l->noise);
    ae_network_forward(member->workspace, trainer->model.packed);
    int faults = 0;
    double loss = ae_network_loss(member->workspace, (ae_loss)trainer->settings->train.loss);
    sums[VALIDATION_LOSS] += ae_fixed_from(
        loss, AE_FIXED_K, ae_fixed_bound(AE_FIXED_K, trainer->validation_count), &faults);
    sums[VALIDATION_IMAGES] += 1;
    sums[VALIDATION_FAULTS] += faults != 0;
}

ae_status ae_trainer_validate(ae_trainer *trainer, double *loss, bool *is_best, bool *complete,
                              bool *stop) {
    const int64_t count = trainer->validation_count, first = trainer->train_count;
    ae_position *position = &trainer->state.position;
    const bool is_clean = ae_trainer_is_pretraining(trainer, position->epoch);
    loop l = {.trainer = trainer,
              .noise = ae_trainer_noise(trainer, is_clean ? 0 : trainer->settings->noise.sigma)};
    int64_t sums[VALIDATION_SUMS] = {0}, begin, end;
    *loss = NAN;
    *is_best = *stop = false;
    *complete = true;
    if (count == 0) return AE_OK;
    const double begin_s = ae_now_s();
    ae_team_share(&begin, &end, count, ae_comm_rank(trainer->comm), ae_comm_size(trainer->comm));
    ae_team_each(trainer->team, sums, VALIDATION_SUMS, first + begin, first + end, validate_image,
                 &l);
    sums[VALIDATION_STOP] = ae_stop_requested();
    ae_comm_sum(trainer->comm, sums, VALIDATION_SUMS);
    trainer->phase_s[AE_PHASE_EVALUATE] += ae_now_s() - begin_s;
    *stop = sums[VALIDATION_STOP] > 0;
    *complete = sums[VALIDATION_IMAGES] == count;
    if (!*complete) return AE_OK;
    if (sums[VALIDATION_FAULTS] > 0)
        return fail_faults(trainer, sums[VALIDATION_FAULTS], count,
                           "validation images gave a loss");
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

/* One image's figures added to sums; its own to the evaluation's arrays. */
static void evaluate_image(ae_member *member, int64_t *sums, int64_t index, void *context) {
    const loop *l = context;
    ae_trainer *trainer = l->trainer;
    const ae_kernels *kernels = trainer->model.kernels;
    const int64_t slot = index - l->begin;
    evaluation *e = &trainer->evaluation;
    load_test_image(trainer, member, index, &l->noise);
    ae_network_forward(member->workspace, trainer->model.packed);
    const ae_planes *input = ae_workspace_input(member->workspace);
    const ae_planes *output = ae_workspace_output(member->workspace);
    const ae_planes *target = ae_workspace_target(member->workspace);

    double mse = ae_metrics_mse(kernels, output, target), psnr_db = ae_metrics_psnr_db(mse);
    double ssim = ae_metrics_ssim(kernels, output, target, 1);
    e->psnr_db[slot] = psnr_db;
    e->ssim[slot] = ssim;

    int faults = 0;
    const double bound = ae_fixed_bound(AE_FIXED_K, trainer->test_count);
    const double metric_bound = ae_fixed_bound(AE_FIXED_METRIC_K, trainer->test_count);
    double loss = ae_network_loss(member->workspace, (ae_loss)trainer->settings->train.loss);
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
    sums[SUM_FAULTS] += faults != 0;
    if (l->with_input) {
        e->input_psnr_db[slot] = ae_metrics_psnr_db(ae_metrics_mse(kernels, input, target));
        e->input_ssim[slot] = ae_metrics_ssim(kernels, input, target, 1);
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
    const double sigma = test_sigma(trainer, trainer->state.position.epoch);
    loop l = {.trainer = trainer,
              .noise = ae_trainer_noise(trainer, sigma),
              .with_input = trainer->evaluation.input_sigma != sigma};
    int64_t sums[SUMS] = {0}, end;
    ae_watchdog_phase("evaluating");
    ae_team_share(&l.begin, &end, count, ae_comm_rank(trainer->comm), ae_comm_size(trainer->comm));
    ae_team_each(trainer->team, sums, SUMS, l.begin, end, evaluate_image, &l);
    sums[SUM_STOP] = ae_stop_requested();
    ae_comm_sum(trainer->comm, sums, SUMS);
    *stop = sums[SUM_STOP] > 0;
    *complete = sums[SUM_IMAGES] == count;
    if (!*complete) return AE_OK;
    if (sums[SUM_FAULTS] > 0)
        return fail_faults(trainer, sums[SUM_FAULTS], count,
                           "test images gave a loss, PSNR or SSIM");
    fill_row(row, sums, count);
    row->test_noise_sigma = sigma;
    ae_status status = gather_images(trainer, (int)(end - l.begin), l.with_input);
    trainer->evaluation.input_sigma = sigma;
    trainer->evaluation_s = ae_now_s() - begin_s;
    trainer->phase_s[AE_PHASE_EVALUATE] += trainer->evaluation_s;
    return status;
}

void ae_trainer_pictures(ae_trainer *trainer, float *images, int64_t count, picture kind) {
    ae_member *member = &trainer->team->members[0];
    const double sigma = kind == PICTURE_NOISY ? trainer->settings->noise.test_sigma
                                               : test_sigma(trainer, trainer->state.position.epoch);
    const ae_noise noise = ae_trainer_noise(trainer, sigma);
    for (int64_t n = 0; n < count; ++n) {
        load_test_image(trainer, member, n, &noise);
        if (kind == PICTURE_OUTPUT) ae_network_forward(member->workspace, trainer->model.packed);
        const ae_planes *planes = kind == PICTURE_CLEAN   ? ae_workspace_target(member->workspace)
                                  : kind == PICTURE_NOISY ? ae_workspace_input(member->workspace)
                                                          : ae_workspace_output(member->workspace);
        ae_planes_to_dense(images + (size_t)n * ae_shape_values(trainer->picture), planes);
    }
}
