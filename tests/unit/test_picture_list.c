/* picture/: which files a folder, a text or a picture stands for. */
#include "files.h"

#include "picture/picture.h"

/* What `name` in the folder stands for is these names, in this order, with comma and space between;
 * and each is a file. */
static void check_names(const char *name, const char *names) {
    char where[256], found[4096] = "";
    ae_picture_list list;
    snprintf(where, sizeof where, "%s/%s", folder, name);
    check_ok(ae_picture_list_read(&list, where, NULL));
    for (int64_t i = 0; i < list.count; ++i) {
        strcat(strcat(found, i > 0 ? ", " : ""), list.files[i].name);
        if (access(list.files[i].path, F_OK) != 0) fail_msg("no '%s'", list.files[i].path);
    }
    assert_string_equal(found, names);
    ae_picture_list_release(&list);
}

static void check_none(const char *name, const char *reason) {
    char where[256];
    ae_picture_list list;
    snprintf(where, sizeof where, "%s/%s", folder, name);
    check_refused(ae_picture_list_read(&list, where, NULL), AE_ERROR_DATA, reason);
    assert_null(list.files);
    assert_int_equal(list.count, 0);
}

static void a_folder_is_walked_in_the_order_of_bytes(void **state) {
    (void)state;
    static const char *const names[] = {
        "in/b.png",      "in/a/z.tif",   "in/a.png",     "in/a-b.jpg",      "in/B.JPEG",
        "in/10.tiff",    "in/9.tif",     "in/a/b/c.png", "in/\xc3\xa4.png", "in/.hid.png",
        "in/.hid/x.png", "in/notes.txt", "in/a/x.bmp",   "in/x.png.tmp.123"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) put_text(names[i], "");
    const char *sorted = "10.tiff, 9.tif, B.JPEG, a-b.jpg, a.png, a/b/c.png, a/z.tif, b.png, "
                         "\xc3\xa4.png";
    check_names("in", sorted);
    check_names("in/", sorted);
    check_names("in/a", "b/c.png, z.tif");
    ae_picture_list list;
    snprintf(path, sizeof path, "%s/in", folder);
    check_ok(ae_picture_list_read(&list, path, NULL));
    assert_int_equal(list.others, 3);
    assert_non_null(strstr("notes.txt a/x.bmp x.png.tmp.123", list.other));
    ae_picture_list_release(&list);
}

static void links_are_followed_and_cycles_end(void **state) {
    (void)state;
    char link[256], target[256];
    put_text("other/x.png", "");
    put_text("in/a.png", "");
    snprintf(link, sizeof link, "%s/in/linked", folder);
    snprintf(target, sizeof target, "%s/other", folder);
    assert_int_equal(symlink(target, link), 0);
    snprintf(link, sizeof link, "%s/in/again", folder);
    assert_int_equal(symlink(".", link), 0);
    check_names("in", "a.png, linked/x.png");
}

static void a_folder_for_output_is_left_out(void **state) {
    (void)state;
    char out[256], in[256];
    ae_picture_list list;
    put_text("in/a.png", "");
    put_text("in/out/a.png", "");
    snprintf(in, sizeof in, "%s/in", folder);
    snprintf(out, sizeof out, "%s/in/../in/out", folder);
    check_ok(ae_picture_list_read(&list, in, out));
    assert_int_equal(list.count, 1);
    ae_picture_list_release(&list);
    check_ok(ae_picture_list_read(&list, out, out));
    assert_int_equal(list.count, 1);
    ae_picture_list_release(&list);
}

static void a_text_keeps_its_order(void **state) {
    (void)state;
    char text[512];
    put_text("in/b.png", "");
    put_text("in/a b.png", "");
    put_text("in/sub/c.tif", "");
    put_text("d.png", "");
    snprintf(text, sizeof text, "# mine\nb.png\n\n  ./a b.png \r\nsub/c.tif\n../d.png\n%s/d.png",
             folder);
    put_text("in/list.txt", text);
    check_names("in/list.txt", "b.png, a b.png, sub/c.tif, d.png, d.png");
}

static void a_picture_is_itself(void **state) {
    (void)state;
    put_text("in/a.png", "");
    put_text("in/picture", "\x89PNG\r\n\x1a\n");
    check_names("in/a.png", "a.png");
    check_names("in/picture", "picture");
}

static void what_holds_no_picture_is_told(void **state) {
    (void)state;
    put_text("in/notes.md", "");
    put_text("empty.txt", "# nothing\n\n");
    put_text("data.bin", "\x01\x02");
    check_none("in", "there are no pictures in");
    check_none("in", "a folder with notes.md");
    check_none("empty.txt", "there are no pictures in");
    check_none("nowhere", "there is no");
    check_none("data.bin", "neither a picture nor a list of pictures, but a file of 2 bytes");
    check_none("in/notes.md", "an empty file");
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    check_none("pipe", "a pipe, socket or device");
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(a_folder_is_walked_in_the_order_of_bytes),
                                       TEST(links_are_followed_and_cycles_end),
                                       TEST(a_folder_for_output_is_left_out),
                                       TEST(a_text_keeps_its_order),
                                       TEST(a_picture_is_itself),
                                       TEST(what_holds_no_picture_is_told)};
    return cmocka_run_group_tests_name("picture_list", tests, NULL, NULL);
}
