#include "config/paths.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "config/ini.h"

#define CURE "write the path out, or put it in single quotes to take it as it stands"

const char *ae_path_fault(const char *path, char mark) {
    if (mark == '\'') return NULL;
    if (strpbrk(path, "\\`")) return "holds a \\ or ` that a shell would act on; " CURE;
    if (mark) return NULL;
    if (strchr(path, '"'))
        return "holds a \" that a shell would take off; put the whole path in quotes";
    size_t size = strlen(path);
    for (size_t at = 0; at < size;) {
        uint32_t code = 0;
        size_t count = ae_text_character(path + at, size - at, &code);
        if (count == 0) return "is not UTF-8"; /* a file's name may be so */
        if (ae_text_is_invisible(code) && code != '\t')
            return "holds an invisible character; take it out, or put the path in quotes";
        if (at == 0 && ae_text_is_odd_quote(code))
            return "begins with a quote that is neither ' nor \"; write one of those";
        at += count;
    }
    return NULL;
}

bool ae_path_expands(const char *path) {
    return path[0] == '~' || strchr(path, '$');
}

static bool is_name_byte(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (byte >= '0' && byte <= '9');
}

/* The name after the $ at `text`; *end: what follows $NAME or ${NAME}. Empty where it is neither.
 */
static ae_slice read_name(const char *text, const char **end) {
    bool braces = text[1] == '{';
    ae_slice name = {text + 1 + braces, 0};
    bool begins = is_name_byte(name.text[0]) && !(name.text[0] >= '0' && name.text[0] <= '9');
    while (begins && is_name_byte(name.text[name.size])) ++name.size;
    *end = name.text + name.size;
    if (!braces) return name;
    if (**end == '}')
        ++*end;
    else
        name.size = 0;
    return name;
}

/* Appends to a path that is being made; false where it doesn't go in. */
static bool append(char made[AE_TEXT_SIZE], const char *text, size_t size) {
    size_t used = strlen(made);
    if (used + size >= AE_TEXT_SIZE) return false;
    memcpy(made + used, text, size);
    made[used + size] = '\0';
    return true;
}

/* Appends the value of a variable. `size`: of what is written for it, at `text`. */
static ae_status append_variable(char made[AE_TEXT_SIZE], ae_slice name, const char *text,
                                 size_t size, const char *where) {
    char key[AE_TEXT_SIZE];
    memcpy(key, name.text, name.size);
    key[name.size] = '\0';
    const char *value = getenv(key);
    if (!value || !value[0])
        return ae_fail(AE_ERROR_USAGE,
                       "%s: %.*s stands for the environment variable %s, which is %s where rank 0 "
                       "runs; set it, or " CURE,
                       where, (int)size, text, key, value ? "empty" : "not set");
    const char *fault = ae_slice_fault(ae_slice_of(value));
    if (fault)
        return ae_fail(AE_ERROR_USAGE, "%s: the environment variable %s %s; " CURE, where, key,
                       fault);
    if (!append(made, value, strlen(value)))
        return ae_fail(AE_ERROR_USAGE,
                       "%s: with the environment variable %s the path is too long; "
                       "allowed: at most %d bytes",
                       where, key, AE_TEXT_SIZE - 1);
    return AE_OK;
}

ae_status ae_path_expand(char path[AE_TEXT_SIZE], const char *where) {
    char made[AE_TEXT_SIZE] = "";
    const char *rest = path, *end;
    ae_status status = AE_OK;
    if (rest[0] == '~') {
        if (rest[1] != '/' && rest[1] != '\0')
            return ae_fail(AE_ERROR_USAGE, "%s: '%s' begins with the home of another; " CURE, where,
                           path);
        status = append_variable(made, ae_slice_of("HOME"), rest++, 1, where);
    }
    for (; status == AE_OK && *rest; rest = end) {
        end = rest + 1;
        ae_slice name = {rest, 0};
        if (*rest == '$') {
            name = read_name(rest, &end);
            if (name.size == 0)
                return ae_fail(AE_ERROR_USAGE,
                               "%s: '%s' has a $ that begins neither $NAME nor ${NAME}; " CURE,
                               where, path);
            status = append_variable(made, name, rest, (size_t)(end - rest), where);
        } else if (!append(made, rest, 1)) {
            return ae_fail(AE_ERROR_USAGE,
                           "%s: '%s' is too long with its variables; allowed: at most %d bytes",
                           where, path, AE_TEXT_SIZE - 1);
        }
    }
    if (status == AE_OK) memcpy(path, made, sizeof made);
    return status;
}
