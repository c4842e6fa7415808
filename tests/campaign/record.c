/* A library for LD_PRELOAD that records what the program does to files and folders below
 * AE_RECORD_FOLDER (part of their paths), in order, a line each, in the file AE_RECORD:
 *
 *     create PATH         opened for writing; also one that is there
 *     write PATH
 *     fsync PATH          of a file, or of a folder
 *     read PATH           to its end
 *     rename PATH PATH
 *     unlink PATH
 *     mkdir PATH
 *
 * Calls that fail leave no line. Paths are as the program gives them. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 1024, PATH_SIZE = 4096 };
static char *paths[FILES]; /* of descriptors that are meant */

#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static bool is_meant(const char *path) {
    const char *folder = getenv("AE_RECORD_FOLDER");
    return folder && *folder && strstr(path, folder);
}

static const char *path_of(int fd) {
    return fd >= 0 && fd < FILES ? paths[fd] : NULL;
}

static void record(const char *call, const char *path, const char *to) {
    char line[2 * PATH_SIZE];
    const char *log = getenv("AE_RECORD");
    int fd = log ? REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (fd < 0) return;
    int length =
        snprintf(line, sizeof line, "%s %s%s%s\n", call, path, to ? " " : "", to ? to : "");
    if (REAL(write)(fd, line, (size_t)length) != length) abort();
    REAL(close)(fd);
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int fd = REAL(open)(path, flags, mode);
    if (fd < 0 || fd >= FILES) return fd;
    free(paths[fd]);
    /* A folder above those that are meant may be synced as ".". */
    paths[fd] = is_meant(path) || flags & O_DIRECTORY ? strdup(path) : NULL;
    if (path_of(fd) && (flags & O_ACCMODE) != O_RDONLY) record("create", path, NULL);
    return fd;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    ssize_t result = REAL(write)(fd, bytes, size);
    if (result >= 0 && path_of(fd)) record("write", path_of(fd), NULL);
    return result;
}

ssize_t read(int fd, void *bytes, size_t size) {
    struct stat info;
    ssize_t result = REAL(read)(fd, bytes, size);
    if (result >= 0 && path_of(fd) && fstat(fd, &info) == 0 &&
        lseek(fd, 0, SEEK_CUR) == info.st_size)
        record("read", path_of(fd), NULL);
    return result;
}

int fsync(int fd) {
    int result = REAL(fsync)(fd);
    if (result == 0 && path_of(fd)) record("fsync", path_of(fd), NULL);
    return result;
}

int close(int fd) {
    if (path_of(fd)) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    return REAL(close)(fd);
}

int rename(const char *from, const char *to) {
    int result = REAL(rename)(from, to);
    if (result == 0 && is_meant(to)) record("rename", from, to);
    return result;
}

int unlink(const char *path) {
    int result = REAL(unlink)(path);
    if (result == 0 && is_meant(path)) record("unlink", path, NULL);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    int result = REAL(mkdir)(path, mode);
    if (result == 0 && is_meant(path)) record("mkdir", path, NULL);
    return result;
}
