/* Writing PNG, for the codec that png_read.c completes. */
#ifndef AE_PICTURE_PNG_CODEC_H
#define AE_PICTURE_PNG_CODEC_H

#include "internal.h"

const char *ae_picture_png_obstacle(const ae_picture_info *info);
ae_status ae_picture_png_begin(ae_picture_writer *writer, const ae_picture_tags *tags);
ae_status ae_picture_png_write(ae_picture_writer *writer, int64_t count, const uint8_t *rows);
ae_status ae_picture_png_finish(ae_picture_writer *writer);
void ae_picture_png_discard(ae_picture_writer *writer);

#endif
