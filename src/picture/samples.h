/* Samples as files pack them, and as callers have them. */
#ifndef AE_PICTURE_SAMPLES_H
#define AE_PICTURE_SAMPLES_H

#include "picture/picture.h"

/* A palette, by index: red, green, blue, alpha. */
typedef struct ae_picture_palette {
    uint8_t colours[256][4];
    int count;
} ae_picture_palette;

/* Sets channels and alpha of the info by what the palette holds, and type and bits. */
void ae_picture_palette_describe(ae_picture_info *info, const ae_picture_palette *palette,
                                 bool has_alpha);

/* pixels[width][samples of the info] of indices[width]. False: an index has no colour. */
bool ae_picture_palette_expand(uint8_t *pixels, const uint8_t *indices, int64_t width,
                               const ae_picture_palette *palette, const ae_picture_info *info);

/* `count` samples of 1 to 16 bits, the first in the highest bits of the first byte, as whole
 * numbers of 8 bits, or of 16 where they have more than 8; and back, with zeros after the last. */
void ae_picture_unpack(void *samples, const uint8_t *packed, int64_t count, int bits);
void ae_picture_pack(uint8_t *packed, const void *samples, int64_t count, int bits);

/* Scales samples of `bits` to their type's white, in place; and back. */
void ae_picture_scale_up(void *samples, int64_t count, int bits);
void ae_picture_scale_down(void *samples, int64_t count, int bits);

/* Black becomes white: every `step`-th of the samples, in place. */
void ae_picture_invert(void *samples, int64_t count, int step, ae_picture_type type);

/* Half precision, as IEEE 754 has it, to float and back (to nearest, ties to even), in place:
 * `count` numbers of 16 bits at the beginning of `count` floats. */
void ae_picture_halves_widen(float *numbers, int64_t count);
void ae_picture_halves_narrow(float *numbers, int64_t count);

#endif
