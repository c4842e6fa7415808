/* Whose weights a run begins with. Rank 0's alone; local. */
#ifndef AE_TRAIN_ORIGIN_H
#define AE_TRAIN_ORIGIN_H

#include "nn/state.h"

/* Takes those that train.init_from names, if it names any. */
ae_status ae_origin_begin(ae_state *state, const ae_settings *settings);

/* Is it as when the run was begun? The file may have moved, or be gone: it is looked at only where
 * the option has changed. AE_ERROR_USAGE: other weights. */
ae_status ae_origin_check(ae_state *state, const ae_settings *settings);

#endif
