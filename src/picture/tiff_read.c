/* Reading TIFF with libtiff: which kinds of pages are read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tiff_codec.h"

/* What a page's directory tells of its samples. */
typedef struct kind {
    uint32_t width, height;
    uint16_t bits, samples, format, photometric, compression;
    uint16_t extra_count, *extras;
} kind;

typedef struct named {
    int value;
    const char *name;
} named;

static const named photometrics[] = {
    {PHOTOMETRIC_MASK, "a transparency mask"},
    {PHOTOMETRIC_SEPARATED, "CMYK"},
    {PHOTOMETRIC_YCBCR, "YCbCr without JPEG"},
    {PHOTOMETRIC_CIELAB, "CIE L*a*b*"},
    {PHOTOMETRIC_ICCLAB, "ICC L*a*b*"},
    {PHOTOMETRIC_ITULAB, "ITU L*a*b*"},
    {PHOTOMETRIC_CFA, "a colour filter array"},
    {34892, "linear raw"},
    {PHOTOMETRIC_LOGL, "LogL"},
    {PHOTOMETRIC_LOGLUV, "LogLuv"},
};

static const named sample_formats[] = {
    {SAMPLEFORMAT_UINT, "unsigned"},         {SAMPLEFORMAT_INT, "signed"},
    {SAMPLEFORMAT_IEEEFP, "floating point"}, {SAMPLEFORMAT_VOID, "unsigned"},
    {SAMPLEFORMAT_COMPLEXINT, "complex"},    {SAMPLEFORMAT_COMPLEXIEEEFP, "complex"},
};

/* Those that are read; the others are rare, or too lenient with damage. */
static const uint16_t compressions[] = {
    COMPRESSION_NONE,          COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4,
    COMPRESSION_LZW,           COMPRESSION_JPEG,     COMPRESSION_PACKBITS,  COMPRESSION_DEFLATE,
    COMPRESSION_ADOBE_DEFLATE, COMPRESSION_LZMA,     COMPRESSION_ZSTD};

#define NAME_OF(table, value) name_of(table, sizeof(table) / sizeof *(table), value)

static const char *name_of(const named *table, size_t count, int value) {
    for (size_t i = 0; i < count; ++i)
        if (table[i].value == value) return table[i].name;
    return "unknown";
}

static void look(kind *found, TIFF *tiff) {
    *found = (kind){0};
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &found->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &found->height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &found->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &found->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &found->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &found->compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &found->extra_count, &found->extras);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &found->photometric))
        found->photometric = found->samples < 3 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
}

/* ---- what is refused ---- */

static ae_status refuse_kind(const ae_picture_reader *reader, const char *what, int number,
                             const char *name) {
    const ae_picture_tiff_pages *pages = reader->state;
    return ae_picture_refuse(&reader->input, AE_PICTURE_CURE_KIND,
                             "page %lld (from 0) of a TIFF file with %s %d (%s), which isn't read",
                             (long long)pages->page, what, number, name);
}

static ae_status check_compression(const ae_picture_reader *reader, const kind *found) {
    bool is_read = false;
    for (size_t i = 0; i < sizeof compressions / sizeof *compressions; ++i)
        is_read |= compressions[i] == found->compression;
    const TIFFCodec *codec = TIFFFindCODEC(found->compression);
    if (!is_read)
        return refuse_kind(reader, "compression", found->compression,
                           codec ? codec->name : "unknown");
    if (!TIFFIsCODECConfigured(found->compression))
        return refuse_kind(reader, "compression", found->compression,
                           "which this libtiff was built without");
    return AE_OK;
}

static ae_status check_numbers(const ae_picture_reader *reader, const kind *found) {
    const bool is_float = found->format == SAMPLEFORMAT_IEEEFP;
    const bool is_whole = found->format == SAMPLEFORMAT_UINT || found->format == SAMPLEFORMAT_VOID;
    const bool has_palette = found->photometric == PHOTOMETRIC_PALETTE;
    if (is_float && !has_palette && (found->bits == 16 || found->bits == 32)) return AE_OK;
    if (is_whole && found->bits >= 1 && found->bits <= (has_palette ? 8 : 16)) return AE_OK;
    return ae_picture_refuse(
        &reader->input, "convert it to 8 or 16 bits, or to 32-bit floating point, or leave it out",
        "a TIFF file of %s %d-bit samples%s", NAME_OF(sample_formats, found->format), found->bits,
        has_palette ? " with a palette" : "");
}

/* Sets channels and alpha of the info. */
static ae_status check_colours(ae_picture_reader *reader, const kind *found) {
    ae_picture_info *info = &reader->info;
    switch (found->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
        info->channels = 1;
        break;
    case PHOTOMETRIC_YCBCR:
        if (found->compression != COMPRESSION_JPEG)
            return refuse_kind(reader, "colours", found->photometric, "YCbCr without JPEG");
        info->channels = 3;
        break;
    case PHOTOMETRIC_RGB:
        info->channels = 3;
        break;
    default:
        return refuse_kind(reader, "colours", found->photometric,
                           NAME_OF(photometrics, found->photometric));
    }
    const int extra = found->samples - info->channels;
    if (extra < 0 || extra > (found->photometric == PHOTOMETRIC_PALETTE ? 0 : 1))
        return ae_picture_refuse(
            &reader->input, "save it with one or three channels, or channels as pages",
            "a TIFF file of %d samples a pixel, %d of them colour", found->samples, info->channels);
    info->alpha = extra == 0 ? AE_PICTURE_OPAQUE : AE_PICTURE_UNSPECIFIED;
    if (extra == 1 && found->extra_count > 0 && found->extras[0] == EXTRASAMPLE_ASSOCALPHA)
        info->alpha = AE_PICTURE_PREMULTIPLIED;
    if (extra == 1 && found->extra_count > 0 && found->extras[0] == EXTRASAMPLE_UNASSALPHA)
        info->alpha = AE_PICTURE_STRAIGHT;
    return AE_OK;
}

/* The least bytes that compressed ones can have come from, by the format of the compression. */
static ae_status check_least(const ae_picture_reader *reader, const kind *found) {
    const int64_t bytes =
        (int64_t)found->height * ((int64_t)found->width * found->samples * found->bits / 8);
    switch (found->compression) {
    case COMPRESSION_NONE:
        return ae_picture_check_least(reader, bytes);
    case COMPRESSION_PACKBITS: /* 128 bytes in 2 */
        return ae_picture_check_least(reader, bytes / 64);
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
        return ae_picture_check_least(reader, bytes / 1032);
    case COMPRESSION_LZW: /* at most a table's length in 9 bits */
        return ae_picture_check_least(reader, bytes / 4096);
    default:
        return AE_OK;
    }
}

/* ImageJ keeps the pages of stacks beyond 4 GB behind the only one that the directory tells of. */
static ae_status check_imagej(const ae_picture_reader *reader, TIFF *tiff) {
    char *text;
    if (reader->info.pages > 1 || !TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &text) ||
        strncmp(text, "ImageJ=", 7) != 0)
        return AE_OK;
    const char *images = strstr(text, "\nimages=");
    const long count = images ? strtol(images + 8, NULL, 10) : 1;
    if (count <= 1) return AE_OK;
    return ae_picture_refuse(&reader->input,
                             "save it as BigTIFF (Bio-Formats does), or in files of up to 4 GB",
                             "a stack of ImageJ's with %ld pages, only one of which is in TIFF's "
                             "directory",
                             count);
}

/* ---- one page ---- */

/* Colours have 16 bits, of which writers repeat 8, or leave the lower byte zero; old ones take the
 * lower byte alone. */
static void take_colours(ae_picture_palette *palette, uint16_t *const maps[3]) {
    uint16_t highest = 0;
    for (int i = 0; i < palette->count; ++i)
        for (int c = 0; c < 3; ++c) highest |= maps[c][i];
    for (int i = 0; i < palette->count; ++i)
        for (int c = 0; c < 3; ++c)
            palette->colours[i][c] = (uint8_t)(highest > UINT8_MAX ? maps[c][i] >> 8 : maps[c][i]);
}

static ae_status take_palette(ae_picture_reader *reader, int bits) {
    ae_picture_tiff_pages *pages = reader->state;
    uint16_t *maps[3];
    pages->palette.count = 1 << bits;
    if (!TIFFGetField(pages->tiff, TIFFTAG_COLORMAP, &maps[0], &maps[1], &maps[2]))
        return ae_picture_tiff_refuse(&pages->client, "whose palette is missing");
    take_colours(&pages->palette, maps);
    ae_picture_palette_describe(&reader->info, &pages->palette, false);
    return AE_OK;
}

static void take_samples(ae_picture_reader *reader, const kind *found) {
    ae_picture_tiff_pages *pages = reader->state;
    ae_picture_info *info = &reader->info;
    const bool is_float = found->format == SAMPLEFORMAT_IEEEFP;
    info->bits = found->bits;
    info->type = is_float ? AE_PICTURE_F32 : found->bits > 8 ? AE_PICTURE_U16 : AE_PICTURE_U8;
    pages->layout =
        (ae_picture_tiff_layout){.bits = found->bits,
                                 .is_half = is_float && found->bits == 16,
                                 .is_inverted = found->photometric == PHOTOMETRIC_MINISWHITE,
                                 .has_palette = found->photometric == PHOTOMETRIC_PALETTE};
    if (found->photometric == PHOTOMETRIC_YCBCR)
        TIFFSetField(pages->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
}

/* The page whose directory is loaded. */
static ae_status describe(ae_picture_reader *reader) {
    ae_picture_tiff_pages *pages = reader->state;
    kind found;
    look(&found, pages->tiff);
    reader->info.width = found.width;
    reader->info.height = found.height;
    ae_status status = check_compression(reader, &found);
    if (status == AE_OK) status = check_numbers(reader, &found);
    if (status == AE_OK) status = check_colours(reader, &found);
    if (status == AE_OK) status = ae_picture_check_sides(reader);
    if (status == AE_OK) status = check_least(reader, &found);
    if (status == AE_OK) status = check_imagej(reader, pages->tiff);
    if (status != AE_OK) return status;
    take_samples(reader, &found);
    if (pages->layout.has_palette) status = take_palette(reader, found.bits);
    if (status == AE_OK) status = ae_picture_tiff_lay_out(reader);
    if (status == AE_OK) status = ae_picture_tiff_take_tags(&reader->tags, pages->tiff);
    return status;
}

/* ---- the codec ---- */

static void close_tiff(ae_picture_reader *reader) {
    ae_picture_tiff_pages *pages = reader->state;
    if (!pages) return;
    ae_picture_tiff_leave_page(pages);
    if (pages->tiff) TIFFClose(pages->tiff);
    free(pages);
    reader->state = NULL;
}

static ae_status open_tiff(ae_picture_reader *reader) {
    ae_picture_tiff_pages *pages = reader->state = calloc(1, sizeof *pages);
    if (!pages) return ae_fail_memory("reading a TIFF file");
    pages->client.input = &reader->input;
    pages->tiff = ae_picture_tiff_open(&pages->client, "rm");
    if (!pages->tiff)
        return ae_picture_tiff_refuse(&pages->client, "whose directory can't be read");
    pages->client.said[0] = '\0';
    reader->info.pages = (int64_t)TIFFNumberOfDirectories(pages->tiff);
    if (pages->client.said[0] || reader->input.fault[0])
        return ae_picture_tiff_refuse(&pages->client, "whose pages can't be counted");
    return describe(reader);
}

static ae_status select_tiff(ae_picture_reader *reader, int64_t page) {
    ae_picture_tiff_pages *pages = reader->state;
    const bool is_next = page == pages->page + 1;
    ae_picture_tiff_leave_page(pages);
    const int64_t file_bytes = reader->tags.file_bytes;
    ae_picture_tags_release(&reader->tags);
    reader->tags.file_bytes = file_bytes;
    pages->client.said[0] = '\0';
    pages->page = page;
    if (is_next ? TIFFReadDirectory(pages->tiff) : TIFFSetDirectory(pages->tiff, (uint32_t)page))
        return describe(reader);
    pages->page = -2; /* next to none */
    return ae_picture_tiff_refuse(&pages->client, "one of whose pages can't be read");
}

/* libtiff tells a text: "LIBTIFF, Version 4.5.0", and lines about its authors. */
static void tell_library(char *text, size_t size) {
    const char *version = strstr(TIFFGetVersion(), "ersion ");
    version = version ? version + strlen("ersion ") : "";
    snprintf(text, size, "libtiff %.*s", (int)strcspn(version, "\n"), version);
}

const ae_picture_codec ae_picture_tiff = {
    .library = tell_library,
    .open = open_tiff,
    .select = select_tiff,
    .read = ae_picture_tiff_read,
    .close = close_tiff,
    .obstacle = ae_picture_tiff_obstacle,
    .begin = ae_picture_tiff_begin,
    .write = ae_picture_tiff_write,
    .finish = ae_picture_tiff_finish,
    .discard = ae_picture_tiff_discard,
};
