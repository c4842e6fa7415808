/* Pictures in files: PNG, JPEG and TIFF, read and written some rows at a time.
 *
 * A pixel is its colour samples, one (grey) or three (red, green, blue), and alpha where there is
 * some, beside each other, in the host's byte order. Nothing is corrected for gamma or profiles,
 * mirrored or turned: what a file says about these goes into the next file with its tags.
 *
 * Everything is local. Different readers and writers, and lists, may be used by different threads
 * at once, in parallel regions too: each thread has its own ae_message(). Reading fails with
 * AE_ERROR_DATA, writing with AE_ERROR_IO, and a message that names the file, what was found in it
 * and the cure; AE_FAILED is memory. */
#ifndef AE_PICTURE_PICTURE_H
#define AE_PICTURE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

enum {
    AE_PICTURE_SIDE_MAX = 1000000
}; /* pixels; larger ones are refused before anything is read */

typedef enum ae_picture_format {
    AE_PICTURE_PNG,
    AE_PICTURE_JPEG,
    AE_PICTURE_TIFF
} ae_picture_format;
enum { AE_PICTURE_FORMATS = 3 };

typedef enum ae_picture_type {
    AE_PICTURE_U8,  /* uint8_t, black 0, white 255: files of 1 to 8 bits a sample */
    AE_PICTURE_U16, /* uint16_t, white 65535: 9 to 16 bits */
    AE_PICTURE_F32  /* float, of any range: 16-bit and 32-bit floating point */
} ae_picture_type;

typedef enum ae_picture_alpha {
    AE_PICTURE_OPAQUE,        /* no alpha sample */
    AE_PICTURE_STRAIGHT,      /* colour is independent of alpha */
    AE_PICTURE_PREMULTIPLIED, /* colour was multiplied by alpha (TIFF: associated) */
    AE_PICTURE_UNSPECIFIED    /* TIFF: one more sample of which the file doesn't say what it is */
} ae_picture_alpha;

/* One page of a file. */
typedef struct ae_picture_info {
    int64_t width, height; /* pixels */
    int64_t pages;         /* of the file, >= 1: several in TIFF alone; they may differ */
    int channels;          /* colour samples a pixel: 1 or 3; palettes are expanded */
    ae_picture_alpha alpha;
    ae_picture_type type;
    /* Bits a sample in the file: 1 to 16 in integers, 16 or 32 in floats. Integers of fewer bits
     * than the type's are scaled so that white becomes the type's, v -> round(v white / (2^bits -
     * 1)), and the writer undoes it exactly. */
    int bits;
    ae_picture_format format;
    int64_t bytes; /* memory that reading this page takes at most, beside the caller's rows: all of
                      the page where it is interlaced, progressive, or one large block */
} ae_picture_info;

/* Samples a pixel: channels and alpha. */
int ae_picture_samples(const ae_picture_info *info);

/* Bytes of one row, without gaps. */
size_t ae_picture_row_bytes(const ae_picture_info *info);

/* "PNG", "JPEG", "TIFF". */
const char *ae_picture_format_name(ae_picture_format format);

/* The name's ending, "png", "jpg", "tif", without a dot. */
const char *ae_picture_format_ending(ae_picture_format format);

/* The libraries and their versions, "libpng 1.6.39, libjpeg-turbo 2.1.5, no libtiff" where one is
 * left out of this build. What is decoded may depend on them. Returns `text`. */
enum { AE_PICTURE_LIBRARIES_SIZE = 192 };
const char *ae_picture_libraries(char text[AE_PICTURE_LIBRARIES_SIZE]);

/* Can the format hold such a page? NULL, or what stands against it, as "JPEG holds 8 bits a sample,
 * not 16"; also where its library is left out of this build. Owned by the module. */
const char *ae_picture_obstacle(ae_picture_format format, const ae_picture_info *info);

/* What a file says about a page beside its pixels, to be put into the file made of it: orientation,
 * resolution, colour profile, gamma, Exif, TIFF's description and other texts, private tags,
 * compression, whether white is zero. */
typedef struct ae_picture_tags ae_picture_tags;

/* ---- reading ---- */

typedef struct ae_picture_reader ae_picture_reader;

/* Opens a file, whose format its first bytes tell, whatever its name, at page 0. Counts pages,
 * reads no pixel. Refuses, naming it, what isn't one of the formats or of a kind that isn't read
 * (CMYK, signed or 64-bit or complex samples and the like), has sides that are too large, or fewer
 * bytes than such a picture can have. The caller owns *reader. */
ae_status ae_picture_open(ae_picture_reader **reader, const char *path);

/* The page that is selected. Borrowed, changed by ae_picture_select(). */
const ae_picture_info *ae_picture_describe(const ae_picture_reader *reader);
const ae_picture_tags *ae_picture_tags_of(const ae_picture_reader *reader);

/* Goes to the first row of a page, 0 <= page < pages. */
ae_status ae_picture_select(ae_picture_reader *reader, int64_t page);

/* Reads the next `count` rows of the page into rows[count][width][samples]; no more than are left.
 * Fails where the file is damaged, ends too soon, or changed since it was opened (noticed with the
 * last row at the latest). */
ae_status ae_picture_read(ae_picture_reader *reader, int64_t count, void *rows);

/* *reader becomes NULL; it may be NULL. */
void ae_picture_close(ae_picture_reader **reader);

/* ---- writing ---- */

typedef struct ae_picture_writer ae_picture_writer;

/* Begins a file that ae_picture_publish() will put at `path`; until then it is PATH.tmp.PID. Its
 * folder must be there. quality: of JPEG, 1 to 100; other formats lose nothing. The caller owns
 * *writer, and ends it with one of the two below. */
ae_status ae_picture_create(ae_picture_writer **writer, const char *path, ae_picture_format format,
                            int quality);

/* Begins a page; all rows of the one before have been written. info: of it width, height, channels,
 * alpha, type and bits, and for the first page `pages`, whose size decides whether TIFF is BigTIFF.
 * AE_ERROR_USAGE: an ae_picture_obstacle(). tags: NULL, or of the picture it was made of (which may
 * have had another format); what this format has a place for is written. Both are borrowed for the
 * call. */
ae_status ae_picture_begin(ae_picture_writer *writer, const ae_picture_info *info,
                           const ae_picture_tags *tags);

/* Writes the next `count` rows of the page. */
ae_status ae_picture_write(ae_picture_writer *writer, int64_t count, const void *rows);

/* Completes the file, syncs it and puts it at its path, whole or not at all. *writer becomes NULL,
 * also where it fails. */
ae_status ae_picture_publish(ae_picture_writer **writer);

/* Removes what was written. *writer becomes NULL; it may be NULL. */
void ae_picture_discard(ae_picture_writer **writer);

/* ---- which files ---- */

typedef struct ae_picture_file {
    char *path; /* to open it by */
    char *name; /* relative to the folder or the list's folder, without "..": for output; in a list
                   names may be alike */
} ae_picture_file;

typedef struct ae_picture_list {
    ae_picture_file *files;
    int64_t count;  /* >= 1 */
    int64_t others; /* files of a folder that were left out because their names don't end as a
                       picture's does; hidden ones aren't counted */
    char *other;    /* name of one of them, or NULL */
} ae_picture_list;

/* The pictures that `path` stands for: a folder, with all folders in it, in the order of the bytes
 * of their names, hidden ones left out; a picture; or a text with a file's path on each line,
 * relative to the text's folder, in the order of the lines (empty ones and comments with '#' are
 * left out). No picture is opened. Links are followed. without: a folder that is left out where it
 * is met in `path`, for output; it need not be there; NULL: none. AE_ERROR_DATA: there is none, or
 * a folder that can't be read. The caller releases *list. */
ae_status ae_picture_list_read(ae_picture_list *list, const char *path, const char *without);
void ae_picture_list_release(ae_picture_list *list);

#endif
