/* What the parts of the codec of TIFF share. */
#ifndef AE_PICTURE_TIFF_CODEC_H
#define AE_PICTURE_TIFF_CODEC_H

#include <tiffio.h>
#include "internal.h"
#include "samples.h"

/* What libtiff reads from or writes to, and what it says meanwhile. */
typedef struct ae_picture_tiff_client {
    ae_picture_input *input;   /* NULL when writing */
    ae_picture_output *output; /* NULL when reading */
    bool decodes;              /* pixels: warnings tell of damage */
    char said[AE_PICTURE_FAULT_SIZE];
} ae_picture_tiff_client;

/* NULL: client->said tells. */
TIFF *ae_picture_tiff_open(ae_picture_tiff_client *client, const char *mode);

/* AE_ERROR_DATA, with what libtiff or the input said of `what`. */
ae_status ae_picture_tiff_refuse(const ae_picture_tiff_client *client, const char *what);

/* ---- pixels ---- */

/* How a page's pixels lie in the file: in blocks, which are tiles, strips or rows, those of a row
 * of blocks beside each other, for each plane. */
typedef struct ae_picture_tiff_layout {
    enum { AE_TIFF_TILES, AE_TIFF_STRIPS, AE_TIFF_SCANLINES } kind;
    int planes, plane_samples; /* samples of a pixel in one plane */
    int bits;
    bool is_half, is_inverted, has_palette;
    int64_t block_width, block_rows;
    int64_t block_bytes, block_row_bytes;
} ae_picture_tiff_layout;

typedef struct ae_picture_tiff_pages {
    ae_picture_tiff_client client;
    TIFF *tiff;
    int64_t page; /* whose directory is loaded */
    ae_picture_tiff_layout layout;
    ae_picture_palette palette;
    uint8_t *block, *line; /* one block, and the samples of one of its rows */
    uint8_t *band;         /* a row of blocks, as the caller has them */
    int64_t band_index;    /* -1: none */
} ae_picture_tiff_pages;

/* Fills in the layout and info->bytes of the page, for info and layout of which bits, is_half,
 * is_inverted and has_palette are known. */
ae_status ae_picture_tiff_lay_out(ae_picture_reader *reader);

ae_status ae_picture_tiff_read(ae_picture_reader *reader, int64_t count, uint8_t *rows);

/* Gives back what reading a page took. */
void ae_picture_tiff_leave_page(ae_picture_tiff_pages *pages);

/* ---- tags ---- */

/* Takes the tags of the directory that is loaded. */
ae_status ae_picture_tiff_take_tags(ae_picture_tags *tags, TIFF *tiff);

/* Puts those that aren't about how pixels lie. False: libtiff refuses. */
bool ae_picture_tiff_put_tags(TIFF *tiff, const ae_picture_tags *tags);

/* ---- writing ---- */

const char *ae_picture_tiff_obstacle(const ae_picture_info *info);
ae_status ae_picture_tiff_begin(ae_picture_writer *writer, const ae_picture_tags *tags);
ae_status ae_picture_tiff_write(ae_picture_writer *writer, int64_t count, const uint8_t *rows);
ae_status ae_picture_tiff_finish(ae_picture_writer *writer);
void ae_picture_tiff_discard(ae_picture_writer *writer);

#endif
