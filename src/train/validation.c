/* The images kept from training, run through the network. */
#include <math.h>

#include "base/fixed.h"
#include "base/stop.h"
#include "base/timer.h"
#include "train/evaluation.h"

/* What a loop over images needs to know. */
typedef struct loop {
    const ae_evaluation *evaluation;
    ae_task task;
} loop;

/* Sums over validation images. */
enum {
    VALIDATION_LOSS /* AE_FIXED_K */,
    VALIDATION_IMAGES,
    VALIDATION_FAULTS,
    VALIDATION_STOP,
    VALIDATION_SUMS
};

/* Image `index` of the training split, with noise and masks that depend on the image alone. */
static void validate_image(ae_member *member, int64_t *sums, int64_t index, void *context) {
    const loop *l = context;
    const ae_evaluation *e = l->evaluation;
    const ae_plan *plan = e->plan;
    const ae_criterion criterion = ae_team_criterion(&l->task, (ae_loss)plan->settings->train.loss);
    const ae_draw draw = {
        .image = index,
        .cut = ae_sample_middle(&plan->sampling, ae_images_place(&l->task.images, index)),
        .stream = {.purpose = AE_RANDOM_VALIDATION_NOISE, .sample = (uint32_t)index}};
    ae_team_load(e->team, member, 0, &l->task, &draw);
    ae_network_forward(member->workspace, e->team->model->packed, 1);
    int faults = 0;
    const double loss = ae_network_loss(member->workspace, 0, criterion);
    sums[VALIDATION_LOSS] += ae_fixed_from(
        loss, AE_FIXED_K, ae_fixed_bound(AE_FIXED_K, plan->validation_images), &faults);
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
    loop l = {.evaluation = evaluation,
              .task = ae_plan_train_task(plan, evaluation->dataset, position->epoch)};
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
        return ae_evaluation_fail(plan, position->epoch, sums[VALIDATION_FAULTS], count,
                                  "validation images gave a loss");
    *loss = ae_fixed_to(sums[VALIDATION_LOSS], AE_FIXED_K) / (double)count;
    *is_best = take_best(position, plan, sums[VALIDATION_LOSS]);
    return AE_OK;
}
