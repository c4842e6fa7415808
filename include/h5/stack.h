/* Datasets of pictures in HDF5 files on disk, read and written some rows at a time. A file that is
 * made takes all that isn't pixels from the one it is made like: type, layout, filters, attributes,
 * dimension scales. Local, and not for use inside parallel regions. */
#ifndef AE_H5_STACK_H
#define AE_H5_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef enum ae_h5_pixel {
    AE_H5_PIXEL_U8,  /* uint8_t */
    AE_H5_PIXEL_U16, /* uint16_t */
    AE_H5_PIXEL_F32  /* float, of floats of any size in the file */
} ae_h5_pixel;

typedef struct ae_h5_stack_info {
    char axes[5]; /* which dimension is which: "NHW" */
    int64_t pictures, height, width;
    int channels;
    ae_h5_pixel pixel;
    size_t bytes; /* that reading keeps: a chunk's row of pictures, and rows of one channel */
} ae_h5_stack_info;

typedef struct ae_h5_stack ae_h5_stack;

/* Opens a dataset of rank 2 to 4. axes: "NHW", "NCHW" or "NHWC", and for datasets of rank 2 "HW";
 * NULL: where of rank 4 the second or else the last extent is `channels`, or 1, or 3, it is that of
 * the channels. The caller owns *stack. AE_ERROR_DATA: not there, no HDF5 file, or not of such
 * pictures. */
ae_status ae_h5_stack_open(ae_h5_stack **stack, const char *path, const char *dataset,
                           const char *axes, int channels);
const ae_h5_stack_info *ae_h5_stack_describe(const ae_h5_stack *stack); /* borrowed */

/* pixels[rows][width][channels] = rows of a picture from `first` on. AE_ERROR_DATA. */
ae_status ae_h5_stack_read(ae_h5_stack *stack, int64_t picture, int64_t first, int64_t rows,
                           void *pixels);

/* Begins a file that ae_h5_stack_publish() will put at `path`; until then it is PATH.tmp.PID. It
 * has one dataset, at the same place in the file, like that which `like` reads, and its scales. The
 * caller owns *stack. AE_ERROR_IO, as in all that follows. */
ae_status ae_h5_stack_create(ae_h5_stack **stack, const char *path, const ae_h5_stack *like);
ae_status ae_h5_stack_write(ae_h5_stack *stack, int64_t picture, int64_t first, int64_t rows,
                            const void *pixels);

/* Completes the file, syncs it and puts it at its path. *stack becomes NULL, also on failure. */
ae_status ae_h5_stack_publish(ae_h5_stack **stack);

/* Closes it; what was being written is removed. *stack becomes NULL; it may be NULL. */
void ae_h5_stack_close(ae_h5_stack **stack);

#endif
