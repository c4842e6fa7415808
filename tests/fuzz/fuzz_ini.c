/* The ini reader: any bytes as the file. */
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ae_config *config;
    ae_status status = ae_config_create(&config, "a.ini", (const char *)data, size, NULL, 0);
    check_config(status, &config);
    return 0;
}
