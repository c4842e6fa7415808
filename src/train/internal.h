/* What a trainer is made of, for this room and its tests. Its parts have headers of their own, and
 * their functions take the parts that they need; only trainer.c knows them all. */
#ifndef AE_TRAIN_INTERNAL_H
#define AE_TRAIN_INTERNAL_H

#include "train/clock.h"
#include "train/evaluation.h"
#include "train/files.h"
#include "train/plan.h"
#include "train/reduction.h"
#include "train/trainer.h"

struct ae_trainer {
    ae_comm *comm;           /* borrowed */
    const ae_config *config; /* borrowed */
    ae_plan plan;
    ae_model model;
    ae_state state;
    ae_dataset *dataset;
    uint32_t *order; /* [plan.samples], of this epoch */
    ae_team *team;
    ae_reduction reduction;
    ae_evaluation evaluation;
    ae_files files;
    ae_clock clock;
};

#endif
