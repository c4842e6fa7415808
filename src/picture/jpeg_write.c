/* Writing JPEG with libjpeg-turbo, in sequence. */
#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jpeglib.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "jpeg_codec.h"

enum { MARKER_BYTES_MAX = 65533, SIDE_MAX = 65500 };

typedef struct jpeg_state {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    ae_picture_output *output;
    jmp_buf jump; /* where libjpeg's errors go */
    char said[AE_PICTURE_FAULT_SIZE];
    JOCTET buffer[1 << 14];
} jpeg_state;

const char *ae_picture_jpeg_obstacle(const ae_picture_info *info) {
    if (info->type == AE_PICTURE_U16) return "JPEG holds 8 bits a sample, not 16";
    if (info->type == AE_PICTURE_F32) return "JPEG holds 8 bits a sample, no floating point";
    if (info->alpha != AE_PICTURE_OPAQUE) return "JPEG holds no alpha";
    if (info->pages > 1) return "JPEG holds one page";
    if (info->width > SIDE_MAX || info->height > SIDE_MAX)
        return "JPEG holds at most 65500 pixels a side";
    return NULL;
}

/* ---- libjpeg's callbacks ---- */

static void on_error(j_common_ptr jpeg) {
    jpeg_state *state = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    snprintf(state->said, sizeof state->said, "%s", text);
    longjmp(state->jump, 1);
}

static void on_message(j_common_ptr jpeg, int level) {
    (void)jpeg, (void)level;
}

static void empty(j_compress_ptr jpeg, size_t size) {
    jpeg_state *state = jpeg->client_data;
    if (!ae_picture_output_put(state->output, state->buffer, size)) longjmp(state->jump, 1);
    state->destination.next_output_byte = state->buffer;
    state->destination.free_in_buffer = sizeof state->buffer;
}

static void on_begin(j_compress_ptr jpeg) {
    empty(jpeg, 0);
}

static boolean on_full(j_compress_ptr jpeg) {
    empty(jpeg, sizeof((jpeg_state *)NULL)->buffer);
    return TRUE;
}

static void on_end(j_compress_ptr jpeg) {
    const jpeg_state *state = jpeg->client_data;
    empty(jpeg, sizeof state->buffer - state->destination.free_in_buffer);
}

/* ---- what is done where libjpeg may jump ---- */

typedef struct jpeg_task {
    ae_picture_writer *writer;
    jpeg_state *state;
    const ae_picture_tags *tags; /* NULL: none */
    int64_t count;
    const uint8_t *rows;
} jpeg_task;

static ae_status guard(void (*work)(const jpeg_task *task), const jpeg_task *task) {
    if (setjmp(task->state->jump) == 0) {
        work(task);
        return AE_OK;
    }
    return ae_picture_output_fail(&task->writer->output, task->state->said);
}

/* JFIF's density: whole numbers of 16 bits. */
static void set_resolution(const jpeg_task *task) {
    struct jpeg_compress_struct *jpeg = &task->state->jpeg;
    ae_picture_resolution r = task->tags->resolution;
    if (r.unit == AE_PICTURE_PER_METRE) r = ae_picture_resolution_in(r, AE_PICTURE_PER_INCH);
    if (r.unit == AE_PICTURE_NO_RESOLUTION || !(r.x >= 0.5 && r.x < UINT16_MAX) ||
        !(r.y >= 0.5 && r.y < UINT16_MAX))
        return;
    jpeg->density_unit = r.unit == AE_PICTURE_PER_INCH ? 1 : r.unit == AE_PICTURE_PER_CM ? 2 : 0;
    jpeg->X_density = (UINT16)lrint(r.x);
    jpeg->Y_density = (UINT16)lrint(r.y);
}

static void put_exif(const jpeg_task *task) {
    uint8_t marker[MARKER_BYTES_MAX] = AE_PICTURE_EXIF_MARK;
    const ae_picture_blob *exif = &task->tags->exif;
    uint8_t *content = marker + AE_PICTURE_EXIF_MARK_SIZE;
    size_t size = AE_PICTURE_EXIF_SIZE;
    if (exif->bytes && exif->size <= sizeof marker - AE_PICTURE_EXIF_MARK_SIZE)
        memcpy(content, exif->bytes, size = exif->size);
    else if (task->tags->orientation > 1)
        ae_picture_exif_make(content, task->tags->orientation);
    else
        return;
    jpeg_write_marker(&task->state->jpeg, JPEG_APP0 + 1, marker,
                      (unsigned)(AE_PICTURE_EXIF_MARK_SIZE + size));
}

/* How much chroma is thinned: as in the file that the picture was made of, else not at all. */
static void set_sampling(const jpeg_task *task) {
    const ae_picture_tags *tags = task->tags;
    jpeg_component_info *luma = task->state->jpeg.comp_info;
    luma->h_samp_factor = tags && tags->sampling[0] == 2 ? 2 : 1;
    luma->v_samp_factor = tags && tags->sampling[1] == 2 ? 2 : 1;
}

static void put_head(const jpeg_task *task) {
    const ae_picture_info *info = &task->writer->info;
    jpeg_state *state = task->state;
    struct jpeg_compress_struct *jpeg = &state->jpeg;
    jpeg->image_width = (JDIMENSION)info->width;
    jpeg->image_height = (JDIMENSION)info->height;
    jpeg->input_components = info->channels;
    jpeg->in_color_space = info->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, task->writer->quality, TRUE);
    jpeg->dct_method = JDCT_ISLOW;
    if (info->channels == 3) set_sampling(task);
    if (task->tags) set_resolution(task);
    jpeg_start_compress(jpeg, TRUE);
    if (!task->tags) return;
    put_exif(task);
    if (task->tags->profile.bytes)
        jpeg_write_icc_profile(jpeg, task->tags->profile.bytes, (unsigned)task->tags->profile.size);
}

ae_status ae_picture_jpeg_begin(ae_picture_writer *writer, const ae_picture_tags *tags) {
    jpeg_state *state = writer->state = calloc(1, sizeof *state);
    if (!state) return ae_fail_memory("writing a JPEG file");
    state->output = &writer->output;
    state->jpeg.err = jpeg_std_error(&state->errors);
    state->errors.error_exit = on_error;
    state->errors.emit_message = on_message;
    state->jpeg.client_data = state;
    if (setjmp(state->jump) != 0) return ae_fail_memory("writing a JPEG file");
    jpeg_create_compress(&state->jpeg);
    state->destination.init_destination = on_begin;
    state->destination.empty_output_buffer = on_full;
    state->destination.term_destination = on_end;
    state->jpeg.dest = &state->destination;
    return guard(put_head, &(jpeg_task){.writer = writer, .state = state, .tags = tags});
}

static void put_rows(const jpeg_task *task) {
    const size_t size = ae_picture_row_bytes(&task->writer->info);
    for (int64_t i = 0; i < task->count; ++i) {
        JSAMPROW row = (JSAMPROW)task->rows + (size_t)i * size;
        jpeg_write_scanlines(&task->state->jpeg, &row, 1);
    }
}

ae_status ae_picture_jpeg_write(ae_picture_writer *writer, int64_t count, const uint8_t *rows) {
    return guard(
        put_rows,
        &(jpeg_task){.writer = writer, .state = writer->state, .count = count, .rows = rows});
}

static void put_end(const jpeg_task *task) {
    jpeg_finish_compress(&task->state->jpeg);
}

ae_status ae_picture_jpeg_finish(ae_picture_writer *writer) {
    return guard(put_end, &(jpeg_task){.writer = writer, .state = writer->state});
}

void ae_picture_jpeg_discard(ae_picture_writer *writer) {
    jpeg_state *state = writer->state;
    if (!state) return;
    jpeg_destroy_compress(&state->jpeg);
    free(state);
    writer->state = NULL;
}
