/* picture/: every kind of file that is read, to the last sample. */
#include "pictures.h"

#include <pthread.h>

static void check_info(const fixture *f, const ae_picture_info *info) {
    assert_int_equal(info->width, WIDTH);
    assert_int_equal(info->height, HEIGHT);
    assert_int_equal(info->pages, 1);
    assert_int_equal(info->channels, f->channels);
    assert_int_equal(info->alpha, f->alpha);
    assert_int_equal(info->type, f->type);
    assert_int_equal(info->bits, f->bits);
}

static void every_kind_has_its_samples(void **state) {
    (void)state;
    for (int i = 0; i < FIXTURES; ++i) {
        const fixture *f = &fixtures[i];
        if (!has_format(f->name)) continue;
        ae_picture_info info;
        uint8_t *rows = read_first(&info, fixture_path(f->name));
        check_info(f, &info);
        if (count_wrong(f, &info, rows) != 0) fail_msg("%s: wrong samples", f->name);
        rows[ae_picture_row_bytes(&info) + 4] ^= 1; /* the comparison sees a bit */
        if (count_wrong(f, &info, rows) == 0) fail_msg("%s: a bit isn't seen", f->name);
        free(rows);
    }
}

/* However many rows are asked for at a time, and when a page is gone back to. */
static void rows_come_in_any_number(void **state) {
    (void)state;
    for (int i = 0; i < FIXTURES; ++i) {
        ae_picture_reader *reader;
        if (!has_format(fixtures[i].name)) continue;
        check_ok(ae_picture_open(&reader, fixture_path(fixtures[i].name)));
        const size_t size = ae_picture_row_bytes(ae_picture_describe(reader));
        uint8_t *rows = calloc(HEIGHT, size);
        assert_non_null(rows);
        check_ok(ae_picture_read(reader, 1, rows));
        check_ok(ae_picture_read(reader, 7, rows + size));
        check_ok(ae_picture_select(reader, 0));
        for (int64_t y = 0, count = 1; y<HEIGHT; y += count, count = y + 5> HEIGHT ? 1 : 5)
            check_ok(ae_picture_read(reader, count, rows + (size_t)y * size));
        if (count_wrong(&fixtures[i], ae_picture_describe(reader), rows) != 0)
            fail_msg("%s: wrong samples", fixtures[i].name);
        free(rows);
        ae_picture_close(&reader);
    }
}

/* Files whose format loses something, against what another program decoded with the same library.
 */
static void what_is_lossy_is_decoded_as_elsewhere(void **state) {
    (void)state;
    static const char *const names[] = {"grey.jpg",       "colour.jpg",      "sampled1x1.jpg",
                                        "sampled2x1.jpg", "progressive.jpg", "tags.jpg",
                                        "jpeg_rgb.tif",   "jpeg_grey.tif"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        char other[64];
        ae_picture_info info, other_info;
        snprintf(other, sizeof other, "%s.png", names[i]);
        if (!has_format(names[i]) || !has_format(other)) continue;
        void *rows = read_first(&info, fixture_path(names[i]));
        void *other_rows = read_first(&other_info, fixture_path(other));
        assert_int_equal(info.channels, other_info.channels);
        assert_memory_equal(rows, other_rows, HEIGHT * ae_picture_row_bytes(&info));
        free(rows);
        free(other_rows);
    }
}

static void pages_differ(void **state) {
    (void)state;
    static const int widths[] = {37, 11, 20}, channels[] = {1, 3, 1}, bits[] = {8, 8, 16};
    static const int order[] = {0, 1, 2, 0, 2, 1, 1};
    ae_picture_reader *reader;
    if (!has_format(".tif")) skip();
    check_ok(ae_picture_open(&reader, fixture_path("pages.tif")));
    for (size_t i = 0; i < sizeof order / sizeof *order; ++i) {
        const int page = order[i];
        check_ok(ae_picture_select(reader, page));
        const ae_picture_info *info = ae_picture_describe(reader);
        assert_int_equal(info->pages, 3);
        assert_int_equal(info->width, widths[page]);
        assert_int_equal(info->channels, channels[page]);
        assert_int_equal(info->bits, bits[page]);
        void *rows = read_page(reader);
        for (int64_t y = 0; y < HEIGHT; ++y)
            for (int64_t x = 0; x < widths[page]; ++x)
                for (int c = 0; c < channels[page]; ++c)
                    assert_int_equal(sample_at(rows, info, x, y, c),
                                     pattern(x, y, c, page, bits[page]));
        free(rows);
    }
    ae_picture_close(&reader);
}

static void check_large(const char *file) {
    enum { SIDE = 2050 };
    ae_picture_reader *reader;
    uint8_t row[SIDE];
    check_ok(ae_picture_open(&reader, file));
    assert_true(ae_picture_describe(reader)->bytes < 3 << 20); /* not the strip */
    for (int64_t y = 0; y < SIDE; ++y) {
        check_ok(ae_picture_read(reader, 1, row));
        for (int64_t x = 0; x < SIDE; ++x) assert_int_equal(row[x], (x % 41 + y / 8) % 256);
    }
    ae_picture_close(&reader);
}

/* A strip beyond what is decoded at once comes row by row. */
static void a_large_strip_is_not_held(void **state) {
    (void)state;
    if (!has_format(".tif")) skip();
    check_large(fixture_path("large_deflate.tif"));
}

/* The head of a TIFF with one page and one strip, in either byte order; big-endian if `big`. */
static void put_number(FILE *file, uint32_t value, int size, bool big) {
    for (int i = 0; i < size; ++i) fputc((int)(value >> 8 * (big ? size - 1 - i : i) & 255), file);
}

static void put_bare_tiff(uint32_t side, uint32_t bits, bool big) {
    const uint32_t bytes = side * side * bits / 8;
    const uint32_t entries[][3] = {{256, 4, side}, {257, 4, side}, {258, 4, bits},
                                   {259, 4, 1},    {262, 4, 1},    {273, 4, 8},
                                   {277, 4, 1},    {278, 4, side}, {279, 4, bytes}};
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(big ? "MM" : "II", file);
    put_number(file, 42, 2, big);
    put_number(file, 8 + bytes, 4, big);
    for (uint32_t y = 0; y < side; ++y)
        for (uint32_t x = 0; x < side; ++x)
            put_number(file, pattern(x, y, 0, 0, (int)bits), (int)bits / 8, big);
    put_number(file, 9, 2, big);
    for (int i = 0; i < 9; ++i) {
        put_number(file, entries[i][0], 2, big);
        put_number(file, entries[i][1], 2, big);
        put_number(file, 1, 4, big);
        put_number(file, entries[i][2], 4, big);
    }
    put_number(file, 0, 4, big);
    fclose(file);
}

/* Nor one that isn't compressed, as ImageJ writes all its pages. */
static void a_large_bare_strip_is_not_held(void **state) {
    (void)state;
    enum { SIDE = 1500 };
    if (!has_format(".tif")) skip();
    for (int big = 0; big < 2; ++big) {
        uint16_t row[SIDE];
        ae_picture_reader *reader;
        put_bare_tiff(SIDE, 16, big);
        check_ok(ae_picture_open(&reader, path));
        assert_true(ae_picture_describe(reader)->bytes < 3 << 20);
        for (int64_t y = 0; y < SIDE; ++y) {
            check_ok(ae_picture_read(reader, 1, row));
            for (int64_t x = 0; x < SIDE; ++x) assert_int_equal(row[x], pattern(x, y, 0, 0, 16));
        }
        ae_picture_close(&reader);
    }
}

/* What must be held while reading is told before. */
static void memory_is_told(void **state) {
    (void)state;
    static const char *const streamed[] = {"rgb16.png", "colour.jpg", "rgb8.tif"};
    static const char *const held[] = {"interlaced_rgb16.png", "progressive.jpg"};
    for (int i = 0; i < 3; ++i) {
        ae_picture_info info;
        if (!has_format(streamed[i])) continue;
        free(read_first(&info, fixture_path(streamed[i])));
        assert_in_range(info.bytes, 1, 3 << 20);
    }
    for (int i = 0; i < 2; ++i) {
        ae_picture_info info, other;
        if (!has_format(held[i])) continue;
        free(read_first(&info, fixture_path(held[i])));
        free(read_first(&other, fixture_path(streamed[i])));
        assert_true(info.bytes >=
                    other.bytes + (HEIGHT - 16) * (int64_t)ae_picture_row_bytes(&info));
    }
}

static void *read_all(void *argument) {
    int *wrong = argument;
    for (int i = 0; i < FIXTURES; ++i) {
        ae_picture_reader *reader;
        char file[4096];
        if (!has_format(fixtures[i].name)) continue;
        snprintf(file, sizeof file, "%s/tests/fixtures/pictures/%s", AE_SOURCE_DIR,
                 fixtures[i].name);
        uint8_t rows[WIDTH * HEIGHT * 8];
        *wrong += ae_picture_open(&reader, file) != AE_OK ||
                  ae_picture_read(reader, HEIGHT, rows) != AE_OK ||
                  count_wrong(&fixtures[i], ae_picture_describe(reader), rows) != 0;
        ae_picture_close(&reader);
        *wrong += ae_picture_open(&reader, "/nowhere.png") != AE_ERROR_DATA ||
                  !strstr(ae_message(), "/nowhere.png");
    }
    return NULL;
}

static void threads_read_at_once(void **state) {
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int wrong[THREADS] = {0};
    for (int t = 0; t < THREADS; ++t)
        assert_int_equal(pthread_create(&threads[t], NULL, read_all, &wrong[t]), 0);
    for (int t = 0; t < THREADS; ++t) {
        pthread_join(threads[t], NULL);
        assert_int_equal(wrong[t], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(every_kind_has_its_samples),
                                       TEST(rows_come_in_any_number),
                                       TEST(what_is_lossy_is_decoded_as_elsewhere),
                                       TEST(pages_differ),
                                       TEST(a_large_strip_is_not_held),
                                       TEST(a_large_bare_strip_is_not_held),
                                       TEST(memory_is_told),
                                       TEST(threads_read_at_once)};
    return cmocka_run_group_tests_name("picture_read", tests, NULL, NULL);
}
