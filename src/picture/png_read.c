/* Reading PNG with libpng. Rows come one at a time; where they are interlaced, the whole picture is
 * decoded as the first is asked for. */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "png_codec.h"
#include "samples.h"

enum {
    CHUNK_BYTES_MAX = 8 << 20,  /* of a colour profile, inflated */
    PIECE_BYTES_MAX = 16 << 20, /* of memory: a row takes 8 MB at most */
    LIBRARY_BYTES = 1 << 20,    /* that libpng and zlib take beside rows, */
    ROWS_HELD = 4,              /* and the rows */
    DEFLATE_RATIO_MAX = 1032
};

typedef struct png_state {
    png_structp png;
    png_infop info;
    jmp_buf jump; /* where libpng's errors go */
    char said[AE_PICTURE_FAULT_SIZE];
    bool is_interlaced, has_palette;
    int passes;
    ae_picture_palette palette;
    size_t row_bytes; /* as libpng gives it */
    png_bytep row;    /* of indices, where there is a palette */
    png_bytep whole;  /* the picture, where it is interlaced; NULL: not yet decoded */
} png_state;

/* ---- libpng's callbacks ---- */

static void on_error(png_structp png, png_const_charp text) {
    png_state *state = png_get_error_ptr(png);
    snprintf(state->said, sizeof state->said, "%s", text);
    longjmp(state->jump, 1);
}

/* Of chunks beside the picture, which are left out then. */
static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

/* libpng takes memory for as long a chunk as the file claims there is. */
static png_voidp on_malloc(png_structp png, png_alloc_size_t size) {
    (void)png;
    return size <= PIECE_BYTES_MAX ? malloc(size) : NULL;
}

static void on_free(png_structp png, png_voidp piece) {
    (void)png;
    free(piece);
}

static void on_read(png_structp png, png_bytep bytes, size_t size) {
    ae_picture_input *input = png_get_io_ptr(png);
    if (ae_picture_input_take(input, bytes, size) != size) png_error(png, "it is cut short");
}

/* ---- what is done where libpng may jump ---- */

typedef struct png_task {
    ae_picture_reader *reader;
    png_state *state;
    int64_t count;
    uint8_t *rows;
    ae_status status; /* of what isn't libpng's */
} png_task;

/* Does the work, and refuses the file where libpng does. */
static ae_status guard(void (*work)(png_task *task), png_task task) {
    png_state *state = task.state;
    task.status = AE_OK;
    if (setjmp(state->jump) == 0) {
        work(&task);
        return task.status;
    }
    const char *fault = task.reader->input.fault;
    return ae_picture_refuse(&task.reader->input, AE_PICTURE_CURE_DAMAGED,
                             "a damaged PNG file: %s%s", fault, fault[0] ? "" : state->said);
}

static void copy_blob(png_task *task, ae_picture_blob *blob, const void *bytes, size_t size) {
    if (!ae_picture_blob_copy(blob, bytes, size)) task->status = ae_fail_memory("a colour profile");
}

static void take_resolution(png_task *task) {
    ae_picture_resolution *resolution = &task->reader->tags.resolution;
    png_uint_32 x, y;
    int unit;
    if (!png_get_pHYs(task->state->png, task->state->info, &x, &y, &unit)) return;
    resolution->unit = unit == PNG_RESOLUTION_METER ? AE_PICTURE_PER_METRE : AE_PICTURE_ASPECT;
    resolution->x = x;
    resolution->y = y;
}

static void take_tags(png_task *task) {
    png_structp png = task->state->png;
    png_infop info = task->state->info;
    ae_picture_tags *tags = &task->reader->tags;
    png_charp name;
    png_bytep bytes;
    png_uint_32 size;
    double *c = tags->chromaticities;
    int kind;
    take_resolution(task);
    if (png_get_iCCP(png, info, &name, &kind, &bytes, &size))
        copy_blob(task, &tags->profile, bytes, size);
    if (png_get_eXIf_1(png, info, &size, &bytes)) copy_blob(task, &tags->exif, bytes, size);
    if (task->status != AE_OK) return;
    tags->orientation = ae_picture_exif_orientation(&tags->exif);
    png_get_gAMA_fixed(png, info, &tags->gamma);
    png_get_sRGB(png, info, &tags->intent);
    tags->has_chromaticities =
        png_get_cHRM(png, info, &c[0], &c[1], &c[2], &c[3], &c[4], &c[5], &c[6], &c[7]) != 0;
}

static void take_palette(png_task *task) {
    ae_picture_palette *palette = &task->state->palette;
    png_structp png = task->state->png;
    png_colorp colours = NULL;
    png_bytep alpha = NULL;
    int alphas = 0;
    png_get_PLTE(png, task->state->info, &colours, &palette->count);
    png_get_tRNS(png, task->state->info, &alpha, &alphas, NULL);
    for (int i = 0; i < palette->count; ++i) {
        uint8_t *colour = palette->colours[i];
        colour[0] = colours[i].red;
        colour[1] = colours[i].green;
        colour[2] = colours[i].blue;
        colour[3] = i < alphas ? alpha[i] : UINT8_MAX;
    }
    ae_picture_palette_describe(&task->reader->info, palette, alphas > 0);
    png_set_packing(png);
}

/* Sets the info, and how libpng is to give samples. */
static void take_samples(png_task *task, int colour, int bits) {
    png_structp png = task->state->png;
    ae_picture_info *info = &task->reader->info;
    const bool has_key = png_get_valid(png, task->state->info, PNG_INFO_tRNS) != 0;
    info->channels = colour & PNG_COLOR_MASK_COLOR ? 3 : 1;
    info->alpha =
        colour & PNG_COLOR_MASK_ALPHA || has_key ? AE_PICTURE_STRAIGHT : AE_PICTURE_OPAQUE;
    info->type = bits == 16 ? AE_PICTURE_U16 : AE_PICTURE_U8;
    info->bits = has_key && bits < 8 ? 8 : bits; /* PNG has no alpha with fewer */
    if (bits < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (has_key) png_set_tRNS_to_alpha(png);
    if (bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(png);
}

static void take_bytes(png_task *task) {
    png_state *state = task->state;
    ae_picture_info *info = &task->reader->info;
    state->row_bytes = png_get_rowbytes(state->png, state->info);
    const int64_t rows = ROWS_HELD + (state->is_interlaced ? info->height : 0);
    info->bytes = LIBRARY_BYTES + rows * (int64_t)state->row_bytes;
}

static void describe(png_task *task) {
    ae_picture_reader *reader = task->reader;
    png_state *state = task->state;
    png_uint_32 width, height;
    int bits, colour, interlacing;
    png_read_info(state->png, state->info);
    png_get_IHDR(state->png, state->info, &width, &height, &bits, &colour, &interlacing, NULL,
                 NULL);
    reader->info.width = width;
    reader->info.height = height;
    const int64_t bytes =
        (int64_t)((png_get_rowbytes(state->png, state->info) + 1) * (uint64_t)height);
    task->status = ae_picture_check_sides(reader);
    if (task->status == AE_OK)
        task->status = ae_picture_check_least(reader, bytes / DEFLATE_RATIO_MAX);
    if (task->status == AE_OK) take_tags(task);
    if (task->status != AE_OK) return;
    state->is_interlaced = interlacing != PNG_INTERLACE_NONE;
    state->has_palette = colour == PNG_COLOR_TYPE_PALETTE;
    if (state->has_palette)
        take_palette(task);
    else
        take_samples(task, colour, bits);
    state->passes = png_set_interlace_handling(state->png);
    png_read_update_info(state->png, state->info);
    take_bytes(task);
}

/* ---- the codec ---- */

/* Chunks that aren't kept, and may be large. */
static const png_byte ignored[] = "tEXt\0zTXt\0iTXt\0sPLT\0hIST\0pCAL\0sCAL";

static void close_png(ae_picture_reader *reader) {
    png_state *state = reader->state;
    if (!state) return;
    png_destroy_read_struct(&state->png, &state->info, NULL);
    free(state->whole);
    free(state->row);
    free(state);
    reader->state = NULL;
}

static bool make_structs(png_state *state) {
    state->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, state, on_error, on_warning, NULL,
                                          on_malloc, on_free);
    if (state->png) state->info = png_create_info_struct(state->png);
    return state->info != NULL;
}

static ae_status open_png(ae_picture_reader *reader) {
    png_state *state = reader->state = calloc(1, sizeof *state);
    if (!state || setjmp(state->jump) != 0 || !make_structs(state))
        return ae_fail_memory("reading a PNG file");
    png_set_read_fn(state->png, &reader->input, on_read);
    png_set_user_limits(state->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are checked */
    png_set_chunk_malloc_max(state->png, CHUNK_BYTES_MAX);
    png_set_crc_action(state->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(state->png, PNG_HANDLE_CHUNK_NEVER, ignored,
                                (int)(sizeof ignored / 5));
    return guard(describe, (png_task){.reader = reader, .state = state});
}

/* Decodes all rows into memory that was taken. */
static void decode_whole(png_task *task) {
    const int64_t height = task->reader->info.height;
    png_state *state = task->state;
    for (int p = 0; p < state->passes; ++p)
        for (int64_t y = 0; y < height; ++y)
            png_read_row(state->png, state->whole + (size_t)y * state->row_bytes, NULL);
}

/* One row as libpng gives it, to `row`. */
static void decode_row(png_task *task, int64_t y, png_bytep row) {
    png_state *state = task->state;
    if (state->whole)
        memcpy(row, state->whole + (size_t)y * state->row_bytes, state->row_bytes);
    else
        png_read_row(state->png, row, NULL);
}

static void decode_rows(png_task *task) {
    ae_picture_reader *reader = task->reader;
    png_state *state = task->state;
    const size_t size = ae_picture_row_bytes(&reader->info);
    for (int64_t i = 0; i < task->count && task->status == AE_OK; ++i) {
        uint8_t *row = task->rows + (size_t)i * size;
        decode_row(task, reader->row + i, state->has_palette ? state->row : row);
        if (state->has_palette && !ae_picture_palette_expand(row, state->row, reader->info.width,
                                                             &state->palette, &reader->info))
            task->status = ae_picture_refuse(
                &reader->input, AE_PICTURE_CURE_DAMAGED,
                "a damaged PNG file: row %lld has a colour beyond the %d of its palette",
                (long long)(reader->row + i), state->palette.count);
    }
}

/* Takes memory by the first row. */
static ae_status prepare(ae_picture_reader *reader, png_state *state) {
    if (state->has_palette && !state->row) state->row = malloc(state->row_bytes);
    if (state->has_palette && !state->row) return ae_fail_memory("a row of a PNG file");
    if (!state->is_interlaced || state->whole) return AE_OK;
    state->whole = malloc((size_t)reader->info.height * state->row_bytes);
    if (!state->whole) return ae_fail_memory("an interlaced PNG file");
    return guard(decode_whole, (png_task){.reader = reader, .state = state});
}

static ae_status read_png(ae_picture_reader *reader, int64_t count, uint8_t *rows) {
    png_state *state = reader->state;
    const ae_status status = prepare(reader, state);
    if (status != AE_OK) return status;
    return guard(decode_rows,
                 (png_task){.reader = reader, .state = state, .count = count, .rows = rows});
}

static void decode_end(png_task *task) {
    png_read_end(task->state->png, NULL);
}

static ae_status end_png(ae_picture_reader *reader) {
    return guard(decode_end, (png_task){.reader = reader, .state = reader->state});
}

static void tell_library(char *text, size_t size) {
    snprintf(text, size, "libpng %s", png_get_libpng_ver(NULL));
}

const ae_picture_codec ae_picture_png = {
    .library = tell_library,
    .open = open_png,
    .read = read_png,
    .end = end_png,
    .close = close_png,
    .obstacle = ae_picture_png_obstacle,
    .begin = ae_picture_png_begin,
    .write = ae_picture_png_write,
    .finish = ae_picture_png_finish,
    .discard = ae_picture_png_discard,
};
