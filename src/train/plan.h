/* What a run will be: made once, before it begins, and const from then on. */
#ifndef AE_TRAIN_PLAN_H
#define AE_TRAIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include "comm/comm.h"
#include "comm/placement.h"
#include "config/config.h"
#include "data/dataset.h"
#include "data/order.h"
#include "nn/state.h"
#include "team/team.h"

typedef struct ae_plan {
    const ae_settings *settings; /* borrowed */
    int rank, ranks;
    ae_placement placement;
    ae_shape picture;                                     /* a sample's */
    int64_t train_images, validation_images, test_images; /* the training images come first */
    ae_sampling sampling;
    int64_t samples; /* of an epoch */
    int64_t steps_per_epoch, total_epochs;
    ae_data_info images;
    int64_t block; /* images; by the network too, and set when that is made */
} ae_plan;

/* For what there is to train on, and the machine there is to work with. Borrows the configuration.
 * Collective. AE_ERROR_USAGE. */
ae_status ae_plan_make(ae_plan *plan, ae_comm *comm, const ae_config *config,
                       const ae_data_info *images);

/* The noise of the training images of an epoch, counted from 0, and of its evaluation at a level
 * (ae_noise_of_test); and at how many levels that is: 0 while pretraining, which has no noise. */
ae_noise ae_plan_train_noise(const ae_plan *plan, int64_t epoch);
ae_noise ae_plan_test_noise(const ae_plan *plan, int64_t epoch, int level);
int ae_plan_levels(const ae_plan *plan, int64_t epoch);

/* What the network is shown, and is to return, of the training images of an epoch, those kept for
 * validation among them. Of the data set's loaded images. */
ae_task ae_plan_train_task(const ae_plan *plan, const ae_dataset *dataset, int64_t epoch);

/* Are all test images of the samples' shape? */
bool ae_plan_test_fits(const ae_plan *plan);

/* Is `epoch`, counted from 1, the run's last, with what `position` tells of the best one? */
bool ae_plan_ends(const ae_plan *plan, const ae_position *position, int64_t epoch);

/* Is the test set evaluated after it? */
bool ae_plan_tests(const ae_plan *plan, const ae_position *position, int64_t epoch);

/* The learning rate of an update, counted from 0 through all epochs. */
double ae_plan_lr(const ae_plan *plan, int64_t update);

/* This rank's part of the step at `position`. */
ae_shard ae_plan_shard(const ae_plan *plan, const ae_position *position);

/* Could a run come to that position? */
bool ae_plan_can_reach(const ae_plan *plan, const ae_position *position);

/* AE_ERROR_NUMERIC: "epoch N, step M: WHAT; training diverges. ..."; step 0: none is named. */
ae_status ae_plan_fail_diverged(const ae_plan *plan, int64_t epoch, int64_t step, const char *what);

/* For the reader: the plan itself; what memory and messages it takes; and warnings on what he may
 * not have meant. */
void ae_plan_print(const ae_plan *plan, const ae_comm *comm, const ae_model *model);
void ae_plan_print_memory(const ae_plan *plan, const ae_model *model, int moments,
                          size_t message_bytes);
void ae_plan_warn(const ae_plan *plan);

#endif
