/* Text for people and for a shell. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/status.h"
#include "base/text.h"

static void check_shown(const char *text, const char *wanted) {
    char shown[256];
    ae_text_show(shown, sizeof shown, text);
    assert_string_equal(shown, wanted);
}

static void test_misleading_characters_are_shown(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"sigma\u00A0", "sigma<U+00A0>"},           /* no-break space */
        {"sig\u200Bma", "sig<U+200B>ma"},           /* zero-width space */
        {"\uFEFFsigma", "<U+FEFF>sigma"},           /* byte order mark */
        {"\u22121", "<U+2212>1"},                   /* minus sign */
        {"\u2013\u2013set", "<U+2013><U+2013>set"}, /* en dash */
        {"\u201Ca\u201D", "<U+201C>a<U+201D>"},     /* curly quotes */
        {"\uFF11", "<U+FF11>"},                     /* full-width 1 */
        {"sigm\u0430", "sigm<U+0430>"},             /* Cyrillic a */
        {"\u0430lpha", "<U+0430>lpha"},
        {"a\x1B[2J\x7F", "a<U+001B>[2J<U+007F>"},
        {"\xC2\x85\U000E0041", "<U+0085><U+E0041>"},
        {"caf\xE9", "caf<0xE9>"},
        {"\xE2\x88", "<0xE2><0x88>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
        check_shown(cases[i][0], cases[i][1]);
}

static void test_others_stay(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "a b\n    c\td ~!\"'<U+00A0>",
        "\u00E9t\u00E9 \u00D7 5 \u00B5m",
        "\u0434\u0430\u043D\u043D\u044B\u0435/\u043E\u043F\u044B\u0442", /* letters of one script */
        "\u03B1\u03BF \u65E5\u672C\u8A9E \U0001F600",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) check_shown(cases[i], cases[i]);
}

static void test_shown_is_cut_between_characters(void **state) {
    (void)state;
    char shown[12];
    ae_text_show(shown, 12, "abc\u00A0\u00A0"); /* abc<U+00A0> are 11 bytes */
    assert_string_equal(shown, "abc<U+00A0>");
    ae_text_show(shown, 11, "abc\u00A0");
    assert_string_equal(shown, "abc");
    ae_text_show(shown, 3, "a\u00E9");
    assert_string_equal(shown, "a");
    ae_text_show(shown, 1, "a");
    assert_string_equal(shown, "");
}

static void test_messages_show_them(void **state) {
    (void)state;
    assert_int_equal(ae_fail(AE_ERROR_USAGE, "key %s", "sigma\u00A0"), AE_ERROR_USAGE);
    assert_string_equal(ae_message(), "key sigma<U+00A0>");
    ae_fail(AE_ERROR_USAGE, "once more: %s", ae_message());
    assert_string_equal(ae_message(), "once more: key sigma<U+00A0>");
}

/* What a shell makes of the words it is given, each on a line. */
static void shell_reads(const char *words, char *read, size_t size) {
    char command[4096];
    snprintf(command, sizeof command, "printf '[%%s]' %s", words);
    FILE *shell = popen(command, "r");
    assert_non_null(shell);
    read[fread(read, 1, size - 1, shell)] = '\0';
    assert_int_equal(pclose(shell), 0);
}

static void test_a_shell_reads_the_same_word(void **state) {
    (void)state;
    static const char *const words[] = {
        "runs/a-1_b.c", "runs/my cfg", "~",     "$HOME",  "it's", "a\"b",        "''",
        "a#b",          "#",           "*",     "a;b|c&", "`ls`", "\\",          "a\nb",
        "!x",           "{a,b}",       "a=b c", "(x)",    "",     "\u00E9\u00A0"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; ++i) {
        char quoted[256], wanted[256], read[256];
        assert_true(AE_TEXT_QUOTED_SIZE(strlen(words[i])) <= sizeof quoted);
        ae_text_quote(quoted, words[i]);
        snprintf(wanted, sizeof wanted, "[%s]", words[i]);
        shell_reads(quoted, read, sizeof read);
        assert_string_equal(read, wanted);
    }
    char quoted[64], read[64];
    ae_text_quote(quoted, "runs/a-1_b.c");
    assert_string_equal(quoted, "runs/a-1_b.c"); /* bare where it can be */
    shell_reads("runs/my cfg", read, sizeof read);
    assert_string_equal(read, "[runs/my][cfg]"); /* what the comparison is there to see */
}

static void test_room_for_quotes(void **state) {
    (void)state;
    char quoted[AE_TEXT_QUOTED_SIZE(3) + 1];
    memset(quoted, 'x', sizeof quoted);
    ae_text_quote(quoted, "'''");
    assert_int_equal(strlen(quoted) + 1, AE_TEXT_QUOTED_SIZE(3));
    assert_int_equal(quoted[AE_TEXT_QUOTED_SIZE(3)], 'x');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misleading_characters_are_shown),
        cmocka_unit_test(test_others_stay),
        cmocka_unit_test(test_shown_is_cut_between_characters),
        cmocka_unit_test(test_messages_show_them),
        cmocka_unit_test(test_a_shell_reads_the_same_word),
        cmocka_unit_test(test_room_for_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
