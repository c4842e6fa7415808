/* What the tests of the configuration share: texts that are taken or refused, and what is printed.
 */
#ifndef AE_TESTS_READ_CONFIG_H
#define AE_TESTS_READ_CONFIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"

#define PATH "some/where/a.ini"

static inline ae_status create(ae_config **config, const char *text, const char *override) {
    return ae_config_create(config, PATH, text, strlen(text), &override, override ? 1 : 0);
}

/* Reads `text` and one override (or NULL), which must work. The caller destroys the result. */
static inline ae_config *accept(const char *text, const char *override) {
    ae_config *config;
    if (create(&config, text, override) != AE_OK) fail_msg("refused: %s", ae_message());
    return config;
}

/* Checks that the last message holds each of the parts (the last one NULL). */
static inline void check_message(const char *const parts[]) {
    for (int i = 0; parts[i]; ++i)
        if (!strstr(ae_message(), parts[i]))
            fail_msg("'%s' is not in the message: %s", parts[i], ae_message());
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void refuse_bytes(const char *text, size_t size, const char *const parts[]) {
    ae_config *config;
    ae_status status = ae_config_create(&config, PATH, text, size, NULL, 0);
    if (status == AE_OK) fail_msg("taken: %.*s", (int)size, text);
    assert_int_equal(status, AE_ERROR_USAGE);
    assert_null(config);
    check_message(parts);
}

static inline void refuse_override(const char *override, const char *const parts[]) {
    ae_config *config;
    if (create(&config, "", override) == AE_OK) fail_msg("taken: %s", override);
    assert_null(config);
    check_message(parts);
}

#define REFUSE(text, ...) refuse_bytes(text, strlen(text), PARTS(__VA_ARGS__))
#define REFUSE_SET(override, ...) refuse_override(override, PARTS(__VA_ARGS__))

static inline int index_of(const char *name) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i)
        if (strcmp(ae_config_name(i), name) == 0) return i;
    fail_msg("no option %s", name);
    return -1;
}

/* The effective value of an option, in one of two buffers by turns. */
static inline const char *value_of(const ae_config *config, const char *name) {
    static char values[2][AE_VALUE_SIZE];
    static int turn;
    turn = !turn;
    ae_config_value(config, index_of(name), values[turn]);
    return values[turn];
}

static inline void check_same(const ae_config *a, const ae_config *b) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i)
        assert_string_equal(value_of(a, ae_config_name(i)), value_of(b, ae_config_name(i)));
}

/* What ae_config_print() or ae_config_print_help() (config is NULL) writes. The caller frees it. */
static inline char *printed(const ae_config *config) {
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    if (config)
        ae_config_print(config, file);
    else
        ae_config_print_help(file);
    fclose(file);
    return text;
}

/* Printing and reading again must give the same values, whatever the new file's name. */
static inline void check_round_trip(const ae_config *config) {
    char *text = printed(config);
    ae_config *again;
    if (ae_config_create(&again, "b.ini", text, strlen(text), NULL, 0) != AE_OK)
        fail_msg("refused: %s", ae_message());
    check_same(config, again);
    ae_config_destroy(&again);
    free(text);
}

#endif
