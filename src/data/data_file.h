/* A file of images that is read in pieces, as it lies on disk. What fails for a moment is tried
 * again (base/retry.h). Local. */
#ifndef AE_DATA_DATA_FILE_H
#define AE_DATA_DATA_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/status.h"
#include "config/config.h"

typedef struct ae_data_file {
    char path[AE_TEXT_SIZE + 64];
    int descriptor; /* -1: not open */
    struct stat info;
    const char *key;  /* the option that names it, for messages */
    const char *cure; /* what to do where it isn't what it should be */
} ae_data_file;

/* Opens file->path. 0, or the errno: nothing is open. */
int ae_data_file_open(ae_data_file *file);
void ae_data_file_close(ae_data_file *file);

/* Reads bytes[size] from `offset` on. AE_ERROR_DATA: it can't be read, or ends before. */
ae_status ae_data_file_read(ae_data_file *file, void *bytes, int64_t offset, size_t size);

/* What to do about a disk or file that refuses: "change the permissions", "check that disk". */
const char *ae_data_file_remedy(int error);

/* AE_ERROR_DATA: "cannot WHAT PATH: ", what the errno means, and its cure. */
ae_status ae_data_file_fail(const ae_data_file *file, const char *what, int error);

#endif
