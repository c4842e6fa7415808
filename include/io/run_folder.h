/* A run's folder: made, locked, and searched for checkpoints. For rank 0 alone. What fails for a
 * moment is tried again (base/retry.h). */
#ifndef AE_IO_RUN_FOLDER_H
#define AE_IO_RUN_FOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

enum { AE_PATH_SIZE = 4096 }; /* bytes, with the final NUL */

typedef struct ae_run_folder ae_run_folder;

/* Makes `dir` and `dir`/checkpoints (with parents) where they aren't there, and takes the folder's
 * lock (flock on `dir`/.lock; it goes with the process), for which it waits some seconds, in a
 * batch job two minutes. The caller owns *folder. Local. AE_ERROR_IO: can't be made or written;
 * another run holds it. */
ae_status ae_run_folder_open(ae_run_folder **folder, const char *dir);
void ae_run_folder_close(ae_run_folder **folder); /* gives the lock back */

/* *holds = are there results or checkpoints in `dir`? Doesn't need the folder to exist. Local.
 * AE_ERROR_IO: the disk doesn't tell. */
ae_status ae_run_folder_holds_run(bool *holds, const char *dir);

/* The same for a checkpoint that a run would go on from. */
ae_status ae_run_folder_holds_checkpoint(bool *holds, const char *dir);

/* path[AE_PATH_SIZE] = that of the best checkpoint in `dir`, else of the newest, else of model.h5;
 * "" where it holds none. Needs no lock: files are whole at any moment. Local. AE_ERROR_IO: the
 * disk doesn't tell. */
ae_status ae_run_folder_weights(char *path, const char *dir);

/* Path of results.h5, and of model.h5. Borrowed. */
const char *ae_run_folder_results(const ae_run_folder *folder);
const char *ae_run_folder_model(const ae_run_folder *folder);

/* path[AE_PATH_SIZE] = that of the checkpoint after `epoch` whole epochs and `step` steps of the
 * next: checkpoints/epoch-0003.h5, or epoch-0003-step-00250.h5 for step > 0. */
void ae_run_folder_checkpoint(const ae_run_folder *folder, char *path, int64_t epoch, int64_t step);

/* path[AE_PATH_SIZE] = that of the best checkpoint by the validation images, checkpoints/best.h5,
 * which neither counts as the newest nor is ever pruned. */
void ae_run_folder_best(const ae_run_folder *folder, char *path);

/* Number of checkpoints there; the caller frees *paths (one allocation of count * AE_PATH_SIZE
 * bytes), newest (by epoch, then step) first. Other files are passed over. Local. AE_ERROR_IO. */
ae_status ae_run_folder_list(const ae_run_folder *folder, char (**paths)[AE_PATH_SIZE], int *count);

/* Renames a checkpoint whose content is at fault to PATH.damaged, so that it no longer counts as
 * the newest when older ones are pruned. Local. AE_ERROR_IO: it can't be renamed, or not even read,
 * which is the disk's fault and not the checkpoint's. */
ae_status ae_run_folder_set_aside(const char *path);

/* Deletes what newer checkpoints make superfluous: of those of whole epochs all but the `keep`
 * newest (keep >= 1), mid-epoch ones that aren't among the `keep` newest of all, and files left
 * half-written by a run that was killed. Local. AE_ERROR_IO. */
ae_status ae_run_folder_prune(const ae_run_folder *folder, int64_t keep);

#endif
