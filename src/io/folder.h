/* Folders: made so that they last, listed, and files in them deleted. What fails for a moment is
 * tried again (base/retry.h). */
#ifndef AE_IO_FOLDER_H
#define AE_IO_FOLDER_H

#include <dirent.h>
#include "base/status.h"

/* Makes one folder, which lasts, or finds it there. 0, or the errno. */
int ae_folder_make(const char *path);

/* Names of files in a folder. */
typedef struct ae_listing {
    struct dirent **files; /* owned, each of them too */
    int count;
} ae_listing;

/* The files in `dir` that are meant, in that order (NULL: any); to be released whatever is
 * returned. AE_ERROR_IO. */
ae_status ae_folder_list(ae_listing *list, const char *dir, int (*is_meant)(const struct dirent *),
                         int (*order)(const struct dirent **, const struct dirent **));
void ae_listing_release(ae_listing *list);

/* Deletes a file of the folder, if it is there. AE_ERROR_IO. */
ae_status ae_folder_delete(const char *dir, const char *name);

#endif
