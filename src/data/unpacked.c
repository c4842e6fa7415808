#include "data/unpacked.h"

#include <stdlib.h>
#include <string.h>

#ifdef AE_HAVE_ZLIB
#include <zlib.h>

enum { PACKED_SIZE = 1 << 16 };

struct ae_gzip {
    z_stream stream;
    int64_t offset; /* in the file, of what comes after `packed` */
    bool is_over;   /* its last member ended, and the file with it */
    uint8_t packed[PACKED_SIZE];
};

static ae_status gzip_create(ae_unpacked *unpacked) {
    unpacked->gzip = calloc(1, sizeof *unpacked->gzip);
    if (unpacked->gzip && inflateInit2(&unpacked->gzip->stream, 16 + MAX_WBITS) == Z_OK)
        return AE_OK;
    free(unpacked->gzip);
    unpacked->gzip = NULL;
    return ae_fail_memory("what unpacks the images");
}

static void gzip_destroy(struct ae_gzip *gzip) {
    if (gzip) inflateEnd(&gzip->stream);
    free(gzip);
}

/* Reads more of the file where all that was read is used. */
static ae_status gzip_feed(ae_unpacked *unpacked) {
    struct ae_gzip *gzip = unpacked->gzip;
    const int64_t left = unpacked->file.info.st_size - gzip->offset;
    if (gzip->stream.avail_in > 0 || left <= 0) return AE_OK;
    const size_t size = left < PACKED_SIZE ? (size_t)left : PACKED_SIZE;
    ae_status status = ae_data_file_read(&unpacked->file, gzip->packed, gzip->offset, size);
    if (status != AE_OK) return status;
    gzip->stream.next_in = gzip->packed;
    gzip->stream.avail_in = (unsigned)size;
    gzip->offset += (int64_t)size;
    return AE_OK;
}

/* Unpacks up to `size` bytes, *got of them: fewer at the end alone. */
static ae_status gzip_read(ae_unpacked *unpacked, uint8_t *bytes, size_t size, size_t *got) {
    struct ae_gzip *gzip = unpacked->gzip;
    z_stream *stream = &gzip->stream;
    const size_t most = 1 << 30;
    *got = 0;
    while (*got < size && !gzip->is_over) {
        ae_status status = gzip_feed(unpacked);
        if (status != AE_OK) return status;
        const size_t left = size - *got;
        stream->next_out = bytes + *got;
        stream->avail_out = (unsigned)(left < most ? left : most);
        const unsigned room = stream->avail_out;
        const bool is_dry = stream->avail_in == 0;
        int result = inflate(stream, Z_NO_FLUSH);
        *got += room - stream->avail_out;
        if (result == Z_STREAM_END) { /* another member may follow */
            if ((status = gzip_feed(unpacked)) != AE_OK) return status;
            gzip->is_over = stream->avail_in == 0;
            result = gzip->is_over ? Z_OK : inflateReset(stream);
        }
        if (result == Z_BUF_ERROR && is_dry)
            return ae_fail(AE_ERROR_DATA, "the gzip archive '%s' is cut short; %s",
                           unpacked->file.path, unpacked->file.cure);
        if (result != Z_OK && result != Z_BUF_ERROR)
            return ae_fail(AE_ERROR_DATA, "the gzip archive '%s' is damaged: %s; %s",
                           unpacked->file.path, stream->msg ? stream->msg : "zlib gives no reason",
                           unpacked->file.cure);
    }
    return AE_OK;
}
#else
struct ae_gzip {
    int nothing;
};

static ae_status gzip_create(ae_unpacked *unpacked) {
    return ae_fail(AE_ERROR_DATA,
                   "'%s' is a gzip archive, and this program was built without zlib: unpack it "
                   "with gunzip",
                   unpacked->file.path);
}

static void gzip_destroy(struct ae_gzip *gzip) {
    (void)gzip;
}

static ae_status gzip_read(ae_unpacked *unpacked, uint8_t *bytes, size_t size, size_t *got) {
    (void)unpacked, (void)bytes, (void)size;
    *got = 0;
    return AE_OK;
}
#endif

static ae_status open_file(ae_data_file *file) {
    const int error = ae_data_file_open(file);
    if (error != 0) return ae_data_file_fail(file, "open", error);
    if (S_ISREG(file->info.st_mode)) return AE_OK;
    return ae_fail(AE_ERROR_DATA, "'%s' is not a regular file; %s", file->path, file->cure);
}

ae_status ae_unpacked_open(ae_unpacked *unpacked) {
    uint8_t head[2] = {0};
    ae_status status = open_file(&unpacked->file);
    unpacked->at = 0;
    unpacked->gzip = NULL;
    if (status == AE_OK && unpacked->file.info.st_size >= 2)
        status = ae_data_file_read(&unpacked->file, head, 0, sizeof head);
    if (status == AE_OK && head[0] == 0x1f && head[1] == 0x8b) status = gzip_create(unpacked);
    if (status != AE_OK) ae_unpacked_close(unpacked);
    return status;
}

void ae_unpacked_close(ae_unpacked *unpacked) {
    gzip_destroy(unpacked->gzip);
    unpacked->gzip = NULL;
    ae_data_file_close(&unpacked->file);
}

ae_status ae_unpacked_read(ae_unpacked *unpacked, void *bytes, size_t size) {
    ae_status status;
    size_t got = size;
    if (unpacked->gzip)
        status = gzip_read(unpacked, bytes, size, &got);
    else
        status = ae_data_file_read(&unpacked->file, bytes, unpacked->at, size);
    unpacked->at += (int64_t)got;
    if (status == AE_OK && got < size)
        status = ae_fail(AE_ERROR_DATA, "'%s' ends at byte %lld of what it holds; %s",
                         unpacked->file.path, (long long)unpacked->at, unpacked->file.cure);
    return status;
}

ae_status ae_unpacked_skip(ae_unpacked *unpacked, int64_t at) {
    uint8_t skipped[4096];
    ae_status status = AE_OK;
    if (!unpacked->gzip) unpacked->at = at;
    while (unpacked->at < at && status == AE_OK) {
        const int64_t left = at - unpacked->at;
        status = ae_unpacked_read(unpacked, skipped,
                                  left < (int64_t)sizeof skipped ? (size_t)left : sizeof skipped);
    }
    return status;
}

ae_status ae_unpacked_end(ae_unpacked *unpacked) {
    uint8_t more;
    size_t got = unpacked->file.info.st_size > unpacked->at;
    ae_status status = unpacked->gzip ? gzip_read(unpacked, &more, 1, &got) : AE_OK;
    if (status == AE_OK && got > 0)
        status = ae_fail(AE_ERROR_DATA, "'%s' holds more than the %lld bytes its header tells; %s",
                         unpacked->file.path, (long long)unpacked->at, unpacked->file.cure);
    return status;
}
