/* Aligned memory. */
#ifndef AE_BASE_MEMORY_H
#define AE_BASE_MEMORY_H

#include <stddef.h>

enum { AE_ALIGNMENT = 64 }; /* bytes: a cache line, and a 512-bit vector */

/* `count` * `size` zeroed bytes on a 64-byte boundary, or NULL (also when the product overflows).
 * The caller owns it and gives it back with free(). */
void *ae_calloc(size_t count, size_t size);

#endif
