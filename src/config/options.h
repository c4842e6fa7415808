/* The option table: one row an option (config/options.def). */
#ifndef AE_CONFIG_OPTIONS_H
#define AE_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"
#include "config/config.h"
#include "config/ini.h"

enum { AE_CHOICES_MAX = 8, AE_OPTION_QUOTED_SIZE = 2 * AE_VALUE_SIZE + 1 };

/* What a value looks like, and the type of its member of ae_settings. */
typedef enum ae_option_kind {
    AE_OPTION_TEXT,   /* char[] */
    AE_OPTION_PATH,   /* char[AE_TEXT_SIZE]; ~/ and $NAME are expanded (config/paths.h) */
    AE_OPTION_WHOLE,  /* int64_t */
    AE_OPTION_REAL,   /* double */
    AE_OPTION_CHOICE, /* int64_t: the index of one of `choices` */
    AE_OPTION_SIDES,  /* double[2]: whole numbers; one that is given alone is both */
    AE_OPTION_RANGE,  /* double[2]: two that differ, or the word auto for two zeros */
    AE_OPTION_SPAN,   /* double[2]: one that is both, or two that rise, A .. B */
    AE_OPTION_NUMBERS /* ae_numbers */
} ae_option_kind;

typedef struct ae_option {
    const char *section, *key, *name; /* name: "section.key" */
    ae_option_kind kind;
    size_t offset, size;      /* of its member of ae_settings, bytes */
    const char *initial;      /* the default, as in a file; "": the value may be empty */
    double low, high;         /* of numbers; whole ones lie within +-2^53 */
    bool low_open, high_open; /* is the bound itself left out? */
    const char *follows;   /* NULL, or a key of the section whose name as a value means its value */
    const char *word;      /* of numbers: NULL, or a word that is a value, */
    double number_of_word; /* kept as this number, out of the bounds */
    const char *choices[AE_CHOICES_MAX]; /* NULL where there is none */
    bool is_own;                         /* of paths: on a disk that each node has for itself */
    const char *unit;
    ae_effect effect;
    const char *help; /* one line, without a full stop */
} ae_option;

/* A row, 0 <= index < AE_OPTION_COUNT. */
const ae_option *ae_option_at(int index);

/* Index of an option, -1 where there is none of that name. */
int ae_option_find(ae_slice section, ae_slice key);
bool ae_option_has_section(ae_slice section);

/* AE_ERROR_USAGE with the nearest known name and all that are allowed. `where` begins the message.
 */
ae_status ae_option_refuse_section(const char *where, ae_slice section);
ae_status ae_option_refuse_key(const char *where, ae_slice section, ae_slice key);

/* A value as it is written, and its text without the quotes it may stand in. */
typedef struct ae_value {
    ae_slice written;
    char mark; /* the quote, or 0 */
    char text[AE_VALUE_SIZE];
} ae_value;

enum { AE_OPTION_ALLOWED_SIZE = 160, AE_OPTION_NOTES_SIZE = 512 };

/* What an option takes ("a whole number from 1 to 1000000"), and the same between unit and default
 * ("unit: images; a whole number from 1 to 1000000; default 100"). */
void ae_option_allowed(const ae_option *option, char allowed[AE_OPTION_ALLOWED_SIZE]);
void ae_option_notes(const ae_option *option, char notes[AE_OPTION_NOTES_SIZE]);

/* Takes the quotes off a value, which is trimmed. AE_ERROR_USAGE: there is none, it can't be a
 * text, or its quotes aren't whole; the message begins with `where`. */
ae_status ae_option_unquote(const ae_option *option, ae_value *value, ae_slice written,
                            const char *where);

/* Reads the value into the option's member of `settings`. AE_ERROR_USAGE: it is not one that is
 * allowed; the message begins with `where`. */
ae_status ae_option_read(const ae_option *option, ae_settings *settings, const ae_value *value,
                         const char *where);

/* The option's member of `settings` as text, without quotes. */
void ae_option_write(const ae_option *option, const ae_settings *settings,
                     char value[AE_VALUE_SIZE]);

/* A value of ae_option_write() as ae_option_unquote() and ae_option_read() take it back: in quotes
 * where it needs them. */
void ae_option_quote(const ae_option *option, const char *value,
                     char quoted[AE_OPTION_QUOTED_SIZE]);

static inline bool ae_option_is_text(const ae_option *option) {
    return option->kind == AE_OPTION_TEXT || option->kind == AE_OPTION_PATH;
}

/* Members of `settings` by option, for one of that kind. */
static inline char *ae_option_text(const ae_option *option, ae_settings *settings) {
    return (char *)settings + option->offset;
}

static inline int64_t *ae_option_whole(const ae_option *option, ae_settings *settings) {
    return (int64_t *)(void *)((char *)settings + option->offset);
}

static inline ae_numbers *ae_option_numbers(const ae_option *option, ae_settings *settings) {
    return (ae_numbers *)(void *)((char *)settings + option->offset);
}

/* The first of two for a pair. */
static inline double *ae_option_real(const ae_option *option, ae_settings *settings) {
    return (double *)(void *)((char *)settings + option->offset);
}

#endif
