/* Writing, whatever the format: a file that is complete or isn't there. */
#include <stdlib.h>
#include "formats.h"
#include "internal.h"

ae_status ae_picture_create(ae_picture_writer **writer, const char *path, ae_picture_format format,
                            int quality) {
    ae_picture_writer *made = *writer = calloc(1, sizeof *made);
    if (!made) return ae_fail_memory("writing a picture");
    made->quality = quality;
    made->codec = ae_picture_codec_of(format);
    made->info.format = format;
    made->output.descriptor = -1;
    ae_status status = AE_OK;
    if (!made->codec)
        status =
            ae_fail(AE_ERROR_USAGE, "cannot write '%s': this build of ae_dist can't write %s; %s",
                    path, ae_picture_format_name(format), ae_picture_codec_cure(format));
    if (status == AE_OK) status = ae_picture_output_create(&made->output, path);
    if (status != AE_OK) ae_picture_discard(writer);
    return status;
}

ae_status ae_picture_begin(ae_picture_writer *writer, const ae_picture_info *info,
                           const ae_picture_tags *tags) {
    const ae_picture_format format = writer->info.format;
    const char *obstacle = writer->codec->obstacle(info);
    if (obstacle)
        return ae_fail(AE_ERROR_USAGE, "cannot write '%s': %s; choose another format",
                       writer->output.path, obstacle);
    writer->info = *info;
    writer->info.format = format;
    writer->row = 0;
    ++writer->page;
    return writer->codec->begin(writer, tags);
}

ae_status ae_picture_write(ae_picture_writer *writer, int64_t count, const void *rows) {
    const ae_status status = writer->codec->write(writer, count, rows);
    writer->row += count;
    return status;
}

ae_status ae_picture_publish(ae_picture_writer **writer) {
    ae_status status = (*writer)->codec->finish(*writer);
    if (status == AE_OK) status = ae_picture_output_publish(&(*writer)->output);
    ae_picture_discard(writer);
    return status;
}

void ae_picture_discard(ae_picture_writer **writer) {
    if (!*writer) return;
    if ((*writer)->codec) (*writer)->codec->discard(*writer);
    ae_picture_output_release(&(*writer)->output);
    free(*writer);
    *writer = NULL;
}
