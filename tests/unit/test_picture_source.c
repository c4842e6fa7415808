/* data/: folders and lists of pictures of any sizes as images, and what is said of those that don't
 * go together. */
#include "source.h"

#include "picture/picture.h"

typedef struct kind {
    int height, width, channels;
    ae_picture_alpha alpha;
    ae_picture_type type;
    int pages;
} kind;

/* Sample v of a picture: of alpha it doesn't matter. */
static unsigned value_at(int v, ae_picture_type type, int seed) {
    return type == AE_PICTURE_U8 ? (unsigned)(v * 7 + seed) % 256
                                 : (unsigned)(v * 701 + seed) % 65536;
}

/* Rows of a page, of the pixels' samples in order. */
static void *make_rows(const ae_picture_info *info, int seed) {
    const size_t count = (size_t)(info->height * info->width) * (size_t)ae_picture_samples(info);
    void *rows = malloc(4 * count);
    assert_non_null(rows);
    for (size_t v = 0; v < count; ++v) {
        const unsigned value = value_at((int)v, info->type, seed);
        if (info->type == AE_PICTURE_U8) ((uint8_t *)rows)[v] = (uint8_t)value;
        if (info->type == AE_PICTURE_U16) ((uint16_t *)rows)[v] = (uint16_t)value;
        if (info->type == AE_PICTURE_F32) ((float *)rows)[v] = (float)value / 8;
    }
    return rows;
}

static bool is_readable(ae_picture_format format) {
    const ae_picture_info info = {.width = 1, .height = 1, .channels = 1, .bits = 8, .pages = 1};
    return ae_picture_obstacle(format, &info) == NULL;
}

/* Writes the picture, whose page p holds seed + p. */
static void write_picture(const char *name, kind k, int seed) {
    ae_picture_info info = {.width = k.width,
                            .height = k.height,
                            .pages = k.pages ? k.pages : 1,
                            .channels = k.channels,
                            .alpha = k.alpha,
                            .type = k.type,
                            .bits = k.type == AE_PICTURE_U8    ? 8
                                    : k.type == AE_PICTURE_U16 ? 16
                                                               : 32};
    const ae_picture_format format = strstr(name, ".tif") ? AE_PICTURE_TIFF : AE_PICTURE_PNG;
    make_place(name);
    ae_picture_writer *writer;
    check_ok(ae_picture_create(&writer, path, format, 95));
    for (int p = 0; p < info.pages; ++p) {
        void *rows = make_rows(&info, seed + p);
        check_ok(ae_picture_begin(writer, &info, NULL));
        check_ok(ae_picture_write(writer, info.height, rows));
        free(rows);
    }
    check_ok(ae_picture_publish(&writer));
}

static ae_settings settings_for(const char *train, const char *test) {
    ae_settings settings = {.data = {.source = AE_SOURCE_PICTURES}};
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/%s", folder, train);
    if (test) snprintf(settings.data.test, AE_TEXT_SIZE, "%s/%s", folder, test);
    return settings;
}

/* The image holds what write_picture() wrote, its alpha left out, bytes as `scale` times as much.
 */
static void check_image(const loaded *l, int set, int64_t index, kind k, int seed, unsigned scale) {
    const ae_image_place *place = loaded_place(l, set, index);
    const void *samples = loaded_samples(l, set, index);
    const int each = k.channels + (k.alpha != AE_PICTURE_OPAQUE), pixels = k.height * k.width;
    assert_int_equal(place->height, k.height);
    assert_int_equal(place->width, k.width);
    for (int c = 0; c < k.channels; ++c)
        for (int p = 0; p < pixels; ++p) {
            const int at = c * pixels + p;
            const unsigned wanted = value_at(p * each + c, k.type, seed) * scale;
            if (l->info.type == AE_SAMPLE_U8)
                assert_int_equal(((const uint8_t *)samples)[at], wanted);
            if (l->info.type == AE_SAMPLE_U16)
                assert_int_equal(((const uint16_t *)samples)[at], wanted);
            if (l->info.type == AE_SAMPLE_F32)
                assert_true(((const float *)samples)[at] == (float)wanted / 8);
        }
}

/* Of a folder in the order of names, with folders in it. */
static void folders_are_walked(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG)) skip();
    const kind a = {5, 7, 3, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    const kind b = {300, 2, 3, AE_PICTURE_STRAIGHT, AE_PICTURE_U8, 1}, c = {1, 1, 3, 0, 0, 1};
    write_picture("in/b.png", b, 2);
    write_picture("in/a.png", a, 1);
    write_picture("in/deeper/c.png", c, 3);
    write_picture("test/a.png", a, 4);
    const ae_settings settings = settings_for("in", "test");
    for (int ranks = 1; ranks <= 5; ++ranks) {
        loaded l;
        source_load(&l, &ae_source_pictures, &settings, ranks);
        assert_int_equal(l.info.type, AE_SAMPLE_U8);
        assert_true(l.info.low == 0 && l.info.high == 255);
        assert_true(ae_image_set_is_mixed(&l.info.train));
        assert_false(ae_image_set_is_mixed(&l.info.test));
        assert_int_equal(l.info.test.shape.height, 5);
        assert_int_equal(l.info.train.least_height, 1);
        assert_int_equal(l.info.train.least_width, 1);
        assert_false(l.info.has_labels);
        check_image(&l, 0, 0, a, 1, 1);
        check_image(&l, 0, 1, b, 2, 1);
        check_image(&l, 0, 2, c, 3, 1);
        check_image(&l, 1, 0, a, 4, 1);
        source_release(&l);
    }
}

static void lists_are_read_in_their_order(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG)) skip();
    const kind a = {5, 7, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    const kind b = {4, 6, 1, AE_PICTURE_STRAIGHT, AE_PICTURE_U8, 1};
    write_picture("a.png", a, 1);
    write_picture("b.png", b, 2);
    write_file("list.txt", "b.png\na.png\nb.png\n", 18);
    ae_settings settings = settings_for("list.txt", NULL);
    settings.data.test_fraction = 0.5;
    loaded l;
    source_load(&l, &ae_source_pictures, &settings, 2);
    assert_int_equal(l.selection.count, 3);
    for (int set = 0; set < 2; ++set)
        for (int64_t i = 0; i < (set ? l.info.test.count : l.info.train.count); ++i) {
            const bool is_a = l.selection.numbers[l.selection.chosen[set][i]] == 1;
            check_image(&l, set, i, is_a ? a : b, is_a ? 1 : 2, 1);
        }
    source_release(&l);
}

/* Where some have 16 bits, bytes become as bright. */
static void depths_are_mixed(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG)) skip();
    const kind bytes = {5, 7, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    const kind words = {3, 9, 1, AE_PICTURE_STRAIGHT, AE_PICTURE_U16, 1};
    write_picture("in/a.png", bytes, 1);
    write_picture("in/b.png", words, 2);
    const ae_settings settings = settings_for("in", "in/a.png");
    loaded l;
    source_load(&l, &ae_source_pictures, &settings, 2);
    assert_int_equal(l.info.type, AE_SAMPLE_U16);
    assert_true(l.info.high == 65535);
    check_image(&l, 0, 0, bytes, 1, 257);
    check_image(&l, 0, 1, words, 2, 1);
    check_image(&l, 1, 0, bytes, 1, 257);
    source_release(&l);
}

/* The image is the luma of what write_picture() wrote (ITU-R BT.601): of integers to the nearest;
 * of floats within 2^-21 of it, for the three weights, products and two sums are rounded to 24
 * bits. */
static void check_luma(const loaded *l, int64_t index, kind k, int seed, unsigned scale) {
    const void *samples = loaded_samples(l, 0, index);
    const int each = k.channels + (k.alpha != AE_PICTURE_OPAQUE);
    for (int p = 0; p < k.height * k.width; ++p) {
        const double r = value_at(p * each, k.type, seed), g = value_at(p * each + 1, k.type, seed),
                     b = value_at(p * each + 2, k.type, seed);
        const double luma = (0.299 * r + 0.587 * g + 0.114 * b) * scale;
        if (l->info.type == AE_SAMPLE_U8)
            assert_float_equal(((const uint8_t *)samples)[p], luma, 0.5 + 1e-9);
        if (l->info.type == AE_SAMPLE_U16)
            assert_float_equal(((const uint16_t *)samples)[p], luma, 0.5 + 1e-9);
        if (l->info.type == AE_SAMPLE_F32)
            assert_float_equal(((const float *)samples)[p], luma / 8, luma / 8 * 0x1p-21);
    }
}

static void colour_becomes_grey(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG) || !is_readable(AE_PICTURE_TIFF)) skip();
    const kind grey = {5, 7, 1, AE_PICTURE_STRAIGHT, AE_PICTURE_U8, 1};
    const kind colour = {300, 200, 3, AE_PICTURE_STRAIGHT, AE_PICTURE_U8, 1};
    const kind words = {3, 9, 3, AE_PICTURE_OPAQUE, AE_PICTURE_U16, 1};
    const kind real = {5, 7, 3, AE_PICTURE_OPAQUE, AE_PICTURE_F32, 1};
    write_picture("in/a.png", grey, 1);
    write_picture("in/b.png", colour, 2);
    ae_settings settings = settings_for("in", "in/a.png");
    settings.data.channels = AE_CHANNELS_GREY;
    loaded l;
    source_load(&l, &ae_source_pictures, &settings, 2);
    assert_int_equal(l.info.train.shape.channels, 1);
    check_image(&l, 0, 0, grey, 1, 1);
    check_luma(&l, 1, colour, 2, 1);
    source_release(&l);
    write_picture("in/c.png", words, 3);
    source_load(&l, &ae_source_pictures, &settings, 2);
    check_image(&l, 0, 0, grey, 1, 257);
    check_luma(&l, 1, colour, 2, 257);
    check_luma(&l, 2, words, 3, 1);
    source_release(&l);
    write_picture("real.tif", real, 4);
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/real.tif", folder);
    snprintf(settings.data.test, AE_TEXT_SIZE, "%s/real.tif", folder);
    source_load(&l, &ae_source_pictures, &settings, 2);
    check_luma(&l, 0, real, 4, 1);
    source_release(&l);
}

static void pages_are_images(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_TIFF)) skip();
    const kind stack = {6, 4, 1, AE_PICTURE_OPAQUE, AE_PICTURE_F32, 5};
    const kind one = {8, 9, 1, AE_PICTURE_OPAQUE, AE_PICTURE_F32, 1};
    write_picture("in/a.tif", stack, 1);
    write_picture("in/b.tif", one, 9);
    ae_settings settings = settings_for("in", "in/b.tif");
    loaded l;
    source_load(&l, &ae_source_pictures, &settings, 3);
    assert_int_equal(l.info.train.count, 6);
    assert_int_equal(l.info.type, AE_SAMPLE_F32);
    assert_true(l.info.low == l.info.high); /* to be measured */
    for (int p = 0; p < 5; ++p) check_image(&l, 0, p, stack, 1 + p, 1);
    check_image(&l, 0, 5, one, 9, 1);
    char name[AE_IMAGE_NAME_SIZE];
    ae_catalog_name(name, &l.catalog, &settings, 3);
    assert_non_null(strstr(name, "page 4 of '"));
    assert_non_null(strstr(name, "in/a.tif'"));
    source_release(&l);
}

static void check_pictures(const ae_settings *settings, const char *words) {
    loaded l;
    ae_status status = source_describe(&l, &ae_source_pictures, settings);
    if (status == AE_OK) status = source_fill(&l, &ae_source_pictures, settings, 2);
    check_refused(status, AE_ERROR_DATA, words);
    source_release(&l);
}

static void what_does_not_go_together_is_refused(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG) || !is_readable(AE_PICTURE_TIFF)) skip();
    const kind grey = {5, 7, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    const kind colour = {5, 7, 3, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    const kind real = {5, 7, 1, AE_PICTURE_OPAQUE, AE_PICTURE_F32, 1};
    ae_settings settings = settings_for("in", "in");
    check_pictures(&settings, "in");
    write_picture("in/a.png", grey, 1);
    write_picture("in/b.png", colour, 1);
    check_pictures(&settings, "in/b.png' has 3 channels and '");
    snprintf(path, sizeof path, "%s/in/b.png", folder);
    unlink(path);
    write_picture("in/c.tif", real, 1);
    check_pictures(&settings, "in/c.tif' holds 32-bit floats and '");
    settings = settings_for("in/a.png", "in/c.tif");
    check_pictures(&settings, "in/c.tif' holds 32-bit floats and '");
}

/* The first of several, whichever thread finds it. */
static void damaged_pictures_are_named(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG)) skip();
    const kind k = {40, 30, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    char name[32];
    for (int i = 0; i < 20; ++i) {
        snprintf(name, sizeof name, "in/%02d.png", i);
        write_picture(name, k, i);
        if (i == 7 || i == 8 || i == 19) assert_int_equal(truncate(path, 200), 0);
    }
    const ae_settings settings = settings_for("in", "in");
    check_pictures(&settings, "in/07.png'");
}

/* Between header and pixels. */
static void pictures_that_change_are_refused(void **state) {
    (void)state;
    if (!is_readable(AE_PICTURE_PNG)) skip();
    const kind before = {4, 6, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1};
    const kind others[] = {{6, 4, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1},
                           {4, 6, 3, AE_PICTURE_OPAQUE, AE_PICTURE_U8, 1},
                           {4, 6, 1, AE_PICTURE_OPAQUE, AE_PICTURE_U16, 1}};
    for (size_t o = 0; o < sizeof others / sizeof *others; ++o) {
        loaded l;
        const ae_settings settings = settings_for("a.png", "a.png");
        write_picture("a.png", before, 1);
        check_ok(source_describe(&l, &ae_source_pictures, &settings));
        write_picture("a.png", others[o], 1);
        check_refused(source_fill(&l, &ae_source_pictures, &settings, 1), AE_ERROR_DATA,
                      "changed while it was read");
        source_release(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(folders_are_walked),         TEST(lists_are_read_in_their_order),
        TEST(depths_are_mixed),           TEST(colour_becomes_grey),
        TEST(pages_are_images),           TEST(what_does_not_go_together_is_refused),
        TEST(damaged_pictures_are_named), TEST(pictures_that_change_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
