/* The formats: how a file of each begins and is named, and which library serves it. */
#include "formats.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#if AE_WITH_PNG
#define PNG_CODEC &ae_picture_png
#else
#define PNG_CODEC NULL
#endif
#if AE_WITH_JPEG
#define JPEG_CODEC &ae_picture_jpeg
#else
#define JPEG_CODEC NULL
#endif
#if AE_WITH_TIFF
#define TIFF_CODEC &ae_picture_tiff
#else
#define TIFF_CODEC NULL
#endif

#define FORMAT(name, ending, library, package, codec)                                              \
    {                                                                                              \
        name, ending, library,                                                                     \
            "install " library " with its headers (Debian: " package                               \
            "), configure and build ae_dist again",                                                \
            "this build of ae_dist was made without " library, codec                               \
    }

static const struct {
    const char *name, *ending, *library, *cure, *left_out;
    const ae_picture_codec *codec; /* NULL: the library is missing */
} formats[AE_PICTURE_FORMATS] = {
    [AE_PICTURE_PNG] = FORMAT("PNG", "png", "libpng", "libpng-dev", PNG_CODEC),
    [AE_PICTURE_JPEG] = FORMAT("JPEG", "jpg", "libjpeg-turbo", "libjpeg62-turbo-dev", JPEG_CODEC),
    [AE_PICTURE_TIFF] = FORMAT("TIFF", "tif", "libtiff", "libtiff-dev", TIFF_CODEC),
};

static const struct {
    ae_picture_format format;
    size_t size;
    const char *bytes;
} marks[] = {
    {AE_PICTURE_PNG, 8, "\x89PNG\r\n\x1a\n"},
    {AE_PICTURE_JPEG, 3, "\xff\xd8\xff"},
    {AE_PICTURE_TIFF, 4, "II*\0"},
    {AE_PICTURE_TIFF, 4, "MM\0*"},
    {AE_PICTURE_TIFF, 4, "II+\0"},
    {AE_PICTURE_TIFF, 4, "MM\0+"},
};

static const char *const endings[] = {"png", "jpg",  "jpeg", "jpe", "jfif",
                                      "tif", "tiff", "btf",  "tf8"};

const char *ae_picture_format_name(ae_picture_format format) {
    return formats[format].name;
}

const char *ae_picture_format_ending(ae_picture_format format) {
    return formats[format].ending;
}

const char *ae_picture_libraries(char text[AE_PICTURE_LIBRARIES_SIZE]) {
    size_t used = 0;
    for (int f = 0; f < AE_PICTURE_FORMATS; ++f) {
        char library[AE_PICTURE_LIBRARIES_SIZE / AE_PICTURE_FORMATS - 2];
        snprintf(library, sizeof library, "no %s", formats[f].library);
        if (formats[f].codec) formats[f].codec->library(library, sizeof library);
        used += (size_t)sprintf(text + used, "%s%s", f > 0 ? ", " : "", library);
    }
    return text;
}

const char *ae_picture_obstacle(ae_picture_format format, const ae_picture_info *info) {
    const ae_picture_codec *codec = formats[format].codec;
    return codec ? codec->obstacle(info) : formats[format].left_out;
}

bool ae_picture_recognise(ae_picture_format *format, const uint8_t *head, size_t size) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; ++i) {
        if (size < marks[i].size || memcmp(head, marks[i].bytes, marks[i].size) != 0) continue;
        *format = marks[i].format;
        return true;
    }
    return false;
}

const ae_picture_codec *ae_picture_codec_of(ae_picture_format format) {
    return formats[format].codec;
}

const char *ae_picture_codec_cure(ae_picture_format format) {
    return formats[format].cure;
}

bool ae_picture_is_named_so(const char *name) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; ++i)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}

int ae_picture_samples(const ae_picture_info *info) {
    return info->channels + (info->alpha != AE_PICTURE_OPAQUE);
}

size_t ae_picture_sample_bytes(ae_picture_type type) {
    static const size_t bytes[] = {[AE_PICTURE_U8] = 1, [AE_PICTURE_U16] = 2, [AE_PICTURE_F32] = 4};
    return bytes[type];
}

size_t ae_picture_row_bytes(const ae_picture_info *info) {
    return (size_t)info->width * (size_t)ae_picture_samples(info) *
           ae_picture_sample_bytes(info->type);
}
