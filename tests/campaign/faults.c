/* A library for LD_PRELOAD under which the program's work on files fails, or the process dies, at a
 * chosen call. Calls that change a file or folder below AE_FAULT_FOLDER count from 1: open for
 * writing, write, fsync, close, rename, unlink, mkdir; or all those of one name.
 *
 *     AE_FAULT_FOLDER   part of the path of the files meant
 *     AE_FAULT_CALL     name of the calls that count, as in open, pread, scandir; empty or unset:
 *                       all that change a file or folder
 *     AE_FAULT_AT       the call at which the fault begins; 0: never
 *     AE_FAULT_CALLS    number of calls that fail; 0: all from there on
 *     AE_FAULT_ERRNO    what they fail with; 0: the process is killed there
 *     AE_FAULT_COUNT    file that is given the number of calls so far; empty or unset: none
 *
 * A write that is to fail writes half of its bytes first, as on a full disk. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 1024 };
static bool meant[FILES];   /* is the descriptor of a file or folder that is meant? */
static bool changed[FILES]; /* and open for writing, or a folder's, to sync it? */
static long calls;

#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static bool is_meant(const char *path) {
    const char *folder = getenv("AE_FAULT_FOLDER");
    return folder && *folder && strstr(path, folder);
}

static bool is_meant_file(int fd) {
    return fd >= 0 && fd < FILES && meant[fd];
}

static bool is_changed_file(int fd) {
    return fd >= 0 && fd < FILES && changed[fd];
}

/* Tells whoever waits for it how many calls there were. */
static void tell_count(void) {
    const char *path = getenv("AE_FAULT_COUNT");
    FILE *file = path && *path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld\n", calls);
    fclose(file);
}

/* Counts a call of a file that is meant. Is it to fail? errno then tells with what. */
static bool fails(const char *call, bool changes) {
    const long at = number("AE_FAULT_AT"), count = number("AE_FAULT_CALLS");
    const char *named = getenv("AE_FAULT_CALL");
    if (named && *named ? strcmp(call, named) != 0 : !changes) return false;
    ++calls;
    tell_count();
    if (at == 0 || calls < at || (count > 0 && calls >= at + count)) return false;
    errno = (int)number("AE_FAULT_ERRNO");
    return true;
}

/* The end of a call that fails. */
static int end_of(int result) {
    if (errno == 0) kill(getpid(), SIGKILL);
    return result;
}

/* ---- calls that change files and folders ---- */

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    const bool writes = (flags & O_ACCMODE) != O_RDONLY, is = is_meant(path);
    if (is && fails("open", writes)) return end_of(-1);
    int fd = REAL(open)(path, flags, mode);
    if (fd >= 0 && fd < FILES) {
        meant[fd] = is;
        changed[fd] = is && (writes || flags & O_DIRECTORY);
    }
    return fd;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (is_changed_file(fd) && fails("write", true)) {
        const int error = errno;
        ssize_t half = REAL(write)(fd, bytes, size / 2);
        (void)half;
        errno = error;
        return end_of(-1);
    }
    return REAL(write)(fd, bytes, size);
}

int fsync(int fd) {
    return is_changed_file(fd) && fails("fsync", true) ? end_of(-1) : REAL(fsync)(fd);
}

int close(int fd) {
    const bool failing = is_meant_file(fd) && fails("close", is_changed_file(fd));
    const int error = errno;
    if (is_meant_file(fd)) meant[fd] = changed[fd] = false;
    if (!failing) return REAL(close)(fd);
    REAL(close)(fd);
    errno = error;
    return end_of(-1);
}

int rename(const char *from, const char *to) {
    return is_meant(to) && fails("rename", true) ? end_of(-1) : REAL(rename)(from, to);
}

int unlink(const char *path) {
    return is_meant(path) && fails("unlink", true) ? end_of(-1) : REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    return is_meant(path) && fails("mkdir", true) ? end_of(-1) : REAL(mkdir)(path, mode);
}

/* ---- calls that look ---- */

ssize_t read(int fd, void *bytes, size_t size) {
    return is_meant_file(fd) && fails("read", false) ? end_of(-1) : REAL(read)(fd, bytes, size);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset) {
    return is_meant_file(fd) && fails("pread", false) ? end_of(-1)
                                                      : REAL(pread)(fd, bytes, size, offset);
}

int fstat(int fd, struct stat *info) {
    return is_meant_file(fd) && fails("fstat", false) ? end_of(-1) : REAL(fstat)(fd, info);
}

int stat(const char *path, struct stat *info) {
    return is_meant(path) && fails("stat", false) ? end_of(-1) : REAL(stat)(path, info);
}

int lstat(const char *path, struct stat *info) {
    return is_meant(path) && fails("lstat", false) ? end_of(-1) : REAL(lstat)(path, info);
}

int access(const char *path, int mode) {
    return is_meant(path) && fails("access", false) ? end_of(-1) : REAL(access)(path, mode);
}

int flock(int fd, int operation) {
    return is_meant_file(fd) && fails("flock", false) ? end_of(-1) : REAL(flock)(fd, operation);
}

int scandir(const char *path, struct dirent ***files, int (*filter)(const struct dirent *),
            int (*order)(const struct dirent **, const struct dirent **)) {
    return is_meant(path) && fails("scandir", false) ? end_of(-1)
                                                     : REAL(scandir)(path, files, filter, order);
}
