/* Groups of the files of a run that hold the network's tensors: one float32 dataset a parameter
 * tensor, with PyTorch's name and shape. `path` is the file's, for messages. */
#ifndef AE_IO_TENSORS_H
#define AE_IO_TENSORS_H

#include "h5/h5.h"
#include "nn/network.h"

/* Begins the message that names a file, and then its fault. */
#define AE_DAMAGED "%s is damaged, or no checkpoint of ae_dist: "

/* Writes the flat buffer values[ae_network_size] into `group`, which is there; `what` begins each
 * dataset's long_name. */
ae_status ae_tensors_write(ae_h5 *file, const char *group, const ae_network *network,
                           const float *values, const char *what);

/* values[ae_network_size] = the group's tensors. AE_ERROR_IO: other ones, or numbers that aren't
 * finite. */
ae_status ae_tensors_read(ae_h5 *file, const char *path, const char *group,
                          const ae_network *network, float *values);

/* Does the group hold `count` objects? AE_ERROR_IO: no. */
ae_status ae_tensors_check_members(ae_h5 *file, const char *path, const char *group, int64_t count);

/* Has the group the network's names and shapes? AE_ERROR_USAGE: no, with the table of both. */
ae_status ae_tensors_match(ae_h5 *file, const char *path, const char *group,
                           const ae_network *network);

#endif
