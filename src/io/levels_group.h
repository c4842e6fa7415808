/* /levels of results.h5: the test images' figures at each level of noise that they are evaluated
 * at, a row for each epoch after pretraining in which they were. */
#ifndef AE_IO_LEVELS_GROUP_H
#define AE_IO_LEVELS_GROUP_H

#include "h5/h5.h"
#include "io/results.h"

/* The group, with no rows yet. */
ae_status ae_levels_group_add(ae_h5 *file, const ae_settings *settings);

/* Adds another file's rows of the first `epochs` epochs, if it has the group, which versions before
 * it didn't write. AE_ERROR_IO: it has another number of levels. */
ae_status ae_levels_group_take(ae_h5 *file, ae_h5 *from, const ae_settings *settings,
                               int64_t epochs);

/* Adds the row's figures, if it has some. */
ae_status ae_levels_group_append(ae_h5 *file, const ae_epoch_row *row);

#endif
