/* The file that a picture is read from: through one buffer, never more than it had when it was
 * opened. What a network's disk refuses for a moment is tried again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/found.h"
#include "base/retry.h"
#include "internal.h"

ae_status ae_picture_refuse(const ae_picture_input *input, const char *cure, const char *format,
                            ...) {
    char text[2 * AE_FOUND_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ae_fail(AE_ERROR_DATA, "cannot read '%s': %s; %s", input->path, text, cure);
}

static ae_status refuse_open(const ae_picture_input *input, int error) {
    char found[AE_FOUND_SIZE];
    if (error == ENOENT || error == ENOTDIR)
        return ae_picture_refuse(input, "name another", "it is missing; there is %s",
                                 ae_found_at(found, input->path));
    return ae_picture_refuse(
        input, error == EACCES ? "make it readable (chmod)" : "check that disk, or leave it out",
        "%s", strerror(error));
}

static ae_status check(ae_picture_input *input, const struct stat *info) {
    char found[AE_FOUND_SIZE];
    if (!S_ISREG(info->st_mode))
        return ae_picture_refuse(input, "name a picture's file", "it is %s",
                                 ae_found_at(found, input->path));
    if (info->st_size == 0)
        return ae_picture_refuse(input, AE_PICTURE_CURE_DAMAGED, "it is an empty file");
    input->size = info->st_size;
    input->changed = info->st_mtim;
    return AE_OK;
}

ae_status ae_picture_input_open(ae_picture_input *input, const char *path) {
    struct stat info;
    double waited_s = 0;
    input->descriptor = -1;
    input->path = strdup(path);
    if (!input->path) return ae_fail_memory("a file name");
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK; /* a FIFO doesn't hold us up */
    while ((input->descriptor = open(path, flags)) < 0 && ae_retry(&waited_s, errno)) continue;
    if (input->descriptor < 0 || fstat(input->descriptor, &info) != 0)
        return refuse_open(input, errno);
    return check(input, &info);
}

void ae_picture_input_close(ae_picture_input *input) {
    if (input->descriptor >= 0) close(input->descriptor);
    input->descriptor = -1;
    free(input->path);
    input->path = NULL;
}

int64_t ae_picture_input_tell(const ae_picture_input *input) {
    return input->position - (int64_t)(input->filled - input->used);
}

void ae_picture_input_seek(ae_picture_input *input, int64_t position) {
    const int64_t begin = input->position - (int64_t)input->filled;
    if (position >= begin && position <= input->position) {
        input->used = (size_t)(position - begin);
    } else {
        input->position = position;
        input->used = input->filled = 0;
    }
}

/* Reads once at the position, up to `size` bytes, and advances. Fewer than 1: the end or a fault.
 */
static ssize_t read_some(ae_picture_input *input, void *bytes, size_t size) {
    double waited_s = 0;
    ssize_t got;
    const int64_t left = input->size - input->position;
    if (left <= 0) return 0;
    if ((int64_t)size > left) size = (size_t)left;
    while ((got = pread(input->descriptor, bytes, size, input->position)) < 0 &&
           ae_retry(&waited_s, errno))
        continue;
    if (got < 0) {
        snprintf(input->fault, sizeof input->fault, "byte %lld: %s", (long long)input->position,
                 strerror(errno));
    } else if (got == 0) {
        snprintf(input->fault, sizeof input->fault,
                 "it ended at byte %lld while it was read, having had %lld",
                 (long long)input->position, (long long)input->size);
    } else {
        input->position += got;
    }
    return got;
}

bool ae_picture_input_fill(ae_picture_input *input) {
    const ssize_t got = read_some(input, input->buffer, sizeof input->buffer);
    input->used = 0;
    input->filled = got > 0 ? (size_t)got : 0;
    return got > 0;
}

size_t ae_picture_input_take(ae_picture_input *input, void *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        if (input->used == input->filled && !ae_picture_input_fill(input)) break;
        size_t part = input->filled - input->used;
        if (part > size - done) part = size - done;
        memcpy((char *)bytes + done, input->buffer + input->used, part);
        input->used += part;
        done += part;
    }
    return done;
}

ae_status ae_picture_input_unchanged(const ae_picture_input *input) {
    struct stat info;
    if (fstat(input->descriptor, &info) != 0)
        return ae_picture_refuse(input, "check that disk, or leave it out", "%s", strerror(errno));
    if (info.st_size == input->size && info.st_mtim.tv_sec == input->changed.tv_sec &&
        info.st_mtim.tv_nsec == input->changed.tv_nsec)
        return AE_OK;
    return ae_picture_refuse(input, "wait until it is complete",
                             "it changed while it was read (%lld bytes, now %lld)",
                             (long long)input->size, (long long)info.st_size);
}
