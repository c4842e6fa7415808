/* The table of formats. */
#ifndef AE_PICTURE_FORMATS_H
#define AE_PICTURE_FORMATS_H

#include "internal.h"

/* The format that begins so. False: none does. */
bool ae_picture_recognise(ae_picture_format *format, const uint8_t *head, size_t size);

/* NULL: left out of this build. */
const ae_picture_codec *ae_picture_codec_of(ae_picture_format format);

/* What to do about one that is left out. */
const char *ae_picture_codec_cure(ae_picture_format format);

/* Does a name end as one of a picture does? */
bool ae_picture_is_named_so(const char *name);

#endif
