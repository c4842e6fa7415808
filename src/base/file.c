#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/found.h"
#include "base/retry.h"

/* The option that says where outputs go. */
static const char *place = "run.dir";

void ae_file_name_place(const char *option) {
    place = option;
}

/* "BEGIN PLACE" */
static const char *with_place(char text[AE_FILE_CURE_SIZE], const char *begin) {
    snprintf(text, AE_FILE_CURE_SIZE, "%s %s", begin, place);
    return text;
}

const char *ae_file_cure(char text[AE_FILE_CURE_SIZE], int error) {
    switch (error) {
    case ENOSPC:
        return with_place(text, "free space on that disk, or choose another");
    case EDQUOT:
        return with_place(text, "free some of your quota, or choose another");
    case EFBIG:
        return "raise the limit on file sizes (ulimit -f)";
    case EROFS:
        return with_place(text, "that disk can't be written: choose another");
    case EACCES:
    case EPERM:
        return with_place(text, "change the permissions, or choose another");
    case ENOENT:
        return with_place(text, "put the missing file or folder back, or choose another");
    case EEXIST:
    case EISDIR:
    case ENOTDIR:
        return with_place(text, "a file stands where a folder should, or a folder where a file "
                                "should: move it, or choose another");
    case ENAMETOOLONG:
        return with_place(text, "choose a shorter");
    case EMFILE:
    case ENFILE:
        return "raise the limit on open files (ulimit -n)";
    default:
        return with_place(text, "check that disk, or choose another");
    }
}

ae_status ae_file_fail(const char *what, const char *path, int error) {
    char cure[AE_FILE_CURE_SIZE];
    return ae_fail(AE_ERROR_IO, "can't %s %s: %s; %s", what, path, strerror(error),
                   ae_file_cure(cure, error));
}

ae_status ae_file_exists(bool *exists, const char *path) {
    struct stat info;
    double waited_s = 0;
    int result;
    while ((result = lstat(path, &info)) != 0 && ae_retry(&waited_s, errno)) continue;
    *exists = result == 0;
    return *exists || errno == ENOENT || errno == ENOTDIR ? AE_OK
                                                          : ae_file_fail("look for", path, errno);
}

/* Reads up to `size` bytes: fewer where the file ends. Negative: errno tells. */
static ssize_t read_all(int fd, char *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n == 0) break;
        if (n < 0) return -1;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* Takes memory for the content of an open file. 0, or the errno; *status tells of other faults. */
static int prepare(ae_status *status, int fd, const char *path, size_t limit, void **bytes,
                   size_t *size) {
    struct stat info;
    if (fstat(fd, &info) != 0) return errno;
    if (!S_ISREG(info.st_mode) || info.st_size <= 0 || (uintmax_t)info.st_size > limit) {
        char found[AE_FOUND_SIZE];
        if (!S_ISREG(info.st_mode))
            *status = ae_fail(AE_ERROR_IO,
                              "can't read %s: it is not a regular file, but %s; move it away", path,
                              ae_found_at(found, path));
        else
            *status = ae_fail(AE_ERROR_IO, "can't read %s: it is %s; move it away", path,
                              info.st_size <= 0 ? "empty" : "too large to be one of ae_dist's");
        return 0;
    }
    *size = (size_t)info.st_size;
    *bytes = malloc(*size);
    if (!*bytes) *status = ae_fail_memory(path);
    return 0;
}

/* Reads the file once. 0, or the errno; *status tells of other faults. */
static int read_file(ae_status *status, const char *path, size_t limit, void **bytes,
                     size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO doesn't hold us up */
    if (fd < 0) return errno;
    int error = prepare(status, fd, path, limit, bytes, size);
    if (error == 0 && *status == AE_OK) {
        ssize_t n = read_all(fd, *bytes, *size);
        if (n < 0)
            error = errno;
        else if ((size_t)n != *size)
            *status = ae_fail(AE_ERROR_IO,
                              "can't read %s: it shrank meanwhile; is it being written?", path);
    }
    close(fd);
    return error;
}

ae_status ae_file_read(const char *path, size_t limit, void **bytes, size_t *size) {
    ae_status status = AE_OK;
    double waited_s = 0;
    int error;
    *bytes = NULL;
    while ((error = read_file(&status, path, limit, bytes, size)) != 0 &&
           ae_retry(&waited_s, error)) {
        free(*bytes);
        *bytes = NULL;
    }
    if (error != 0) status = ae_file_fail("read", path, error);
    if (status != AE_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

int ae_file_read_some(const char *path, size_t room, void *bytes, size_t *size) {
    double waited_s = 0;
    int error;
    do {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        const ssize_t n = fd < 0 ? -1 : read_all(fd, bytes, room);
        error = n < 0 ? errno : 0;
        if (fd >= 0) close(fd);
        *size = n < 0 ? 0 : (size_t)n;
    } while (error != 0 && ae_retry(&waited_s, error));
    return error;
}

/* 0, or -1 and errno. */
static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n <= 0) {
            if (n == 0) errno = EIO;
            return -1;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Writes, syncs and closes a new file. 0, or the errno; the file may then be there in part. */
static int write_file(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return errno;
    int error = 0;
    if (write_all(fd, bytes, size) != 0 || fsync(fd) != 0) error = errno;
    /* A network file system may tell of a full disk only now; the descriptor is gone anyway. */
    if (close(fd) != 0 && error == 0 && errno != EINTR) error = errno;
    return error;
}

/* Does the file hold these bytes, as far as the system tells? 0, or the errno. */
static int compare_file(const char *path, const char *bytes, size_t size) {
    char piece[1 << 16];
    size_t done = 0;
    int error = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    for (ssize_t n = 1; n > 0 && error == 0; done += (size_t)n) {
        n = read_all(fd, piece, sizeof piece);
        if (n < 0) {
            error = errno;
            n = 0;
        } else if ((size_t)n > size - done || memcmp(piece, bytes + done, (size_t)n) != 0) {
            error = EIO;
        }
    }
    close(fd);
    return error == 0 && done != size ? EIO : error;
}

/* Syncs the folder that `path` is in, once. 0, or the errno. */
static int sync_folder(const char *path) {
    char *folder = strdup(path);
    if (!folder) return ENOMEM;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) close(fd);
    free(folder);
    /* Some file systems don't offer this for folders, and say so in one of these ways. */
    const bool offered = error != EINVAL && error != ENOTSUP && error != EBADF && error != EPERM;
    return offered ? error : 0;
}

int ae_file_sync_name(const char *path) {
    double waited_s = 0;
    int error;
    while ((error = sync_folder(path)) != 0 && ae_retry(&waited_s, error)) continue;
    return error;
}

/* Writes the file anew and puts it in its place. 0, or the errno. */
static int replace(const char *path, const char *temporary, const void *bytes, size_t size) {
    int error = write_file(temporary, bytes, size);
    if (error == 0) error = compare_file(temporary, bytes, size);
    if (error == 0 && rename(temporary, path) != 0) error = errno;
    if (error != 0) unlink(temporary);
    return error == 0 ? sync_folder(path) : error;
}

ae_status ae_file_replace(const char *path, const void *bytes, size_t size) {
    char *temporary;
    double waited_s = 0;
    int error;
    if (asprintf(&temporary, "%s.tmp.%ld", path, (long)getpid()) < 0)
        return ae_fail_memory("a file name");
    while ((error = replace(path, temporary, bytes, size)) != 0 && ae_retry(&waited_s, error))
        continue;
    free(temporary);
    return error == 0 ? AE_OK : ae_file_fail("write", path, error);
}
