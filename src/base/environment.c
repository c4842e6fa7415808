#include "base/environment.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *ae_environment_text(const char *name) {
    const char *text = getenv(name);
    return text && text[0] ? text : NULL;
}

bool ae_environment_whole(int64_t *value, const char *name, int64_t lowest) {
    const char *text = ae_environment_text(name);
    if (!text || !isdigit((unsigned char)(text[0] == '-' ? text[1] : text[0]))) return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || *end || number < lowest) return false;
    *value = number;
    return true;
}

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t");
}

bool ae_environment_is_list(int *first, const char *text) {
    int found = 0;
    for (;;) {
        char *end;
        text = skip_blanks(text);
        if (!isdigit((unsigned char)*text)) return false;
        errno = 0;
        long number = strtol(text, &end, 10);
        if (errno || number < 1 || number > INT_MAX) return false;
        if (found == 0) found = (int)number;
        text = skip_blanks(end);
        if (*text == '\0') break;
        if (*text++ != ',') return false;
    }
    *first = found;
    return true;
}
