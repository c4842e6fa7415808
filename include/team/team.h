/* A rank's threads at work on samples, each in memory of its own: an image's way through the
 * network, for training, evaluation and measurements alike. All functions are local. */
#ifndef AE_TEAM_TEAM_H
#define AE_TEAM_TEAM_H

#include <stddef.h>
#include <stdint.h>
#include "data/order.h"
#include "team/model.h"
#include "team/task.h"

/* One thread's memory, touched first by it. */
typedef struct ae_member {
    ae_workspace *workspace; /* for `together` pictures */
    void *room;              /* [values of a picture], 4 bytes each: of a cut or mask */
    float *normals;          /* [values of a picture, rounded up to 4] */
    int64_t *sums;           /* [parameters + AE_BLOCK_SUMS], of the step */
    double load_s, work_s;   /* time spent in the step */
} ae_member;

typedef struct ae_team {
    const ae_model *model; /* borrowed */
    ae_shape picture;
    int64_t block; /* images */
    int together;  /* of them at once */
    int threads;
    ae_member *members; /* [threads] */
} ae_team;

/* What a block's sums are behind those of the gradient's elements, one int64 each. */
enum {
    AE_BLOCK_LOSS,      /* sum over the images of the loss, times 2^AE_FIXED_K */
    AE_BLOCK_IMAGES,    /* images seen */
    AE_BLOCK_NONFINITE, /* blocks with a NaN or an infinity */
    AE_BLOCK_OVERFLOW,  /* blocks with a number too large for fixed point */
    AE_BLOCK_SUMS
};

/* The blocks of a step that are this rank's. */
typedef struct ae_step {
    ae_task task;
    const uint32_t *order; /* [of a whole epoch]: the sample at each position */
    ae_shard shard;
    ae_sampling sampling;
    uint32_t epoch;
    ae_loss loss;
    double bound; /* of one block's gradient elements, and of one image's loss */
} ae_step;

/* Makes a member for each of `threads` threads, for pictures of that shape and blocks of so many.
 * Borrows the model. The caller owns *team, NULL on failure. AE_FAILED: memory or threads. */
ae_status ae_team_create(ae_team **team, const ae_model *model, ae_shape picture, int64_t block,
                         int threads);
void ae_team_destroy(ae_team **team);

/* Bytes of one member. */
size_t ae_member_bytes(const ae_model *model, ae_shape picture, int64_t block);

/* Fills the member's input and target number `picture` with a sample. */
void ae_team_load(const ae_team *team, ae_member *member, int picture, const ae_task *task,
                  const ae_draw *draw);

/* How the task's outputs are compared with their targets. */
ae_criterion ae_team_criterion(const ae_task *task, ae_loss loss);

/* Adds the gradient and loss of block `b` of the step to the member's sums. */
void ae_team_train_block(const ae_team *team, ae_member *member, const ae_step *step, int64_t b);

/* sums[parameters + AE_BLOCK_SUMS] = those of all blocks of the step, on all threads: one fork and
 * join. */
void ae_team_train(ae_team *team, const ae_step *step, int64_t *sums);

/* What ae_team_each() does with one image: adds to sums[count]. */
typedef void ae_team_visit(ae_member *member, int64_t *sums, int64_t index, void *context);

/* Adds to sums[count] (count <= AE_TEAM_SUMS_MAX) what `visit` gives for begin <= index < end, on
 * all threads; leaves the rest out when asked to stop. */
enum { AE_TEAM_SUMS_MAX = 16 };
void ae_team_each(ae_team *team, int64_t *sums, int count, int64_t begin, int64_t end,
                  ae_team_visit *visit, void *context);

/* This rank's run [*begin, *end) of `count` items. */
void ae_team_share(int64_t *begin, int64_t *end, int64_t count, int rank, int ranks);

#endif
