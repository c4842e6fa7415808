#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of a page that the processor's table of addresses has as one entry, where a usual one is 4 kB:
 * kernels walk through more memory than the table has entries of those for. */
enum { LARGE_PAGE = 1 << 21 };

/* Asks for large pages; a system that has none gives usual ones. */
static void want_large_pages(void *memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

void *ae_calloc(size_t count, size_t size) {
    size_t bytes;
    void *memory;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - LARGE_PAGE) return NULL;
    bytes = (bytes + AE_ALIGNMENT - 1) / AE_ALIGNMENT * AE_ALIGNMENT;
    if (bytes == 0) bytes = AE_ALIGNMENT;
    const bool is_large = bytes >= LARGE_PAGE;
    if (posix_memalign(&memory, is_large ? LARGE_PAGE : AE_ALIGNMENT, bytes) != 0) return NULL;
    if (is_large) want_large_pages(memory, bytes);
    memset(memory, 0, bytes);
    return memory;
}
