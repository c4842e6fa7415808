/* The bytes of a file from its beginning on, unpacked where it is gzipped. Local. */
#ifndef AE_DATA_UNPACKED_H
#define AE_DATA_UNPACKED_H

#include <stdbool.h>
#include "data/data_file.h"

typedef struct ae_unpacked {
    ae_data_file file;
    int64_t at;           /* the next byte: of the file, or of what was packed */
    struct ae_gzip *gzip; /* NULL: the file isn't packed */
} ae_unpacked;

/* Opens unpacked->file (data_file.h). AE_ERROR_DATA: it can't be opened or isn't a regular file, or
 * it is gzipped and this build has no zlib: nothing is open. */
ae_status ae_unpacked_open(ae_unpacked *unpacked);
void ae_unpacked_close(ae_unpacked *unpacked);

/* Reads the next bytes[size]. AE_ERROR_DATA: it can't be read, is damaged, or ends before. */
ae_status ae_unpacked_read(ae_unpacked *unpacked, void *bytes, size_t size);

/* Goes on to byte `at`, at or behind the next one. AE_ERROR_DATA as above. */
ae_status ae_unpacked_skip(ae_unpacked *unpacked, int64_t at);

/* AE_ERROR_DATA: there are more bytes, or the last ones aren't what was packed. */
ae_status ae_unpacked_end(ae_unpacked *unpacked);

#endif
