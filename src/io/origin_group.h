/* Whose weights a run was begun with (ae_origin), as attributes of a group in the files of a run.
 */
#ifndef AE_IO_ORIGIN_GROUP_H
#define AE_IO_ORIGIN_GROUP_H

#include "h5/h5.h"
#include "nn/state.h"

/* Sets init_from and init_hash of `group`, which is there. */
ae_status ae_origin_group_write(ae_h5 *file, const char *group, const ae_origin *origin);

/* Both empty where the group has no such attributes, or isn't there: the seed's weights. */
ae_status ae_origin_group_read(ae_origin *origin, ae_h5 *file, const char *group);

#endif
