/* One training step's sums: the team computes the rank's shard, one sum over all ranks makes its
 * integer sums the batch's, and every rank does the same with them. */
#ifndef AE_TRAIN_REDUCTION_H
#define AE_TRAIN_REDUCTION_H

#include "train/clock.h"
#include "train/plan.h"

/* What the message carries behind the gradient and the blocks' sums, one int64 each. */
enum {
    AE_STEP_STOP = AE_BLOCK_SUMS, /* ranks asked to stop */
    AE_STEP_SAVE,                 /* rank 0: a checkpoint is due by the clock */
    AE_STEP_EXTRAS
};

typedef struct ae_reduction {
    int64_t *message;    /* [size] */
    size_t size;         /* parameters + AE_STEP_EXTRAS */
    const int64_t *sums; /* behind the gradient: [AE_STEP_EXTRAS], a view */
    float *gradient;     /* [parameters], the batch's mean */
    double loss;         /* mean over the batch of the last update */
} ae_reduction;

/* For a network of so many parameters. Local; to be released whatever is returned. AE_FAILED:
 * memory. */
ae_status ae_reduction_init(ae_reduction *reduction, size_t parameters);
void ae_reduction_release(ae_reduction *reduction);

/* The sums of the whole batch, with whether this rank is asked to stop, and whether its clock says
 * that a checkpoint is due. Collective. */
void ae_reduction_sum(ae_reduction *reduction, ae_comm *comm, ae_team *team, const ae_step *step,
                      bool save, ae_clock *clock);

/* Moves the state on by the summed step: an update, or a step left out where numbers are not finite
 * and train.skip_steps allows it. Local, the same on every rank. AE_ERROR_NUMERIC: training
 * diverges. */
ae_status ae_reduction_apply(ae_reduction *reduction, ae_state *state, ae_model *model,
                             const ae_plan *plan, ae_clock *clock);

#endif
