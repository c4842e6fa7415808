#include "apply/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "h5/stack.h"
#include "io/run_folder.h"

struct ae_input_file {
    ae_picture_reader *reader; /* one of these two, owned */
    ae_h5_stack *stack;
    ae_picture_info info; /* of the stack's pictures */
    int64_t page, row;    /* of the stack: what is read next */
};

struct ae_output_file {
    ae_picture_writer *writer; /* one of these two, owned */
    ae_h5_stack *stack;
    ae_picture_format format;
    int64_t page, row; /* of the stack: what is written next */
};

/* ---- reading ---- */

/* A stack's pictures as pages. */
static ae_picture_info info_of(const ae_h5_stack_info *stack) {
    static const ae_picture_type types[] = {AE_PICTURE_U8, AE_PICTURE_U16, AE_PICTURE_F32};
    static const int bits[] = {8, 16, 32};
    return (ae_picture_info){.width = stack->width,
                             .height = stack->height,
                             .pages = stack->pictures,
                             .channels = stack->channels,
                             .alpha = AE_PICTURE_OPAQUE,
                             .type = types[stack->pixel],
                             .bits = bits[stack->pixel],
                             .bytes = (int64_t)stack->bytes};
}

ae_status ae_input_file_open(ae_input_file **source, const char *path, const char *dataset,
                             const char *axes, int channels) {
    ae_input_file *made = calloc(1, sizeof *made);
    *source = NULL;
    if (!made) return ae_fail_memory(path);
    ae_status status = dataset[0] ? ae_h5_stack_open(&made->stack, path, dataset, axes, channels)
                                  : ae_picture_open(&made->reader, path);
    if (status != AE_OK) {
        free(made);
        return status;
    }
    if (made->stack) made->info = info_of(ae_h5_stack_describe(made->stack));
    *source = made;
    return AE_OK;
}

void ae_input_say_dataset(const ae_input *input, const char *axes, int channels) {
    enum { THIN = 3 };
    ae_h5_stack *stack;
    char kind[32] = "grey", sides[64];
    if (ae_h5_stack_open(&stack, input->path, input->dataset, axes, channels) != AE_OK) return;
    const ae_h5_stack_info info = *ae_h5_stack_describe(stack);
    ae_h5_stack_close(&stack);
    if (info.channels > 1) snprintf(kind, sizeof kind, "%d-channel", info.channels);
    snprintf(sides, sizeof sides, "%lld x %lld (%s)", (long long)info.height, (long long)info.width,
             info.axes);
    ae_say("dataset  %s:%s: %lld %s picture%s of %s", input->path, input->dataset,
           (long long)info.pictures, kind, ae_plural(info.pictures), sides);
    if (info.height <= THIN || info.width <= THIN)
        ae_warn("%s:%s has pictures of %s; if one of these sides is the channels, give it four "
                "dimensions, a single picture too, and say with --axes which they are",
                input->path, input->dataset, sides);
}

void ae_input_file_close(ae_input_file **source) {
    if (!*source) return;
    ae_picture_close(&(*source)->reader);
    ae_h5_stack_close(&(*source)->stack);
    free(*source);
    *source = NULL;
}

const ae_picture_info *ae_input_file_info(const ae_input_file *source) {
    return source->stack ? &source->info : ae_picture_describe(source->reader);
}

ae_status ae_input_file_select(ae_input_file *source, int64_t page) {
    if (source->reader) return ae_picture_select(source->reader, page);
    source->page = page;
    source->row = 0;
    return AE_OK;
}

ae_status ae_input_file_read(ae_input_file *source, int count, void *rows) {
    if (source->reader) return ae_picture_read(source->reader, count, rows);
    ae_status status = ae_h5_stack_read(source->stack, source->page, source->row, count, rows);
    source->row += count;
    return status;
}

ae_status ae_input_file_pass(ae_input_file *source, int count, void *room, int rows_of_room) {
    ae_status status = AE_OK;
    source->row += count; /* of a stack: where it reads next */
    for (int left = source->stack ? 0 : count; status == AE_OK && left > 0; left -= rows_of_room)
        status = ae_picture_read(source->reader, left < rows_of_room ? left : rows_of_room, room);
    return status;
}

/* ---- writing ---- */

/* Makes the folders that a file at `path` is in. */
static ae_status make_folders(const char *path) {
    char folder[AE_PATH_SIZE];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            return ae_file_fail("make the folder", folder, errno);
        *slash = '/';
    }
    return AE_OK;
}

static ae_picture_format format_of(const ae_picture_info *info, ae_apply_format format) {
    switch (format) {
    case AE_APPLY_PNG:
        return AE_PICTURE_PNG;
    case AE_APPLY_TIFF:
        return AE_PICTURE_TIFF;
    case AE_APPLY_JPEG:
        return AE_PICTURE_JPEG;
    case AE_APPLY_AUTO:
        return info->format == AE_PICTURE_JPEG ? AE_PICTURE_PNG : info->format;
    case AE_APPLY_SAME:
        break;
    }
    return info->format;
}

ae_status ae_output_file_create(ae_output_file **sink, const char *path,
                                const ae_input_file *source, ae_apply_format format, int quality) {
    ae_output_file *made = calloc(1, sizeof *made);
    *sink = NULL;
    if (!made) return ae_fail_memory(path);
    ae_status status = make_folders(path);
    if (status == AE_OK && source->stack) {
        status = ae_h5_stack_create(&made->stack, path, source->stack);
        made->page = -1;
    } else if (status == AE_OK) {
        made->format = format_of(ae_input_file_info(source), format);
        status = ae_picture_create(&made->writer, path, made->format, quality);
    }
    if (status != AE_OK) {
        free(made);
        return status;
    }
    *sink = made;
    return AE_OK;
}

ae_status ae_output_file_begin(ae_output_file *sink, const ae_input_file *source) {
    const ae_picture_info *info = ae_input_file_info(source);
    sink->page += 1;
    sink->row = 0;
    return sink->stack ? AE_OK
                       : ae_picture_begin(sink->writer, info, ae_picture_tags_of(source->reader));
}

ae_status ae_output_file_write(ae_output_file *sink, int count, const void *rows) {
    if (sink->writer) return ae_picture_write(sink->writer, count, rows);
    ae_status status = ae_h5_stack_write(sink->stack, sink->page, sink->row, count, rows);
    sink->row += count;
    return status;
}

ae_status ae_output_file_publish(ae_output_file **sink) {
    ae_status status = (*sink)->stack ? ae_h5_stack_publish(&(*sink)->stack)
                                      : ae_picture_publish(&(*sink)->writer);
    free(*sink);
    *sink = NULL;
    return status;
}

void ae_output_file_discard(ae_output_file **sink) {
    if (!*sink) return;
    ae_h5_stack_close(&(*sink)->stack);
    ae_picture_discard(&(*sink)->writer);
    free(*sink);
    *sink = NULL;
}
