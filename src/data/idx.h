/* Files in MNIST's format, IDX (http://yann.lecun.com/exdb/mnist): unsigned bytes in up to four
 * dimensions. Local. */
#ifndef AE_DATA_IDX_H
#define AE_DATA_IDX_H

#include "data/source.h"
#include "data/unpacked.h"

/* An open file. */
typedef struct ae_idx {
    ae_unpacked bytes;
    int rank;
    int64_t dims[4];
    int64_t first; /* place of the first value, bytes */
} ae_idx;

/* Opens a file and reads its header. `key`: the option that names it. AE_ERROR_DATA: it can't be
 * read, or isn't such a file: nothing is open. */
ae_status ae_idx_open(ae_idx *idx, const char *path, const char *key);
void ae_idx_close(ae_idx *idx);

/* *count and *shape = its images', in three dimensions grey ones. AE_ERROR_DATA: it has other
 * dimensions, or another size than they tell. */
ae_status ae_idx_shape(const ae_idx *idx, ae_axes axes, int64_t *count, ae_shape *shape);

/* labels[size] = the name that the labels' file of these images would have; is it there? */
bool ae_idx_labels_path(char *labels, size_t size, const char *images);

#endif
