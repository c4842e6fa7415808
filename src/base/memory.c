#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *ae_calloc(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - AE_ALIGNMENT) return NULL;
    bytes = (bytes + AE_ALIGNMENT - 1) / AE_ALIGNMENT * AE_ALIGNMENT;
    if (bytes == 0) bytes = AE_ALIGNMENT;
    void *memory = aligned_alloc(AE_ALIGNMENT, bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}
