/* How well pictures match what they are compared with: printed and stored. For rank 0 alone. */
#ifndef AE_APPLY_REPORT_H
#define AE_APPLY_REPORT_H

#include "apply/journal.h"

/* What was compared, and by what. */
typedef struct ae_report_origin {
    const char *model_hash;
    double sigma;
    const char *reference; /* "": the inputs themselves */
} ae_report_origin;

/* Prints the figures of all inputs that are done, in their order, and their means, and replaces
 * OUT/apply.csv and OUT/apply.h5. keys[inputs->count]: of their records. AE_ERROR_IO. */
ae_status ae_report_write(const char *out, const ae_inputs *inputs,
                          const char (*keys)[AE_HASH_TEXT_SIZE], const ae_report_origin *origin);

#endif
