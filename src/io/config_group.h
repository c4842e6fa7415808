/* /config in the files of a run: every option as text, and what has changed since it was written.
 */
#ifndef AE_IO_CONFIG_GROUP_H
#define AE_IO_CONFIG_GROUP_H

#include "config/config.h"
#include "h5/h5.h"
#include "nn/network.h"

/* Makes the group with one attribute an option, "section.key". */
ae_status ae_config_group_write(ae_h5 *file, const ae_config *config);

/* Differences found so far, a line each. */
typedef struct ae_differences {
    char text[2048];
    size_t length;
} ae_differences;

void ae_differ(ae_differences *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a line for each option that changes the numbers (AE_EFFECT_NUMBERS) and doesn't mean what
 * the group says, and for options of the group that there are no more. One that the group lacks, as
 * it came later, had its default. Two texts mean the same where they make the same network or
 * blocks of the same size of it. AE_ERROR_IO: the group is damaged. */
ae_status ae_config_group_compare(ae_differences *list, ae_h5 *file, const ae_config *config,
                                  const ae_network *network);

#endif
