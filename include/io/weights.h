/* Weights that a new run begins with: those of another run. For rank 0 alone. */
#ifndef AE_IO_WEIGHTS_H
#define AE_IO_WEIGHTS_H

#include "base/status.h"
#include "io/run_folder.h"
#include "nn/network.h"

/* parameters[ae_network_size] = those of the checkpoint that `init_from` names: itself, or where it
 * is a run's folder the best one in it, else the newest. file[AE_PATH_SIZE] = its path. Local.
 * AE_ERROR_USAGE: there is none (the message tells what is there instead), or it is of a network
 * with other tensors; AE_ERROR_IO: it is damaged, or not one of ours. */
ae_status ae_weights_read(char *file, float *parameters, const char *init_from,
                          const ae_network *network);

#endif
