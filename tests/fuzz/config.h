/* What must hold for whatever ae_config_create() was given. */
#ifndef AE_TESTS_FUZZ_CONFIG_H
#define AE_TESTS_FUZZ_CONFIG_H

#include "config/config.h"
#include "fuzz.h"

/* The configuration as it is printed reads back to the same values. */
static inline void require_round_trip(const ae_config *config) {
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    REQUIRE(file, "no memory");
    ae_config_print(config, file);
    fclose(file);
    ae_config *again;
    ae_status status = ae_config_create(&again, "b.ini", text, size, NULL, 0);
    REQUIRE(status == AE_OK, "%s", ae_message());
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        char value[AE_VALUE_SIZE], value_again[AE_VALUE_SIZE];
        ae_config_value(config, i, value);
        ae_config_value(again, i, value_again);
        REQUIRE(strcmp(value, value_again) == 0, "%s: '%s', '%s'", ae_config_name(i), value,
                value_again);
    }
    ae_config_destroy(&again);
    free(text);
}

/* Variables in paths are put in, or refused with a message. */
static inline void require_expansion(ae_config *config) {
    ae_status status = ae_config_expand_paths(config, false);
    if (status == AE_OK) status = ae_config_expand_paths(config, true);
    REQUIRE(status == AE_OK || status == AE_ERROR_USAGE, "status %d", (int)status);
    if (status == AE_OK)
        require_round_trip(config);
    else
        require_message();
}

/* Taken, or refused with a message and nothing left behind. */
static inline void check_config(ae_status status, ae_config **config) {
    if (status == AE_OK) {
        require_round_trip(*config);
        require_expansion(*config);
    } else {
        REQUIRE(status == AE_ERROR_USAGE, "status %d", (int)status);
        REQUIRE(!*config, "something is left");
        require_message();
    }
    ae_config_destroy(config);
}

#endif
