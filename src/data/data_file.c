#include "data/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/retry.h"
#include "data/source.h"

/* Opens the file at its path, in place of what is open. 0, or the errno: nothing has changed. */
static int try_opening(ae_data_file *file) {
    struct stat info;
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    if (fstat(descriptor, &info) != 0) {
        int error = errno;
        close(descriptor);
        return error;
    }
    ae_data_file_close(file);
    file->descriptor = descriptor;
    file->info = info;
    return 0;
}

int ae_data_file_open(ae_data_file *file) {
    double waited_s = 0;
    int error;
    file->descriptor = -1;
    while ((error = try_opening(file)) != 0 && ae_retry(&waited_s, error)) continue;
    return error;
}

void ae_data_file_close(ae_data_file *file) {
    if (file->descriptor >= 0) close(file->descriptor);
    file->descriptor = -1;
}

const char *ae_data_file_remedy(int error) {
    return error == EACCES || error == EPERM ? "change the permissions" : "check that disk";
}

static ae_status fail_at(const ae_data_file *file, const char *what, const char *place, int error) {
    const bool is_missing = error == ENOENT || error == ENOTDIR;
    if (is_missing)
        return ae_fail(AE_ERROR_DATA, "cannot %s '%s'%s: %s; %s", what, file->path, place,
                       strerror(error), file->cure);
    return ae_fail(AE_ERROR_DATA, "cannot %s '%s'%s: %s; %s, or point %s at another copy", what,
                   file->path, place, strerror(error), ae_data_file_remedy(error), file->key);
}

ae_status ae_data_file_fail(const ae_data_file *file, const char *what, int error) {
    return fail_at(file, what, "", error);
}

ae_status ae_data_file_read(ae_data_file *file, void *bytes, int64_t offset, size_t size) {
    char place[48];
    double waited_s = 0;
    for (size_t done = 0; done < size;) {
        const int64_t at = offset + (int64_t)done;
        ssize_t got = pread(file->descriptor, (char *)bytes + done, size - done, (off_t)at);
        if (got < 0 && ae_retry(&waited_s, errno)) {
            try_opening(file); /* a stale descriptor stays so */
            continue;
        }
        if (got < 0) {
            snprintf(place, sizeof place, " at byte %lld", (long long)at);
            return fail_at(file, "read", place, errno);
        }
        if (got == 0)
            return ae_fail(AE_ERROR_DATA, "'%s' ended at byte %lld while it was read; %s",
                           file->path, (long long)at, file->cure);
        done += (size_t)got;
    }
    return AE_OK;
}

ae_status ae_source_add_file(ae_hash *hash, const char *path) {
    struct stat info;
    double waited_s = 0;
    while (stat(path, &info) != 0)
        if (!ae_retry(&waited_s, errno))
            return ae_fail(AE_ERROR_DATA, "cannot look at '%s': %s", path, strerror(errno));
    const int64_t facts[] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    ae_hash_add_text(hash, path);
    ae_hash_add(hash, facts, sizeof facts);
    return AE_OK;
}

ae_status ae_source_add_paths(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings,
                              ae_status (*add)(ae_hash *hash, const char *path)) {
    ae_status status = add(hash, settings->data.train);
    if (status == AE_OK && catalog->has_test) status = add(hash, settings->data.test);
    return status;
}
