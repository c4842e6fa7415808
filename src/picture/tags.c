/* Tags as all formats share them, and the one that is taken out of Exif: which way is up. */
#include "tags.h"

#include <stdlib.h>
#include <string.h>

void ae_picture_tags_init(ae_picture_tags *tags) {
    *tags = (ae_picture_tags){.intent = -1};
}

void ae_picture_tags_release(ae_picture_tags *tags) {
    for (int i = 0; i < tags->entry_count; ++i) free(tags->entries[i].value.bytes);
    free(tags->entries);
    free(tags->profile.bytes);
    free(tags->exif.bytes);
    ae_picture_tags_init(tags);
}

bool ae_picture_blob_copy(ae_picture_blob *blob, const void *bytes, size_t size) {
    blob->bytes = malloc(size > 0 ? size : 1);
    blob->size = size;
    if (blob->bytes && size > 0) memcpy(blob->bytes, bytes, size);
    return blob->bytes != NULL;
}

/* Of the unit in a metre; 0: no length. */
static double per_metre(ae_picture_unit unit) {
    switch (unit) {
    case AE_PICTURE_PER_INCH:
        return 1 / 0.0254;
    case AE_PICTURE_PER_CM:
        return 100;
    case AE_PICTURE_PER_METRE:
        return 1;
    default:
        return 0;
    }
}

ae_picture_resolution ae_picture_resolution_in(ae_picture_resolution resolution,
                                               ae_picture_unit unit) {
    const double from = per_metre(resolution.unit), to = per_metre(unit);
    if (from == 0 || to == 0 || resolution.unit == unit) return resolution;
    return (ae_picture_resolution){unit, resolution.x * from / to, resolution.y * from / to};
}

/* ---- Exif: a TIFF's first directory, in either byte order ---- */

enum {
    ORIENTATION_TAG = 0x112,
    TYPE_SHORT = 3,
    ENTRY_SIZE = 12 /* tag, type, count, value */
};

/* A number of 2 or 4 bytes at the offset, which is within the bytes. */
static uint32_t number_at(const uint8_t *bytes, size_t offset, int size, bool little) {
    uint32_t value = 0;
    for (int i = 0; i < size; ++i)
        value |= (uint32_t)bytes[offset + (size_t)i] << 8 * (little ? i : size - 1 - i);
    return value;
}

int ae_picture_exif_orientation(const ae_picture_blob *exif) {
    const uint8_t *bytes = exif->bytes;
    if (exif->size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return 0;
    const bool little = bytes[0] == 'I';
    size_t offset = number_at(bytes, 4, 4, little);
    if (offset > exif->size - 2) return 0;
    const uint32_t count = number_at(bytes, offset, 2, little);
    offset += 2;
    for (uint32_t i = 0; i < count && offset + ENTRY_SIZE <= exif->size; ++i) {
        const uint32_t value = number_at(bytes, offset + 8, 2, little);
        if (number_at(bytes, offset, 2, little) == ORIENTATION_TAG)
            return value >= 1 && value <= 8 ? (int)value : 0;
        offset += ENTRY_SIZE;
    }
    return 0;
}

void ae_picture_exif_make(uint8_t exif[AE_PICTURE_EXIF_SIZE], int orientation) {
    static const uint8_t made[AE_PICTURE_EXIF_SIZE] = {'M',
                                                       'M',
                                                       0,
                                                       '*',
                                                       0,
                                                       0,
                                                       0,
                                                       8, /* the directory stands at byte 8, */
                                                       0,
                                                       1, /* with one entry: */
                                                       ORIENTATION_TAG >> 8,
                                                       ORIENTATION_TAG & 255,
                                                       0,
                                                       TYPE_SHORT,
                                                       0,
                                                       0,
                                                       0,
                                                       1};
    memcpy(exif, made, sizeof made);
    exif[19] = (uint8_t)orientation;
}
