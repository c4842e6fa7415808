/* The test set, run through the network: by the team, an image a thread, where its images are of
 * the samples' shape; else each whole, in tiles. */
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
    SUM_SSIM,          /* AE_FIXED_METRIC_K, defined ones */
    SUM_SSIM_DEFINED,  /* number */
    SUM_FIRST_PSNR,    /* dB, AE_FIXED_METRIC_K, finite ones of the first images */
    SUM_FIRST_FINITE,  /* number */
    SUM_FIRST_SSIM,    /* data range 2, AE_FIXED_METRIC_K, defined ones */
    SUM_FIRST_DEFINED, /* number */
    SUM_IMAGES,
    SUM_FAULTS, /* images with a figure that is not a number */
    SUM_STOP,   /* ranks asked to stop */
    SUMS
};

ae_status ae_evaluation_check(const ae_network *network, const ae_dataset *dataset) {
    const ae_image_set *test = &ae_dataset_info(dataset)->test;
    const int64_t count = ae_image_set_is_mixed(test) ? test->count : 1;
    for (int64_t i = 0; i < count; ++i) {
        const ae_shape shape = ae_dataset_test_shape(dataset, i);
        if (ae_tiles_fit(network, shape.height, shape.width)) continue;
        char name[AE_IMAGE_NAME_SIZE];
        return ae_fail(AE_ERROR_DATA,
                       "%s, to test on, has %d x %d pixels, which the network doesn't return to "
                       "that size; leave it out, or choose layers that do (same)",
                       ae_dataset_test_name(dataset, i, name), shape.height, shape.width);
    }
    return AE_OK;
}

ae_status ae_evaluation_init(ae_evaluation *evaluation, const ae_plan *plan, ae_comm *comm,
                             ae_team *team, const ae_dataset *dataset) {
    ae_evaluation *e = evaluation;
    double **arrays[] = {&e->psnr_db, &e->ssim, &e->input_psnr_db, &e->input_ssim};
    const ae_images images = ae_dataset_test(dataset);
    ae_status status = AE_OK;
    *e = (ae_evaluation){
        .plan = plan, .comm = comm, .team = team, .dataset = dataset, .input_levels = -1};
    for (int a = 0; a < 4; ++a)
        if (!(*arrays[a] = calloc((size_t)plan->test_images, sizeof(double))))
            status = ae_fail_memory("the results");
    if (status == AE_OK && !ae_plan_test_fits(plan))
        status = ae_whole_create(&e->whole, team->model, &images, team->threads);
    return status;
}

void ae_evaluation_release(ae_evaluation *evaluation) {
    free(evaluation->psnr_db);
    free(evaluation->ssim);
    free(evaluation->input_psnr_db);
    free(evaluation->input_ssim);
    ae_whole_destroy(&evaluation->whole);
    *evaluation = (ae_evaluation){0};
}

ae_status ae_evaluation_fail(const ae_plan *plan, int64_t epoch, int64_t faults, int64_t count,
                             const char *what) {
    char text[256];
    snprintf(text, sizeof text, "%lld of %lld %s that is not a finite number", (long long)faults,
             (long long)count, what);
    return ae_plan_fail_diverged(plan, epoch, 0, text);
}

/* What a loop over images needs to know. */
typedef struct loop {
    ae_evaluation *evaluation;
    int64_t begin, end; /* the rank's run of images */
    ae_task task;
    bool is_first;   /* of the levels of noise: its images' own figures are kept, */
    bool with_input; /* those of the input too */
} loop;

/* The test images' noise depends on the image alone, so that curves are smooth and runs compare. */
static ae_stream noise_stream(int64_t index) {
    return (ae_stream){.purpose = AE_RANDOM_TEST_NOISE, .sample = (uint32_t)index};
}

/* An image on its way through the network. Borrowed. */
typedef struct passed {
    const ae_planes *input, *output, *target;
} passed;

/* What the network is shown of the test images, and is to return. */
static ae_task test_task(const ae_evaluation *e, ae_noise noise) {
    return (ae_task){.images = ae_dataset_test(e->dataset),
                     .others = ae_dataset_test_others(e->dataset),
                     .noise = noise};
}

/* Loads a test image into the memory for whole ones, or the member's. */
static passed load_image(const ae_evaluation *e, ae_member *member, const ae_task *task,
                         int64_t index) {
    const ae_draw draw = {.image = index, .stream = noise_stream(index)};
    ae_whole *whole = e->whole;
    if (whole) {
        ae_whole_load(whole, task, index, draw.stream);
        return (passed){&whole->input, &whole->output, &whole->target};
    }
    ae_team_load(e->team, member, 0, task, &draw);
    return (passed){ae_workspace_input(member->workspace, 0),
                    ae_workspace_output(member->workspace, 0),
                    ae_workspace_target(member->workspace, 0)};
}

/* Makes its output. False where asked to stop, with a part of it made. */
static bool forward_image(const ae_evaluation *e, ae_member *member) {
    if (e->whole) return ae_whole_apply(e->whole);
    ae_network_forward(member->workspace, e->team->model->packed, 1);
    return true;
}

static double loss_of_image(const ae_evaluation *e, ae_member *member) {
    const ae_loss loss = (ae_loss)e->plan->settings->train.loss;
    return e->whole ? ae_whole_loss(e->whole, loss)
                    : ae_network_loss(member->workspace, 0, (ae_criterion){.loss = loss});
}

/* SSIM adds up where it is defined: its window must fit into the image. */
static void add_ssim(int64_t *sums, int sum, int defined, double ssim, double bound, int *faults) {
    if (isnan(ssim)) return;
    sums[sum] += ae_fixed_from(ssim, AE_FIXED_METRIC_K, bound, faults);
    sums[defined] += 1;
}

static bool has_ssim(const ae_planes *planes) {
    return planes->height >= AE_SSIM_WINDOW && planes->width >= AE_SSIM_WINDOW;
}

/* The image's figures but its loss added to sums; its own to the evaluation's arrays. Returns what
 * was wrong with them. */
static int add_figures(const loop *l, int64_t *sums, int64_t index, const passed *p) {
    ae_evaluation *e = l->evaluation;
    const ae_kernels *kernels = e->team->model->kernels;
    const int64_t slot = index - l->begin;
    const double mse = ae_metrics_mse(kernels, p->output, p->target);
    const double psnr_db = ae_metrics_psnr_db(mse);
    const double ssim = ae_metrics_ssim(kernels, p->output, p->target, 1);
    if (l->is_first) {
        e->psnr_db[slot] = psnr_db;
        e->ssim[slot] = ssim;
    }

    int faults = has_ssim(p->output) && isnan(ssim) ? AE_FIXED_NONFINITE : 0;
    const double bound = ae_fixed_bound(AE_FIXED_K, e->plan->test_images);
    const double metric_bound = ae_fixed_bound(AE_FIXED_METRIC_K, e->plan->test_images);
    const bool exact = mse == 0;
    const int64_t psnr =
        exact ? 0 : ae_fixed_from(psnr_db, AE_FIXED_METRIC_K, metric_bound, &faults);
    sums[SUM_MSE] += ae_fixed_from(mse, AE_FIXED_K, bound, &faults);
    add_ssim(sums, SUM_SSIM, SUM_SSIM_DEFINED, ssim, metric_bound, &faults);
    sums[SUM_PSNR] += psnr;
    sums[SUM_PSNR_INFINITE] += exact;
    if (index < FIRST) {
        sums[SUM_FIRST_PSNR] += psnr;
        sums[SUM_FIRST_FINITE] += !exact;
        add_ssim(sums, SUM_FIRST_SSIM, SUM_FIRST_DEFINED,
                 ae_metrics_ssim(kernels, p->output, p->target, 2), metric_bound, &faults);
    }
    if (l->with_input) {
        e->input_psnr_db[slot] = ae_metrics_psnr_db(ae_metrics_mse(kernels, p->input, p->target));
        e->input_ssim[slot] = ae_metrics_ssim(kernels, p->input, p->target, 1);
    }
    return faults;
}

/* One image's figures added to sums; its own to the evaluation's arrays. */
static void evaluate_image(ae_member *member, int64_t *sums, int64_t index, void *context) {
    const loop *l = context;
    const ae_evaluation *e = l->evaluation;
    const passed p = load_image(e, member, &l->task, index);
    if (!forward_image(e, member)) return;
    int faults = add_figures(l, sums, index, &p);
    sums[SUM_LOSS] += ae_fixed_from(loss_of_image(e, member), AE_FIXED_K,
                                    ae_fixed_bound(AE_FIXED_K, e->plan->test_images), &faults);
    sums[SUM_IMAGES] += 1;
    sums[SUM_FAULTS] += faults != 0;
}

/* Those of the rank's images, an image a thread, or all threads at each. */
static void evaluate_images(loop *l, int64_t *sums) {
    ae_evaluation *e = l->evaluation;
    if (!e->whole) {
        ae_team_each(e->team, sums, SUMS, l->begin, l->end, evaluate_image, l);
        return;
    }
    for (int64_t i = l->begin; i < l->end && !ae_stop_requested(); ++i) {
        evaluate_image(NULL, sums, i, l);
        ae_watchdog_progress();
    }
}

static int64_t pixels_of(const ae_images *images, int64_t index) {
    const ae_image_place *place = ae_images_place(images, index);
    return (int64_t)place->height * place->width;
}

/* This rank's run [*begin, *end) of the test images: as many pixels for each. */
static void share_images(int64_t *begin, int64_t *end, const ae_evaluation *e) {
    const ae_images images = ae_dataset_test(e->dataset);
    const ae_plan *plan = e->plan;
    int64_t all = 0, pixels = 0, first, last;
    for (int64_t i = 0; i < images.count; ++i) all += pixels_of(&images, i);
    ae_team_share(&first, &last, all, plan->rank, plan->ranks);
    *begin = *end = images.count;
    for (int64_t i = 0; i < images.count; ++i) {
        if (pixels >= first && *begin == images.count) *begin = i;
        if (pixels >= last && *end == images.count) *end = i;
        pixels += pixels_of(&images, i);
    }
}

/* Not a number where no image has it. */
static double mean_ssim(const int64_t *sums, int sum, int defined) {
    if (sums[defined] == 0) return NAN;
    return ae_fixed_to(sums[sum], AE_FIXED_METRIC_K) / (double)sums[defined];
}

/* Of the finite ones; where every image is exact the mean is infinite too. */
static double mean_psnr_db(const int64_t *sums, int sum, int64_t finite) {
    return finite > 0 ? ae_fixed_to(sums[sum], AE_FIXED_METRIC_K) / (double)finite : INFINITY;
}

static void fill_level(ae_epoch_row *row, int level, const int64_t *sums) {
    row->level_psnr_db[level] =
        mean_psnr_db(sums, SUM_PSNR, sums[SUM_IMAGES] - sums[SUM_PSNR_INFINITE]);
    row->level_ssim[level] = mean_ssim(sums, SUM_SSIM, SUM_SSIM_DEFINED);
}

/* The first level's. */
static void fill_row(ae_epoch_row *row, const int64_t *sums) {
    const double n = (double)sums[SUM_IMAGES];
    row->test_loss = ae_fixed_to(sums[SUM_LOSS], AE_FIXED_K) / n;
    row->psnr_pooled_db = ae_metrics_psnr_db(ae_fixed_to(sums[SUM_MSE], AE_FIXED_K) / n);
    row->psnr_infinite = sums[SUM_PSNR_INFINITE];
    row->psnr_db = row->level_psnr_db[0];
    row->ssim = row->level_ssim[0];
    row->psnr_first10_db = mean_psnr_db(sums, SUM_FIRST_PSNR, sums[SUM_FIRST_FINITE]);
    row->ssim_first10_range2 = mean_ssim(sums, SUM_FIRST_SSIM, SUM_FIRST_DEFINED);
}

/* Brings the runs' per-image figures together on rank 0, in place. Collective. */
static void gather_images(ae_evaluation *e, int count, bool with_input) {
    double *arrays[] = {e->psnr_db, e->ssim, e->input_psnr_db, e->input_ssim};
    for (int a = 0; a < (with_input ? 4 : 2); ++a)
        ae_comm_gather_doubles(e->comm, arrays[a], count, arrays[a]);
}

/* Evaluates all test images at the loop's level. *complete: not where a rank was asked to stop, as
 * *stop then tells too. Collective. */
static ae_status evaluate_level(loop *l, int64_t sums[SUMS], int64_t epoch, bool *complete,
                                bool *stop) {
    ae_evaluation *e = l->evaluation;
    const int64_t count = e->plan->test_images;
    evaluate_images(l, sums);
    sums[SUM_STOP] = ae_stop_requested();
    ae_comm_sum(e->comm, sums, SUMS);
    *stop |= sums[SUM_STOP] > 0;
    *complete = sums[SUM_IMAGES] == count;
    if (!*complete || sums[SUM_FAULTS] == 0) return AE_OK;
    return ae_evaluation_fail(e->plan, epoch, sums[SUM_FAULTS], count,
                              "test images gave a loss, PSNR or SSIM");
}

ae_status ae_evaluation_test(ae_evaluation *evaluation, ae_epoch_row *row, int64_t epoch,
                             ae_clock *clock, bool *complete, bool *stop) {
    const double begin_s = ae_now_s();
    ae_evaluation *e = evaluation;
    const int levels = ae_plan_levels(e->plan, epoch);
    loop l = {.evaluation = e};
    ae_watchdog_doing("evaluating");
    share_images(&l.begin, &l.end, e);
    *stop = false;
    for (int level = 0; level == 0 || level < levels; ++level) {
        int64_t sums[SUMS] = {0};
        l.task = test_task(e, ae_plan_test_noise(e->plan, epoch, level));
        l.is_first = level == 0;
        l.with_input = l.is_first && e->input_levels != levels;
        ae_status status = evaluate_level(&l, sums, epoch, complete, stop);
        if (status != AE_OK || !*complete) return status;
        fill_level(row, level, sums);
        if (!l.is_first) continue;
        fill_row(row, sums);
        gather_images(e, (int)(l.end - l.begin), l.with_input);
    }
    row->levels = levels;
    e->input_levels = levels;
    clock->evaluation_s = ae_now_s() - begin_s;
    clock->part_s[AE_PART_EVALUATE] += clock->evaluation_s;
    return AE_OK;
}

void ae_evaluation_pictures(const ae_evaluation *evaluation, float *images, int64_t count,
                            ae_picture kind, int64_t epoch) {
    const ae_task task = test_task(
        evaluation, kind == AE_PICTURE_NOISY ? ae_noise_of_test(evaluation->plan->settings, 0)
                                             : ae_plan_test_noise(evaluation->plan, epoch, 0));
    for (int64_t n = 0; n < count; ++n) {
        ae_member *member = &evaluation->team->members[0];
        const passed p = load_image(evaluation, member, &task, n);
        if (kind == AE_PICTURE_OUTPUT) forward_image(evaluation, member);
        ae_planes_to_dense(images, kind == AE_PICTURE_CLEAN   ? p.target
                                   : kind == AE_PICTURE_NOISY ? p.input
                                                              : p.output);
        images += pixels_of(&task.images, n) * task.images.channels;
    }
}
