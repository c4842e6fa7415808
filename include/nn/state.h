/* What training has come to: all that the rest of a run depends on beside its configuration. */
#ifndef AE_NN_STATE_H
#define AE_NN_STATE_H

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

typedef struct ae_state {
    const ae_network *network; /* borrowed */
    float *parameters;         /* [ae_network_size], owned */
    ae_optimizer optimizer;
    ae_position position;
    char data_hash[AE_HASH_TEXT_SIZE]; /* of the images; "" where they weren't there yet */
    double range[2];                   /* pixel values that become 0 and 1; bytes' at first */
    ae_origin origin;
} ae_state;

/* The state before the first step, with parameters of 0. Local; to be released whatever is
 * returned. AE_FAILED: memory. */
ae_status ae_state_init(ae_state *state, const ae_network *network,
                        const ae_optimizer_options *options);
void ae_state_release(ae_state *state);

#endif
