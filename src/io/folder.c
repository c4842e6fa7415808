#include "io/folder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/retry.h"
#include "io/run_folder.h"

/* Keeps errno. */
static bool is_folder(const char *path) {
    const int error = errno;
    struct stat info;
    bool is = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    errno = error;
    return is;
}

int ae_folder_make(const char *path) {
    double waited_s = 0;
    int result;
    /* Some systems answer otherwise (EROFS, EACCES) for a folder that is there. */
    while ((result = mkdir(path, 0777)) != 0 && !is_folder(path) && ae_retry(&waited_s, errno))
        continue;
    if (result != 0 && !is_folder(path)) return errno == EEXIST ? ENOTDIR : errno;
    const bool is_new = result == 0 || waited_s > 0; /* the first try may have made it after all */
    return is_new ? ae_file_sync_name(path) : 0;
}

ae_status ae_folder_list(ae_listing *list, const char *dir, int (*is_meant)(const struct dirent *),
                         int (*order)(const struct dirent **, const struct dirent **)) {
    double waited_s = 0;
    *list = (ae_listing){0};
    while ((list->count = scandir(dir, &list->files, is_meant, order)) < 0 &&
           ae_retry(&waited_s, errno))
        continue;
    if (list->count >= 0) return AE_OK;
    *list = (ae_listing){0};
    return errno == ENOMEM ? ae_fail_memory("a list of files")
                           : ae_file_fail("look into", dir, errno);
}

void ae_listing_release(ae_listing *list) {
    for (int i = 0; i < list->count; ++i) free(list->files[i]);
    free(list->files);
    *list = (ae_listing){0};
}

ae_status ae_folder_delete(const char *dir, const char *name) {
    char path[2 * AE_PATH_SIZE];
    double waited_s = 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    while (unlink(path) != 0 && errno != ENOENT)
        if (!ae_retry(&waited_s, errno)) return ae_file_fail("delete", path, errno);
    return AE_OK;
}
