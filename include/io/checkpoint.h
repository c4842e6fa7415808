/* Checkpoints: everything that the rest of a run depends on, in one HDF5 file. For rank 0 alone;
 * the format is told in src/io/checkpoint.c. */
#ifndef AE_IO_CHECKPOINT_H
#define AE_IO_CHECKPOINT_H

#include "base/status.h"
#include "config/config.h"
#include "nn/state.h"

/* Writes `path` beside its place, syncs and renames it: a file of that name is whole. Local.
 * AE_ERROR_IO: nothing is left behind, what stood there before stands. */
ae_status ae_checkpoint_write(const char *path, const ae_state *state, const ae_config *config,
                              const char *kernel_path);

/* Is what stands at `path` a whole checkpoint, of the size that one of `state` can have?
 * AE_ERROR_IO: no. Local. */
ae_status ae_checkpoint_verify(const char *path, const ae_state *state);

/* Reads `path` into `state` (made by ae_state_init) and compares the options that
 * change the numbers (AE_EFFECT_NUMBERS) and the contract with today's;
 * the images' hash is the caller's to compare. Local.
 * AE_ERROR_IO: damaged, or not one of ours (state's buffers are then undefined);
 * AE_ERROR_USAGE: whole, but of another configuration or contract: the message lists what differs,
 * was and is. */
ae_status ae_checkpoint_read(const char *path, ae_state *state, const ae_config *config);

/* parameters[ae_network_size(network)] = those of the checkpoint or model.h5 at `path`, which may
 * be of another configuration and contract. Local. AE_ERROR_IO: damaged, or not one of ours;
 * AE_ERROR_USAGE: of a network with other tensors; the message lists both. */
ae_status ae_checkpoint_read_parameters(const char *path, const ae_network *network,
                                        float *parameters);

#endif
