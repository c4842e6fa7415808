/* The file that a picture is written to: under a temporary name until it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/retry.h"
#include "internal.h"

ae_status ae_picture_output_fail(const ae_picture_output *output, const char *reason) {
    char cure[AE_FILE_CURE_SIZE];
    const int error = output->error;
    return ae_fail(AE_ERROR_IO, "cannot write '%s': %s; %s", output->path,
                   error != 0 ? strerror(error) : reason, ae_file_cure(cure, error));
}

ae_status ae_picture_output_create(ae_picture_output *output, const char *path) {
    double waited_s = 0;
    output->descriptor = -1;
    output->temporary = NULL;
    output->error = 0;
    output->filled = 0;
    output->position = 0;
    output->path = strdup(path);
    if (!output->path || asprintf(&output->temporary, "%s.tmp.%ld", path, (long)getpid()) < 0) {
        output->temporary = NULL;
        return ae_fail_memory("a file name");
    }
    const int flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC; /* TIFF reads what it changes */
    while ((output->descriptor = open(output->temporary, flags, 0666)) < 0 &&
           ae_retry(&waited_s, errno))
        continue;
    if (output->descriptor >= 0) return AE_OK;
    output->error = errno;
    return ae_picture_output_fail(output, "");
}

/* Writes at the position and advances. */
static bool write_all(ae_picture_output *output, const uint8_t *bytes, size_t size) {
    double waited_s = 0;
    while (size > 0 && output->error == 0) {
        const ssize_t n = pwrite(output->descriptor, bytes, size, output->position);
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
            output->position += n;
        } else if (n == 0 || !ae_retry(&waited_s, errno)) {
            output->error = n == 0 ? EIO : errno;
        }
    }
    return output->error == 0;
}

bool ae_picture_output_flush(ae_picture_output *output) {
    const size_t size = output->filled;
    output->filled = 0;
    return write_all(output, output->buffer, size);
}

bool ae_picture_output_put(ae_picture_output *output, const void *bytes, size_t size) {
    if (output->filled + size > sizeof output->buffer && !ae_picture_output_flush(output))
        return false;
    if (size > sizeof output->buffer) return write_all(output, bytes, size);
    memcpy(output->buffer + output->filled, bytes, size);
    output->filled += size;
    return output->error == 0;
}

bool ae_picture_output_seek(ae_picture_output *output, int64_t position) {
    if (!ae_picture_output_flush(output)) return false;
    output->position = position;
    return true;
}

ae_status ae_picture_output_publish(ae_picture_output *output) {
    if (ae_picture_output_flush(output) && fsync(output->descriptor) != 0) output->error = errno;
    /* A network file system may tell of a full disk only now; the descriptor is gone anyway. */
    if (close(output->descriptor) != 0 && output->error == 0 && errno != EINTR)
        output->error = errno;
    output->descriptor = -1;
    if (output->error == 0 && rename(output->temporary, output->path) != 0) output->error = errno;
    if (output->error != 0) return ae_picture_output_fail(output, "");
    free(output->temporary); /* it has another name now */
    output->temporary = NULL;
    output->error = ae_file_sync_name(output->path);
    return output->error == 0 ? AE_OK : ae_picture_output_fail(output, "");
}

void ae_picture_output_release(ae_picture_output *output) {
    if (output->descriptor >= 0) close(output->descriptor);
    output->descriptor = -1;
    if (output->temporary) unlink(output->temporary);
    free(output->temporary);
    free(output->path);
    output->temporary = output->path = NULL;
}
