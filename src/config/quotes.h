/* Quotes around a value, single or double: what stands in them is the value, with its blanks, # and
 * ; and the quote itself is written twice in them. */
#ifndef AE_CONFIG_QUOTES_H
#define AE_CONFIG_QUOTES_H

#include <stddef.h>
#include "config/ini.h"

/* The quote that a slice begins with, or 0. */
char ae_quotes_mark(ae_slice slice);

/* Bytes of the quoted text at the beginning of a slice, with its quotes; 0 where there is none, or
 * the second quote is missing. */
size_t ae_quotes_size(ae_slice slice);

/* Copies a text without the quotes around it, which ae_quotes_size() found or which it has not.
 * Returns its bytes; `text` has `size` bytes, and where they don't do it is cut. */
size_t ae_quotes_take_off(char *text, size_t size, ae_slice slice);

/* Copies `text` into single quotes. `quoted` has 2 * strlen(text) + 3 bytes. */
void ae_quotes_put_on(char *quoted, const char *text);

#endif
