/* data/: images that are not CIFAR-10 as published, and what is said about a folder that holds
 * something else in place of the batches. */
#include <fcntl.h>
#include "files.h"

#include "base/hash.h"
#include "data/cifar10_review.h"
#include "data/dataset.h"

enum { RECORDS = AE_CIFAR10_FILE_RECORDS, FILES = AE_CIFAR10_FILES };

/* Two files' worth of records, no two alike. */
static uint8_t records[2 * RECORDS][AE_CIFAR10_RECORD];

static int make_records(void **state) {
    (void)state;
    uint32_t word = 1;
    for (int i = 0; i < 2 * RECORDS; ++i) {
        for (int j = 0; j < AE_CIFAR10_RECORD; ++j) {
            word = word * 1664525u + 1013904223u;
            records[i][j] = (uint8_t)(word >> 24);
        }
        records[i][0] %= AE_CIFAR10_LABELS;
    }
    return 0;
}

static void a_published_file_is_known_by_its_md5(void **state) {
    (void)state;
    ae_cifar10_part part = {"data_batch_1.bin", records[0], RECORDS};
    char md5[AE_HASH_TEXT_SIZE];
    ae_md5_of(records[0], (size_t)RECORDS * AE_CIFAR10_RECORD, md5);
    assert_true(ae_cifar10_is_published(&part, md5));
    records[RECORDS - 1][AE_CIFAR10_RECORD - 1] ^= 1; /* the last bit of the file counts */
    assert_false(ae_cifar10_is_published(&part, md5));
    part.count = RECORDS - 1; /* nobody can tell */
    assert_true(ae_cifar10_is_published(&part, md5));
    records[RECORDS - 1][AE_CIFAR10_RECORD - 1] ^= 1;
}

/* The script that fetches the files checks them by the same hashes, in the same order. */
static void the_published_hashes_stand_alike_in_both_places(void **state) {
    (void)state;
    static char text[16384];
    FILE *file = fopen(AE_SOURCE_DIR "/src/data/cifar10_fetch.cmake", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *next = text;
    for (int i = 0; i < FILES; ++i) {
        assert_int_equal(strlen(ae_cifar10_md5[i]), 32);
        next = strstr(next, ae_cifar10_md5[i]);
        assert_non_null(next);
    }
}

static void blank_images_are_counted(void **state) {
    (void)state;
    static uint8_t few[5][AE_CIFAR10_RECORD];
    ae_cifar10_part part = {"test_batch.bin", few[0], 5};
    assert_int_equal(ae_cifar10_blank(&part), 5);
    memset(few[1] + 1, 200, AE_CIFAR_VALUES);
    few[1][0] = 3;                     /* the label is no pixel */
    few[2][1] = 1;                     /* the first pixel, */
    few[3][AE_CIFAR_VALUES] = 1;       /* the last, */
    few[4][AE_CIFAR_VALUES / 2] = 255; /* one within */
    assert_int_equal(ae_cifar10_blank(&part), 2);
    part = (ae_cifar10_part){"data_batch_1.bin", records[0], RECORDS};
    assert_int_equal(ae_cifar10_blank(&part), 0);
}

static void parts_are_those_that_are_read(void **state) {
    (void)state;
    ae_cifar10_part parts[FILES];
    ae_cifar10_split(parts, records[0], 12000, 300);
    const int64_t counts[FILES] = {10000, 2000, 0, 0, 0, 300};
    for (int i = 0; i < FILES; ++i) {
        assert_int_equal(parts[i].count, counts[i]);
        assert_string_equal(parts[i].name, ae_cifar10_names[i]);
    }
    assert_ptr_equal(parts[1].records, records[10000]);
    assert_ptr_equal(parts[5].records, records[12000]);
}

static void repeated_files_are_found(void **state) {
    (void)state;
    ae_cifar10_part parts[FILES];
    ae_cifar10_split(parts, records[0], 12000, 300);
    for (int i = 0; i < FILES; ++i) assert_int_equal(ae_cifar10_repeats(parts, i), -1);
    parts[5].records = records[10000]; /* the test images are those of data_batch_2.bin */
    assert_int_equal(ae_cifar10_repeats(parts, 5), 1);
    assert_int_equal(ae_cifar10_repeats(parts, 1), -1); /* told once, of the later one */
    parts[5].records = records[0];
    assert_int_equal(ae_cifar10_repeats(parts, 5), 0);
    parts[1].records = records[0];
    assert_int_equal(ae_cifar10_repeats(parts, 1), 0);
}

/* The folder `name` below the test's is refused, with `words` and the way to CIFAR-10. */
static void check_advice(const char *name, const char *words) {
    char dir[128];
    snprintf(dir, sizeof dir, "%s%s", folder, name);
    check_refused(ae_cifar_check(&ae_cifar10, dir), AE_ERROR_DATA, words);
    check_refused(ae_cifar_check(&ae_cifar10, dir), AE_ERROR_DATA, AE_CIFAR10_CURE);
}

static void what_is_there_instead_is_told(void **state) {
    (void)state;
    check_advice("", "there is an empty folder; fetch");
    put_text("py/data_batch_1", "");
    put_text("mat/data_batch_1.mat", "");
    put_text("hundred/train.bin", "");
    put_text("hundredpy/meta", "");
    put_text("archive/cifar-10-binary.tar.gz", "");
    put_text("packed/data_batch_1.bin.gz", "");
    put_text("partly/data_batch_1.bin", "");
    put_text("partly/test_batch.bin.xz", "");
    put_text("other/notes.txt", "");
    check_advice("/py", "/py' holds CIFAR-10's Python version, where the binary one is read");
    check_advice("/mat", "/mat' holds CIFAR-10's MATLAB version");
    check_advice("/hundred", "/hundred' holds CIFAR-100, where CIFAR-10 is read");
    check_advice("/hundredpy", "/hundredpy' holds CIFAR-100's Python version");
    check_advice("/archive", "/archive' holds the archive, not unpacked: unpack it with tar -xzf");
    check_advice("/archive/cifar-10-batches-bin", "does not exist; there is only");
    check_advice("/archive/cifar-10-batches-bin", "/archive' holds the archive, not unpacked");
    check_advice("/archive/cifar-10-binary.tar.gz", "is not a folder, but an empty file");
    check_advice("/archive/cifar-10-binary.tar.gz", "/archive' holds the archive, not unpacked");
    check_advice("/packed", "/packed' holds batches compressed: unpack them with gunzip");
    check_advice("/partly/none", "/partly' holds batches compressed: unpack them with unxz");
    check_advice("/other", "there is a folder with notes.txt; fetch");
}

static void batches_elsewhere_are_found(void **state) {
    (void)state;
    for (int i = 0; i < FILES; ++i) {
        char name[64];
        check_advice("", "data_batch_1.bin' is missing");
        snprintf(name, sizeof name, "within/%s", ae_cifar10_names[i]);
        put_text(name, "");
        snprintf(path, sizeof path, "%s/within' holds all six", folder);
        if (i < FILES - 1) assert_null(strstr(ae_message(), path));
    }
    check_advice("", "/within' holds all six batches: set data.dir to it");
    check_advice("/within/deeper", "/within' holds all six batches: set data.dir to it");
    check_advice("/none", "/within' holds all six batches: set data.dir to it");
}

static void what_is_no_batch_is_told(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s/data_batch_1.bin", folder);
    assert_int_equal(symlink("/gone/data_batch_1.bin", path), 0);
    check_advice("", "is missing; there is a link to '/gone/data_batch_1.bin', where there is "
                     "nothing");
    unlink(path);
    put_text("data_batch_1.bin", "<!DOCTYPE html> 404");
    check_advice("", "has 19 bytes where 30730000 were expected: it is a web page");
    put_text("data_batch_1.bin", "\x1f\x8b");
    check_advice("", "it is a gzip archive");
    put_text("data_batch_1.bin", "abc");
    check_advice("", "it is cut short");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_file_is_known_by_its_md5),
        cmocka_unit_test(the_published_hashes_stand_alike_in_both_places),
        cmocka_unit_test(blank_images_are_counted),
        cmocka_unit_test(parts_are_those_that_are_read),
        cmocka_unit_test(repeated_files_are_found),
        TEST(what_is_there_instead_is_told),
        TEST(batches_elsewhere_are_found),
        TEST(what_is_no_batch_is_told),
    };
    return cmocka_run_group_tests(tests, make_records, NULL);
}
