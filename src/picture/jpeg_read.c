/* Reading JPEG with libjpeg-turbo. What it does is set explicitly: the slow integer transform, and
 * chroma interpolated. A progressive picture's coefficients are all held while it is read. */
#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"
#include "jpeg_codec.h"

enum {
    MARKER_BYTES_MAX = 0xFFFF,
    LIBRARY_BYTES = 1 << 20, /* that libjpeg takes beside what grows with the picture */
    SCANS_MAX = 500,         /* of a progressive picture: ten or so are usual */
    ROWS_HELD = 40           /* of samples, in sequence: two of blocks, and interpolation's */
};

typedef struct jpeg_state {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    ae_picture_reader *reader;
    jmp_buf jump; /* where libjpeg's errors go */
    char said[AE_PICTURE_FAULT_SIZE];
    bool has_begun;
} jpeg_state;

/* ---- libjpeg's callbacks ---- */

__attribute__((noreturn)) static void stop(jpeg_state *state, const char *said) {
    snprintf(state->said, sizeof state->said, "%s", said);
    longjmp(state->jump, 1);
}

static void on_error(j_common_ptr jpeg) {
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    stop(jpeg->client_data, text);
}

/* A warning tells of damage that libjpeg would fill with grey; but for oddities of the head, which
 * harm no pixel. */
static void on_message(j_common_ptr jpeg, int level) {
    const jpeg_state *state = jpeg->client_data;
    const int code = jpeg->err->msg_code;
    const bool is_odd = code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR ||
                        (code == JWRN_EXTRANEOUS_DATA && !state->has_begun);
    if (level < 0 && !is_odd) on_error(jpeg);
}

static void on_scan(j_common_ptr jpeg) {
    if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX)
        stop(jpeg->client_data, "it has more than 500 scans");
}

static void do_nothing(j_decompress_ptr jpeg) {
    (void)jpeg;
}

static boolean on_fill(j_decompress_ptr jpeg) {
    jpeg_state *state = jpeg->client_data;
    ae_picture_input *input = &state->reader->input;
    if (input->used == input->filled && !ae_picture_input_fill(input))
        stop(state, "it is cut short");
    state->source.next_input_byte = input->buffer + input->used;
    state->source.bytes_in_buffer = input->filled - input->used;
    input->used = input->filled;
    return TRUE;
}

static void on_skip(j_decompress_ptr jpeg, long count) {
    jpeg_state *state = jpeg->client_data;
    for (; count > (long)state->source.bytes_in_buffer; on_fill(jpeg))
        count -= (long)state->source.bytes_in_buffer;
    if (count <= 0) return;
    state->source.next_input_byte += count;
    state->source.bytes_in_buffer -= (size_t)count;
}

/* ---- what is done where libjpeg may jump ---- */

typedef struct jpeg_task {
    ae_picture_reader *reader;
    jpeg_state *state;
    int64_t count;
    uint8_t *rows;
    ae_status status; /* of what isn't libjpeg's */
} jpeg_task;

/* Does the work, and refuses the file where libjpeg does. */
static ae_status guard(void (*work)(jpeg_task *task), jpeg_task task) {
    jpeg_state *state = task.state;
    task.status = AE_OK;
    if (setjmp(state->jump) == 0) {
        work(&task);
        return task.status;
    }
    const char *fault = task.reader->input.fault;
    return ae_picture_refuse(&task.reader->input, AE_PICTURE_CURE_DAMAGED,
                             "a damaged JPEG file: %s%s", fault, fault[0] ? "" : state->said);
}

static void take_exif(jpeg_task *task) {
    ae_picture_tags *tags = &task->reader->tags;
    jpeg_saved_marker_ptr marker = task->state->jpeg.marker_list;
    for (; marker && !tags->exif.bytes; marker = marker->next) {
        if (marker->marker != JPEG_APP0 + 1 || marker->data_length <= AE_PICTURE_EXIF_MARK_SIZE ||
            memcmp(marker->data, AE_PICTURE_EXIF_MARK, AE_PICTURE_EXIF_MARK_SIZE) != 0)
            continue;
        if (!ae_picture_blob_copy(&tags->exif, marker->data + AE_PICTURE_EXIF_MARK_SIZE,
                                  marker->data_length - AE_PICTURE_EXIF_MARK_SIZE))
            task->status = ae_fail_memory("Exif of a picture");
    }
    tags->orientation = ae_picture_exif_orientation(&tags->exif);
}

static void take_profile(jpeg_task *task) {
    ae_picture_tags *tags = &task->reader->tags;
    JOCTET *bytes;
    unsigned size;
    if (!jpeg_read_icc_profile(&task->state->jpeg, &bytes, &size)) return;
    tags->profile = (ae_picture_blob){bytes, size};
}

static void take_tags(jpeg_task *task) {
    static const ae_picture_unit units[] = {AE_PICTURE_ASPECT, AE_PICTURE_PER_INCH,
                                            AE_PICTURE_PER_CM};
    const struct jpeg_decompress_struct *jpeg = &task->state->jpeg;
    ae_picture_tags *tags = &task->reader->tags;
    if (jpeg->saw_JFIF_marker && jpeg->density_unit < 3)
        tags->resolution =
            (ae_picture_resolution){units[jpeg->density_unit], jpeg->X_density, jpeg->Y_density};
    const jpeg_component_info *luma = jpeg->comp_info, *chroma = luma + jpeg->num_components - 1;
    tags->sampling[0] = luma->h_samp_factor / chroma->h_samp_factor;
    tags->sampling[1] = luma->v_samp_factor / chroma->v_samp_factor;
    take_exif(task);
    if (task->status == AE_OK) take_profile(task);
}

static const char *colours_name(J_COLOR_SPACE colours) {
    switch (colours) {
    case JCS_CMYK:
        return "CMYK";
    case JCS_YCCK:
        return "YCCK";
    default:
        return "unknown";
    }
}

static ae_status check_colours(const jpeg_task *task) {
    const struct jpeg_decompress_struct *jpeg = &task->state->jpeg;
    const int count = jpeg->num_components;
    const J_COLOR_SPACE colours = jpeg->jpeg_color_space;
    if ((count == 1 && colours == JCS_GRAYSCALE) ||
        (count == 3 && (colours == JCS_YCbCr || colours == JCS_RGB)))
        return AE_OK;
    return ae_picture_refuse(&task->reader->input, "convert it to RGB or grey, or leave it out",
                             "a JPEG file of %d samples a pixel, of %s colours", count,
                             colours_name(colours));
}

/* All blocks of the picture, of 8 x 8 samples. */
static int64_t count_blocks(const struct jpeg_decompress_struct *jpeg) {
    int64_t count = 0;
    for (int c = 0; c < jpeg->num_components; ++c)
        count += (int64_t)jpeg->comp_info[c].width_in_blocks * jpeg->comp_info[c].height_in_blocks;
    return count;
}

static void take_info(jpeg_task *task) {
    const struct jpeg_decompress_struct *jpeg = &task->state->jpeg;
    ae_picture_info *info = &task->reader->info;
    const bool is_grey = jpeg->num_components == 1;
    info->width = jpeg->image_width;
    info->height = jpeg->image_height;
    info->channels = is_grey ? 1 : 3;
    info->alpha = AE_PICTURE_OPAQUE;
    info->type = AE_PICTURE_U8;
    info->bits = 8;
    info->bytes = LIBRARY_BYTES + ROWS_HELD * jpeg->num_components * info->width;
}

static void describe(jpeg_task *task) {
    jpeg_state *state = task->state;
    struct jpeg_decompress_struct *jpeg = &state->jpeg;
    jpeg_read_header(jpeg, TRUE);
    task->status = check_colours(task);
    if (task->status != AE_OK) return;
    take_info(task);
    const int64_t blocks = count_blocks(jpeg);
    if (jpeg_has_multiple_scans(jpeg))
        task->reader->info.bytes += blocks * DCTSIZE2 * (int64_t)sizeof(JCOEF);
    task->status = ae_picture_check_sides(task->reader);
    if (task->status == AE_OK && !jpeg->arith_code) /* a block takes a bit at least */
        task->status = ae_picture_check_least(task->reader, blocks / 8);
    if (task->status == AE_OK) take_tags(task);
}

/* ---- the codec ---- */

static void close_jpeg(ae_picture_reader *reader) {
    jpeg_state *state = reader->state;
    if (!state) return;
    jpeg_destroy_decompress(&state->jpeg);
    free(state);
    reader->state = NULL;
}

static void set_source(jpeg_state *state) {
    state->source = (struct jpeg_source_mgr){.init_source = do_nothing,
                                             .fill_input_buffer = on_fill,
                                             .skip_input_data = on_skip,
                                             .resync_to_restart = jpeg_resync_to_restart,
                                             .term_source = do_nothing};
    state->jpeg.src = &state->source;
    state->progress.progress_monitor = on_scan;
    state->jpeg.progress = &state->progress;
}

static ae_status open_jpeg(ae_picture_reader *reader) {
    jpeg_state *state = reader->state = calloc(1, sizeof *state);
    if (!state) return ae_fail_memory("reading a JPEG file");
    state->reader = reader;
    state->jpeg.err = jpeg_std_error(&state->errors);
    state->errors.error_exit = on_error;
    state->errors.emit_message = on_message;
    state->jpeg.client_data = state;
    if (setjmp(state->jump) != 0) return ae_fail_memory("reading a JPEG file");
    jpeg_create_decompress(&state->jpeg);
    set_source(state);
    jpeg_save_markers(&state->jpeg, JPEG_APP0 + 1, MARKER_BYTES_MAX);
    jpeg_save_markers(&state->jpeg, JPEG_APP0 + 2, MARKER_BYTES_MAX);
    return guard(describe, (jpeg_task){.reader = reader, .state = state});
}

static void begin(jpeg_state *state) {
    struct jpeg_decompress_struct *jpeg = &state->jpeg;
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = TRUE;
    jpeg->do_block_smoothing = FALSE;
    state->has_begun = true;
    jpeg_start_decompress(jpeg);
}

static void decode_rows(jpeg_task *task) {
    struct jpeg_decompress_struct *jpeg = &task->state->jpeg;
    const size_t size = ae_picture_row_bytes(&task->reader->info);
    if (!task->state->has_begun) begin(task->state);
    for (int64_t i = 0; i < task->count; ++i) {
        JSAMPROW row = task->rows + (size_t)i * size;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
}

static ae_status read_jpeg(ae_picture_reader *reader, int64_t count, uint8_t *rows) {
    return guard(
        decode_rows,
        (jpeg_task){.reader = reader, .state = reader->state, .count = count, .rows = rows});
}

static void decode_end(jpeg_task *task) {
    jpeg_finish_decompress(&task->state->jpeg);
}

static ae_status end_jpeg(ae_picture_reader *reader) {
    return guard(decode_end, (jpeg_task){.reader = reader, .state = reader->state});
}

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(words) #words

static void tell_library(char *text, size_t size) {
#ifdef LIBJPEG_TURBO_VERSION
    snprintf(text, size, "libjpeg-turbo %s", TEXT_OF(LIBJPEG_TURBO_VERSION));
#else
    snprintf(text, size, "libjpeg %d", JPEG_LIB_VERSION);
#endif
}

const ae_picture_codec ae_picture_jpeg = {
    .library = tell_library,
    .open = open_jpeg,
    .read = read_jpeg,
    .end = end_jpeg,
    .close = close_jpeg,
    .obstacle = ae_picture_jpeg_obstacle,
    .begin = ae_picture_jpeg_begin,
    .write = ae_picture_jpeg_write,
    .finish = ae_picture_jpeg_finish,
    .discard = ae_picture_jpeg_discard,
};
