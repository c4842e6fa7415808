/* The test set, each epoch, and the images kept for validation: every rank its run of them, sums as
 * integers. */
#ifndef AE_TRAIN_EVALUATION_H
#define AE_TRAIN_EVALUATION_H

#include "data/dataset.h"
#include "team/whole.h"
#include "train/clock.h"
#include "train/plan.h"

/* What is evaluated with, and the test images' own figures. */
typedef struct ae_evaluation {
    const ae_plan *plan; /* borrowed, as what follows */
    ae_comm *comm;
    ae_team *team;
    ae_whole *whole; /* NULL where test images have the samples' shape; owned */
    const ae_dataset *dataset;
    double *psnr_db, *ssim; /* [test images], on rank 0 all; elsewhere this rank's run of them */
    double *input_psnr_db, *input_ssim; /* of the network's input */
    int input_levels; /* ae_plan_levels() where they were taken; -1: not yet taken */
} ae_evaluation;

/* Does the network return every test image to its size? Known before any pixel is read. Local, the
 * same on every rank. AE_ERROR_DATA: an image that it doesn't. */
ae_status ae_evaluation_check(const ae_network *network, const ae_dataset *dataset);

/* Borrows all it is given, which was checked. Local; to be released whatever is returned.
 * AE_FAILED: memory or threads. */
ae_status ae_evaluation_init(ae_evaluation *evaluation, const ae_plan *plan, ae_comm *comm,
                             ae_team *team, const ae_dataset *dataset);
void ae_evaluation_release(ae_evaluation *evaluation);

/* AE_ERROR_NUMERIC: so many of the images had figures that are no numbers. */
ae_status ae_evaluation_fail(const ae_plan *plan, int64_t epoch, int64_t faults, int64_t count,
                             const char *what);

/* Evaluates the whole test set after `epoch` (counted from 0), at each level of noise, and fills
 * the row's test figures; per-image ones, of the first level, on rank 0. *complete: false where a
 * rank was asked to stop and left images out. Collective. AE_ERROR_NUMERIC: training diverges. */
ae_status ae_evaluation_test(ae_evaluation *evaluation, ae_epoch_row *row, int64_t epoch,
                             ae_clock *clock, bool *complete, bool *stop);

/* The loss of the images kept from training, and whether it is the phase's lowest so far, which the
 * position then tells. Without such images: not a number, and no. *complete, *stop as above.
 * Collective. */
ae_status ae_evaluation_validate(ae_evaluation *evaluation, ae_position *position, double *loss,
                                 bool *is_best, ae_clock *clock, bool *complete, bool *stop);

/* images = the first `count` test images, one after the other, [channels][height][width] each:
 * clean, as the denoising phase's input, or the network's output for the input of `epoch`. Local.
 */
typedef enum ae_picture { AE_PICTURE_CLEAN, AE_PICTURE_NOISY, AE_PICTURE_OUTPUT } ae_picture;
void ae_evaluation_pictures(const ae_evaluation *evaluation, float *images, int64_t count,
                            ae_picture kind, int64_t epoch);

#endif
