/* Weights that a new run begins with: those of another run. For rank 0 alone. */
#ifndef AE_IO_WEIGHTS_H
#define AE_IO_WEIGHTS_H

#include "base/status.h"
#include "io/run_folder.h"
#include "nn/network.h"

/* file[AE_PATH_SIZE] = the file with weights that `path` is or holds: a model.h5 or a checkpoint;
 * of a run's folder checkpoints/best.h5, else the newest checkpoint, else model.h5. What is in the
 * file isn't looked at. Local. AE_ERROR_USAGE: there is none; the message tells what is there
 * instead. AE_ERROR_IO: the disk doesn't tell. */
ae_status ae_weights_find(char *file, const char *path);

/* parameters[ae_network_size] = those of the file that `init_from` is or holds, whose path is
 * file[AE_PATH_SIZE]. Local. AE_ERROR_USAGE: there is none, or it is of a network with other
 * tensors; AE_ERROR_IO: it is damaged, or not one of ours. */
ae_status ae_weights_read(char *file, float *parameters, const char *init_from,
                          const ae_network *network);

#endif
