/* Texts of --set: each line is one; a NUL ends them, as it would an argument. */
#include "config.h"

enum { OVERRIDES_MAX = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = calloc(size + 1, 1);
    REQUIRE(text, "no memory");
    if (size > 0) memcpy(text, data, size);
    const char *overrides[OVERRIDES_MAX];
    int count = 0;
    for (char *rest = text, *line; count < OVERRIDES_MAX && (line = strsep(&rest, "\n"));)
        overrides[count++] = line;
    ae_config *config;
    ae_status status = ae_config_create(&config, "a.ini", NULL, 0, overrides, count);
    check_config(status, &config);
    free(text);
    return 0;
}
