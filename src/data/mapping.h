/* Mapped files whose disks may fail under them. Local; AE_MAPPINGS_MAX at a time. */
#ifndef AE_DATA_MAPPING_H
#define AE_DATA_MAPPING_H

#include <stddef.h>

enum { AE_MAPPINGS_MAX = 2 }; /* the images, and their others */

/* From now on a page of [base, base + size) that can't be read or written ends the process with a
 * message that names `path`, and AE_ERROR_DATA, and not by SIGBUS. */
void ae_mapping_guard(const void *base, size_t size, const char *path);
void ae_mapping_release(const void *base);

#endif
