/* Writing TIFF with libtiff, in strips. */
#include <stdlib.h>
#include <string.h>
#include "tiff_codec.h"

enum {
    STRIP_BYTES = 1 << 18,
    DEFLATE_LEVEL = 3 /* photographs get no smaller by more, which takes nearly twice the time */
};

/* Beyond these, a file of 4 GB, classic TIFF's limit, could come. */
static const int64_t CLASSIC_PIXEL_BYTES = (int64_t)1 << 31, CLASSIC_INPUT_BYTES = 1 << 30;

typedef struct tiff_state {
    ae_picture_tiff_client client;
    TIFF *tiff;
    bool is_inverted;
    void *samples, *packed; /* one row, changed, and as it goes to libtiff */
} tiff_state;

const char *ae_picture_tiff_obstacle(const ae_picture_info *info) {
    (void)info;
    return NULL;
}

static ae_status fail(const ae_picture_writer *writer) {
    const tiff_state *state = writer->state;
    return ae_picture_output_fail(&writer->output, state->client.said);
}

/* That of the picture it was made of, if nothing is lost by it. */
static uint16_t compression_of(const ae_picture_info *info, const ae_picture_tags *tags) {
    const uint16_t compression = tags ? (uint16_t)tags->compression : 0;
    switch (compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_LZW:
    case COMPRESSION_PACKBITS:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_ZSTD:
    case COMPRESSION_LZMA:
        return compression;
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
        if (info->bits == 1 && ae_picture_samples(info) == 1) return compression;
        return COMPRESSION_ADOBE_DEFLATE;
    default:
        return COMPRESSION_ADOBE_DEFLATE;
    }
}

/* Differences of neighbours, where the compression offers that. */
static bool set_predictor(TIFF *tiff, const ae_picture_info *info, uint16_t compression) {
    switch (compression) {
    case COMPRESSION_LZW:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_ZSTD:
    case COMPRESSION_LZMA:
        if (info->type == AE_PICTURE_F32)
            return TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_FLOATINGPOINT);
        if (info->bits == 8 || info->bits == 16)
            return TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL);
        return true;
    default:
        return true;
    }
}

static bool set_level(TIFF *tiff, uint16_t compression) {
    return (compression != COMPRESSION_DEFLATE && compression != COMPRESSION_ADOBE_DEFLATE) ||
           TIFFSetField(tiff, TIFFTAG_ZIPQUALITY, DEFLATE_LEVEL);
}

static bool set_alpha(TIFF *tiff, ae_picture_alpha alpha) {
    const uint16_t kind = alpha == AE_PICTURE_STRAIGHT        ? EXTRASAMPLE_UNASSALPHA
                          : alpha == AE_PICTURE_PREMULTIPLIED ? EXTRASAMPLE_ASSOCALPHA
                                                              : EXTRASAMPLE_UNSPECIFIED;
    return alpha == AE_PICTURE_OPAQUE || TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &kind);
}

static bool set_samples(TIFF *tiff, const ae_picture_info *info, bool white_is_zero) {
    const int64_t row_bytes = (int64_t)ae_picture_row_bytes(info);
    const int64_t rows = row_bytes < STRIP_BYTES ? STRIP_BYTES / row_bytes : 1;
    const int photometric = info->channels == 3 ? PHOTOMETRIC_RGB
                            : white_is_zero     ? PHOTOMETRIC_MINISWHITE
                                                : PHOTOMETRIC_MINISBLACK;
    return TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)info->width) &&
           TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)info->height) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, ae_picture_samples(info)) &&
           TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, info->bits) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT,
                        info->type == AE_PICTURE_F32 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT) &&
           TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
           TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, photometric) &&
           TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP,
                        (uint32_t)(rows < info->height ? rows : info->height)) &&
           set_alpha(tiff, info->alpha);
}

static bool set_page(const ae_picture_writer *writer, const ae_picture_tags *tags) {
    tiff_state *state = writer->state;
    const ae_picture_info *info = &writer->info;
    const bool white_is_zero = tags && tags->white_is_zero && info->channels == 1;
    uint16_t compression = compression_of(info, tags);
    if (!TIFFIsCODECConfigured(compression)) compression = COMPRESSION_NONE;
    state->is_inverted = white_is_zero && info->type != AE_PICTURE_F32;
    return set_samples(state->tiff, info, white_is_zero) &&
           TIFFSetField(state->tiff, TIFFTAG_COMPRESSION, compression) &&
           set_predictor(state->tiff, info, compression) && set_level(state->tiff, compression) &&
           (!tags || ae_picture_tiff_put_tags(state->tiff, tags));
}

static bool may_be_large(const ae_picture_info *info, const ae_picture_tags *tags) {
    const int64_t page = info->height * (int64_t)ae_picture_row_bytes(info);
    return page > CLASSIC_PIXEL_BYTES / info->pages ||
           (tags && tags->file_bytes > CLASSIC_INPUT_BYTES);
}

static ae_status open_file(ae_picture_writer *writer, const ae_picture_tags *tags) {
    tiff_state *state = writer->state = calloc(1, sizeof *state);
    if (!state) return ae_fail_memory("writing a TIFF file");
    state->client.output = &writer->output;
    state->tiff =
        ae_picture_tiff_open(&state->client, may_be_large(&writer->info, tags) ? "w8m" : "wm");
    return state->tiff ? AE_OK : fail(writer);
}

/* Writes what stands in the directory of the page before. */
static bool end_page(const ae_picture_writer *writer) {
    const tiff_state *state = writer->state;
    return TIFFWriteDirectory(state->tiff) && writer->output.error == 0;
}

ae_status ae_picture_tiff_begin(ae_picture_writer *writer, const ae_picture_tags *tags) {
    const ae_status status = writer->state ? AE_OK : open_file(writer, tags);
    tiff_state *state = writer->state;
    if (status != AE_OK) return status;
    if (writer->page > 1 && !end_page(writer)) return fail(writer);
    const size_t row_bytes = ae_picture_row_bytes(&writer->info);
    free(state->samples);
    free(state->packed);
    state->samples = malloc(row_bytes);
    state->packed = malloc(row_bytes + 1);
    if (!state->samples || !state->packed) return ae_fail_memory("writing a TIFF file");
    return set_page(writer, tags) ? AE_OK : fail(writer);
}

/* The row as the file has it: `packed` or `samples` of the state. */
static void *pack(const ae_picture_writer *writer, const uint8_t *row) {
    const tiff_state *state = writer->state;
    const ae_picture_info *info = &writer->info;
    const int samples = ae_picture_samples(info);
    const int64_t count = info->width * samples;
    memcpy(state->samples, row, ae_picture_row_bytes(info));
    if (state->is_inverted) ae_picture_invert(state->samples, count, samples, info->type);
    if (info->type == AE_PICTURE_F32) {
        if (info->bits == 16) ae_picture_halves_narrow(state->samples, count);
        return state->samples;
    }
    if (info->bits == 8 || info->bits == 16) return state->samples;
    ae_picture_scale_down(state->samples, count, info->bits);
    ae_picture_pack(state->packed, state->samples, count, info->bits);
    return state->packed;
}

ae_status ae_picture_tiff_write(ae_picture_writer *writer, int64_t count, const uint8_t *rows) {
    const tiff_state *state = writer->state;
    const size_t row_bytes = ae_picture_row_bytes(&writer->info);
    for (int64_t i = 0; i < count; ++i) {
        void *packed = pack(writer, rows + (size_t)i * row_bytes);
        if (TIFFWriteScanline(state->tiff, packed, (uint32_t)(writer->row + i), 0) < 0 ||
            writer->output.error != 0)
            return fail(writer);
    }
    return AE_OK;
}

ae_status ae_picture_tiff_finish(ae_picture_writer *writer) {
    return end_page(writer) ? AE_OK : fail(writer);
}

void ae_picture_tiff_discard(ae_picture_writer *writer) {
    tiff_state *state = writer->state;
    if (!state) return;
    if (state->tiff) TIFFClose(state->tiff);
    free(state->samples);
    free(state->packed);
    free(state);
    writer->state = NULL;
}
