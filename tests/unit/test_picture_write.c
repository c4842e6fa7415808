/* picture/: what is written comes back, samples and tags, or there is no file. */
#include "pictures.h"

#include <fcntl.h>
#include "picture/tags.h"

/* Copies a picture, page by page, into another format or the same. */
static ae_status copy(const char *from, const char *to, ae_picture_format format) {
    static uint8_t row[1 << 16];
    ae_picture_reader *reader;
    ae_picture_writer *writer;
    check_ok(ae_picture_open(&reader, from));
    const ae_picture_info *info = ae_picture_describe(reader);
    ae_status status = ae_picture_create(&writer, to, format, 95);
    for (int64_t page = 0; page < info->pages && status == AE_OK; ++page) {
        check_ok(ae_picture_select(reader, page));
        status = ae_picture_begin(writer, info, ae_picture_tags_of(reader));
        for (int64_t y = 0; y < info->height && status == AE_OK; ++y) {
            check_ok(ae_picture_read(reader, 1, row));
            status = ae_picture_write(writer, 1, row);
        }
    }
    ae_picture_close(&reader);
    if (status == AE_OK) return ae_picture_publish(&writer);
    ae_picture_discard(&writer);
    return status;
}

static void name_copy(char copied[128], ae_picture_format format) {
    snprintf(copied, 128, "%s/copy.%s", folder, ae_picture_format_ending(format));
}

/* What the file says of a page that decides what its samples mean. */
static bool is_alike(const ae_picture_info *a, const ae_picture_info *b) {
    return a->width == b->width && a->height == b->height && a->pages == b->pages &&
           a->channels == b->channels && a->alpha == b->alpha && a->type == b->type;
}

/* PNG has 1, 2, 4, 8 and 16 bits, and fewer than 8 in grey alone; TIFF has all. */
static int bits_in(ae_picture_format format, const ae_picture_info *info) {
    if (format == AE_PICTURE_TIFF || info->type != U8)
        return info->type == U16 && format == AE_PICTURE_PNG ? 16 : info->bits;
    if (ae_picture_samples(info) > 1 || info->bits > 4) return 8;
    return info->bits;
}

static void samples_survive_in(ae_picture_format format) {
    char copied[128];
    for (int i = 0; i < FIXTURES; ++i) {
        const fixture *f = &fixtures[i];
        ae_picture_info before, after;
        if (!has_format(f->name)) continue;
        free(read_first(&before, fixture_path(f->name)));
        if (ae_picture_obstacle(format, &before)) continue;
        name_copy(copied, format);
        check_ok(copy(fixture_path(f->name), copied, format));
        uint8_t *rows = read_first(&after, copied);
        if (!is_alike(&before, &after) || after.bits != bits_in(format, &before))
            fail_msg("%s: other samples", f->name);
        if (count_wrong(f, &after, rows) != 0) fail_msg("%s: wrong samples", f->name);
        free(rows);
    }
}

static void png_holds_all_whole_numbers(void **state) {
    (void)state;
    if (!has_format(".png")) skip();
    samples_survive_in(AE_PICTURE_PNG);
}

static void tiff_holds_everything(void **state) {
    (void)state;
    if (!has_format(".tif")) skip();
    samples_survive_in(AE_PICTURE_TIFF);
}

static void pages_survive(void **state) {
    (void)state;
    char copied[128];
    ae_picture_reader *before, *after;
    if (!has_format(".tif")) skip();
    name_copy(copied, AE_PICTURE_TIFF);
    check_ok(copy(fixture_path("pages.tif"), copied, AE_PICTURE_TIFF));
    check_ok(ae_picture_open(&before, fixture_path("pages.tif")));
    check_ok(ae_picture_open(&after, copied));
    for (int page = 0; page < 3; ++page) {
        check_ok(ae_picture_select(before, page));
        check_ok(ae_picture_select(after, page));
        assert_true(is_alike(ae_picture_describe(before), ae_picture_describe(after)));
        const ae_picture_tags *tags = ae_picture_tags_of(after);
        assert_int_equal(tags->subfile, 2);
        assert_int_equal(tags->page_number[0], page);
        assert_int_equal(tags->page_number[1], 3);
        void *rows = read_page(before), *others = read_page(after);
        assert_memory_equal(rows, others,
                            HEIGHT * ae_picture_row_bytes(ae_picture_describe(after)));
        free(rows);
        free(others);
    }
    ae_picture_close(&before);
    ae_picture_close(&after);
}

/* Mean squared difference of two pictures' bytes, the second from `shift` bytes on. */
static double mean_square(const uint8_t *a, const uint8_t *b, size_t size, size_t shift) {
    double sum = 0;
    for (size_t i = 0; i < size; ++i) {
        const double difference = a[i] - b[(i + shift) % size];
        sum += difference * difference;
    }
    return sum / (double)size;
}

/* At quality 95 luma's coefficients are multiples of at most 12, chroma's of 10; so they are wrong
 * by 6 and 5, and so are, in the mean square, luma and chroma. In red, green and blue chroma's
 * squares weigh 1.97, 0.63 and 3.14: 6^2 + 5^2 5.74 / 3 = 84 in the mean, 90 with what rounding
 * adds. */
static void a_jpeg_stays_close(void **state) {
    (void)state;
    char copied[128];
    ae_picture_info before, after;
    if (!has_format(".jpg")) skip();
    name_copy(copied, AE_PICTURE_JPEG);
    check_ok(copy(fixture_path("sampled1x1.jpg"), copied, AE_PICTURE_JPEG));
    uint8_t *rows = read_first(&before, fixture_path("sampled1x1.jpg"));
    uint8_t *others = read_first(&after, copied);
    assert_true(is_alike(&before, &after));
    const size_t size = HEIGHT * ae_picture_row_bytes(&after);
    assert_true(mean_square(rows, others, size, 0) < 90);
    assert_true(mean_square(rows, others, size, 12) > 90); /* four pixels aside */
    free(rows);
    free(others);
}

/* ---- tags ---- */

static void check_blob(const ae_picture_blob *a, const ae_picture_blob *b) {
    assert_int_equal(a->size, b->size);
    assert_true((a->bytes == NULL) == (b->bytes == NULL));
    if (a->bytes) assert_memory_equal(a->bytes, b->bytes, a->size);
}

static void check_resolution(const ae_picture_resolution *a, const ae_picture_resolution *b) {
    assert_int_equal(a->unit, b->unit);
    assert_true(a->x == b->x && a->y == b->y);
}

static void check_entries(const ae_picture_tags *a, const ae_picture_tags *b) {
    assert_int_equal(a->entry_count, b->entry_count);
    for (int i = 0; i < a->entry_count; ++i) {
        assert_int_equal(a->entries[i].tag, b->entries[i].tag);
        assert_int_equal(a->entries[i].type, b->entries[i].type);
        assert_int_equal(a->entries[i].count, b->entries[i].count);
        check_blob(&a->entries[i].value, &b->entries[i].value);
    }
}

static void check_tags(const ae_picture_tags *a, const ae_picture_tags *b) {
    assert_int_equal(a->orientation, b->orientation);
    check_resolution(&a->resolution, &b->resolution);
    check_blob(&a->profile, &b->profile);
    check_blob(&a->exif, &b->exif);
    assert_int_equal(a->gamma, b->gamma);
    assert_int_equal(a->intent, b->intent);
    assert_int_equal(a->has_chromaticities, b->has_chromaticities);
    assert_memory_equal(a->chromaticities, b->chromaticities, sizeof a->chromaticities);
    assert_int_equal(a->sampling[0], b->sampling[0]);
    assert_int_equal(a->sampling[1], b->sampling[1]);
    assert_int_equal(a->compression, b->compression);
    assert_int_equal(a->white_is_zero, b->white_is_zero);
    check_entries(a, b);
}

/* Files whose tags are what the script put there, and stay so. */
static void tags_survive(void **state) {
    (void)state;
    static const char *const names[] = {
        "tags.png", "tags_icc.png", "tags.jpg",     "sampled2x1.jpg", "colour.jpg", "tags.tif",
        "lzw.tif",  "white0_8.tif", "packbits.tif", "fax.tif",        "deflate.tif"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        char copied[128];
        ae_picture_reader *before, *after;
        if (!has_format(names[i])) continue;
        check_ok(ae_picture_open(&before, fixture_path(names[i])));
        const ae_picture_format format = ae_picture_describe(before)->format;
        name_copy(copied, format);
        check_ok(copy(fixture_path(names[i]), copied, format));
        check_ok(ae_picture_open(&after, copied));
        check_tags(ae_picture_tags_of(before), ae_picture_tags_of(after));
        ae_picture_close(&before);
        ae_picture_close(&after);
    }
}

static ae_picture_reader *open_fixture(const char *name) {
    ae_picture_reader *reader;
    check_ok(ae_picture_open(&reader, fixture_path(name)));
    return reader;
}

static void tags_of_png_are_those_in_the_file(void **state) {
    (void)state;
    if (!has_format(".png")) skip();
    ae_picture_reader *reader = open_fixture("tags.png");
    const ae_picture_tags *tags = ae_picture_tags_of(reader);
    assert_int_equal(tags->orientation, 6);
    assert_int_equal(tags->resolution.unit, AE_PICTURE_PER_METRE);
    assert_true(tags->resolution.x == 11811 && tags->resolution.y == 5906);
    assert_int_equal(tags->gamma, 45455);
    assert_int_equal(tags->intent, 1);
    assert_true(tags->has_chromaticities && fabs(tags->chromaticities[0] - 0.3127) < 1e-9);
    ae_picture_close(&reader);
    reader = open_fixture("tags_icc.png");
    assert_in_range(ae_picture_tags_of(reader)->profile.size, 128, 10000);
    ae_picture_close(&reader);
}

static void tags_of_jpeg_are_those_in_the_file(void **state) {
    (void)state;
    if (!has_format(".jpg")) skip();
    ae_picture_reader *reader = open_fixture("tags.jpg");
    const ae_picture_tags *tags = ae_picture_tags_of(reader);
    assert_int_equal(tags->orientation, 8);
    assert_int_equal(tags->resolution.unit, AE_PICTURE_PER_INCH);
    assert_true(tags->resolution.x == 300 && tags->resolution.y == 150);
    assert_in_range(tags->profile.size, 128, 10000);
    ae_picture_close(&reader);
}

/* The value of a tag that is carried, NULL: there is none. */
static const ae_picture_entry *find_entry(const ae_picture_tags *tags, uint32_t tag) {
    for (int i = 0; i < tags->entry_count; ++i)
        if (tags->entries[i].tag == tag) return &tags->entries[i];
    return NULL;
}

static void tags_of_tiff_are_those_in_the_file(void **state) {
    (void)state;
    static const uint32_t kept[] = {270, 271, 305, 306, 700, 33550, 50838, 50839, 65000};
    if (!has_format(".tif")) skip();
    ae_picture_reader *reader = open_fixture("tags.tif");
    const ae_picture_tags *tags = ae_picture_tags_of(reader);
    assert_int_equal(tags->orientation, 6);
    assert_int_equal(tags->resolution.unit, AE_PICTURE_PER_CM);
    assert_true(tags->resolution.x == 300 && tags->resolution.y == 150.5);
    assert_in_range(tags->profile.size, 128, 10000);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; ++i)
        if (!find_entry(tags, kept[i])) fail_msg("tag %u is lost", (unsigned)kept[i]);
    assert_string_equal(find_entry(tags, 270)->value.bytes, "ImageJ=1.53t\nunit=nm\n");
    assert_true(((double *)find_entry(tags, 33550)->value.bytes)[2] == 0.125);
    assert_int_equal(((uint32_t *)find_entry(tags, 50838)->value.bytes)[1], 20);
    ae_picture_close(&reader);
}

/* What formats share goes from one to the other. */
static void tags_go_to_another_format(void **state) {
    (void)state;
    if (!has_format(".jpg")) skip();
    for (int f = 0; f < AE_PICTURE_FORMATS; ++f) {
        char copied[128];
        const ae_picture_format format = (ae_picture_format)f;
        ae_picture_reader *before = open_fixture("tags.jpg"), *after;
        const ae_picture_tags *tags = ae_picture_tags_of(before);
        if (!ae_picture_obstacle(format, ae_picture_describe(before))) {
            name_copy(copied, format);
            check_ok(copy(fixture_path("tags.jpg"), copied, format));
            check_ok(ae_picture_open(&after, copied));
            const ae_picture_tags *others = ae_picture_tags_of(after);
            const ae_picture_resolution r =
                ae_picture_resolution_in(others->resolution, AE_PICTURE_PER_INCH);
            assert_int_equal(others->orientation, 8);
            check_blob(&tags->profile, &others->profile);
            assert_true(fabs(r.x - 300) < 0.013 &&
                        fabs(r.y - 150) < 0.013); /* half a metre's dot */
            ae_picture_close(&after);
        }
        ae_picture_close(&before);
    }
}

/* TIFF has a place for the way up, PNG and JPEG have it in Exif. */
static void the_way_up_goes_into_exif(void **state) {
    (void)state;
    char copied[128];
    ae_picture_reader *after;
    if (!has_format(".png") || !has_format(".tif")) skip();
    name_copy(copied, AE_PICTURE_PNG);
    check_ok(copy(fixture_path("tags.tif"), copied, AE_PICTURE_PNG));
    check_ok(ae_picture_open(&after, copied));
    assert_int_equal(ae_picture_tags_of(after)->orientation, 6);
    ae_picture_close(&after);
}

static void exif_that_is_damaged_tells_nothing(void **state) {
    (void)state;
    uint8_t exif[AE_PICTURE_EXIF_SIZE];
    ae_picture_exif_make(exif, 3);
    for (size_t size = 0; size <= sizeof exif; ++size) {
        const ae_picture_blob blob = {exif, size};
        assert_int_equal(ae_picture_exif_orientation(&blob), size < 22 ? 0 : 3);
    }
    for (size_t at = 0; at < sizeof exif; ++at) {
        for (int value = 0; value < 256; ++value) {
            uint8_t *changed = malloc(sizeof exif); /* to the byte, for the sanitizer */
            const ae_picture_blob blob = {changed, sizeof exif};
            memcpy(changed, exif, sizeof exif);
            changed[at] = (uint8_t)value;
            assert_in_range(ae_picture_exif_orientation(&blob), 0, 8);
            free(changed);
        }
    }
}

/* ---- files ---- */

static const ae_picture_info small = {
    .width = 3, .height = 2, .pages = 1, .channels = 1, .bits = 8};

/* Writes `rows` rows of a picture with two, of a format that is there. */
static ae_picture_writer *begin_file(ae_picture_format *format, int rows) {
    ae_picture_writer *writer;
    for (*format = 0; ae_picture_obstacle(*format, &small);)
        if ((int)++*format == AE_PICTURE_FORMATS) skip();
    snprintf(path, sizeof path, "%s/out", folder);
    check_ok(ae_picture_create(&writer, path, *format, 90));
    check_ok(ae_picture_begin(writer, &small, NULL));
    check_ok(ae_picture_write(writer, rows, "abcdef"));
    return writer;
}

static void a_file_appears_when_it_is_whole(void **state) {
    (void)state;
    ae_picture_format format;
    ae_picture_info info;
    bool exists;
    ae_picture_writer *writer = begin_file(&format, 2);
    check_ok(ae_file_exists(&exists, path));
    assert_false(exists);
    assert_int_equal(count_files(folder), 1);
    check_ok(ae_picture_publish(&writer));
    assert_null(writer);
    assert_int_equal(count_files(folder), 1);
    free(read_first(&info, path));
    writer = begin_file(&format, 1);
    ae_picture_discard(&writer);
    assert_null(writer);
    assert_int_equal(count_files(folder), 1);
    free(read_first(&info, path)); /* the one before stands */
}

static void what_a_format_cannot_hold_is_refused(void **state) {
    (void)state;
    ae_picture_info info = small;
    ae_picture_writer *writer;
    if (has_format(".jpg")) {
        assert_null(ae_picture_obstacle(AE_PICTURE_JPEG, &info));
        info.type = U16;
        assert_string_equal(ae_picture_obstacle(AE_PICTURE_JPEG, &info),
                            "JPEG holds 8 bits a sample, not 16");
        info = small;
        info.alpha = STRAIGHT;
        assert_string_equal(ae_picture_obstacle(AE_PICTURE_JPEG, &info), "JPEG holds no alpha");
        snprintf(path, sizeof path, "%s/out.jpg", folder);
        check_ok(ae_picture_create(&writer, path, AE_PICTURE_JPEG, 90));
        check_refused(ae_picture_begin(writer, &info, NULL), AE_ERROR_USAGE, "JPEG holds no alpha");
        ae_picture_discard(&writer);
    }
    if (has_format(".png")) {
        info.alpha = PREMULTIPLIED;
        assert_non_null(ae_picture_obstacle(AE_PICTURE_PNG, &info));
        info = small;
        info.type = F32;
        assert_non_null(ae_picture_obstacle(AE_PICTURE_PNG, &info));
        info = small;
        info.pages = 2;
        assert_non_null(ae_picture_obstacle(AE_PICTURE_PNG, &info));
    }
}

/* A full disk, at any moment: an error, and no file. */
static void a_full_disk_is_told(void **state) {
    (void)state;
    static uint8_t row[1 << 16];
    const ae_picture_info large = {
        .width = sizeof row, .height = 64, .pages = 1, .channels = 1, .bits = 8};
    for (size_t i = 0; i < sizeof row; ++i) row[i] = (uint8_t)(i * i * 31 >> 7);
    for (int f = 0; f < AE_PICTURE_FORMATS; ++f) {
        ae_picture_writer *writer;
        ae_picture_info info = large;
        if (f == AE_PICTURE_JPEG) info.width /= 2;
        if (ae_picture_obstacle((ae_picture_format)f, &info)) continue;
        snprintf(path, sizeof path, "%s/out", folder);
        check_ok(ae_picture_create(&writer, path, (ae_picture_format)f, 90));
        ae_status status;
        WITH_SMALL_FILES({
            status = ae_picture_begin(writer, &info, NULL);
            for (int y = 0; y < 64 && status == AE_OK; ++y)
                status = ae_picture_write(writer, 1, row);
            if (status == AE_OK) status = ae_picture_publish(&writer);
        });
        check_refused(status, AE_ERROR_IO, "File too large");
        ae_picture_discard(&writer);
        assert_int_equal(count_files(folder), 0);
    }
}

static void a_missing_folder_is_told(void **state) {
    (void)state;
    ae_picture_format format;
    ae_picture_writer *writer = begin_file(&format, 2);
    ae_picture_discard(&writer);
    snprintf(path, sizeof path, "%s/nowhere/out", folder);
    check_refused(ae_picture_create(&writer, path, format, 90), AE_ERROR_IO, "No such file");
    assert_null(writer);
}

/* Where files of more than 4 GB could come: told by the version number in the head. */
static void a_large_tiff_is_a_big_one(void **state) {
    (void)state;
    if (!has_format(".tif")) skip();
    snprintf(path, sizeof path, "%s/out.tif", folder);
    for (int big = 0; big < 2; ++big) {
        ae_picture_writer *writer;
        ae_picture_info info = small;
        uint8_t head[4];
        info.pages = big ? (int64_t)1 << 30 : 1;
        check_ok(ae_picture_create(&writer, path, AE_PICTURE_TIFF, 90));
        check_ok(ae_picture_begin(writer, &info, NULL));
        check_ok(ae_picture_write(writer, 2, "abcdef"));
        check_ok(ae_picture_publish(&writer));
        const int file = open(path, O_RDONLY);
        assert_int_equal(read(file, head, 4), 4);
        close(file);
        assert_int_equal(head[2] + head[3], big ? 43 : 42);
    }
}

static void libraries_are_named(void **state) {
    (void)state;
    char text[AE_PICTURE_LIBRARIES_SIZE];
    assert_ptr_equal(ae_picture_libraries(text), text);
    assert_non_null(strstr(text, "libpng"));
    assert_non_null(strstr(text, ", libjpeg") ? text : strstr(text, ", no libjpeg"));
    assert_non_null(strstr(text, "libtiff"));
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(png_holds_all_whole_numbers),
                                       TEST(tiff_holds_everything),
                                       TEST(pages_survive),
                                       TEST(a_jpeg_stays_close),
                                       TEST(tags_survive),
                                       TEST(tags_of_png_are_those_in_the_file),
                                       TEST(tags_of_jpeg_are_those_in_the_file),
                                       TEST(tags_of_tiff_are_those_in_the_file),
                                       TEST(tags_go_to_another_format),
                                       TEST(the_way_up_goes_into_exif),
                                       TEST(exif_that_is_damaged_tells_nothing),
                                       TEST(a_file_appears_when_it_is_whole),
                                       TEST(what_a_format_cannot_hold_is_refused),
                                       TEST(a_full_disk_is_told),
                                       TEST(a_missing_folder_is_told),
                                       TEST(a_large_tiff_is_a_big_one),
                                       TEST(libraries_are_named)};
    return cmocka_run_group_tests_name("picture_write", tests, NULL, NULL);
}
