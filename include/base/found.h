/* What stands at a path, for messages that tell what was found beside what was sought. Local. */
#ifndef AE_BASE_FOUND_H
#define AE_BASE_FOUND_H

#include <stddef.h>

enum { AE_FOUND_SIZE = 1024 };

/* "a folder with a.ini, b.ini", "an empty file", "a gzip archive", "a link to 'x', where there is
 * nothing", or, where nothing is there, "only 'configs', a folder with ..."; hidden files aren't
 * told. Returns `text`. */
const char *ae_found_at(char text[AE_FOUND_SIZE], const char *path);

/* What a file's first bytes tell it to be, such as "an HDF5 file"; NULL: they don't tell. */
const char *ae_found_kind(const void *bytes, size_t size);

#endif
