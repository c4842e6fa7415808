/* The reader and the writer of TIFF: an input is a file. */
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0)) return 0;
    picture_check(data, size);
    return 0;
}
