/* What rank 0 reads and writes of a run; a failure is told to all ranks. Collective where nothing
 * else is said. */
#ifndef AE_TRAIN_FILES_H
#define AE_TRAIN_FILES_H

#include "io/run_folder.h"
#include "train/evaluation.h"

typedef struct ae_files {
    const ae_plan *plan; /* borrowed, as what follows */
    const ae_config *config;
    ae_comm *comm;
    const char *kernel_path;
    ae_run_folder *folder; /* rank 0's alone, once opened */
    ae_results *results;   /* rank 0's alone, once begun */
} ae_files;

/* Opens the run's folder and takes the newest whole checkpoint's state, if there is one; else the
 * run begins, with train.init_from's weights or those that the state has. */
ae_status ae_files_open(ae_files *files, ae_state *state);
void ae_files_close(ae_files *files); /* local */

/* Could the run begin, if it hasn't? Nothing is written. */
ae_status ae_files_check(const ae_files *files, ae_state *state);

/* Begins results.h5, or goes on with it, at the state's position. */
ae_status ae_files_begin_results(ae_files *files, const ae_state *state,
                                 const ae_evaluation *evaluation);

/* Adds an epoch to results.h5 and publishes it, then writes best.h5 where it is the best, model.h5
 * where it is the best or there are no validation images and a checkpoint is due, and that. The
 * state's position moves on to the next epoch. */
ae_status ae_files_save_epoch(ae_files *files, ae_state *state, const ae_evaluation *evaluation,
                              const ae_epoch_row *row, bool is_best, ae_clock *clock);

/* *hold = does results.h5 hold the figures of `epoch`? AE_ERROR_IO: what is there is damaged or
 * another program's. */
ae_status ae_files_hold_epoch(const ae_files *files, int64_t epoch, bool *hold);

/* Writes a checkpoint of the state. */
ae_status ae_files_save_checkpoint(ae_files *files, const ae_state *state, ae_clock *clock);

#endif
