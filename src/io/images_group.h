/* Which of the test images a group of results.h5 tells of. */
#ifndef AE_IO_IMAGES_GROUP_H
#define AE_IO_IMAGES_GROUP_H

#include "h5/h5.h"

/* Adds to `group`, which is there, the scale `index`: index[count], or where that is NULL 0, 1,
 * ...; and with labels (of all test images) `label`. */
ae_status ae_images_group_write(ae_h5 *file, const char *group, const int64_t *index,
                                const uint8_t *labels, int64_t count);

#endif
