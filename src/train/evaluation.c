/* The test set and the validation images, run through the network. */
#include "train/evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fixed.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "metrics/metrics.h"

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

ae_status ae_evaluation_init(ae_evaluation *evaluation, const ae_plan *plan, ae_comm *comm,
                             ae_team *team, const ae_dataset *dataset) {
    ae_evaluation *e = evaluation;
    double **arrays[] = {&e->psnr_db, &e->ssim, &e->input_psnr_db, &e->input_ssim};
    ae_status status = AE_OK;
    *e = (ae_evaluation){
        .plan = plan, .comm = comm, .team = team, .dataset = dataset, .input_sigma = -1};
    for (int a = 0; a < 4; ++a)
        if (!(*arrays[a] = calloc((size_t)plan->test_images, sizeof(double))))
            status = ae_fail_memory("the results");
    return status;
}

void ae_evaluation_release(ae_evaluation *evaluation) {
    free(evaluation->psnr_db);
    free(evaluation->ssim);
    free(evaluation->input_psnr_db);
    free(evaluation->input_ssim);
    *evaluation = (ae_evaluation){0};
}

/* What a loop over images needs to know. */
typedef struct loop {
    ae_evaluation *evaluation;
    ae_noise noise;
    int64_t begin;   /* the rank's first image */
    bool with_input; /* are the input's figures to be taken too? */
} loop;

/* The test images' noise depends on the image alone, so that curves are smooth and runs compare. */
static void load_test_image(const ae_evaluation *e, ae_member *member, int64_t index,
                            const ae_noise *noise) {
    ae_images images = ae_dataset_test(e->dataset);
    ae_stream stream = {.purpose = AE_RANDOM_TEST_NOISE, .sample = (uint32_t)index};
    ae_team_load(e->team, member, &images, index, (ae_cut){0}, stream, noise);
}

/* AE_ERROR_NUMERIC: so many of the images had figures that are no numbers. */
static ae_status fail_faults(const ae_plan *plan, int64_t epoch, int64_t faults, int64_t count,
                             const char *what) {
    char text[256];
    snprintf(text, sizeof text, "%lld of %lld %s that is not a finite number", (long long)faults,
             (long long)count, what);
    return ae_plan_fail_diverged(plan, epoch, 0, text);
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
    const ae_evaluation *e = l->evaluation;
    ae_images images = ae_dataset_train(e->dataset);
    ae_stream stream = {.purpose = AE_RANDOM_VALIDATION_NOISE, .sample = (uint32_t)index};
    const ae_cut cut = ae_sample_middle(&e->plan->sampling, ae_images_place(&images, index));
    ae_team_load(e->team, member, &images, index, cut, stream, &l->noise);
    ae_network_forward(member->workspace, e->team->model->packed);
    int faults = 0;
    double loss = ae_network_loss(member->workspace, (ae_loss)e->plan->settings->train.loss);
    sums[VALIDATION_LOSS] += ae_fixed_from(
        loss, AE_FIXED_K, ae_fixed_bound(AE_FIXED_K, e->plan->validation_images), &faults);
    sums[VALIDATION_IMAGES] += 1;
    sums[VALIDATION_FAULTS] += faults != 0;
}

/* Is that sum of losses the phase's lowest? Losses with noise and without don't compare. */
static bool take_best(ae_position *position, const ae_plan *plan, int64_t sum) {
    const bool is_first =
        position->best_epoch == 0 || position->epoch == plan->settings->train.pretrain_epochs;
    if (!is_first && sum >= position->best_sum) return false;
    position->best_epoch = position->epoch + 1;
    position->best_sum = sum;
    return true;
}

ae_status ae_evaluation_validate(ae_evaluation *evaluation, ae_position *position, double *loss,
                                 bool *is_best, ae_clock *clock, bool *complete, bool *stop) {
    const ae_plan *plan = evaluation->plan;
    const int64_t count = plan->validation_images, first = plan->train_images;
    loop l = {.evaluation = evaluation, .noise = ae_plan_train_noise(plan, position->epoch)};
    int64_t sums[VALIDATION_SUMS] = {0}, begin, end;
    *loss = NAN;
    *is_best = *stop = false;
    *complete = true;
    if (count == 0) return AE_OK;
    const double begin_s = ae_now_s();
    ae_team_share(&begin, &end, count, plan->rank, plan->ranks);
    ae_team_each(evaluation->team, sums, VALIDATION_SUMS, first + begin, first + end,
                 validate_image, &l);
    sums[VALIDATION_STOP] = ae_stop_requested();
    ae_comm_sum(evaluation->comm, sums, VALIDATION_SUMS);
    clock->part_s[AE_PART_EVALUATE] += ae_now_s() - begin_s;
    *stop = sums[VALIDATION_STOP] > 0;
    *complete = sums[VALIDATION_IMAGES] == count;
    if (!*complete) return AE_OK;
    if (sums[VALIDATION_FAULTS] > 0)
        return fail_faults(plan, position->epoch, sums[VALIDATION_FAULTS], count,
                           "validation images gave a loss");
    *loss = ae_fixed_to(sums[VALIDATION_LOSS], AE_FIXED_K) / (double)count;
    *is_best = take_best(position, plan, sums[VALIDATION_LOSS]);
    return AE_OK;
}

/* One image's figures added to sums; its own to the evaluation's arrays. */
static void evaluate_image(ae_member *member, int64_t *sums, int64_t index, void *context) {
    const loop *l = context;
    ae_evaluation *e = l->evaluation;
    const ae_kernels *kernels = e->team->model->kernels;
    const int64_t slot = index - l->begin;
    load_test_image(e, member, index, &l->noise);
    ae_network_forward(member->workspace, e->team->model->packed);
    const ae_planes *input = ae_workspace_input(member->workspace);
    const ae_planes *output = ae_workspace_output(member->workspace);
    const ae_planes *target = ae_workspace_target(member->workspace);

    double mse = ae_metrics_mse(kernels, output, target), psnr_db = ae_metrics_psnr_db(mse);
    double ssim = ae_metrics_ssim(kernels, output, target, 1);
    e->psnr_db[slot] = psnr_db;
    e->ssim[slot] = ssim;

    int faults = 0;
    const double bound = ae_fixed_bound(AE_FIXED_K, e->plan->test_images);
    const double metric_bound = ae_fixed_bound(AE_FIXED_METRIC_K, e->plan->test_images);
    double loss = ae_network_loss(member->workspace, (ae_loss)e->plan->settings->train.loss);
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
static void gather_images(ae_evaluation *e, int count, bool with_input) {
    double *arrays[] = {e->psnr_db, e->ssim, e->input_psnr_db, e->input_ssim};
    for (int a = 0; a < (with_input ? 4 : 2); ++a)
        ae_comm_gather_doubles(e->comm, arrays[a], count, arrays[a]);
}

ae_status ae_evaluation_test(ae_evaluation *evaluation, ae_epoch_row *row, int64_t epoch,
                             ae_clock *clock, bool *complete, bool *stop) {
    const double begin_s = ae_now_s();
    const ae_plan *plan = evaluation->plan;
    const int64_t count = plan->test_images;
    loop l = {.evaluation = evaluation, .noise = ae_plan_test_noise(plan, epoch)};
    l.with_input = evaluation->input_sigma != l.noise.sigma;
    int64_t sums[SUMS] = {0}, end;
    ae_watchdog_doing("evaluating");
    ae_team_share(&l.begin, &end, count, plan->rank, plan->ranks);
    ae_team_each(evaluation->team, sums, SUMS, l.begin, end, evaluate_image, &l);
    sums[SUM_STOP] = ae_stop_requested();
    ae_comm_sum(evaluation->comm, sums, SUMS);
    *stop = sums[SUM_STOP] > 0;
    *complete = sums[SUM_IMAGES] == count;
    if (!*complete) return AE_OK;
    if (sums[SUM_FAULTS] > 0)
        return fail_faults(plan, epoch, sums[SUM_FAULTS], count,
                           "test images gave a loss, PSNR or SSIM");
    fill_row(row, sums, count);
    gather_images(evaluation, (int)(end - l.begin), l.with_input);
    evaluation->input_sigma = l.noise.sigma;
    clock->evaluation_s = ae_now_s() - begin_s;
    clock->part_s[AE_PART_EVALUATE] += clock->evaluation_s;
    return AE_OK;
}

void ae_evaluation_pictures(const ae_evaluation *evaluation, float *images, int64_t count,
                            ae_picture kind, int64_t epoch) {
    const ae_team *team = evaluation->team;
    ae_member *member = &team->members[0];
    const ae_planes *planes = kind == AE_PICTURE_CLEAN   ? ae_workspace_target(member->workspace)
                              : kind == AE_PICTURE_NOISY ? ae_workspace_input(member->workspace)
                                                         : ae_workspace_output(member->workspace);
    ae_noise noise = ae_plan_test_noise(evaluation->plan, epoch);
    if (kind == AE_PICTURE_NOISY) noise.sigma = evaluation->plan->settings->noise.test_sigma;
    for (int64_t n = 0; n < count; ++n) {
        load_test_image(evaluation, member, n, &noise);
        if (kind == AE_PICTURE_OUTPUT) ae_network_forward(member->workspace, team->model->packed);
        ae_planes_to_dense(images + (size_t)n * ae_shape_values(team->picture), planes);
    }
}
