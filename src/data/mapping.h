/* A mapped file whose disk may fail under it. Local; one at a time. */
#ifndef AE_DATA_MAPPING_H
#define AE_DATA_MAPPING_H

#include <stddef.h>

/* From now on a page of [base, base + size) that can't be read or written ends the process with a
 * message that names `path`, and AE_ERROR_DATA, and not by SIGBUS. */
void ae_mapping_guard(const void *base, size_t size, const char *path);
void ae_mapping_release(void);

#endif
