/* What a file says beside its pixels, in a form that all formats share. */
#ifndef AE_PICTURE_TAGS_H
#define AE_PICTURE_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

typedef struct ae_picture_blob {
    void *bytes; /* NULL: there is none */
    size_t size;
} ae_picture_blob;

typedef enum ae_picture_unit {
    AE_PICTURE_NO_RESOLUTION,
    AE_PICTURE_ASPECT, /* x and y tell a ratio alone */
    AE_PICTURE_PER_INCH,
    AE_PICTURE_PER_CM,
    AE_PICTURE_PER_METRE
} ae_picture_unit;

typedef struct ae_picture_resolution {
    ae_picture_unit unit;
    double x, y;
} ae_picture_resolution;

/* One of TIFF's tags that are carried without being understood. */
typedef struct ae_picture_entry {
    uint32_t tag;
    int type; /* TIFFDataType */
    uint32_t count;
    ae_picture_blob value; /* in the host's byte order */
} ae_picture_entry;

struct ae_picture_tags {
    int orientation; /* TIFF's and Exif's: 1, upright, to 8; 0: not told */
    ae_picture_resolution resolution;
    ae_picture_blob profile; /* ICC */
    ae_picture_blob exif;    /* from its byte order mark on */

    /* PNG: */
    int32_t gamma; /* times 100,000; 0: not told */
    int intent;    /* of sRGB; -1: not told */
    bool has_chromaticities;
    double chromaticities[8]; /* x, y of white, red, green, blue */

    /* JPEG: */
    int sampling[2]; /* samples of luma across and down for one of chroma; 0: not a JPEG */

    /* TIFF: */
    int compression; /* 0: not a TIFF */
    bool white_is_zero;
    uint32_t subfile;        /* NewSubfileType */
    uint16_t page_number[2]; /* page, of so many; both 0: not told */
    ae_picture_entry *entries;
    int entry_count;

    int64_t file_bytes; /* of the whole file */
};

typedef struct ae_picture_tags ae_picture_tags;

void ae_picture_tags_init(ae_picture_tags *tags);
void ae_picture_tags_release(ae_picture_tags *tags);

/* A copy of the bytes. False: no memory. */
bool ae_picture_blob_copy(ae_picture_blob *blob, const void *bytes, size_t size);

/* The resolution in another unit, where both are lengths; else as it is. */
ae_picture_resolution ae_picture_resolution_in(ae_picture_resolution resolution,
                                               ae_picture_unit unit);

/* The orientation that Exif tells, 0 where it doesn't, or isn't whole. */
int ae_picture_exif_orientation(const ae_picture_blob *exif);

/* Exif that tells the orientation and no more; for formats without another place. */
enum { AE_PICTURE_EXIF_SIZE = 26 };
void ae_picture_exif_make(uint8_t exif[AE_PICTURE_EXIF_SIZE], int orientation);

#endif
