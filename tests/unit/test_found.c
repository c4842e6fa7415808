/* base/found.h: what stands at a path is told for what it is. */
#include <fcntl.h>
#include "files.h"

#include "base/found.h"

static const char *found_at(const char *name) {
    static char text[AE_FOUND_SIZE];
    char where[128];
    snprintf(where, sizeof where, "%s/%s", folder, name);
    return ae_found_at(text, where);
}

static void put(const char *name, const void *bytes, size_t size) {
    char where[128];
    snprintf(where, sizeof where, "%s/%s", folder, name);
    FILE *file = fopen(where, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void files_are_told_by_their_content(void **state) {
    (void)state;
    put("empty", "", 0);
    assert_string_equal(found_at("empty"), "an empty file");
    put("text.gz", "only its name is of gzip", 24);
    assert_string_equal(found_at("text.gz"), "a file of 24 bytes");
    put("results.ini", "\x89HDF\r\n\x1a\n and more", 17);
    assert_string_equal(found_at("results.ini"), "an HDF5 file");
    put("short", "\x89HDF\r\n\x1a", 7);
    assert_string_equal(found_at("short"), "a file of 7 bytes");
    put("batch", "\x1f\x8b\x08", 3);
    assert_string_equal(found_at("batch"), "a gzip archive");
    put("batch", "\x80\x02}q", 4);
    assert_string_equal(found_at("batch"), "a Python pickle");
    put("batch", "<!DOCTYPE html>", 15);
    assert_string_equal(found_at("batch"), "a web page");
    put("batch", "version https://git-lfs.github.com/spec/v1", 42);
    assert_non_null(strstr(found_at("batch"), "git lfs pull"));
    char tar[512] = "data_batch_1.bin";
    memcpy(tar + 257, "ustar", 5);
    put("batch", tar, sizeof tar);
    assert_string_equal(found_at("batch"), "a tar archive");
    assert_null(ae_found_kind(NULL, 0));
    assert_null(ae_found_kind("[run]\nseed = 1\n", 15));
}

static void folders_are_told_by_their_names(void **state) {
    (void)state;
    char text[AE_FOUND_SIZE], want[AE_FOUND_SIZE];
    assert_string_equal(ae_found_at(text, folder), "an empty folder");
    put("b", "", 0);
    put("a", "", 0);
    put(".hidden", "", 0);
    assert_string_equal(ae_found_at(text, folder), "a folder with a, b");
    for (char name[] = "c"; name[0] <= 'i'; ++name[0]) put(name, "", 0);
    assert_string_equal(ae_found_at(text, folder), "a folder with a, b, c, d, e, f and 3 more");

    snprintf(want, sizeof want, "only '%s', a folder with a, b, c, d, e, f and 3 more", folder);
    assert_string_equal(found_at("none"), want);
    assert_string_equal(found_at("none/deeper/"), want);
    snprintf(want, sizeof want, "only '%s/a', an empty file", folder);
    assert_string_equal(found_at("a/below"), want);
    assert_memory_equal(ae_found_at(text, "/nonexistent/folder"), "only '/', a folder with", 23);
    assert_memory_equal(ae_found_at(text, "none.ini"), "only '.', a folder", 18);
}

static void links_are_told_by_their_ends(void **state) {
    (void)state;
    char link[128];
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(symlink("/nowhere/at all", link), 0);
    assert_string_equal(found_at("link"), "a link to '/nowhere/at all', where there is nothing");
    unlink(link);
    put("there", "abc", 3);
    assert_int_equal(symlink("there", link), 0);
    assert_string_equal(found_at("link"), "a file of 3 bytes");
    unlink(link);
    assert_int_equal(mkfifo(link, 0600), 0); /* isn't opened: that would wait for a writer */
    assert_string_equal(found_at("link"), "a pipe, socket or device");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(files_are_told_by_their_content),
        TEST(folders_are_told_by_their_names),
        TEST(links_are_told_by_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
