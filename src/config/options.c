#include "config/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Parts of a row. */
#define NAME(section_, key_)                                                                       \
    .section = #section_, .key = #key_, .name = #section_ "." #key_,                               \
    .offset = offsetof(ae_settings, section_.key_),                                                \
    .size = sizeof((ae_settings *)0)->section_.key_
#define REST(initial_, unit_, effect_, help_)                                                      \
    .initial = (initial_), .unit = (unit_), .effect = AE_EFFECT_##effect_, .help = (help_)

/* Bounds: with the value itself, or without it. */
#define FROM(value) .low = (value), .low_open = false
#define ABOVE(value) .low = (value), .low_open = true
#define UPTO(value) .high = (value), .high_open = false
#define BELOW(value) .high = (value), .high_open = true

/* Kinds, as config/options.def tells. */
#define TEXT(initial_, effect_, help_) .kind = AE_OPTION_TEXT, REST(initial_, "", effect_, help_)
#define PATH(initial_, effect_, help_) .kind = AE_OPTION_PATH, REST(initial_, "", effect_, help_)
#define OWN_PATH(initial_, effect_, help_)                                                         \
    .kind = AE_OPTION_PATH, .is_own = true, REST(initial_, "", effect_, help_)
#define WHOLE(initial_, low_, high_, unit_, effect_, help_)                                        \
    .kind = AE_OPTION_WHOLE, low_, high_, REST(initial_, unit_, effect_, help_)
#define WHOLE_OR_AUTO(number_, low_, high_, unit_, effect_, help_)                                 \
    .kind = AE_OPTION_WHOLE, low_, high_, .word = "auto", .number_of_word = (number_),             \
    REST("auto", unit_, effect_, help_)
#define REAL(initial_, low_, high_, unit_, effect_, help_)                                         \
    .kind = AE_OPTION_REAL, low_, high_, REST(initial_, unit_, effect_, help_)
#define REAL_OR_NONE(initial_, number_, low_, high_, unit_, effect_, help_)                        \
    .kind = AE_OPTION_REAL, low_, high_, .word = "none", .number_of_word = (number_),              \
    REST(initial_, unit_, effect_, help_)
#define SIDES(initial_, low_, high_, unit_, effect_, help_)                                        \
    .kind = AE_OPTION_SIDES, low_, high_, REST(initial_, unit_, effect_, help_)
#define RANGE(low_, high_, unit_, effect_, help_)                                                  \
    .kind = AE_OPTION_RANGE, low_, high_, .word = "auto", REST("auto", unit_, effect_, help_)
#define SPAN(initial_, low_, high_, unit_, effect_, help_)                                         \
    .kind = AE_OPTION_SPAN, low_, high_, REST(initial_, unit_, effect_, help_)
#define NUMBERS_LIKE(follows_, low_, high_, unit_, effect_, help_)                                 \
    .kind = AE_OPTION_NUMBERS, low_, high_, .follows = #follows_,                                  \
    REST(#follows_, unit_, effect_, help_)
#define CHOICE(initial_, effect_, help_, ...)                                                      \
    .kind = AE_OPTION_CHOICE, .choices = {__VA_ARGS__}, REST(initial_, "", effect_, help_)

#define AE_ROW(section_, key_, ...)                                                                \
    [AE_OPTION(section_, key_)] = {NAME(section_, key_), __VA_ARGS__},
static const ae_option table[AE_OPTION_COUNT] = {
#include "config/options.def"
};
#undef AE_ROW

const ae_option *ae_option_at(int index) {
    return &table[index];
}

const char *ae_config_name(ae_option_index index) {
    return table[index].name;
}

ae_effect ae_config_effect(ae_option_index index) {
    return table[index].effect;
}

const char *ae_config_initial(ae_option_index index) {
    const ae_option *option = &table[index];
    if (!option->follows) return option->initial;
    return table[ae_option_find(ae_slice_of(option->section), ae_slice_of(option->follows))]
        .initial;
}

const char *ae_config_word(ae_option_index index, int64_t choice) {
    return choice < AE_CHOICES_MAX ? table[index].choices[choice] : NULL;
}

int ae_option_find(ae_slice section, ae_slice key) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i)
        if (ae_slice_equals(section, table[i].section) && ae_slice_equals(key, table[i].key))
            return i;
    return -1;
}

bool ae_option_has_section(ae_slice section) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i)
        if (ae_slice_equals(section, table[i].section)) return true;
    return false;
}

static char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Letters to insert, delete or replace to make `name` of `given`, whatever their case
 * (Levenshtein's distance, by rows). */
static int edit_distance(ae_slice given, const char *name) {
    enum { LONGEST = 32 }; /* longer than any name in the table */
    int row[LONGEST + 1];
    int length = (int)strlen(name);
    int size = ae_slice_shown(given);
    for (int j = 0; j <= length; ++j) row[j] = j;
    for (int i = 1; i <= size; ++i) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; ++j) {
            int replaced = diagonal + (lower(given.text[i - 1]) != name[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, 1 + smaller(row[j], row[j - 1]));
        }
    }
    return row[length];
}

/* Adds a word, after a comma where it isn't the first, to a list. */
static void add_word(char *list, size_t size, const char *word) {
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", word);
}

ae_status ae_option_refuse_section(const char *where, ae_slice section) {
    char all[256] = "";
    const char *nearest = NULL;
    int least = 0;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        if (i > 0 && strcmp(table[i].section, table[i - 1].section) == 0) continue;
        add_word(all, sizeof all, table[i].section);
        int distance = edit_distance(section, table[i].section);
        if (nearest && distance >= least) continue;
        nearest = table[i].section;
        least = distance;
    }
    return ae_fail(AE_ERROR_USAGE, "%s: unknown section [%.*s], the nearest is [%s]; allowed: %s",
                   where, ae_slice_shown(section), section.text, nearest, all);
}

ae_status ae_option_refuse_key(const char *where, ae_slice section, ae_slice key) {
    char all[512] = "";
    const ae_option *nearest = NULL;
    int least = 0;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        bool here = ae_slice_equals(section, table[i].section);
        if (here) add_word(all, sizeof all, table[i].key);
        int distance = edit_distance(key, table[i].key) + !here;
        if (nearest && distance >= least) continue;
        nearest = &table[i];
        least = distance;
    }
    return ae_fail(AE_ERROR_USAGE,
                   "%s: unknown key %.*s in [%.*s], the nearest is [%s] %s; allowed in [%.*s]: %s",
                   where, ae_slice_shown(key), key.text, ae_slice_shown(section), section.text,
                   nearest->section, nearest->key, ae_slice_shown(section), section.text, all);
}
