/* Faults planted, by an input's first byte: each must end the target, or those that pass tell
 * nothing. */
#include <limits.h>
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static volatile int sum = INT_MAX;
    static void *volatile piece;
    input in = {data, data + size};
    switch (take(&in, 1)) {
    case 'a': /* an address beyond the input */
        sum = data[size];
        break;
    case 'u': /* undefined behaviour */
        sum += 1;
        break;
    case 'm': /* memory beyond the limit */
        piece = malloc(8 << 20);
        free(piece);
        break;
    case 'l': /* a leak */
        piece = malloc(size);
        piece = NULL;
        break;
    case 'r': /* what must hold and doesn't */
        REQUIRE(size == 0, "planted");
        break;
    }
    return 0;
}
