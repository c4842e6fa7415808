/* The trainer: what happens when. All functions are collective. */
#ifndef AE_TRAIN_TRAINER_H
#define AE_TRAIN_TRAINER_H

#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"
#include "kernels/planes.h"

typedef struct ae_trainer ae_trainer;

/* Checks the configuration against the data and the ranks, and prints the plan. Borrows comm and
 * config; the caller owns *trainer (NULL on failure). AE_ERROR_USAGE, AE_ERROR_DATA. */
ae_status ae_trainer_create(ae_trainer **trainer, ae_comm *comm, const ae_config *config);
void ae_trainer_destroy(ae_trainer **trainer);

/* Validates the images as well and prints what a run would take: memory and work. */
ae_status ae_trainer_check(ae_trainer *trainer);

/* Does `steps` steps without evaluation and files, for measuring; *seconds = what they took on this
 * rank, *images = how many there were in all. The images are loaded, and as many steps done,
 * before. */
ae_status ae_trainer_measure(ae_trainer *trainer, int64_t steps, double *seconds, int64_t *images);

/* What a step is made of: the shape of its images, how many of them are a block, and the int64
 * values of its reduction. Local. */
ae_shape ae_trainer_picture(const ae_trainer *trainer);
int64_t ae_trainer_block(const ae_trainer *trainer);
int ae_trainer_message_size(const ae_trainer *trainer);

/* Trains to the end, going on from the newest whole checkpoint where the run folder has one.
 * AE_STOPPED: stopped early on request, state saved. AE_ERROR_USAGE, AE_ERROR_DATA, AE_ERROR_IO,
 * AE_ERROR_NUMERIC: what was saved before stands. */
ae_status ae_trainer_run(ae_trainer *trainer);

#endif
