#include "config/ini.h"

#include <stdint.h>
#include <string.h>
#include "base/text.h"
#include "config/quotes.h"

enum { SHOWN_MAX = 80 }; /* bytes of a faulty text that a message shows */

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

ae_slice ae_slice_of(const char *text) {
    return (ae_slice){text, strlen(text)};
}

bool ae_slice_equals(ae_slice slice, const char *text) {
    return strlen(text) == slice.size && memcmp(text, slice.text, slice.size) == 0;
}

ae_slice ae_slice_trim(ae_slice slice) {
    while (slice.size > 0 && is_blank(slice.text[0])) {
        ++slice.text;
        --slice.size;
    }
    while (slice.size > 0 && is_blank(slice.text[slice.size - 1])) --slice.size;
    return slice;
}

const char *ae_slice_fault(ae_slice slice) {
    for (size_t i = 0; i < slice.size;) {
        uint32_t code;
        size_t count = ae_text_character(slice.text + i, slice.size - i, &code);
        if (count == 0) return "holds bytes that are not UTF-8";
        if (code == 0) return "holds a NUL byte";
        if ((code < 0x20 && code != '\t') || (code >= 0x7F && code <= 0x9F))
            return "holds a control character";
        i += count;
    }
    return NULL;
}

int ae_slice_shown(ae_slice slice) {
    if (slice.size <= SHOWN_MAX) return (int)slice.size;
    int size = SHOWN_MAX;
    while (size > 0 && ((unsigned char)slice.text[size] & 0xC0) == 0x80) --size;
    return size;
}

/* The place of the first comment mark from a place on, or the size. */
static size_t comment_from(ae_slice slice, size_t begin) {
    for (size_t i = begin; i < slice.size; ++i) {
        bool mark = slice.text[i] == '#' || slice.text[i] == ';';
        if (mark && (i == 0 || is_blank(slice.text[i - 1]))) return i;
    }
    return slice.size;
}

size_t ae_slice_comment(ae_slice slice) {
    return comment_from(slice, 0);
}

/* The same in a line, where a value's quotes protect what is in them. */
static size_t line_comment(ae_slice line) {
    size_t first = comment_from(line, 0);
    const char *equals = memchr(line.text, '=', first);
    if (!equals) return first;
    const char *value = equals + 1, *end = line.text + line.size;
    while (value < end && is_blank(*value)) ++value;
    size_t before = (size_t)(value - line.text);
    size_t quoted = ae_quotes_size((ae_slice){value, line.size - before});
    return quoted > 0 ? comment_from(line, before + quoted) : first;
}

void ae_ini_open(ae_ini *ini, const char *path, const char *text, size_t size) {
    static const char mark[] = "\xEF\xBB\xBF"; /* byte order mark */
    *ini = (ae_ini){.path = path, .next = text, .end = size > 0 ? text + size : text};
    if (size >= 3 && memcmp(text, mark, 3) == 0) ini->next += 3;
}

/* Takes the next line, without its end. */
static ae_slice take_line(ae_ini *ini) {
    size_t left = (size_t)(ini->end - ini->next);
    const char *newline = memchr(ini->next, '\n', left);
    ae_slice line = {ini->next, newline ? (size_t)(newline - ini->next) : left};
    ini->next = newline ? newline + 1 : ini->end;
    ++ini->lines_read;
    if (line.size > 0 && line.text[line.size - 1] == '\r') --line.size;
    return line;
}

/* "[section]", trimmed and with its comment gone. */
static ae_status read_section(ae_ini *ini, ae_slice line) {
    const char *close = memchr(line.text, ']', line.size);
    if (!close)
        return ae_fail(AE_ERROR_USAGE, "%s:%d: '%.*s' has no closing ]; allowed: [section]",
                       ini->path, ini->line, ae_slice_shown(line), line.text);
    const char *after = close + 1;
    ae_slice rest = {after, (size_t)(line.text + line.size - after)};
    if (rest.size > 0)
        return ae_fail(AE_ERROR_USAGE,
                       "%s:%d: there is text after ]: '%.*s'; allowed: [section] and a comment",
                       ini->path, ini->line, ae_slice_shown(rest), rest.text);
    ini->section = ae_slice_trim((ae_slice){line.text + 1, (size_t)(close - line.text - 1)});
    return AE_OK;
}

/* "key = value", trimmed and with its comment gone. */
static ae_status read_key(ae_ini *ini, ae_slice line) {
    const char *equals = memchr(line.text, '=', line.size);
    if (!equals)
        return ae_fail(AE_ERROR_USAGE,
                       "%s:%d: '%.*s' has no =; allowed: [section], key = value, # comment",
                       ini->path, ini->line, ae_slice_shown(line), line.text);
    size_t before = (size_t)(equals - line.text);
    ini->key = ae_slice_trim((ae_slice){line.text, before});
    ini->value = ae_slice_trim((ae_slice){equals + 1, line.size - before - 1});
    if (ini->key.size == 0)
        return ae_fail(AE_ERROR_USAGE, "%s:%d: there is no key before the =; allowed: key = value",
                       ini->path, ini->line);
    if (!ini->section.text)
        return ae_fail(
            AE_ERROR_USAGE,
            "%s:%d: the key %.*s stands outside a section; put it below a [section] line",
            ini->path, ini->line, ae_slice_shown(ini->key), ini->key.text);
    return AE_OK;
}

/* The blanks that a line begins with. */
static size_t indent_of(ae_slice line) {
    size_t indent = 0;
    while (indent < line.size && is_blank(line.text[indent])) ++indent;
    return indent;
}

/* AE_ERROR_USAGE: the line last read can't be one. */
static ae_status check_line(const ae_ini *ini, ae_slice line) {
    if (line.size > AE_INI_LINE_MAX)
        return ae_fail(AE_ERROR_USAGE,
                       "%s:%d: the line is too long: %zu bytes; allowed: at most %d", ini->path,
                       ini->lines_read, line.size, AE_INI_LINE_MAX);
    const char *fault = ae_slice_fault(line);
    if (fault)
        return ae_fail(AE_ERROR_USAGE, "%s:%d: the line %s; allowed: UTF-8 text", ini->path,
                       ini->lines_read, fault);
    return AE_OK;
}

/* Appends a further line, after a space, to the value. */
static ae_status append(ae_ini *ini, ae_slice more) {
    const int shown = ae_slice_shown(more);
    if (more.text[0] == '[' || memchr(more.text, '=', more.size))
        return ae_fail(
            AE_ERROR_USAGE,
            "%s:%d: '%.*s' begins with more blanks than %.*s above, and would go on with "
            "its value; take the blanks away",
            ini->path, ini->lines_read, shown, more.text, ae_slice_shown(ini->key), ini->key.text);
    if (ae_quotes_mark(ini->value))
        return ae_fail(AE_ERROR_USAGE,
                       "%s:%d: '%.*s' begins with more blanks than %.*s above, whose value is in "
                       "quotes and so ends on its line",
                       ini->path, ini->lines_read, shown, more.text, ae_slice_shown(ini->key),
                       ini->key.text);
    size_t used = ini->value.size;
    if (used + 1 + more.size > sizeof ini->joined)
        return ae_fail(AE_ERROR_USAGE, "%s:%d: the value of %.*s is too long", ini->path,
                       ini->lines_read, ae_slice_shown(ini->key), ini->key.text);
    memmove(ini->joined, ini->value.text, used);
    if (used > 0) ini->joined[used++] = ' ';
    memcpy(ini->joined + used, more.text, more.size);
    ini->value = (ae_slice){ini->joined, used + more.size};
    return AE_OK;
}

/* Takes the further lines of a value whose key stands behind `indent` blanks. A line that isn't one
 * is left, and what is wrong with it, for ae_ini_next(). */
static ae_status read_more(ae_ini *ini, size_t indent) {
    while (ini->next != ini->end) {
        const char *next = ini->next;
        const int lines_read = ini->lines_read;
        ae_slice line = take_line(ini);
        const size_t comment = comment_from(line, 0);
        ae_slice more = ae_slice_trim((ae_slice){line.text, comment});
        if (line.size > AE_INI_LINE_MAX || ae_slice_fault(line) ||
            (more.size > 0 && indent_of(line) <= indent)) {
            ini->next = next;
            ini->lines_read = lines_read;
            return AE_OK;
        }
        if (more.size == 0) continue;
        ae_status status = append(ini, more);
        if (status != AE_OK) return status;
        if (ini->comment.size == 0)
            ini->comment = (ae_slice){line.text + comment, line.size - comment};
    }
    return AE_OK;
}

ae_status ae_ini_next(ae_ini *ini, ae_ini_item *item) {
    while (ini->next != ini->end) {
        ae_slice line = take_line(ini);
        ae_status status = check_line(ini, line);
        if (status != AE_OK) return status;
        const size_t comment = line_comment(line), indent = indent_of(line);
        ini->line = ini->lines_read;
        ini->comment = (ae_slice){line.text + comment, line.size - comment};
        line.size = comment;
        line = ae_slice_trim(line);
        if (line.size == 0) continue;
        *item = line.text[0] == '[' ? AE_INI_SECTION : AE_INI_KEY;
        if (*item == AE_INI_SECTION) return read_section(ini, line);
        status = read_key(ini, line);
        return status == AE_OK ? read_more(ini, indent) : status;
    }
    *item = AE_INI_END;
    return AE_OK;
}
