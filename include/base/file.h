/* Whole files on disk, read and replaced in one piece. What fails for a moment is tried again
 * (base/retry.h). Local. */
#ifndef AE_BASE_FILE_H
#define AE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

enum { AE_FILE_CURE_SIZE = 160 };

/* What to do about a failed file operation, from its errno. Returns `text`, or a text of the
 * module's.
 */
const char *ae_file_cure(char text[AE_FILE_CURE_SIZE], int error);

/* Cures name that option, until then run.dir, as the one that says where outputs go. Borrowed. */
void ae_file_name_place(const char *option);

/* AE_ERROR_IO: "can't WHAT PATH: ", what the errno means, and its cure. */
ae_status ae_file_fail(const char *what, const char *path, int error);

/* *exists = is there anything at `path`? AE_ERROR_IO: the disk doesn't tell. */
ae_status ae_file_exists(bool *exists, const char *path);

/* Reads the file into memory that the caller frees. AE_ERROR_IO: it can't be read, is no regular
 * file, is empty or has more than `limit` bytes. */
ae_status ae_file_read(const char *path, size_t limit, void **bytes, size_t *size);

/* *size = how many of the first `room` bytes at `path` there are; bytes[room] begins with them. Of
 * anything that can be read, a pipe too. 0, or the errno. */
int ae_file_read_some(const char *path, size_t room, void *bytes, size_t *size);

/* Makes `size` bytes the content of `path`: writes them to PATH.tmp.PID, syncs it, reads it
 * back, renames it, and syncs the folder. AE_ERROR_IO: the temporary file is gone, what stood at
 * `path` before stands (only where the sync of the folder fails does the new content stand there).
 */
ae_status ae_file_replace(const char *path, const void *bytes, size_t size);

/* Makes what was done to the name `path` (made, renamed) outlast a crash of the machine: syncs the
 * folder that it is in, where its file system can. 0, or the errno. */
int ae_file_sync_name(const char *path);

#endif
