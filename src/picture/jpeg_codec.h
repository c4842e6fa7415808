/* Writing JPEG, for the codec that jpeg_read.c completes. */
#ifndef AE_PICTURE_JPEG_CODEC_H
#define AE_PICTURE_JPEG_CODEC_H

#include "internal.h"

/* What Exif's marker begins with. */
enum { AE_PICTURE_EXIF_MARK_SIZE = 6 };
#define AE_PICTURE_EXIF_MARK "Exif\0"

const char *ae_picture_jpeg_obstacle(const ae_picture_info *info);
ae_status ae_picture_jpeg_begin(ae_picture_writer *writer, const ae_picture_tags *tags);
ae_status ae_picture_jpeg_write(ae_picture_writer *writer, int64_t count, const uint8_t *rows);
ae_status ae_picture_jpeg_finish(ae_picture_writer *writer);
void ae_picture_jpeg_discard(ae_picture_writer *writer);

#endif
