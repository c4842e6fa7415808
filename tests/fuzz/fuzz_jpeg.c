/* The reader of JPEG: an input is a file. */
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || memcmp(data, "\xff\xd8\xff", 3) != 0) return 0;
    picture_check(data, size);
    return 0;
}
