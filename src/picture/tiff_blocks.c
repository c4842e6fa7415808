/* The pixels of a TIFF page, a row of blocks at a time: tiles, strips, or single rows where strips
 * are large. */
#include <stdlib.h>
#include <string.h>
#include "tiff_codec.h"

enum {
    LIBRARY_BYTES = 2 << 20,   /* that libtiff and its codecs take beside blocks */
    STRIP_BYTES_MAX = 4 << 20, /* of a strip that is decoded at once */
    COPIES_BESIDE = 2          /* of a block's row: the samples, unpacked */
};
static const int64_t BLOCK_BYTES_MAX = (int64_t)1 << 40; /* beyond, sums of sizes may overflow */

/* ---- layout ---- */

static void find_blocks(ae_picture_tiff_layout *layout, const ae_picture_info *info, TIFF *tiff) {
    uint32_t width = 0, rows = 0;
    if (TIFFIsTiled(tiff)) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &rows);
        layout->kind = AE_TIFF_TILES;
        layout->block_bytes = (int64_t)TIFFTileSize64(tiff);
        layout->block_row_bytes = (int64_t)TIFFTileRowSize64(tiff);
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
        width = (uint32_t)info->width;
        layout->kind = AE_TIFF_STRIPS;
        layout->block_bytes = (int64_t)TIFFStripSize64(tiff);
        layout->block_row_bytes = (int64_t)TIFFScanlineSize64(tiff);
    }
    layout->block_width = width;
    layout->block_rows = rows < info->height ? rows : info->height;
}

/* Rows one by one, where strips are large and hold whole pixels. (What isn't compressed, libtiff
 * takes for many strips by itself.) */
static void split_strips(ae_picture_tiff_layout *layout) {
    if (layout->kind != AE_TIFF_STRIPS || layout->planes > 1 ||
        layout->block_bytes <= STRIP_BYTES_MAX)
        return;
    layout->kind = AE_TIFF_SCANLINES;
    layout->block_rows = 1;
    layout->block_bytes = layout->block_row_bytes;
}

/* The largest block as it lies in the file, which libtiff reads whole. */
static int64_t find_largest(const ae_picture_reader *reader, TIFF *tiff) {
    uint64_t largest = 0;
    const uint32_t count = TIFFIsTiled(tiff) ? TIFFNumberOfTiles(tiff) : TIFFNumberOfStrips(tiff);
    for (uint32_t i = 0; i < count; ++i) {
        const uint64_t size = TIFFGetStrileByteCount(tiff, i);
        if (size > largest) largest = size;
    }
    const int64_t whole = reader->input.size;
    return largest < (uint64_t)whole ? (int64_t)largest : whole;
}

/* Bytes of the samples of one row of a block, unpacked. */
static int64_t line_bytes(const ae_picture_tiff_layout *layout, const ae_picture_info *info) {
    return layout->block_width * layout->plane_samples *
           (int64_t)ae_picture_sample_bytes(info->type);
}

static int64_t band_bytes(const ae_picture_tiff_layout *layout, const ae_picture_info *info) {
    return layout->block_rows * (int64_t)ae_picture_row_bytes(info);
}

/* A block is as large as what libtiff makes of it must be. */
static bool is_sound(const ae_picture_tiff_layout *layout) {
    const int64_t row_bits = layout->block_width * layout->plane_samples * layout->bits;
    return layout->block_width >= 1 && layout->block_rows >= 1 &&
           layout->block_row_bytes == (row_bits + 7) / 8 &&
           layout->block_bytes >= layout->block_rows * layout->block_row_bytes &&
           layout->block_bytes <= BLOCK_BYTES_MAX;
}

ae_status ae_picture_tiff_lay_out(ae_picture_reader *reader) {
    ae_picture_tiff_pages *pages = reader->state;
    ae_picture_info *info = &reader->info;
    ae_picture_tiff_layout *layout = &pages->layout;
    uint16_t planes = PLANARCONFIG_CONTIG;
    const int samples = layout->has_palette ? 1 : ae_picture_samples(info);
    TIFFGetFieldDefaulted(pages->tiff, TIFFTAG_PLANARCONFIG, &planes);
    layout->planes = planes == PLANARCONFIG_SEPARATE ? samples : 1;
    layout->plane_samples = samples / layout->planes;
    find_blocks(layout, info, pages->tiff);
    split_strips(layout);
    if (!is_sound(layout))
        return ae_picture_tiff_refuse(&pages->client, "whose strips or tiles have odd sizes");
    info->bytes = LIBRARY_BYTES + find_largest(reader, pages->tiff) + layout->block_bytes +
                  band_bytes(layout, info) + COPIES_BESIDE * line_bytes(layout, info);
    pages->band_index = -1;
    return AE_OK;
}

void ae_picture_tiff_leave_page(ae_picture_tiff_pages *pages) {
    free(pages->block);
    free(pages->line);
    free(pages->band);
    pages->block = pages->line = pages->band = NULL;
}

/* ---- blocks ---- */

/* Decodes the block that has the pixel (x, y) of a plane. */
static bool decode_block(const ae_picture_reader *reader, int64_t x, int64_t y, int plane) {
    const ae_picture_tiff_pages *pages = reader->state;
    TIFF *tiff = pages->tiff;
    const uint32_t row = (uint32_t)y;
    const uint16_t p = (uint16_t)plane;
    switch (pages->layout.kind) {
    case AE_TIFF_TILES:
        return TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, (uint32_t)x, row, 0, p),
                                   pages->block, -1) >= 0;
    case AE_TIFF_STRIPS:
        return TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, row, p), pages->block, -1) >= 0;
    case AE_TIFF_SCANLINES:
        return TIFFReadScanline(tiff, pages->block, row, p) >= 0;
    }
    return false;
}

/* The samples of `width` pixels of a block's row, in the caller's type: `packed`, or the line. */
static const uint8_t *unpack(const ae_picture_tiff_pages *pages, const uint8_t *packed,
                             int64_t width) {
    const ae_picture_tiff_layout *layout = &pages->layout;
    const int64_t count = width * layout->plane_samples;
    if (layout->is_half) {
        memcpy(pages->line, packed, (size_t)count * 2);
        ae_picture_halves_widen((float *)pages->line, count);
    } else if (layout->bits < 16 && layout->bits != 8) {
        ae_picture_unpack(pages->line, packed, count, layout->bits);
        if (!layout->has_palette) ae_picture_scale_up(pages->line, count, layout->bits);
    } else {
        return packed;
    }
    return pages->line;
}

/* One sample of each pixel. */
static void scatter(uint8_t *pixels, const uint8_t *samples, int64_t width, size_t pixel_bytes,
                    size_t sample_bytes) {
    for (int64_t x = 0; x < width; ++x)
        memcpy(pixels + (size_t)x * pixel_bytes, samples + (size_t)x * sample_bytes, sample_bytes);
}

/* Puts a row of a block among the pixels of the band. False: a colour beyond the palette. */
static bool put_row(const ae_picture_reader *reader, uint8_t *pixels, const uint8_t *packed,
                    int64_t width, int plane) {
    const ae_picture_tiff_pages *pages = reader->state;
    const ae_picture_info *info = &reader->info;
    const uint8_t *samples = unpack(pages, packed, width);
    const size_t sample_bytes = ae_picture_sample_bytes(info->type);
    const size_t pixel_bytes = (size_t)ae_picture_samples(info) * sample_bytes;
    if (pages->layout.has_palette)
        return ae_picture_palette_expand(pixels, samples, width, &pages->palette, info);
    if (pages->layout.planes == 1)
        memcpy(pixels, samples, (size_t)width * pixel_bytes);
    else
        scatter(pixels + (size_t)plane * sample_bytes, samples, width, pixel_bytes, sample_bytes);
    return true;
}

/* One block, whose left upper pixel is (x, y), into the band. */
static ae_status put_block(ae_picture_reader *reader, int64_t x, int64_t y, int plane) {
    ae_picture_tiff_pages *pages = reader->state;
    const ae_picture_tiff_layout *layout = &pages->layout;
    const ae_picture_info *info = &reader->info;
    const size_t row_bytes = ae_picture_row_bytes(info), pixel = row_bytes / (size_t)info->width;
    int64_t width = info->width - x, rows = info->height - y;
    if (width > layout->block_width) width = layout->block_width;
    if (rows > layout->block_rows) rows = layout->block_rows;
    pages->client.said[0] = '\0';
    if (!decode_block(reader, x, y, plane) || pages->client.said[0])
        return ae_picture_tiff_refuse(&pages->client, "a strip or tile of which can't be decoded");
    for (int64_t r = 0; r < rows; ++r) {
        uint8_t *pixels = pages->band + (size_t)r * row_bytes + (size_t)x * pixel;
        if (!put_row(reader, pixels, pages->block + r * layout->block_row_bytes, width, plane))
            return ae_picture_tiff_refuse(&pages->client, "with a colour beyond its palette");
    }
    return AE_OK;
}

static ae_status take_memory(ae_picture_reader *reader) {
    ae_picture_tiff_pages *pages = reader->state;
    const ae_picture_tiff_layout *layout = &pages->layout;
    if (pages->band) return AE_OK;
    pages->block = malloc((size_t)layout->block_bytes);
    pages->line = malloc((size_t)line_bytes(layout, &reader->info));
    pages->band = malloc((size_t)band_bytes(layout, &reader->info));
    if (pages->block && pages->line && pages->band) return AE_OK;
    ae_picture_tiff_leave_page(pages);
    return ae_fail_memory("strips or tiles of a TIFF file");
}

/* Fills the band with the row of blocks that has row y. */
static ae_status load_band(ae_picture_reader *reader, int64_t y) {
    ae_picture_tiff_pages *pages = reader->state;
    const ae_picture_tiff_layout *layout = &pages->layout;
    const ae_picture_info *info = &reader->info;
    const int64_t index = y / layout->block_rows, top = index * layout->block_rows;
    if (index == pages->band_index) return AE_OK;
    ae_status status = take_memory(reader);
    pages->client.decodes = true;
    for (int p = 0; p < layout->planes; ++p)
        for (int64_t x = 0; x < info->width && status == AE_OK; x += layout->block_width)
            status = put_block(reader, x, top, p);
    pages->client.decodes = false;
    if (status != AE_OK) return status;
    if (layout->is_inverted)
        ae_picture_invert(pages->band, layout->block_rows * info->width * ae_picture_samples(info),
                          ae_picture_samples(info), info->type);
    pages->band_index = index;
    return AE_OK;
}

ae_status ae_picture_tiff_read(ae_picture_reader *reader, int64_t count, uint8_t *rows) {
    const ae_picture_tiff_pages *pages = reader->state;
    const size_t row_bytes = ae_picture_row_bytes(&reader->info);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t y = reader->row + i;
        const ae_status status = load_band(reader, y);
        if (status != AE_OK) return status;
        memcpy(rows + (size_t)i * row_bytes,
               pages->band + (size_t)(y % pages->layout.block_rows) * row_bytes, row_bytes);
    }
    return AE_OK;
}
