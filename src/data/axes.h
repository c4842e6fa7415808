/* The order of an image's samples in a file, and in memory. Local. */
#ifndef AE_DATA_AXES_H
#define AE_DATA_AXES_H

#include <stdint.h>
#include "base/status.h"
#include "config/config.h"
#include "kernels/planes.h"

/* *count and *shape = images and shape of an array of that rank and dims; without a channel there
 * is one. AE_ERROR_DATA: its dimensions aren't those that `axes` names, or an image is empty or
 * larger than any can be; the message begins with `where`. */
ae_status ae_axes_shape(int64_t *count, ae_shape *shape, ae_axes axes, int rank,
                        const int64_t *dims, const char *where);

/* planar[channel][row][column] = pixels[row][column][channel], of samples of `size` bytes: 1, 2, 4.
 */
void ae_axes_to_planar(void *planar, const void *pixels, ae_shape shape, size_t size);

#endif
