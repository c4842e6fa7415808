/* What the fuzz targets of pictures share: reading a file as a caller with little memory does, and,
 * where that succeeds and the format loses nothing, writing it and reading the same again. */
#ifndef AE_TESTS_FUZZ_PICTURE_H
#define AE_TESTS_FUZZ_PICTURE_H

#include "fuzz.h"

#include <fcntl.h>
#include "picture/picture.h"

enum {
    PICTURE_BYTES_MAX = 16 << 20, /* that this caller lets a reader, and itself, take */
    PICTURE_PAGES_MAX = 4
};

static char picture_folder[] = "/dev/shm/ae_dist-fuzz-XXXXXX"; /* where a sync costs nothing */
static char picture_path[64];                                  /* of what is written */
static memory_file picture_file;

static void picture_delete(void) {
    unlink(picture_path);
    rmdir(picture_folder);
}

static void picture_prepare(void) {
    if (picture_file.path[0]) return;
    picture_file = memory_file_make();
    REQUIRE(mkdtemp(picture_folder), "no folder");
    snprintf(picture_path, sizeof picture_path, "%s/picture", picture_folder);
    atexit(picture_delete);
}

static void picture_check_info(const ae_picture_info *info) {
    REQUIRE(info->width >= 1 && info->width <= AE_PICTURE_SIDE_MAX, "%lld", (long long)info->width);
    REQUIRE(info->height >= 1 && info->height <= AE_PICTURE_SIDE_MAX, "%lld",
            (long long)info->height);
    REQUIRE(info->pages >= 1, "%lld pages", (long long)info->pages);
    REQUIRE(info->channels == 1 || info->channels == 3, "%d channels", info->channels);
    REQUIRE(info->bits >= 1 && info->bits <= (info->type == AE_PICTURE_F32   ? 32
                                              : info->type == AE_PICTURE_U16 ? 16
                                                                             : 8),
            "%d bits", info->bits);
    REQUIRE(info->bytes > 0, "%lld bytes", (long long)info->bytes);
}

static void picture_check_refused(ae_status status, const char *path) {
    REQUIRE(status == AE_ERROR_DATA, "status %d: %s", (int)status, ae_message());
    REQUIRE(strstr(ae_message(), path), "%s", ae_message());
    require_message();
}

/* The pixels of the page, NULL: too many for this caller, or refused. The caller frees them. */
static void *picture_read_page(ae_picture_reader *reader, const char *path) {
    const ae_picture_info *info = ae_picture_describe(reader);
    picture_check_info(info);
    const size_t row_bytes = ae_picture_row_bytes(info);
    if (info->bytes > PICTURE_BYTES_MAX || row_bytes > PICTURE_BYTES_MAX / (size_t)info->height)
        return NULL;
    uint8_t *rows = malloc(row_bytes * (size_t)info->height);
    REQUIRE(rows, "no memory");
    for (int64_t y = 0, count = 1; y < info->height; y += count, ++count) {
        if (count > info->height - y) count = info->height - y;
        ae_status status = ae_picture_read(reader, count, rows + (size_t)y * row_bytes);
        if (status == AE_OK) continue;
        picture_check_refused(status, path);
        free(rows);
        return NULL;
    }
    return rows;
}

/* Writes the page and reads it back. */
static void picture_check_written(const ae_picture_reader *reader, const void *rows) {
    ae_picture_info info = *ae_picture_describe(reader);
    const size_t size = ae_picture_row_bytes(&info) * (size_t)info.height;
    ae_picture_writer *writer;
    ae_picture_reader *again;
    info.pages = 1;
    if (info.format == AE_PICTURE_JPEG) info.format = AE_PICTURE_PNG;
    if (ae_picture_obstacle(info.format, &info)) return;
    ae_status status = ae_picture_create(&writer, picture_path, info.format, 90);
    if (status == AE_OK) status = ae_picture_begin(writer, &info, ae_picture_tags_of(reader));
    if (status == AE_OK) status = ae_picture_write(writer, info.height, rows);
    if (status == AE_OK) status = ae_picture_publish(&writer);
    REQUIRE(status == AE_OK, "%s", ae_message());
    status = ae_picture_open(&again, picture_path);
    REQUIRE(status == AE_OK, "%s", ae_message());
    void *others = picture_read_page(again, picture_path);
    REQUIRE(!others || memcmp(rows, others, size) == 0, "other pixels");
    free(others);
    ae_picture_close(&again);
}

/* Are there NaNs, whose bits a narrower type doesn't keep? */
static bool picture_has_nan(const ae_picture_info *info, const float *rows) {
    const size_t count = ae_picture_row_bytes(info) / sizeof *rows * (size_t)info->height;
    for (size_t i = 0; info->type == AE_PICTURE_F32 && i < count; ++i)
        if (rows[i] != rows[i]) return true;
    return false;
}

/* Reads `bytes` as a file, page by page. */
static void picture_check(const void *bytes, size_t size) {
    ae_picture_reader *reader;
    picture_prepare();
    memory_file_fill(&picture_file, bytes, size);
    ae_status status = ae_picture_open(&reader, picture_file.path);
    if (status != AE_OK) {
        REQUIRE(!reader, "a reader of nothing");
        picture_check_refused(status, picture_file.path);
        return;
    }
    const int64_t pages = ae_picture_describe(reader)->pages;
    for (int64_t page = 0; page < pages && page < PICTURE_PAGES_MAX; ++page) {
        status = ae_picture_select(reader, page);
        if (status != AE_OK) {
            picture_check_refused(status, picture_file.path);
            continue;
        }
        void *rows = picture_read_page(reader, picture_file.path);
        if (rows && !picture_has_nan(ae_picture_describe(reader), rows))
            picture_check_written(reader, rows);
        free(rows);
    }
    ae_picture_close(&reader);
}

#endif
