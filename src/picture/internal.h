/* What the parts of the room share: the file that is read, the file that is written, and what a
 * format does. */
#ifndef AE_PICTURE_INTERNAL_H
#define AE_PICTURE_INTERNAL_H

#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include "picture/picture.h"
#include "tags.h"

enum { AE_PICTURE_BUFFER = 1 << 16, AE_PICTURE_FAULT_SIZE = 512 };

#define AE_PICTURE_CURE_DAMAGED "get it anew from where it came from, or leave it out"
#define AE_PICTURE_CURE_KIND "convert it, or leave it out"

/* ---- a file being read ---- */

typedef struct ae_picture_input {
    char *path;
    int descriptor;         /* -1: not open */
    int64_t size, position; /* bytes; of the first byte behind those in the buffer */
    struct timespec changed;
    size_t used, filled; /* of the buffer */
    uint8_t buffer[AE_PICTURE_BUFFER];
    char fault[AE_PICTURE_FAULT_SIZE]; /* why reading failed, "" where it didn't */
} ae_picture_input;

/* `input` is all zeros; it is to be closed also where this fails. */
ae_status ae_picture_input_open(ae_picture_input *input, const char *path);
void ae_picture_input_close(ae_picture_input *input);

/* Where the next byte is taken. */
int64_t ae_picture_input_tell(const ae_picture_input *input);
void ae_picture_input_seek(ae_picture_input *input, int64_t position);

/* Fills the buffer, all of which was used, anew. False: at the end of the file, or a fault. */
bool ae_picture_input_fill(ae_picture_input *input);

/* Copies the next `size` bytes, through the buffer; returns how many there were. */
size_t ae_picture_input_take(ae_picture_input *input, void *bytes, size_t size);

/* Refuses a file that is another by now. */
ae_status ae_picture_input_unchanged(const ae_picture_input *input);

/* AE_ERROR_DATA: "cannot read 'PATH': ", what was found, and the cure. */
ae_status ae_picture_refuse(const ae_picture_input *input, const char *cure, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));

/* ---- a file being written ---- */

typedef struct ae_picture_output {
    char *path, *temporary;
    int descriptor;
    int64_t position; /* of the next byte, without those in the buffer */
    size_t filled;    /* of the buffer */
    int error;        /* errno of the first failure, 0: none */
    uint8_t buffer[AE_PICTURE_BUFFER];
} ae_picture_output;

ae_status ae_picture_output_create(ae_picture_output *output, const char *path);

/* False: it failed, now or before; output->error tells. */
bool ae_picture_output_put(ae_picture_output *output, const void *bytes, size_t size);
bool ae_picture_output_flush(ae_picture_output *output);

/* Flushes, and goes to another place. */
bool ae_picture_output_seek(ae_picture_output *output, int64_t position);

/* Syncs, closes and renames. */
ae_status ae_picture_output_publish(ae_picture_output *output);

/* Closes what is open, and removes what wasn't published. */
void ae_picture_output_release(ae_picture_output *output);

/* AE_ERROR_IO: "cannot write 'PATH': ", why, and the cure. `reason`: where it wasn't the disk. */
ae_status ae_picture_output_fail(const ae_picture_output *output, const char *reason);

/* ---- formats ---- */

typedef struct ae_picture_codec ae_picture_codec;

struct ae_picture_reader {
    const ae_picture_codec *codec;
    ae_picture_info info;
    ae_picture_tags tags;
    int64_t row;      /* the next one */
    ae_status status; /* of a failure, after which nothing more is read */
    void *state;      /* the codec's */
    ae_picture_input input;
};

struct ae_picture_writer {
    const ae_picture_codec *codec;
    ae_picture_info info; /* of the page */
    int64_t row;          /* the next one */
    int64_t page;         /* those that were begun */
    int quality;
    void *state; /* the codec's, NULL before the first page */
    ae_picture_output output;
};

struct ae_picture_codec {
    /* "libpng 1.6.39": the one that is loaded, if it tells. */
    void (*library)(char *text, size_t size);

    /* Describes page 0: info, tags, state. */
    ae_status (*open)(ae_picture_reader *reader);
    ae_status (*select)(ae_picture_reader *reader, int64_t page); /* NULL: there is only one */
    ae_status (*read)(ae_picture_reader *reader, int64_t count, uint8_t *rows);
    ae_status (*end)(ae_picture_reader *reader); /* after the last row; or NULL */
    void (*close)(ae_picture_reader *reader);    /* state may be NULL, or half made */

    const char *(*obstacle)(const ae_picture_info *info);
    ae_status (*begin)(ae_picture_writer *writer, const ae_picture_tags *tags);
    ae_status (*write)(ae_picture_writer *writer, int64_t count, const uint8_t *rows);
    ae_status (*finish)(ae_picture_writer *writer); /* the last page */
    void (*discard)(ae_picture_writer *writer);     /* as close */
};

extern const ae_picture_codec ae_picture_png, ae_picture_jpeg, ae_picture_tiff;

/* Refuses sides of the info that no picture has; call before taking memory by them. */
ae_status ae_picture_check_sides(const ae_picture_reader *reader);

/* Refuses a file that is shorter than `least` bytes, which its picture can't do with. */
ae_status ae_picture_check_least(const ae_picture_reader *reader, int64_t least);

/* Bytes of a sample. */
size_t ae_picture_sample_bytes(ae_picture_type type);

#endif
