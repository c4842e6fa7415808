/* Files that were being written when a run was killed. For rank 0 alone. */
#ifndef AE_APPLY_LEFTOVERS_H
#define AE_APPLY_LEFTOVERS_H

#include "apply/inputs.h"

/* Removes below `out` each NAME.tmp.NUMBER where NAME is an output of the inputs'. AE_FAILED:
 * memory. */
ae_status ae_leftovers_remove(const char *out, const ae_inputs *inputs);

#endif
