#include "config/quotes.h"

char ae_quotes_mark(ae_slice slice) {
    bool is_quote = slice.size > 0 && (slice.text[0] == '\'' || slice.text[0] == '"');
    return is_quote ? slice.text[0] : '\0';
}

size_t ae_quotes_size(ae_slice slice) {
    char mark = ae_quotes_mark(slice);
    for (size_t i = 1; mark && i < slice.size; ++i) {
        if (slice.text[i] != mark) continue;
        bool is_twice = i + 1 < slice.size && slice.text[i + 1] == mark;
        if (!is_twice) return i + 1;
        ++i;
    }
    return 0;
}

size_t ae_quotes_take_off(char *text, size_t size, ae_slice slice) {
    char mark = ae_quotes_size(slice) > 0 ? slice.text[0] : '\0';
    size_t end = mark ? ae_quotes_size(slice) - 1 : slice.size, used = 0;
    for (size_t i = mark ? 1 : 0; i < end; ++i) {
        if (used + 1 < size) text[used] = slice.text[i];
        ++used;
        if (mark && slice.text[i] == mark) ++i; /* the same quote once more */
    }
    text[used < size ? used : size - 1] = '\0';
    return used;
}

void ae_quotes_put_on(char *quoted, const char *text) {
    *quoted++ = '\'';
    for (; *text; ++text) {
        *quoted++ = *text;
        if (*text == '\'') *quoted++ = '\'';
    }
    *quoted++ = '\'';
    *quoted = '\0';
}
