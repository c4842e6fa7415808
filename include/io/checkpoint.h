/* Checkpoints: everything that the rest of a run depends on, in one HDF5 file. For rank 0 alone;
 * the format is told in src/io/checkpoint.c. */
#ifndef AE_IO_CHECKPOINT_H
#define AE_IO_CHECKPOINT_H

#include <stdint.h>
#include "base/hash.h"
#include "base/status.h"
#include "config/config.h"
#include "nn/network.h"
#include "nn/optimizer.h"

/* Where a run stands. */
typedef struct ae_position {
    int64_t epoch;      /* whole epochs done, their evaluation included */
    int64_t step;       /* steps done of the next one; all of them: its evaluation is to be done */
    int64_t loss_sum;   /* of the next one so far: sum of the images' losses * 2^AE_FIXED_K */
    int64_t images;     /* of the next one so far, those of skipped steps left out */
    int64_t skipped;    /* steps left out since the run began (train.skip_steps) */
    int64_t best_epoch; /* of this phase, with the lowest validation loss; 0: none yet */
    int64_t best_sum;   /* its sum of the images' losses * 2^AE_FIXED_K */
} ae_position;

/* At the beginning of the epoch after this one. */
static inline void ae_position_next_epoch(ae_position *position) {
    position->epoch += 1;
    position->step = position->loss_sum = position->images = 0;
}

/* Whose weights a run was begun with; both "" where they come from the seed. */
typedef struct ae_origin {
    char init_from[AE_TEXT_SIZE];            /* train.init_from, as it was given */
    char parameters_hash[AE_HASH_TEXT_SIZE]; /* of what was read there */
} ae_origin;

/* What a checkpoint holds. The network, parameters and optimiser are borrowed. */
typedef struct ae_state {
    const ae_network *network;
    float *parameters; /* [ae_network_size] */
    ae_optimizer *optimizer;
    ae_position position;
    char data_hash[AE_HASH_TEXT_SIZE]; /* of the images; "" where they weren't there yet */
    ae_origin origin;
} ae_state;

/* Writes `path` beside its place, syncs and renames it: a file of that name is whole. Local.
 * AE_ERROR_IO: nothing is left behind, what stood there before stands. */
ae_status ae_checkpoint_write(const char *path, const ae_state *state, const ae_config *config,
                              const char *kernel_path);

/* Is what stands at `path` a whole checkpoint, of the size that one of `state` can have?
 * AE_ERROR_IO: no. Local. */
ae_status ae_checkpoint_verify(const char *path, const ae_state *state);

/* Reads `path` into `state` (network, parameters, optimizer given) and compares the options that
 * change the numbers (AE_EFFECT_NUMBERS) and the contract with today's;
 * the images' hash is the caller's to compare. Local.
 * AE_ERROR_IO: damaged, or not one of ours (state's buffers are then undefined);
 * AE_ERROR_USAGE: whole, but of another configuration or contract: the message lists what differs,
 * was and is. */
ae_status ae_checkpoint_read(const char *path, ae_state *state, const ae_config *config);

/* parameters[ae_network_size(network)] = those of the checkpoint at `path`, which may be of another
 * configuration and contract. Local. AE_ERROR_IO: damaged, or not one of ours; AE_ERROR_USAGE: of a
 * network with other tensors; the message lists both. */
ae_status ae_checkpoint_read_parameters(const char *path, const ae_network *network,
                                        float *parameters);

#endif
