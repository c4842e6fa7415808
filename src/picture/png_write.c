/* Writing PNG with libpng. */
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "png_codec.h"
#include "samples.h"

enum { COMPRESSION_LEVEL = 3 }; /* photographs get no smaller by more, which takes twice the time */

typedef struct png_state {
    png_structp png;
    png_infop info;
    jmp_buf jump; /* where libpng's errors go */
    char said[AE_PICTURE_FAULT_SIZE];
    int bits;     /* of a sample in the file */
    uint8_t *row; /* scaled down, where they are fewer than 8 */
} png_state;

const char *ae_picture_png_obstacle(const ae_picture_info *info) {
    if (info->type == AE_PICTURE_F32) return "PNG holds whole numbers, no floating point";
    if (info->alpha == AE_PICTURE_PREMULTIPLIED)
        return "PNG holds no colours that are multiplied by alpha";
    if (info->alpha == AE_PICTURE_UNSPECIFIED) return "PNG holds no sample of unknown meaning";
    if (info->pages > 1) return "PNG holds one page";
    return NULL;
}

static void on_error(png_structp png, png_const_charp text) {
    png_state *state = png_get_error_ptr(png);
    snprintf(state->said, sizeof state->said, "%s", text);
    longjmp(state->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void on_write(png_structp png, png_bytep bytes, size_t size) {
    if (!ae_picture_output_put(png_get_io_ptr(png), bytes, size)) png_error(png, "it can't");
}

static void on_flush(png_structp png) {
    (void)png;
}

/* ---- what is done where libpng may jump ---- */

typedef struct png_task {
    ae_picture_writer *writer;
    png_state *state;
    const ae_picture_tags *tags; /* NULL: none */
    int64_t count;
    const uint8_t *rows;
} png_task;

static ae_status guard(void (*work)(const png_task *task), const png_task *task) {
    if (setjmp(task->state->jump) == 0) {
        work(task);
        return AE_OK;
    }
    return ae_picture_output_fail(&task->writer->output, task->state->said);
}

static void put_resolution(const png_task *task) {
    const ae_picture_resolution r =
        ae_picture_resolution_in(task->tags->resolution, AE_PICTURE_PER_METRE);
    if (r.unit == AE_PICTURE_NO_RESOLUTION || !(r.x >= 0.5 && r.x < PNG_UINT_31_MAX) ||
        !(r.y >= 0.5 && r.y < PNG_UINT_31_MAX))
        return;
    png_set_pHYs(task->state->png, task->state->info, (png_uint_32)lrint(r.x),
                 (png_uint_32)lrint(r.y),
                 r.unit == AE_PICTURE_PER_METRE ? PNG_RESOLUTION_METER : PNG_RESOLUTION_UNKNOWN);
}

static void put_exif(const png_task *task) {
    const ae_picture_tags *tags = task->tags;
    uint8_t made[AE_PICTURE_EXIF_SIZE];
    if (tags->exif.bytes) {
        png_set_eXIf_1(task->state->png, task->state->info, (png_uint_32)tags->exif.size,
                       tags->exif.bytes);
    } else if (tags->orientation > 1) {
        ae_picture_exif_make(made, tags->orientation);
        png_set_eXIf_1(task->state->png, task->state->info, sizeof made, made);
    }
}

static void put_tags(const png_task *task) {
    const ae_picture_tags *tags = task->tags;
    png_structp png = task->state->png;
    png_infop info = task->state->info;
    const double *c = tags->chromaticities;
    put_resolution(task);
    put_exif(task);
    if (tags->profile.bytes)
        png_set_iCCP(png, info, "ICC", PNG_COMPRESSION_TYPE_BASE, tags->profile.bytes,
                     (png_uint_32)tags->profile.size);
    if (tags->has_chromaticities)
        png_set_cHRM(png, info, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]);
    if (tags->gamma > 0) png_set_gAMA_fixed(png, info, tags->gamma);
    if (tags->intent >= 0) png_set_sRGB(png, info, tags->intent);
}

/* Those of the sizes there are that hold samples of the info. */
static int bits_of(const ae_picture_info *info) {
    if (info->type == AE_PICTURE_U16) return 16;
    if (ae_picture_samples(info) > 1 || info->bits > 4) return 8;
    return info->bits == 3 ? 4 : info->bits;
}

static void put_head(const png_task *task) {
    const ae_picture_info *info = &task->writer->info;
    png_state *state = task->state;
    const int colour = (info->channels == 3 ? PNG_COLOR_MASK_COLOR : 0) |
                       (info->alpha != AE_PICTURE_OPAQUE ? PNG_COLOR_MASK_ALPHA : 0);
    png_set_IHDR(state->png, state->info, (png_uint_32)info->width, (png_uint_32)info->height,
                 state->bits, colour, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (task->tags) put_tags(task);
    png_write_info(state->png, state->info);
    if (state->bits < 8) png_set_packing(state->png);
    if (state->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(state->png);
}

static bool make_structs(png_state *state) {
    state->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, state, on_error, on_warning);
    if (state->png) state->info = png_create_info_struct(state->png);
    return state->info != NULL;
}

ae_status ae_picture_png_begin(ae_picture_writer *writer, const ae_picture_tags *tags) {
    png_state *state = writer->state = calloc(1, sizeof *state);
    if (state) state->row = malloc(ae_picture_row_bytes(&writer->info));
    if (!state || !state->row || setjmp(state->jump) != 0 || !make_structs(state))
        return ae_fail_memory("writing a PNG file");
    state->bits = bits_of(&writer->info);
    png_set_compression_level(state->png, COMPRESSION_LEVEL);
    png_set_benign_errors(state->png, 1); /* a profile that doesn't fit is left out */
    png_set_user_limits(state->png, AE_PICTURE_SIDE_MAX, AE_PICTURE_SIDE_MAX);
    png_set_write_fn(state->png, &writer->output, on_write, on_flush);
    return guard(put_head, &(png_task){.writer = writer, .state = state, .tags = tags});
}

static void put_rows(const png_task *task) {
    const ae_picture_info *info = &task->writer->info;
    png_state *state = task->state;
    const size_t size = ae_picture_row_bytes(info);
    for (int64_t i = 0; i < task->count; ++i) {
        const uint8_t *row = task->rows + (size_t)i * size;
        if (state->bits < 8) {
            memcpy(state->row, row, size);
            ae_picture_scale_down(state->row, info->width, state->bits);
            row = state->row;
        }
        png_write_row(state->png, row);
    }
}

ae_status ae_picture_png_write(ae_picture_writer *writer, int64_t count, const uint8_t *rows) {
    return guard(
        put_rows,
        &(png_task){.writer = writer, .state = writer->state, .count = count, .rows = rows});
}

static void put_end(const png_task *task) {
    png_write_end(task->state->png, NULL);
}

ae_status ae_picture_png_finish(ae_picture_writer *writer) {
    return guard(put_end, &(png_task){.writer = writer, .state = writer->state});
}

void ae_picture_png_discard(ae_picture_writer *writer) {
    png_state *state = writer->state;
    if (!state) return;
    png_destroy_write_struct(&state->png, &state->info);
    free(state->row);
    free(state);
    writer->state = NULL;
}
