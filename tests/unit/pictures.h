/* What the tests of pictures share: the files of tests/fixtures/pictures, and their pixels. */
#ifndef AE_TESTS_PICTURES_H
#define AE_TESTS_PICTURES_H

#include "files.h"

#include <math.h>
#include "picture/picture.h"

enum { WIDTH = 37, HEIGHT = 21 };

/* Kinds of files by what their numbers become, as make_pictures.py writes them. */
typedef enum kind {
    PLAIN,
    WHITE_IS_ZERO,
    PALETTE,
    GREY_PALETTE,
    ALPHA_PALETTE,
    KEY, /* one colour is transparent */
    FLOATS
} kind;

typedef struct fixture {
    const char *name;
    int channels;
    ae_picture_alpha alpha;
    ae_picture_type type;
    int bits, file_bits; /* as told, and of a number in the file */
    kind kind;
} fixture;

#define U8 AE_PICTURE_U8
#define U16 AE_PICTURE_U16
#define F32 AE_PICTURE_F32
#define OPAQUE AE_PICTURE_OPAQUE
#define STRAIGHT AE_PICTURE_STRAIGHT
#define PREMULTIPLIED AE_PICTURE_PREMULTIPLIED
#define UNSPECIFIED AE_PICTURE_UNSPECIFIED

static const fixture fixtures[] = {
    {"grey1.png", 1, OPAQUE, U8, 1, 1, PLAIN},
    {"grey2.png", 1, OPAQUE, U8, 2, 2, PLAIN},
    {"grey4.png", 1, OPAQUE, U8, 4, 4, PLAIN},
    {"grey8.png", 1, OPAQUE, U8, 8, 8, PLAIN},
    {"grey16.png", 1, OPAQUE, U16, 16, 16, PLAIN},
    {"rgb8.png", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"rgb16.png", 3, OPAQUE, U16, 16, 16, PLAIN},
    {"grey_alpha8.png", 1, STRAIGHT, U8, 8, 8, PLAIN},
    {"grey_alpha16.png", 1, STRAIGHT, U16, 16, 16, PLAIN},
    {"rgba8.png", 3, STRAIGHT, U8, 8, 8, PLAIN},
    {"rgba16.png", 3, STRAIGHT, U16, 16, 16, PLAIN},
    {"palette1.png", 3, OPAQUE, U8, 8, 1, PALETTE},
    {"palette2.png", 3, OPAQUE, U8, 8, 2, PALETTE},
    {"palette4.png", 3, OPAQUE, U8, 8, 4, PALETTE},
    {"palette8.png", 3, OPAQUE, U8, 8, 8, PALETTE},
    {"grey_palette.png", 1, OPAQUE, U8, 8, 4, GREY_PALETTE},
    {"palette_alpha.png", 3, STRAIGHT, U8, 8, 4, ALPHA_PALETTE},
    {"grey4_key.png", 1, STRAIGHT, U8, 8, 4, KEY},
    {"rgb8_key.png", 3, STRAIGHT, U8, 8, 8, KEY},
    {"interlaced_grey2.png", 1, OPAQUE, U8, 2, 2, PLAIN},
    {"interlaced_rgb16.png", 3, OPAQUE, U16, 16, 16, PLAIN},
    {"interlaced_palette.png", 3, OPAQUE, U8, 8, 4, PALETTE},
    {"tags.png", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"tags_icc.png", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"texts.png", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"grey1.tif", 1, OPAQUE, U8, 1, 1, PLAIN},
    {"grey2.tif", 1, OPAQUE, U8, 2, 2, PLAIN},
    {"grey4.tif", 1, OPAQUE, U8, 4, 4, PLAIN},
    {"grey6.tif", 1, OPAQUE, U8, 6, 6, PLAIN},
    {"grey8.tif", 1, OPAQUE, U8, 8, 8, PLAIN},
    {"grey10.tif", 1, OPAQUE, U16, 10, 10, PLAIN},
    {"grey12.tif", 1, OPAQUE, U16, 12, 12, PLAIN},
    {"grey12_big_endian.tif", 1, OPAQUE, U16, 12, 12, PLAIN},
    {"grey16.tif", 1, OPAQUE, U16, 16, 16, PLAIN},
    {"grey16_big_endian.tif", 1, OPAQUE, U16, 16, 16, PLAIN},
    {"white0_1.tif", 1, OPAQUE, U8, 1, 1, WHITE_IS_ZERO},
    {"white0_8.tif", 1, OPAQUE, U8, 8, 8, WHITE_IS_ZERO},
    {"white0_16.tif", 1, OPAQUE, U16, 16, 16, WHITE_IS_ZERO},
    {"white0_alpha.tif", 1, STRAIGHT, U8, 8, 8, WHITE_IS_ZERO},
    {"reversed_bits.tif", 1, OPAQUE, U8, 4, 4, PLAIN},
    {"rgb4.tif", 3, OPAQUE, U8, 4, 4, PLAIN},
    {"rgb8.tif", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"rgb16.tif", 3, OPAQUE, U16, 16, 16, PLAIN},
    {"rgb8_planar.tif", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"rgb12_planar.tif", 3, OPAQUE, U16, 12, 12, PLAIN},
    {"rgb8_tiles.tif", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"rgb16_planar_tiles.tif", 3, OPAQUE, U16, 16, 16, PLAIN},
    {"grey1_tiles.tif", 1, OPAQUE, U8, 1, 1, PLAIN},
    {"big.tif", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"one_strip.tif", 1, OPAQUE, U8, 8, 8, PLAIN},
    {"deflate.tif", 1, OPAQUE, U8, 8, 8, PLAIN},
    {"lzw.tif", 3, OPAQUE, U8, 8, 8, PLAIN},
    {"packbits.tif", 1, OPAQUE, U8, 8, 8, PLAIN},
    {"fax.tif", 1, OPAQUE, U8, 1, 1, PLAIN},
    {"rgba8.tif", 3, STRAIGHT, U8, 8, 8, PLAIN},
    {"rgba16.tif", 3, PREMULTIPLIED, U16, 16, 16, PLAIN},
    {"rgb8_unspecified.tif", 3, UNSPECIFIED, U8, 8, 8, PLAIN},
    {"grey_alpha16.tif", 1, STRAIGHT, U16, 16, 16, PLAIN},
    {"palette8.tif", 3, OPAQUE, U8, 8, 8, PALETTE},
    {"palette4.tif", 3, OPAQUE, U8, 8, 4, PALETTE},
    {"palette4_old.tif", 3, OPAQUE, U8, 8, 4, PALETTE},
    {"float32.tif", 1, OPAQUE, F32, 32, 32, FLOATS},
    {"float32_big_endian.tif", 1, OPAQUE, F32, 32, 32, FLOATS},
    {"float16.tif", 1, OPAQUE, F32, 16, 16, FLOATS},
    {"tags.tif", 1, OPAQUE, U16, 16, 16, PLAIN},
};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures };

static inline uint32_t pattern(int64_t x, int64_t y, int c, int page, int bits) {
    const int64_t value = x * 31 + y * 17 + c * 73 + page * 5 + x * y;
    return (uint32_t)(value * (bits <= 8 ? 1 : 251)) & ((1u << bits) - 1);
}

/* A colour of a palette, 3: alpha. */
static inline uint32_t colour_of(const fixture *f, uint32_t index, int c) {
    if (c == 3) return index < 9 ? index * 13 % 256 : 255;
    return (f->kind == GREY_PALETTE ? index * 11 : index * 7 + (uint32_t)c * 50) % 256;
}

static inline double number_of(const fixture *f, int64_t x, int64_t y) {
    if (f->bits == 16) return pattern(x, y, 0, 0, 8) / 16.0 - 3;
    return pattern(x, y, 0, 0, 16) / 256.0 - 100;
}

/* Of a colour that is transparent: 4-bit grey 5, or what the pixel (3, 2) has. */
static inline bool is_key(const fixture *f, int64_t x, int64_t y) {
    if (f->channels == 1) return pattern(x, y, 0, 0, 4) == 5;
    for (int c = 0; c < 3; ++c)
        if (pattern(x, y, c, 0, 8) != pattern(3, 2, c, 0, 8)) return false;
    return true;
}

/* The value that sample s of a pixel is to have. */
static inline double expected(const fixture *f, int64_t x, int64_t y, int s) {
    const uint32_t white = f->type == U8 ? 255 : 65535,
                   own = f->kind == FLOATS ? 1 : (1u << f->file_bits) - 1;
    const bool is_alpha = s == f->channels;
    const double v = floor(pattern(x, y, s, 0, f->file_bits % 32) * (double)white / own + 0.5);
    switch (f->kind) {
    case FLOATS:
        return number_of(f, x, y);
    case WHITE_IS_ZERO:
        return is_alpha ? v : white - v;
    case PALETTE:
    case GREY_PALETTE:
    case ALPHA_PALETTE:
        return colour_of(f, pattern(x, y, 0, 0, f->file_bits), is_alpha ? 3 : s);
    case KEY:
        return !is_alpha ? v : is_key(f, x, y) ? 0 : white;
    default:
        return v;
    }
}

/* Sample s of a pixel among rows, as the caller has them. */
static inline double sample_at(const void *rows, const ae_picture_info *info, int64_t x, int64_t y,
                               int s) {
    const int64_t i = (y * info->width + x) * ae_picture_samples(info) + s;
    return info->type == U8    ? ((const uint8_t *)rows)[i]
           : info->type == U16 ? ((const uint16_t *)rows)[i]
                               : (double)((const float *)rows)[i];
}

static inline const char *fixture_path(const char *name) {
    snprintf(path, sizeof path, "%s/tests/fixtures/pictures/%s", AE_SOURCE_DIR, name);
    return path;
}

/* Is the format of a file of that name in this build? */
static inline bool has_format(const char *name) {
    char libraries[AE_PICTURE_LIBRARIES_SIZE];
    const char *ending = strrchr(name, '.');
    ae_picture_libraries(libraries);
    return !strstr(libraries, strcmp(ending, ".png") == 0   ? "no libpng"
                              : strcmp(ending, ".jpg") == 0 ? "no libjpeg"
                                                            : "no libtiff");
}

/* All rows of the page, which the caller frees. */
static inline void *read_page(ae_picture_reader *reader) {
    const ae_picture_info *info = ae_picture_describe(reader);
    void *rows = malloc((size_t)info->height * ae_picture_row_bytes(info));
    assert_non_null(rows);
    check_ok(ae_picture_read(reader, info->height, rows));
    return rows;
}

static inline void *read_first(ae_picture_info *info, const char *file) {
    ae_picture_reader *reader;
    check_ok(ae_picture_open(&reader, file));
    *info = *ae_picture_describe(reader);
    void *rows = read_page(reader);
    ae_picture_close(&reader);
    return rows;
}

/* How many samples of a page aren't as a fixture's. */
static inline int count_wrong(const fixture *f, const ae_picture_info *info, const void *rows) {
    int wrong = 0;
    for (int64_t y = 0; y < info->height; ++y)
        for (int64_t x = 0; x < info->width; ++x)
            for (int s = 0; s < ae_picture_samples(info); ++s)
                wrong += sample_at(rows, info, x, y, s) != expected(f, x, y, s);
    return wrong;
}

#endif
