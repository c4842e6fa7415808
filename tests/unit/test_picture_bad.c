/* picture/: files that are refused, with a message that names them and what is wrong. */
#include "pictures.h"

#include <fcntl.h>

/* Opens and reads the file, page by page, as a caller with 64 MB does. */
static ae_status read_file(const char *file) {
    static uint8_t row[1 << 20];
    ae_picture_reader *reader;
    ae_status status = ae_picture_open(&reader, file);
    if (status != AE_OK) {
        assert_null(reader);
        return status;
    }
    const ae_picture_info *info = ae_picture_describe(reader);
    assert_true(info->bytes < 64 << 20 && ae_picture_row_bytes(info) <= sizeof row);
    for (int64_t page = 0; page < info->pages && status == AE_OK; ++page) {
        status = ae_picture_select(reader, page);
        for (int64_t y = 0; status == AE_OK && y < info->height; ++y)
            status = ae_picture_read(reader, 1, row);
    }
    ae_picture_close(&reader);
    return status;
}

/* The fixture is refused for the reason given, by its name. */
static void check_refusal(const char *name, const char *reason) {
    const ae_status status = read_file(fixture_path(name));
    if (status != AE_ERROR_DATA || !strstr(ae_message(), reason) || !strstr(ae_message(), name))
        fail_msg("%s: status %d, not refused with '%s': %s", name, (int)status, reason,
                 ae_message());
}

/* The same, where its format is in this build. */
static void check_fixture(const char *name, const char *reason) {
    if (has_format(name)) check_refusal(name, reason);
}

static void kinds_that_are_not_read_are_named(void **state) {
    (void)state;
    check_fixture("bad_signed.tif", "signed 16-bit samples");
    check_fixture("bad_bits.tif", "unsigned 24-bit samples");
    check_fixture("bad_complex.tif", "complex 64-bit samples");
    check_fixture("bad_cmyk.tif", "colours 5 (CMYK)");
    check_fixture("bad_lab.tif", "colours 8 (CIE L*a*b*)");
    check_fixture("bad_ycbcr.tif", "YCbCr without JPEG");
    check_fixture("bad_samples.tif", "5 samples a pixel, 3 of them colour");
    check_fixture("bad_compression.tif", "compression 41925 (unknown)");
    check_fixture("bad_imagej.tif", "a stack of ImageJ's with 7 pages");
    check_fixture("bad_cmyk.jpg", "4 samples a pixel, of CMYK colours");
}

static void sides_and_sizes_are_checked_before_memory_is_taken(void **state) {
    (void)state;
    check_fixture("bad_huge.png", "900000 x 900000 pixels, which can't be in its");
    check_fixture("bad_wide.png", "2147483647 x 1 pixels, where a side can have 1 to 1000000");
    check_fixture("bad_bomb.tif", "900000 x 900000 pixels, which can't be in its");
    check_fixture("bad_size.tif", "2000000 x 21 pixels, where a side can have");
}

static void damage_is_seen(void **state) {
    (void)state;
    check_fixture("bad_crc.png", "a damaged PNG file: IDAT");
    check_fixture("bad_index.png", "a colour beyond the 10 of its palette");
    check_fixture("bad_strip.tif", "a damaged TIFF file");
}

/* Where the library was missing as this was built. */
static void a_format_left_out_says_how_to_get_it(void **state) {
    (void)state;
    static const char *const names[] = {"grey8.png", "grey.jpg", "grey8.tif"};
    static const char *const libraries[] = {"libpng", "libjpeg-turbo", "libtiff"};
    for (int f = 0; f < AE_PICTURE_FORMATS; ++f) {
        char reason[64], out[128];
        ae_picture_writer *writer;
        if (has_format(names[f])) continue;
        check_refusal(names[f], "which this build of ae_dist can't read");
        snprintf(reason, sizeof reason, "install %s with its headers", libraries[f]);
        check_refusal(names[f], reason);
        snprintf(out, sizeof out, "%s/out", folder);
        check_refused(ae_picture_create(&writer, out, (ae_picture_format)f, 90), AE_ERROR_USAGE,
                      reason);
        assert_null(writer);
        assert_int_equal(count_files(folder), 0);
    }
}

/* ---- files made here ---- */

static void put(const void *bytes, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void name_file(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
}

static void what_is_no_picture_is_told(void **state) {
    (void)state;
    name_file("picture.png");
    check_refused(read_file(path), AE_ERROR_DATA, "it is missing");
    put("", 0);
    check_refused(read_file(path), AE_ERROR_DATA, "an empty file");
    put("GIF89a..", 8);
    check_refused(read_file(path), AE_ERROR_DATA,
                  "neither PNG, JPEG nor TIFF (it begins with the bytes 47 49 46 38 39 61 2e 2e)");
    put("\x89HDF\r\n\x1a\n", 8);
    check_refused(read_file(path), AE_ERROR_DATA, "an HDF5 file, neither PNG");
    put("\x89PNG", 4);
    check_refused(read_file(path), AE_ERROR_DATA, "begins with the bytes 89 50 4e 47)");
    check_refused(read_file(folder), AE_ERROR_DATA, "a folder with picture.png");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_refused(read_file(path), AE_ERROR_DATA, "a pipe, socket or device");
}

static void a_wrong_name_does_no_harm(void **state) {
    (void)state;
    void *bytes;
    size_t size;
    if (!has_format(".tif")) skip();
    check_ok(ae_file_read(fixture_path("grey8.tif"), 1 << 20, &bytes, &size));
    name_file("picture.jpg");
    put(bytes, size);
    free(bytes);
    check_ok(read_file(path));
}

/* Beside the picture too: what it says there would be lost, or wrong. */
static void a_wrong_checksum_of_a_tag_is_refused(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t size;
    if (!has_format(".png")) skip();
    check_ok(ae_file_read(fixture_path("tags.png"), 1 << 20, (void **)&bytes, &size));
    uint8_t *resolution = memmem(bytes, size, "pHYs", 4);
    assert_non_null(resolution);
    resolution[5] ^= 1;
    name_file("tags.png");
    put(bytes, size);
    free(bytes);
    check_refused(read_file(path), AE_ERROR_DATA, "pHYs: CRC error");
}

/* Where a scan ends too soon, libjpeg, and libtiff with it, would fill the rest with grey. */
static void a_scan_that_ends_too_soon_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"colour.jpg", "progressive.jpg", "jpeg_rgb.tif"};
    for (int i = 0; i < 3; ++i) {
        uint8_t *bytes, *scan, *next;
        size_t size;
        if (!has_format(names[i])) continue;
        check_ok(ae_file_read(fixture_path(names[i]), 1 << 20, (void **)&bytes, &size));
        for (scan = next = bytes; next;
             next = memmem(scan + 2, size - (size_t)(scan + 2 - bytes), "\xff\xda", 2))
            scan = next;
        memcpy(scan + 30, "\xff\xd9", 2); /* the end of the picture, within its last scan */
        name_file(names[i]);
        put(bytes, size);
        free(bytes);
        check_refused(read_file(path), AE_ERROR_DATA, "premature end of data segment");
    }
}

static const char *const whole[] = {"rgb8.png",
                                    "interlaced_rgb16.png",
                                    "palette_alpha.png",
                                    "tags.png",
                                    "colour.jpg",
                                    "progressive.jpg",
                                    "tags.jpg",
                                    "rgb8.tif",
                                    "rgb8_tiles.tif",
                                    "pages.tif",
                                    "lzw.tif",
                                    "packbits.tif",
                                    "fax.tif",
                                    "jpeg_rgb.tif",
                                    "float32.tif",
                                    "grey16.tif",
                                    "rgb16_planar_tiles.tif"};
enum { WHOLE = sizeof whole / sizeof *whole };

/* Is anything but the values of tags in what was cut off? Ends of PNG and JPEG are parts of them;
 * TIFF may end with what no page needs. */
static void cut_files_are_refused(void **state) {
    (void)state;
    for (int i = 0; i < WHOLE; ++i) {
        void *bytes;
        size_t size;
        if (!has_format(whole[i])) continue;
        check_ok(ae_file_read(fixture_path(whole[i]), 1 << 20, &bytes, &size));
        name_file(whole[i]);
        put(bytes, size);
        check_ok(read_file(path));
        for (size_t cut = 1; cut < size; cut += cut < 40 || cut + 40 > size ? 1 : 37) {
            assert_int_equal(truncate(path, (off_t)(size - cut)), 0);
            if (read_file(path) == AE_OK) fail_msg("%s: %zu bytes cut off", whole[i], cut);
            if (!strstr(ae_message(), path)) fail_msg("%s", ae_message());
        }
        free(bytes);
    }
}

/* Any byte may be anything: refused, or read to some samples, with nothing printed or broken. */
static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    for (int i = 0; i < WHOLE; ++i) {
        uint8_t *bytes;
        size_t size;
        if (!has_format(whole[i])) continue;
        check_ok(ae_file_read(fixture_path(whole[i]), 1 << 20, (void **)&bytes, &size));
        name_file(whole[i]);
        put(bytes, size);
        const int file = open(path, O_WRONLY);
        for (size_t at = 4; at < size; at += at < 200 ? 3 : 41) {
            const uint8_t changed = bytes[at] ^ 0x55;
            assert_int_equal(pwrite(file, &changed, 1, (off_t)at), 1);
            const ae_status status = read_file(path);
            assert_true(status == AE_OK || status == AE_ERROR_DATA);
            assert_int_equal(pwrite(file, &bytes[at], 1, (off_t)at), 1);
        }
        close(file);
        free(bytes);
    }
}

/* ---- files that change ---- */

static ae_status read_changed(const char *name, void (*change)(int64_t size)) {
    void *bytes;
    size_t size;
    uint8_t row[WIDTH * 16];
    ae_picture_reader *reader;
    check_ok(ae_file_read(fixture_path(name), 1 << 20, &bytes, &size));
    name_file(name);
    put(bytes, size);
    free(bytes);
    check_ok(ae_picture_open(&reader, path));
    change((int64_t)size);
    ae_status status = AE_OK;
    for (int64_t y = 0; y < HEIGHT && status == AE_OK; ++y)
        status = ae_picture_read(reader, 1, row);
    if (status != AE_OK) assert_int_equal(ae_picture_read(reader, 1, row), AE_ERROR_DATA);
    ae_picture_close(&reader);
    return status;
}

static void grow(int64_t size) {
    assert_int_equal(truncate(path, size + 10), 0);
}

static void empty(int64_t size) {
    (void)size;
    assert_int_equal(truncate(path, 0), 0);
}

static void touch(int64_t size) {
    (void)size;
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void nothing(int64_t size) {
    (void)size;
}

static void a_file_that_changes_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"rgb8.png", "interlaced_rgb16.png", "colour.jpg",
                                        "rgb8.tif", "rgb8_tiles.tif"};
    for (int i = 0; i < 5; ++i) {
        if (!has_format(names[i])) continue;
        check_ok(read_changed(names[i], nothing));
        check_refused(read_changed(names[i], grow), AE_ERROR_DATA, "it changed while it was read");
        check_refused(read_changed(names[i], touch), AE_ERROR_DATA, "it changed while it was read");
        check_refused(read_changed(names[i], empty), AE_ERROR_DATA, "cannot read");
    }
}

/* Beyond what is in the buffer. */
static void a_large_file_that_shrinks_is_refused(void **state) {
    (void)state;
    enum { SIDE = 2050 };
    uint8_t row[SIDE];
    ae_picture_writer *writer;
    ae_picture_reader *reader;
    const ae_picture_info info = {
        .width = SIDE, .height = SIDE, .pages = 1, .channels = 1, .bits = 8};
    for (int f = 0; f < AE_PICTURE_FORMATS; ++f) {
        if (ae_picture_obstacle((ae_picture_format)f, &info)) continue;
        name_file("large");
        check_ok(ae_picture_create(&writer, path, (ae_picture_format)f, 100));
        check_ok(ae_picture_begin(writer, &info, NULL));
        uint32_t word = 1;
        for (int y = 0; y < SIDE; ++y) {
            for (int x = 0; x < SIDE; ++x) row[x] = (uint8_t)((word = word * 1664525u + 99) >> 24);
            check_ok(ae_picture_write(writer, 1, row));
        }
        check_ok(ae_picture_publish(&writer));
        check_ok(ae_picture_open(&reader, path));
        assert_int_equal(truncate(path, 1 << 19), 0);
        ae_status status = AE_OK;
        for (int y = 0; y < SIDE && status == AE_OK; ++y) status = ae_picture_read(reader, 1, row);
        check_refused(status, AE_ERROR_DATA, "it ended at byte 524288 while it was read");
        ae_picture_close(&reader);
    }
}

/* ---- nothing of the libraries' own is printed ---- */

static void libraries_are_silent(void **state) {
    (void)state;
    char text[64];
    fflush(stderr);
    const int before = dup(STDERR_FILENO);
    name_file("stderr");
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(before >= 0 && file >= 0);
    dup2(file, STDERR_FILENO);
    cut_files_are_refused(state);
    changed_bytes_do_no_harm(state);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    const ssize_t size = pread(file, text, sizeof text - 1, 0);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    assert_string_equal(text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(kinds_that_are_not_read_are_named),
                                       TEST(sides_and_sizes_are_checked_before_memory_is_taken),
                                       TEST(damage_is_seen),
                                       TEST(a_format_left_out_says_how_to_get_it),
                                       TEST(what_is_no_picture_is_told),
                                       TEST(a_wrong_name_does_no_harm),
                                       TEST(a_wrong_checksum_of_a_tag_is_refused),
                                       TEST(a_scan_that_ends_too_soon_is_refused),
                                       TEST(cut_files_are_refused),
                                       TEST(changed_bytes_do_no_harm),
                                       TEST(a_file_that_changes_is_refused),
                                       TEST(a_large_file_that_shrinks_is_refused),
                                       TEST(libraries_are_silent)};
    return cmocka_run_group_tests_name("picture_bad", tests, NULL, NULL);
}
