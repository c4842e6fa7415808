/* data/: MNIST's format, gzipped or not, its labels, and what is said of files that aren't it. */
#include "source.h"

#include "data/idx.h"

enum { COUNT = 7, HEIGHT = 3, WIDTH = 5, CHANNELS = 2, BYTES_MAX = 4096 };

static uint8_t bytes[BYTES_MAX];

/* A header and values 0, 1, 2, ... beginning with `first`; returns the size. */
static size_t make_idx(int rank, const int *dims, uint8_t first) {
    size_t size = 0, values = 1;
    const uint8_t head[4] = {0, 0, 8, (uint8_t)rank};
    memcpy(bytes, head, sizeof head);
    size = sizeof head;
    for (int d = 0; d < rank; ++d) {
        const uint8_t word[4] = {0, 0, 0, (uint8_t)dims[d]};
        memcpy(bytes + size, word, sizeof word);
        size += sizeof word;
        values *= (size_t)dims[d];
    }
    assert_true(size + values <= sizeof bytes);
    for (size_t v = 0; v < values; ++v) bytes[size++] = (uint8_t)(first + v);
    return size;
}

static void write_images(const char *name, uint8_t first) {
    write_file(name, bytes, make_idx(3, (const int[]){COUNT, HEIGHT, WIDTH}, first));
}

static void write_labels(const char *name, int count, uint8_t first) {
    write_file(name, bytes, make_idx(1, (const int[]){count}, first));
}

static ae_settings settings_for(const char *train, const char *test) {
    ae_settings settings = {.data = {.source = AE_SOURCE_IDX}};
    snprintf(settings.data.train, sizeof settings.data.train, "%s/%s", folder, train);
    if (test) snprintf(settings.data.test, sizeof settings.data.test, "%s/%s", folder, test);
    return settings;
}

static void check_values(const uint8_t *samples, int image, int first) {
    for (int v = 0; v < HEIGHT * WIDTH; ++v)
        assert_int_equal(samples[v], (uint8_t)(first + image * HEIGHT * WIDTH + v));
}

static void images_and_labels_are_read(void **state) {
    (void)state;
    write_images("train-images-idx3-ubyte", 1);
    write_labels("train-labels-idx1-ubyte", COUNT, 50);
    write_images("t10k-images-idx3-ubyte", 2);
    write_labels("t10k-labels-idx1-ubyte", COUNT, 60);
    ae_settings settings = settings_for("train-images-idx3-ubyte", "t10k-images-idx3-ubyte");
    for (int ranks = 1; ranks <= 5; ranks += 2) {
        loaded l;
        source_load(&l, &ae_source_idx, &settings, ranks);
        assert_true(l.info.has_labels);
        assert_int_equal(l.info.train.count, COUNT);
        assert_int_equal(l.info.test.count, COUNT);
        assert_int_equal(l.info.train.shape.channels, 1);
        assert_int_equal(l.info.train.shape.height, HEIGHT);
        assert_int_equal(l.info.train.shape.width, WIDTH);
        for (int i = 0; i < COUNT; ++i)
            for (int set = 0; set < 2; ++set) {
                check_values(loaded_samples(&l, set, i), i, 1 + set);
                assert_int_equal(loaded_place(&l, set, i)->label, 50 + 10 * set + i);
            }
        source_release(&l);
    }
}

static void first_images_are_taken(void **state) {
    (void)state;
    write_images("a", 1);
    write_images("b", 2);
    ae_settings settings = settings_for("a", "b");
    settings.data.train_images = 4;
    settings.data.test_images = 2;
    loaded l;
    source_load(&l, &ae_source_idx, &settings, 2);
    assert_false(l.info.has_labels);
    assert_int_equal(l.selection.count, 6);
    check_values(loaded_samples(&l, 0, 3), 3, 1);
    check_values(loaded_samples(&l, 1, 0), 0, 2);
    check_values(loaded_samples(&l, 1, 1), 1, 2);
    source_release(&l);
}

/* The share that is held out is that of the images, the same for any seed. */
static void a_fraction_is_held_out(void **state) {
    (void)state;
    write_images("a", 1);
    ae_settings settings = settings_for("a", NULL);
    loaded l;
    assert_int_equal(source_describe(&l, &ae_source_idx, &settings), AE_ERROR_USAGE);
    assert_non_null(strstr(ae_message(), "data.test_fraction"));
    source_release(&l);
    settings.data.test_fraction = 0.4;
    source_load(&l, &ae_source_idx, &settings, 3);
    assert_int_equal(l.info.train.count + l.info.test.count, COUNT);
    assert_true(l.info.test.count > 0 && l.info.train.count > 0);
    int seen = 0;
    for (int set = 0; set < 2; ++set)
        for (int i = 0; i < (set ? l.info.test.count : l.info.train.count); ++i) {
            const int image = (int)l.selection.numbers[l.selection.chosen[set][i]];
            check_values(loaded_samples(&l, set, i), image, 1);
            assert_false(seen & 1 << image);
            seen |= 1 << image;
        }
    assert_int_equal(seen, (1 << COUNT) - 1);
    source_release(&l);
}

static void pack(const char *name) {
    char command[2 * sizeof path];
    snprintf(command, sizeof command, "gzip -c '%s' > '%s/%s'", path, folder, name);
    assert_int_equal(system(command), 0);
}

static void gzipped_files_are_read(void **state) {
    (void)state;
#ifndef AE_HAVE_ZLIB
    skip();
#endif
    write_images("plain", 1);
    pack("train-images-idx3-ubyte.gz");
    write_labels("labels", COUNT, 50);
    pack("train-labels-idx1-ubyte.gz");
    write_images("plain", 2);
    ae_settings settings = settings_for("train-images-idx3-ubyte.gz", "plain");
    loaded l;
    source_load(&l, &ae_source_idx, &settings, 3);
    assert_false(l.info.has_labels); /* the test images have none */
    for (int i = 0; i < COUNT; ++i) check_values(loaded_samples(&l, 0, i), i, 1);
    source_release(&l);
    snprintf(settings.data.test, sizeof settings.data.test, "%s", settings.data.train);
    source_load(&l, &ae_source_idx, &settings, 2);
    assert_int_equal(loaded_place(&l, 0, 6)->label, 56);
    source_release(&l);
}

/* The file must be refused as it is read, by a message that names it and says `words`. */
static void check_file(const ae_settings *settings, const char *words) {
    loaded l;
    ae_status status = source_describe(&l, &ae_source_idx, settings);
    if (status == AE_OK) status = source_fill(&l, &ae_source_idx, settings, 2);
    check_refused(status, AE_ERROR_DATA, words);
    source_release(&l);
}

static void damaged_archives_are_refused(void **state) {
    (void)state;
#ifndef AE_HAVE_ZLIB
    skip();
#endif
    uint8_t packed[BYTES_MAX];
    write_images("plain", 1);
    pack("packed");
    snprintf(path, sizeof path, "%s/packed", folder);
    FILE *file = fopen(path, "rb");
    const size_t size = fread(packed, 1, sizeof packed, file);
    fclose(file);
    const ae_settings settings = settings_for("packed", "plain");
    write_file("packed", packed, size - 9);
    check_file(&settings, "is cut short");
    packed[size - 6] ^= 1; /* of the checksum */
    write_file("packed", packed, size);
    check_file(&settings, "is damaged: incorrect data check");
    write_file("packed", packed, 8);
    check_file(&settings, "is cut short");
}

static void wrong_files_are_refused(void **state) {
    (void)state;
    ae_settings settings = settings_for("a", "a");
    check_file(&settings, "cannot open");
    write_file("a", "\0\0\10", 3);
    check_file(&settings, "has 3 bytes, too few for an IDX file");
    write_file("a", "\x89PNG and so on", 14);
    check_file(&settings, "is not an IDX file of 1 to 4 dimensions: it begins with 89 50 4e 47");
    write_file("a", "\0\0\15\1\0\0\0\1\0\0\0\0", 12);
    check_file(&settings, "of type 0x0d, where unsigned bytes");
    write_file("a", bytes, make_idx(3, (const int[]){2, 0, 3}, 0));
    check_file(&settings, "holds no images");
    write_file("a", bytes, make_idx(2, (const int[]){2, 3}, 0));
    check_file(&settings, "has 2 dimensions where data.axes = NCHW names 4");
    write_file("a", bytes, make_idx(3, (const int[]){2, 2, 3}, 0) - 1);
    check_file(&settings, "has 27 bytes where its header tells 28: it is cut short");
    write_file("a", bytes, make_idx(3, (const int[]){2, 2, 3}, 0) + 1);
    check_file(&settings, "has 29 bytes where its header tells 28: it is not what");
    memcpy(bytes + 4, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
    write_file("a", bytes, 64);
    check_file(&settings, "which is more than any can have");
}

static void wrong_labels_are_refused(void **state) {
    (void)state;
    ae_settings settings = settings_for("images", "images");
    write_images("images", 0);
    write_labels("labels", COUNT + 1, 0);
    check_file(&settings, "has 8 items in 1 dimensions, where there are 7 images");
}

/* Pixels of four dimensions become planes. */
static void channels_are_read(void **state) {
    (void)state;
    ae_settings settings = settings_for("a", "a");
    const ae_axes axes[] = {AE_AXES_NCHW, AE_AXES_NHWC};
    write_file("nchw", bytes, make_idx(4, (const int[]){COUNT, CHANNELS, HEIGHT, WIDTH}, 0));
    write_file("nhwc", bytes, make_idx(4, (const int[]){COUNT, HEIGHT, WIDTH, CHANNELS}, 0));
    for (int a = 0; a < 2; ++a) {
        settings = a ? settings_for("nhwc", "nhwc") : settings_for("nchw", "nchw");
        settings.data.axes = axes[a];
        loaded l;
        source_load(&l, &ae_source_idx, &settings, 2);
        assert_int_equal(l.info.train.shape.channels, CHANNELS);
        assert_int_equal(l.info.train.shape.width, WIDTH);
        const uint8_t *second = loaded_samples(&l, 0, 1);
        for (int c = 0; c < CHANNELS; ++c)
            for (int p = 0; p < HEIGHT * WIDTH; ++p)
                assert_int_equal(second[c * HEIGHT * WIDTH + p],
                                 CHANNELS * HEIGHT * WIDTH +
                                     (a ? p * CHANNELS + c : c * HEIGHT * WIDTH + p));
        source_release(&l);
    }
    settings.data.axes = AE_AXES_NHW;
    check_file(&settings, "has 4 dimensions where data.axes = NHW names 3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(images_and_labels_are_read),   TEST(first_images_are_taken),
        TEST(a_fraction_is_held_out),       TEST(gzipped_files_are_read),
        TEST(damaged_archives_are_refused), TEST(wrong_files_are_refused),
        TEST(wrong_labels_are_refused),     TEST(channels_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
