/* Values of options as text: reading, checking, writing. The program never calls setlocale(), so
 * strtod() and printf() know the decimal point alone. */
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/options.h"
#include "config/paths.h"
#include "config/quotes.h"

/* The shortest text that strtod() reads back to the same value. */
static void write_real(double value, char *text, size_t size) {
    for (int digits = 15; digits <= 17; ++digits) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

static const char *number_word(ae_option_kind kind) {
    switch (kind) {
    case AE_OPTION_WHOLE:
        return "a whole number";
    case AE_OPTION_SIDES:
        return "one or two whole numbers";
    case AE_OPTION_RANGE:
        return "two numbers";
    case AE_OPTION_NUMBERS:
        return "up to 16 numbers";
    default:
        return "a number";
    }
}

void ae_option_allowed(const ae_option *option, char allowed[AE_OPTION_ALLOWED_SIZE]) {
    size_t size = AE_OPTION_ALLOWED_SIZE;
    if (ae_option_is_text(option)) {
        snprintf(allowed, size, "a text of %d to %zu bytes%s", option->initial[0] != '\0',
                 option->size - 1,
                 option->kind == AE_OPTION_PATH ? ", with ~/, $NAME and ${NAME}" : "");
    } else if (option->kind == AE_OPTION_CHOICE) {
        allowed[0] = '\0';
        for (int i = 0; i < AE_CHOICES_MAX && option->choices[i]; ++i) {
            bool last = i + 1 == AE_CHOICES_MAX || !option->choices[i + 1];
            size_t used = strlen(allowed);
            snprintf(allowed + used, size - used, "%s%s", i == 0 ? "" : (last ? " or " : ", "),
                     option->choices[i]);
        }
    } else {
        char low[32], high[32];
        write_real(option->low, low, sizeof low);
        write_real(option->high, high, sizeof high);
        const char *to = option->low_open ? ", up to " : " to ";
        const char *word = option->word ? option->word : option->follows;
        const char *also = option->kind == AE_OPTION_SPAN ? ", or a range of such, A .. B"
                           : word                         ? ", or the word "
                                                          : "";
        snprintf(allowed, size, "%s%s%s%s%s%s%s", number_word(option->kind),
                 option->low_open ? " above " : " from ", low,
                 option->high_open ? " to below " : to, high, also, word ? word : "");
    }
}

void ae_option_notes(const ae_option *option, char notes[AE_OPTION_NOTES_SIZE]) {
    char allowed[AE_OPTION_ALLOWED_SIZE];
    ae_option_allowed(option, allowed);
    snprintf(notes, AE_OPTION_NOTES_SIZE, "%s%s%s%s; default %s", option->unit[0] ? "unit: " : "",
             option->unit, option->unit[0] ? "; " : "", allowed,
             option->initial[0] ? option->initial : "empty");
}

/* AE_ERROR_USAGE: where: 'value' fault; allowed: ... */
static ae_status refuse(const ae_option *option, ae_slice value, const char *where,
                        const char *fault) {
    char allowed[AE_OPTION_ALLOWED_SIZE];
    ae_option_allowed(option, allowed);
    return ae_fail(AE_ERROR_USAGE, "%s: '%.*s' %s; allowed: %s", where, ae_slice_shown(value),
                   value.text, fault, allowed);
}

static size_t count_digits(const char *text) {
    return strspn(text, "0123456789");
}

/* Length of the decimal number at the beginning of `text`, 0 where there is none: a minus or not,
 * digits, and for a real one a decimal point, if no other follows, and an exponent. */
static size_t number_length(const char *text, bool real) {
    size_t at = text[0] == '-';
    size_t whole = count_digits(text + at), part = 0;
    at += whole;
    if (real && text[at] == '.' && text[at + 1] != '.') {
        part = count_digits(text + at + 1);
        if (whole + part > 0) at += 1 + part;
    }
    if (whole + part == 0) return 0;
    if (real && (text[at] == 'e' || text[at] == 'E')) {
        size_t sign = text[at + 1] == '-' || text[at + 1] == '+';
        size_t exponent = count_digits(text + at + 1 + sign);
        if (exponent > 0) at += 1 + sign + exponent;
    }
    return at;
}

/* Is the text the option's word? */
static bool is_word(const ae_option *option, const char *text) {
    return option->word && strcmp(text, option->word) == 0;
}

static void set_number(const ae_option *option, ae_settings *settings, double number) {
    if (option->kind == AE_OPTION_REAL)
        *ae_option_real(option, settings) = number;
    else
        *ae_option_whole(option, settings) = (int64_t)number;
}

/* *number = that at the beginning of `text`, which has one. */
static ae_status take_number(double *number, const char *text, const ae_option *option,
                             const ae_value *value, const char *where) {
    errno = 0;
    *number = strtod(text, NULL) + 0.0; /* -0 becomes 0; whole ones lie within +-2^53 */
    if (*number < option->low || (option->low_open && *number == option->low) ||
        *number > option->high || (option->high_open && *number == option->high))
        return refuse(option, value->written, where, "is out of range");
    /* What lies below the normal range has lost digits, and would not read back. */
    if (errno == ERANGE || (*number != 0 && fabs(*number) < DBL_MIN))
        return refuse(option, value->written, where, "is too near to 0 for a double");
    return AE_OK;
}

static ae_status read_number(const ae_option *option, ae_settings *settings, const ae_value *value,
                             const char *where) {
    bool real = option->kind == AE_OPTION_REAL;
    const char *text = value->text;
    if (is_word(option, text)) {
        set_number(option, settings, option->number_of_word);
        return AE_OK;
    }
    size_t length = number_length(text, real);
    if (length == 0)
        return refuse(option, value->written, where,
                      real ? "is not a number" : "is not a whole number");
    if (text[length])
        return refuse(option, value->written, where,
                      real ? "has text after the number" : "has text after the whole number");
    double number;
    ae_status status = take_number(&number, text, option, value, where);
    if (status == AE_OK) set_number(option, settings, number);
    return status;
}

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t");
}

/* *count = the numbers of a text with blanks, of real ones also a comma, between them, `most` at
 * most. */
static ae_status read_list(double *numbers, int most, int *count, const ae_option *option,
                           const ae_value *value, const char *where) {
    const bool real = option->kind != AE_OPTION_SIDES;
    const char *text = value->text;
    for (*count = 0; *count < most;) {
        const size_t length = number_length(text, real);
        const char *end = text + length, *next = skip_blanks(end);
        if (length == 0)
            return refuse(option, value->written, where,
                          real ? "is not a number" : "is not a whole number");
        const bool has_comma = real && *next == ',';
        if (*next && !has_comma && next == end) break;
        ae_status status = take_number(&numbers[*count], text, option, value, where);
        if (status != AE_OK) return status;
        *count += 1;
        if (!*next) return AE_OK;
        text = has_comma ? skip_blanks(next + 1) : next;
    }
    return refuse(option, value->written, where, "has text after the numbers");
}

static ae_status read_sides(const ae_option *option, ae_settings *settings, const ae_value *value,
                            const char *where) {
    double *sides = ae_option_real(option, settings);
    int count;
    ae_status status = read_list(sides, 2, &count, option, value, where);
    if (status == AE_OK && count == 1) sides[1] = sides[0];
    return status;
}

static ae_status read_range(const ae_option *option, ae_settings *settings, const ae_value *value,
                            const char *where) {
    double *range = ae_option_real(option, settings);
    int count;
    range[0] = range[1] = 0;
    if (is_word(option, value->text)) return AE_OK;
    ae_status status = read_list(range, 2, &count, option, value, where);
    if (status == AE_OK && (count < 2 || range[0] == range[1]))
        status = refuse(option, value->written, where, "is not two numbers that differ");
    return status;
}

/* A number, or two that rise with .. between them. */
static ae_status read_span(const ae_option *option, ae_settings *settings, const ae_value *value,
                           const char *where) {
    double *span = ae_option_real(option, settings);
    const char *text = value->text;
    ae_status status = AE_OK;
    for (int n = 0; n < 2 && status == AE_OK; ++n) {
        const size_t length = number_length(text, true);
        if (length == 0) return refuse(option, value->written, where, "is not a number");
        status = take_number(&span[n], text, option, value, where);
        text = skip_blanks(text + length);
        if (n == 0 && !*text) {
            span[1] = span[0];
            return status;
        }
        if (n == 0 && strncmp(text, "..", 2) == 0)
            text = skip_blanks(text + 2);
        else if (*text)
            return refuse(option, value->written, where, "has text after the number");
    }
    if (status == AE_OK && !(span[0] < span[1]))
        status = refuse(option, value->written, where, "is not a range that rises");
    return status;
}

static ae_status read_numbers(const ae_option *option, ae_settings *settings, const ae_value *value,
                              const char *where) {
    ae_numbers *numbers = ae_option_numbers(option, settings);
    int count;
    ae_status status = read_list(numbers->values, AE_NUMBERS_MAX, &count, option, value, where);
    numbers->count = count;
    return status;
}

static ae_status read_choice(const ae_option *option, ae_settings *settings, const ae_value *value,
                             const char *where) {
    for (int i = 0; i < AE_CHOICES_MAX && option->choices[i]; ++i) {
        if (strcmp(value->text, option->choices[i]) != 0) continue;
        *ae_option_whole(option, settings) = i;
        return AE_OK;
    }
    return refuse(option, value->written, where, "is not one of the choices");
}

static ae_status read_text(const ae_option *option, ae_settings *settings, const ae_value *value,
                           const char *where) {
    if (!value->mark && ae_slice_comment(value->written) < value->written.size)
        return refuse(option, value->written, where,
                      "holds a # or ; that would begin a comment (at its beginning or after a "
                      "space); put it in quotes");
    const char *fault =
        option->kind == AE_OPTION_PATH ? ae_path_fault(value->text, value->mark) : NULL;
    if (fault) return refuse(option, value->written, where, fault);
    strcpy(ae_option_text(option, settings), value->text);
    return AE_OK;
}

ae_status ae_option_unquote(const ae_option *option, ae_value *value, ae_slice written,
                            const char *where) {
    *value = (ae_value){.written = written, .mark = ae_quotes_mark(written)};
    const char *fault = ae_slice_fault(written);
    if (fault) {
        char allowed[AE_OPTION_ALLOWED_SIZE];
        ae_option_allowed(option, allowed);
        return ae_fail(AE_ERROR_USAGE, "%s: the value %s; allowed: %s", where, fault, allowed);
    }
    size_t quoted = ae_quotes_size(written);
    if (value->mark && quoted == 0)
        return refuse(option, written, where, "begins with a quote and doesn't end with it");
    if (value->mark && quoted < written.size)
        return refuse(option, written, where, "has text after the closing quote");
    size_t size = ae_quotes_take_off(value->text, sizeof value->text, written);
    if (size == 0 && option->initial[0]) return refuse(option, written, where, "is no value");
    if (size >= (ae_option_is_text(option) ? option->size : sizeof value->text))
        return refuse(option, written, where, "and what follows is too long");
    return AE_OK;
}

ae_status ae_option_read(const ae_option *option, ae_settings *settings, const ae_value *value,
                         const char *where) {
    if (ae_option_is_text(option)) return read_text(option, settings, value, where);
    if (option->kind == AE_OPTION_CHOICE) return read_choice(option, settings, value, where);
    if (option->kind == AE_OPTION_SIDES) return read_sides(option, settings, value, where);
    if (option->kind == AE_OPTION_RANGE) return read_range(option, settings, value, where);
    if (option->kind == AE_OPTION_SPAN) return read_span(option, settings, value, where);
    if (option->kind == AE_OPTION_NUMBERS) return read_numbers(option, settings, value, where);
    return read_number(option, settings, value, where);
}

/* Writes the option's word where the number stands for it. */
static bool write_word(const ae_option *option, double number, char value[AE_VALUE_SIZE]) {
    if (!option->word || number != option->number_of_word) return false;
    strcpy(value, option->word);
    return true;
}

static void write_whole(const ae_option *option, int64_t whole, char value[AE_VALUE_SIZE]) {
    if (!write_word(option, (double)whole, value))
        snprintf(value, AE_VALUE_SIZE, "%" PRId64, whole);
}

static void write_number(const ae_option *option, double number, char value[AE_VALUE_SIZE]) {
    if (!write_word(option, number, value)) write_real(number, value, AE_VALUE_SIZE);
}

static void write_sides(const double sides[2], char value[AE_VALUE_SIZE]) {
    if (sides[0] == sides[1])
        snprintf(value, AE_VALUE_SIZE, "%.0f", sides[0]);
    else
        snprintf(value, AE_VALUE_SIZE, "%.0f %.0f", sides[0], sides[1]);
}

static void write_range(const ae_option *option, const double range[2], char value[AE_VALUE_SIZE]) {
    char low[32], high[32];
    write_real(range[0], low, sizeof low);
    write_real(range[1], high, sizeof high);
    if (range[0] == range[1])
        strcpy(value, option->word);
    else
        snprintf(value, AE_VALUE_SIZE, "%s %s", low, high);
}

static void write_span(const double span[2], char value[AE_VALUE_SIZE]) {
    char low[32], high[32];
    write_real(span[0], low, sizeof low);
    write_real(span[1], high, sizeof high);
    if (span[0] == span[1])
        strcpy(value, low);
    else
        snprintf(value, AE_VALUE_SIZE, "%s .. %s", low, high);
}

static void write_numbers(const ae_numbers *numbers, char value[AE_VALUE_SIZE]) {
    size_t used = 0;
    for (int64_t n = 0; n < numbers->count; ++n) {
        char number[32];
        write_real(numbers->values[n], number, sizeof number);
        used +=
            (size_t)snprintf(value + used, AE_VALUE_SIZE - used, "%s%s", n > 0 ? " " : "", number);
    }
}

void ae_option_write(const ae_option *option, const ae_settings *settings,
                     char value[AE_VALUE_SIZE]) {
    const char *member = (const char *)settings + option->offset;
    switch (option->kind) {
    case AE_OPTION_TEXT:
    case AE_OPTION_PATH:
        snprintf(value, AE_VALUE_SIZE, "%s", member);
        break;
    case AE_OPTION_WHOLE:
        write_whole(option, *(const int64_t *)(const void *)member, value);
        break;
    case AE_OPTION_REAL:
        write_number(option, *(const double *)(const void *)member, value);
        break;
    case AE_OPTION_SIDES:
        write_sides((const double *)(const void *)member, value);
        break;
    case AE_OPTION_RANGE:
        write_range(option, (const double *)(const void *)member, value);
        break;
    case AE_OPTION_SPAN:
        write_span((const double *)(const void *)member, value);
        break;
    case AE_OPTION_NUMBERS:
        write_numbers((const ae_numbers *)(const void *)member, value);
        break;
    case AE_OPTION_CHOICE:
        snprintf(value, AE_VALUE_SIZE, "%s",
                 option->choices[*(const int64_t *)(const void *)member]);
        break;
    }
}

void ae_option_quote(const ae_option *option, const char *value,
                     char quoted[AE_OPTION_QUOTED_SIZE]) {
    ae_slice slice = ae_slice_of(value);
    bool plain = !ae_quotes_mark(slice) && ae_slice_trim(slice).size == slice.size &&
                 ae_slice_comment(slice) == slice.size;
    if (plain && option->kind == AE_OPTION_PATH)
        plain = !ae_path_expands(value) && !ae_path_fault(value, '\0');
    if (plain)
        strcpy(quoted, value);
    else
        ae_quotes_put_on(quoted, value);
}
