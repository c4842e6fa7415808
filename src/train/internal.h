/* The trainer's parts, for this room. */
#ifndef AE_TRAIN_INTERNAL_H
#define AE_TRAIN_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include "comm/placement.h"
#include "data/dataset.h"
#include "io/checkpoint.h"
#include "io/results.h"
#include "io/run_folder.h"
#include "kernels/kernels.h"
#include "nn/state.h"
#include "team/team.h"
#include "train/trainer.h"

/* What one step's reduction carries behind the gradient and the blocks' sums, one int64 each. */
enum {
    AE_STEP_STOP = AE_BLOCK_SUMS, /* ranks asked to stop */
    AE_STEP_SAVE,                 /* rank 0: a checkpoint is due by the clock */
    AE_STEP_EXTRAS
};

/* The test set's results, on rank 0 those of all ranks. */
typedef struct evaluation {
    double *psnr_db, *ssim;             /* [test images]; elsewhere this rank's run of them */
    double *input_psnr_db, *input_ssim; /* of the network's input */
    double input_sigma; /* the noise they were taken with; negative: not yet taken */
} evaluation;

struct ae_trainer {
    ae_comm *comm;           /* borrowed */
    const ae_config *config; /* borrowed */
    const ae_settings *settings;
    ae_model model;
    ae_placement placement;
    ae_shape picture;
    int64_t train_count, validation_count, test_count; /* the training images come first */
    int64_t steps_per_epoch, total_epochs;

    ae_dataset *dataset;
    uint32_t *order; /* [train_count], of this epoch */
    float *gradient;
    ae_state state; /* what a checkpoint holds */
    ae_team *team;
    size_t message_size; /* parameters + AE_STEP_EXTRAS */
    int64_t *message;    /* [message_size] */
    evaluation evaluation;

    ae_run_folder *folder; /* rank 0's alone */
    ae_results *results;   /* rank 0's alone */

    double phase_s[AE_PHASES]; /* this rank's, since the epoch (or the program) began */
    double epoch_begin_s;      /* with the files of the epoch before */
    double steps_begin_s;      /* of this epoch's steps, or of those since the program began */
    double saved_s;            /* when the last checkpoint was written, or the program began */
    double last_loss;          /* mean over the last step's batch */
    int64_t images_seen;       /* since phase_s began */
    double evaluation_s;       /* of the last one */
};

/* plan.c: what a run will be, for the reader, and warnings on what he may not have meant. */
void ae_plan_print(const ae_trainer *trainer);
void ae_plan_print_memory(const ae_trainer *trainer);
void ae_plan_warn(const ae_trainer *trainer);

/* limits.c: the time there is, and ranks that take too much of it. */

/* Sets the time at which to stop. Local. */
void ae_limits_begin(const ae_trainer *trainer);

/* Is a checkpoint due by the clock? Rank 0's is the one that counts. Local. */
bool ae_limits_checkpoint_is_due(const ae_trainer *trainer);

/* A rank's part of an epoch. */
typedef struct ae_share {
    double compute_s;
    int rank;
} ae_share;

/* Sorts shares[size] (size > 0) by time, the slowest last. Returns how many of them took
 * slow_percent more than the median, of two the lower, and a second at least. Local. */
int ae_limits_find_slow(ae_share *shares, int size, int64_t slow_percent, double *median_s);

/* Warns of ranks whose computing takes much longer than the median's. Collective. */
void ae_limits_warn_slow(ae_trainer *trainer);

/* step.c */

/* Is `epoch` (counted from 0) one on clean images? */
bool ae_trainer_is_pretraining(const ae_trainer *trainer, int64_t epoch);

/* Noise of that standard deviation, or none, cut as the settings say. */
ae_noise ae_trainer_noise(const ae_trainer *trainer, double sigma);

/* AE_ERROR_NUMERIC: "epoch N, step M: WHAT; training diverges. ..."; step 0: none is named. */
ae_status ae_trainer_fail_diverged(const ae_trainer *trainer, int64_t step, const char *what);

/* The learning rate of an update, counted from 0 through all epochs. */
double ae_trainer_lr(const ae_trainer *trainer, int64_t update);

/* Does the step at the trainer's position and moves it on; *stop: a rank was asked to stop; *save:
 * a checkpoint is due by the clock. AE_ERROR_NUMERIC: training diverges, the same on every rank.
 * Collective. */
ae_status ae_trainer_step(ae_trainer *trainer, bool *stop, bool *save);

/* evaluate.c */

/* Evaluates the whole test set and fills the row's test figures; per-image ones on rank 0.
 * *complete: false where a rank was asked to stop and left images out. Collective. */
ae_status ae_trainer_evaluate(ae_trainer *trainer, ae_epoch_row *row, bool *complete, bool *stop);

/* The loss of the images kept from training, and whether it is the phase's lowest so far. Without
 * such images: not a number, and no. *complete, *stop as above. Collective. */
ae_status ae_trainer_validate(ae_trainer *trainer, double *loss, bool *is_best, bool *complete,
                              bool *stop);

/* images[n][channels][height][width] = the first `count` test images: clean, as the denoising
 * phase's input, or the network's output for the current epoch's input. Local. */
typedef enum picture { PICTURE_CLEAN, PICTURE_NOISY, PICTURE_OUTPUT } picture;
void ae_trainer_pictures(ae_trainer *trainer, float *images, int64_t count, picture kind);

/* origin.c: whose weights the run begins with. Rank 0's alone; local. */

/* Takes those that train.init_from names, if it names any. */
ae_status ae_origin_begin(ae_trainer *trainer);

/* Is it as when the run was begun? The file may have moved, or be gone: it is looked at only where
 * the option has changed. AE_ERROR_USAGE: other weights. */
ae_status ae_origin_check(ae_trainer *trainer);

/* files.c: what rank 0 reads and writes; a failure is told to all ranks. Collective. */

/* Opens the run's folder and takes the newest whole checkpoint's state, if there is one; else the
 * run begins, with train.init_from's weights or the seed's. */
ae_status ae_files_open(ae_trainer *trainer);

/* Could the run begin, if it hasn't? Nothing is written. */
ae_status ae_files_check(ae_trainer *trainer);

/* Begins results.h5, or goes on with it, at the state's position. After the images are there. */
ae_status ae_files_begin_results(ae_trainer *trainer);

/* Adds an epoch to results.h5 and publishes it, then writes a checkpoint where one is due, and
 * another one where it is the best. */
ae_status ae_files_save_epoch(ae_trainer *trainer, const ae_epoch_row *row, bool is_best);

/* *hold = does results.h5 hold the figures of the last epoch done? AE_ERROR_IO: what is there is
 * damaged or another program's. */
ae_status ae_files_hold_end(ae_trainer *trainer, bool *hold);

/* Writes a checkpoint of the state. */
ae_status ae_files_save_checkpoint(ae_trainer *trainer);
void ae_files_close(ae_trainer *trainer);

/* progress.c: for the reader. */
void ae_progress_step(const ae_trainer *trainer);
void ae_progress_epoch(const ae_trainer *trainer, const ae_epoch_row *row);
void ae_progress_end(const ae_trainer *trainer);

#endif
