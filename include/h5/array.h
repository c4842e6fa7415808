/* Arrays of numbers in HDF5 files of anyone's making, read from disk in runs of their first
 * dimension, with whatever filters the library has.
 *
 * Everything is local, and not for use inside parallel regions. Functions fail with AE_ERROR_DATA
 * and a message that names the file, the dataset and HDF5's own reason; AE_FAILED is memory. */
#ifndef AE_H5_ARRAY_H
#define AE_H5_ARRAY_H

#include <stdint.h>
#include "base/status.h"

enum { AE_H5_ARRAY_RANK_MAX = 8 };

/* What its values are read as. */
typedef enum ae_h5_number {
    AE_H5_U8,  /* uint8_t: unsigned integers of 8 bits at most */
    AE_H5_U16, /* uint16_t: of 16 bits at most */
    AE_H5_REAL /* float: signed integers of as many, and floating point of 16, 32 and 64 bits */
} ae_h5_number;

typedef struct ae_h5_array_info {
    ae_h5_number number;
    double low, high; /* the integers' own range; both 0 for floating point */
    int rank;         /* >= 1 */
    int64_t dims[AE_H5_ARRAY_RANK_MAX];
    int64_t chunk; /* indices of the first dimension that lie in one row of chunks; 1: no chunks */
} ae_h5_array_info;

typedef struct ae_h5_array ae_h5_array;

/* Opens "FILE:/DATASET". Refuses other types, more dimensions, filters that the library lacks, and
 * values that lie in other files than HDF5's. The caller owns *array, NULL on failure. */
ae_status ae_h5_array_open(ae_h5_array **array, const char *path);
void ae_h5_array_close(ae_h5_array **array); /* *array may be NULL */

/* Borrowed. */
const ae_h5_array_info *ae_h5_array_describe(const ae_h5_array *array);

/* values = indices [begin, begin + count) of the first dimension, in C order. Chunks that it has
 * just read are kept, so that runs of less than a row of them don't read any twice. */
ae_status ae_h5_array_read(ae_h5_array *array, int64_t begin, int64_t count, void *values);

#endif
