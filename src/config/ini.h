/* The ini reader: sections, "key = value" lines, and comments from a # or ; that stands at the
 * beginning of a line or after a space, but not in the quotes of a value. A line that begins with
 * more blanks than the key before it goes on with that key's value, after a space; empty lines and
 * comments may stand between, and a value in quotes ends on its line. UTF-8, with or without a byte
 * order mark; lines end in LF or CRLF. It takes any bytes and refuses, with file and line, whatever
 * it would have to guess at.
 */
#ifndef AE_CONFIG_INI_H
#define AE_CONFIG_INI_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

/* A run of bytes with no NUL at its end. A view. */
typedef struct ae_slice {
    const char *text;
    size_t size;
} ae_slice;

ae_slice ae_slice_of(const char *text);
bool ae_slice_equals(ae_slice slice, const char *text);

/* Without spaces and tabs at both ends. */
ae_slice ae_slice_trim(ae_slice slice);

/* NULL where the bytes are UTF-8 without control characters other than tabs, else the fault as the
 * end of a sentence: "holds a control character". */
const char *ae_slice_fault(ae_slice slice);

/* How much of a slice of UTF-8 a message shows: a precision for "%.*s". */
int ae_slice_shown(ae_slice slice);

/* The place of the first comment mark (# or ; at the beginning or after a space), or the size. */
size_t ae_slice_comment(ae_slice slice);

enum {
    AE_INI_LINE_MAX = 1 << 16, /* bytes of a line, without its end: any value fits, in quotes too */
    AE_INI_VALUE_SIZE = 1 << 15 /* room for a value of several lines: more than an option takes */
};

typedef enum ae_ini_item { AE_INI_END, AE_INI_SECTION, AE_INI_KEY } ae_ini_item;

/* A text that is being read, and what the last ae_ini_next() found. A view of the text. */
typedef struct ae_ini {
    const char *path; /* for messages */
    const char *next, *end;
    int lines_read;
    int line;            /* of the section or key, counted from 1 */
    ae_slice section;    /* without the brackets; .text is NULL before the first one */
    ae_slice key, value; /* trimmed; the value may be empty, or in quotes (config/quotes.h) */
    ae_slice comment;    /* the first behind a line of the value, from its mark on; may be empty */
    char joined[AE_INI_VALUE_SIZE]; /* the value, where it has several lines */
} ae_ini;

void ae_ini_open(ae_ini *ini, const char *path, const char *text, size_t size);

/* Goes to the next section or key and says which it is. AE_ERROR_USAGE: a line that is too long,
 * not UTF-8, holds a control character (a NUL, too), or isn't one of the known kinds. */
ae_status ae_ini_next(ae_ini *ini, ae_ini_item *item);

#endif
