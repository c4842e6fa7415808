/* libtiff's way to files: through the room's own, without mapping them into memory, with what it
 * says kept for the file that it is about. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tiff_codec.h"

/* ---- what it says ---- */

static void keep(thandle_t handle, const char *module, const char *format, va_list arguments) {
    ae_picture_tiff_client *client = handle;
    (void)module;
    if (client && !client->said[0]) vsnprintf(client->said, sizeof client->said, format, arguments);
}

/* libjpeg and the fax decoders only warn where they fill what is missing with something. */
static void keep_warning(thandle_t handle, const char *module, const char *format,
                         va_list arguments) {
    const ae_picture_tiff_client *client = handle;
    if (client && client->decodes && module &&
        (strcmp(module, "JPEGLib") == 0 || strncmp(module, "Fax", 3) == 0))
        keep(handle, module, format, arguments);
}

static void set_handlers(void) {
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
    TIFFSetErrorHandlerExt(keep);
    TIFFSetWarningHandlerExt(keep_warning);
}

/* ---- files ---- */

static tmsize_t on_read(thandle_t handle, void *bytes, tmsize_t size) {
    ae_picture_tiff_client *client = handle;
    if (client->input) return (tmsize_t)ae_picture_input_take(client->input, bytes, (size_t)size);
    ae_picture_output *output = client->output;
    if (!ae_picture_output_flush(output)) return -1;
    const ssize_t got = pread(output->descriptor, bytes, (size_t)size, output->position);
    if (got > 0) output->position += got;
    return got;
}

static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t size) {
    const ae_picture_tiff_client *client = handle;
    if (!client->output || !ae_picture_output_put(client->output, bytes, (size_t)size)) return -1;
    return size;
}

static toff_t on_size(thandle_t handle) {
    const ae_picture_tiff_client *client = handle;
    struct stat info;
    if (client->input) return (toff_t)client->input->size;
    if (!ae_picture_output_flush(client->output) || fstat(client->output->descriptor, &info) != 0)
        return 0;
    return (toff_t)info.st_size;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
    ae_picture_tiff_client *client = handle;
    int64_t position = (int64_t)offset;
    if (whence == SEEK_END) position += (int64_t)on_size(handle);
    if (whence == SEEK_CUR)
        position += client->input ? ae_picture_input_tell(client->input)
                                  : client->output->position + (int64_t)client->output->filled;
    if (position < 0) return (toff_t)-1;
    if (client->input)
        ae_picture_input_seek(client->input, position);
    else if (!ae_picture_output_seek(client->output, position))
        return (toff_t)-1;
    return (toff_t)position;
}

static int on_close(thandle_t handle) {
    (void)handle;
    return 0;
}

TIFF *ae_picture_tiff_open(ae_picture_tiff_client *client, const char *mode) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_handlers);
    client->said[0] = '\0';
    return TIFFClientOpen("libtiff", mode, client, on_read, on_write, on_seek, on_close, on_size,
                          NULL, NULL);
}

ae_status ae_picture_tiff_refuse(const ae_picture_tiff_client *client, const char *what) {
    const char *said = client->input->fault[0] ? client->input->fault : client->said;
    return ae_picture_refuse(client->input, AE_PICTURE_CURE_DAMAGED, "a damaged TIFF file, %s%s%s",
                             what, said[0] ? ": " : "", said);
}
