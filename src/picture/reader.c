/* Reading, whatever the format: which one it is, what is refused before anything is decoded, and
 * which row is next. */
#include <stdlib.h>
#include <string.h>
#include "base/found.h"
#include "formats.h"
#include "internal.h"

enum { HEAD_SIZE = 512, HEAD_SHOWN = 8 };

/* "89 50 4e 47", of the first bytes. */
static const char *show_head(char text[3 * HEAD_SHOWN + 1], const uint8_t *head, size_t size) {
    static const char digits[] = "0123456789abcdef";
    char *next = text;
    for (size_t i = 0; i < size && i < HEAD_SHOWN; ++i) {
        if (i > 0) *next++ = ' ';
        *next++ = digits[head[i] >> 4];
        *next++ = digits[head[i] & 15];
    }
    *next = '\0';
    return text;
}

static ae_status refuse_unknown(ae_picture_reader *reader, const uint8_t *head, size_t size) {
    char text[3 * HEAD_SHOWN + 1];
    const char *kind = ae_found_kind(head, size);
    return ae_picture_refuse(&reader->input, AE_PICTURE_CURE_KIND,
                             "it is %s%sneither PNG, JPEG nor TIFF (it begins with the bytes %s)",
                             kind ? kind : "", kind ? ", " : "", show_head(text, head, size));
}

/* Sets the format, and the codec, which may be left out of this build. */
static ae_status recognise(ae_picture_reader *reader) {
    uint8_t head[HEAD_SIZE];
    const size_t size = ae_picture_input_take(&reader->input, head, sizeof head);
    if (reader->input.fault[0])
        return ae_picture_refuse(&reader->input, "check that disk, or leave it out", "%s",
                                 reader->input.fault);
    if (!ae_picture_recognise(&reader->info.format, head, size))
        return refuse_unknown(reader, head, size);
    reader->codec = ae_picture_codec_of(reader->info.format);
    if (reader->codec) return AE_OK;
    return ae_picture_refuse(&reader->input, ae_picture_codec_cure(reader->info.format),
                             "it is %s, which this build of ae_dist can't read",
                             ae_picture_format_name(reader->info.format));
}

/* Begins with the file's first byte. */
static ae_status begin(ae_picture_reader *reader) {
    ae_picture_input_seek(&reader->input, 0);
    reader->row = 0;
    reader->info.pages = 1;
    reader->tags.file_bytes = reader->input.size;
    return reader->codec->open(reader);
}

ae_status ae_picture_open(ae_picture_reader **reader, const char *path) {
    ae_picture_reader *made = *reader = calloc(1, sizeof *made);
    if (!made) return ae_fail_memory("reading a picture");
    ae_picture_tags_init(&made->tags);
    ae_status status = ae_picture_input_open(&made->input, path);
    if (status == AE_OK) status = recognise(made);
    if (status == AE_OK) status = begin(made);
    if (status != AE_OK) ae_picture_close(reader);
    return status;
}

const ae_picture_info *ae_picture_describe(const ae_picture_reader *reader) {
    return &reader->info;
}

const ae_picture_tags *ae_picture_tags_of(const ae_picture_reader *reader) {
    return &reader->tags;
}

/* Of a format with one page: from the beginning. */
static ae_status begin_again(ae_picture_reader *reader) {
    reader->codec->close(reader);
    ae_picture_tags_release(&reader->tags);
    return begin(reader);
}

ae_status ae_picture_select(ae_picture_reader *reader, int64_t page) {
    reader->row = 0;
    reader->status =
        reader->codec->select ? reader->codec->select(reader, page) : begin_again(reader);
    return reader->status;
}

/* After the last row of a page. */
static ae_status end(ae_picture_reader *reader) {
    const ae_status status = reader->codec->end ? reader->codec->end(reader) : AE_OK;
    return status == AE_OK ? ae_picture_input_unchanged(&reader->input) : status;
}

ae_status ae_picture_read(ae_picture_reader *reader, int64_t count, void *rows) {
    if (reader->status != AE_OK) return reader->status; /* the message was given */
    reader->status = reader->codec->read(reader, count, rows);
    reader->row += count;
    if (reader->status == AE_OK && reader->row == reader->info.height) reader->status = end(reader);
    return reader->status;
}

void ae_picture_close(ae_picture_reader **reader) {
    if (!*reader) return;
    if ((*reader)->codec) (*reader)->codec->close(*reader);
    ae_picture_tags_release(&(*reader)->tags);
    ae_picture_input_close(&(*reader)->input);
    free(*reader);
    *reader = NULL;
}

/* ---- what codecs refuse by ---- */

ae_status ae_picture_check_sides(const ae_picture_reader *reader) {
    const ae_picture_info *info = &reader->info;
    if (info->width >= 1 && info->width <= AE_PICTURE_SIDE_MAX && info->height >= 1 &&
        info->height <= AE_PICTURE_SIDE_MAX)
        return AE_OK;
    return ae_picture_refuse(&reader->input, AE_PICTURE_CURE_DAMAGED,
                             "it claims to be %lld x %lld pixels, where a side can have 1 to %d",
                             (long long)info->width, (long long)info->height, AE_PICTURE_SIDE_MAX);
}

ae_status ae_picture_check_least(const ae_picture_reader *reader, int64_t least) {
    if (reader->input.size >= least) return AE_OK;
    return ae_picture_refuse(&reader->input, AE_PICTURE_CURE_DAMAGED,
                             "it claims to be %lld x %lld pixels, which can't be in its %lld bytes",
                             (long long)reader->info.width, (long long)reader->info.height,
                             (long long)reader->input.size);
}
