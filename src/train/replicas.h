/* Do all ranks have the same state? */
#ifndef AE_TRAIN_REPLICAS_H
#define AE_TRAIN_REPLICAS_H

#include "comm/comm.h"
#include "nn/state.h"

/* hash = that of parameters and optimiser; the same on every rank, else AE_ERROR_NUMERIC.
 * Collective. */
ae_status ae_replicas_compare(const ae_state *state, ae_comm *comm, char hash[AE_HASH_TEXT_SIZE]);

#endif
