/* An image's activations in memory: channels x rows x columns of float32 with a border of zeros.
 *
 * Rows begin on 64-byte boundaries and are `row_stride` floats apart, a multiple of 16 that leaves
 * room for the columns rounded up to 16 and for a kernel's reach beyond them. The columns between
 * a row's width and the next row's beginning, and `halo` rows above and below each plane, are zero
 * and stay zero: a kernel that reads [-halo, width + halo) sees a zero-padded image, and a row of
 * whole 16-float vectors never runs into the next one. Behind a plane of whole 4 kB pages there are
 * 16 zeros more. */
#ifndef AE_KERNELS_PLANES_H
#define AE_KERNELS_PLANES_H

#include <stddef.h>
#include "base/status.h"

enum { AE_LANES = 16 }; /* floats of a virtual vector */

/* Rounded up to whole virtual vectors. */
static inline size_t ae_round_up_lanes(size_t floats) {
    return (floats + AE_LANES - 1) / AE_LANES * AE_LANES;
}

typedef struct ae_shape {
    int channels, height, width;
} ae_shape;

/* Values of an image: channels * height * width. */
static inline size_t ae_shape_values(ae_shape shape) {
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

typedef struct ae_planes {
    float *data; /* element (0, 0, 0) */
    int channels, height, width;
    int row_stride;   /* floats */
    int plane_stride; /* floats, a multiple of 16 */
} ae_planes;

/* Floats of memory for such an image. */
size_t ae_planes_floats(int channels, int height, int width, int halo);

/* Lays an image out in zeroed, 64-byte aligned `memory` of ae_planes_floats() floats. Borrows it.
 */
ae_planes ae_planes_view(float *memory, int channels, int height, int width, int halo);

/* Element [channel][row][0]. */
static inline float *ae_planes_row(const ae_planes *planes, int channel, int row) {
    return planes->data + (ptrdiff_t)channel * planes->plane_stride +
           (ptrdiff_t)row * planes->row_stride;
}

/* Planes to dense [channels][height][width]. */
void ae_planes_to_dense(float *dense, const ae_planes *planes);

/* A view of `count` channels from `first` on. */
ae_planes ae_planes_channels(const ae_planes *planes, int first, int count);

/* out = the upper left of in, which is as large or larger. */
void ae_planes_copy(const ae_planes *out, const ae_planes *in);

/* planes = 0 */
void ae_planes_clear(const ae_planes *planes);

/* What must be zero around the image, laid out with that halo, becomes so. */
void ae_planes_clear_border(const ae_planes *planes, int halo);

/* out = in with its last column and row repeated to the right and below, up to out's size. */
void ae_planes_extend(const ae_planes *out, const ae_planes *in);

#endif
