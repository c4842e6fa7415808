/* Text as people see it and as a shell reads it. UTF-8. */
#ifndef AE_BASE_TEXT_H
#define AE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at text[0 .. size - 1], size >= 1, and its code; 0 where it is not
 * one (too short, overlong, a surrogate, beyond U+10FFFF). */
size_t ae_text_character(const char *text, size_t size, uint32_t *code);

/* Is it a character that nobody sees, or that looks like a plain space: no-break and zero-width
 * spaces, marks of direction, control characters? */
bool ae_text_is_invisible(uint32_t code);

/* Does it look like a quotation mark, and is neither ' nor "? */
bool ae_text_is_odd_quote(uint32_t code);

/* Copies `text` for a message. What would mislead a reader is shown by its code: characters that
 * are invisible (but newlines and tabs) or look like one of ASCII as <U+00A0>, and bytes that are
 * not UTF-8 as <0xFF>. Letters of other scripts are shown so only where they touch ASCII's. The
 * copy is cut, between characters, to `size` bytes with the final NUL; size >= 1. */
void ae_text_show(char *shown, size_t size, const char *text);

/* "s" for a plural: 1 rank, 2 ranks. */
static inline const char *ae_plural(int64_t count) {
    return count == 1 ? "" : "s";
}

/* Room for ae_text_quote() of a text of so many bytes. */
#define AE_TEXT_QUOTED_SIZE(bytes) (4 * (size_t)(bytes) + 3)

/* Copies `text` as one word of a POSIX shell: bare where it can be, else in single quotes. `quoted`
 * has AE_TEXT_QUOTED_SIZE(strlen(text)) bytes. */
void ae_text_quote(char *quoted, const char *text);

#endif
