/* Quotes around values, and options that are paths: what a shell would do to them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"

/* Reads an ini text and one override (or NULL). The caller destroys the result. */
static ae_status read_config(ae_config **config, const char *text, const char *override) {
    ae_status status =
        ae_config_create(config, "a.ini", text, strlen(text), &override, override ? 1 : 0);
    if (status == AE_OK) status = ae_config_expand_paths(*config, false);
    if (status == AE_OK) status = ae_config_expand_paths(*config, true);
    return status;
}

/* Printed and read again, with no variable set, it must be the same path. */
static void check_reads_back(const ae_config *config, const char *wanted) {
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ae_config_print(config, file);
    fclose(file);
    ae_config *again;
    char *home = strdup(getenv("HOME"));
    unsetenv("HOME");
    if (read_config(&again, text, NULL) != AE_OK) fail_msg("refused: %s", ae_message());
    assert_string_equal(ae_config_settings(again)->run.dir, wanted);
    setenv("HOME", home, 1);
    ae_config_destroy(&again);
    free(home);
    free(text);
}

/* "[run] dir = WRITTEN" in a file, and if `both` by --set too, must be the path `wanted`. */
static void check_path(const char *written, const char *wanted, bool both) {
    char text[4096];
    snprintf(text, sizeof text, "[run]\ndir = %s\n", written);
    for (int by_set = 0; by_set <= both; ++by_set) {
        char override[4096];
        ae_config *config;
        snprintf(override, sizeof override, "run.dir=%s", written);
        if (read_config(&config, by_set ? "" : text, by_set ? override : NULL) != AE_OK)
            fail_msg("refused: %s: %s", written, ae_message());
        assert_string_equal(ae_config_settings(config)->run.dir, wanted);
        check_reads_back(config, wanted);
        ae_config_destroy(&config);
    }
}

static void refuse_path(const char *written, const char *part, bool both) {
    char text[4096], override[4096];
    ae_config *config;
    snprintf(text, sizeof text, "[run]\ndir = %s\n", written);
    snprintf(override, sizeof override, "run.dir=%s", written);
    for (int by_set = 0; by_set <= both; ++by_set) {
        ae_status status = read_config(&config, by_set ? "" : text, by_set ? override : NULL);
        if (status == AE_OK) fail_msg("taken: %s", written);
        assert_int_equal(status, AE_ERROR_USAGE);
        const char *where = by_set ? "--set run.dir: " : "a.ini:2: [run] dir: ";
        if (strstr(ae_message(), where) != ae_message() || !strstr(ae_message(), part))
            fail_msg("'%s' is not in: %s", part, ae_message());
        ae_config_destroy(&config);
    }
}

static void test_quotes(void **state) {
    (void)state;
    check_path("\"runs/my run\"", "runs/my run", true);
    check_path("'runs/my run'", "runs/my run", true);
    check_path("\"/a/Run #3/x\"", "/a/Run #3/x", true);
    check_path("'a ; b'", "a ; b", true);
    check_path("\" a \"", " a ", true);
    check_path("'it''s'", "it's", true);
    check_path("\"a\"\"b\"", "a\"b", true);
    check_path("'a\"b'", "a\"b", true);
    check_path("it's", "it's", true);
    check_path("runs/a#b", "runs/a#b", true);
    check_path("'a' # not 'b'", "a", false);
    check_path("\"a # b\"\t; c", "a # b", false);
    refuse_path("\"runs/my run", "begins with a quote and doesn't end with it", true);
    refuse_path("'", "begins with a quote and doesn't end with it", true);
    refuse_path("'a'b", "has text after the closing quote", true);
    refuse_path("'a'#b", "has text after the closing quote", true);
    refuse_path("\"\"", "is no value", true);
}

static void test_quotes_of_other_values(void **state) {
    (void)state;
    ae_config *config;
    const char *text = "[train]\nbatch = \"64\" # images\nloss = 'l1'\n"
                       "[noise]\nsigma = '0.5'\ntest_sigma = \"sigma\"\n"
                       "[model]\nlayers = \"conv 8 3 relu, tconv 3 3 none\"\n";
    assert_int_equal(read_config(&config, text, "optimizer.name='sgd'"), AE_OK);
    const ae_settings *settings = ae_config_settings(config);
    assert_int_equal(settings->train.batch, 64);
    assert_int_equal(settings->train.loss, AE_LOSS_L1);
    assert_int_equal(settings->optimizer.name, AE_SGD);
    assert_true(settings->noise.test_sigma.values[0] == 0.5);
    assert_string_equal(settings->model.layers, "conv 8 3 relu, tconv 3 3 none");
    ae_config_destroy(&config);
    assert_int_equal(read_config(&config, "[train]\nbatch = '64 #'\n", NULL), AE_ERROR_USAGE);
    assert_non_null(strstr(ae_message(), "[train] batch: ''64 #'' has text after the whole"));
}

static void test_variables(void **state) {
    (void)state;
    setenv("HOME", "/home of/me", 1);
    setenv("AE_TEST_1", "/scratch", 1);
    setenv("AE_TEST_ODD", "$HOME'#", 1);
    unsetenv("AE_TEST_UNSET");
    setenv("AE_TEST_EMPTY", "", 1);
    setenv("AE_TEST_BAD", "a\nb", 1);
    check_path("~/runs/x", "/home of/me/runs/x", true);
    check_path("~", "/home of/me", true);
    check_path("\"~/my run\"", "/home of/me/my run", true);
    check_path("$AE_TEST_1/ae", "/scratch/ae", true);
    check_path("${AE_TEST_1}a/$AE_TEST_1-b", "/scratcha//scratch-b", true);
    check_path("\"$AE_TEST_1/a b\"", "/scratch/a b", true);
    check_path("$AE_TEST_ODD", "$HOME'#", true); /* what a variable holds is taken as it is */
    check_path("a/~/b~", "a/~/b~", true);
    check_path("'~/a'", "~/a", true);
    check_path("'$AE_TEST_1/a'", "$AE_TEST_1/a", true);
    check_path("'${AE_TEST_UNSET'", "${AE_TEST_UNSET", true);
    refuse_path(
        "$AE_TEST_UNSET/a",
        "$AE_TEST_UNSET stands for the environment variable AE_TEST_UNSET, which is not set", true);
    refuse_path("a/${AE_TEST_UNSET}", "${AE_TEST_UNSET} stands for", true);
    refuse_path("$AE_TEST_EMPTY/a", "AE_TEST_EMPTY, which is empty", true);
    refuse_path("$AE_TEST_BAD/a", "AE_TEST_BAD holds a control character", true);
    refuse_path("~me/a", "'~me/a' begins with the home of another", true);
    unsetenv("HOME");
    refuse_path("~/a", "~ stands for the environment variable HOME, which is not set", true);
    setenv("HOME", "/home of/me", 1);
    static const char *const bad[] = {"a$",          "a/$/b",           "$1",    "${}",
                                      "${AE_TEST_1", "${AE_TEST_1:-x}", "$(pwd)"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i)
        refuse_path(bad[i], "begins neither $NAME nor ${NAME}", true);
}

/* A path may have 1023 bytes with what its variables hold, and not one more. */
static void test_lengths(void **state) {
    (void)state;
    char value[1025], wanted[1026];
    memset(value, 'v', 1024);
    value[1022] = '\0';
    setenv("AE_TEST_LONG", value, 1);
    snprintf(wanted, sizeof wanted, "%sa", value);
    check_path("${AE_TEST_LONG}a", wanted, true);
    refuse_path("${AE_TEST_LONG}ab", "too long", true);
    refuse_path("ab$AE_TEST_LONG", "too long", true);
    char quotes[2 * 1023 + 1];
    memset(quotes, '\'', sizeof quotes - 1);
    quotes[sizeof quotes - 1] = '\0';
    memset(wanted, '\'', 1023);
    wanted[1023] = '\0';
    char written[2 * 1024 + 1];
    snprintf(written, sizeof written, "'%s'", quotes);
    check_path(written, wanted, true);
}

static void test_what_a_shell_would_change(void **state) {
    (void)state;
    refuse_path("runs/my\\ run", "holds a \\ or ` that a shell would act on", true);
    refuse_path("\"`pwd`\"", "holds a \\ or ` that a shell would act on", true);
    refuse_path("runs/\"my run\"", "holds a \" that a shell would take off", true);
    refuse_path("\u201Cruns/x\u201D", "<U+201C>runs/x<U+201D>' begins with a quote", true);
    refuse_path("runs/x\u00A0", "'runs/x<U+00A0>' holds an invisible character", true);
    refuse_path("runs/x\u200B# note", "holds an invisible character", true);
    check_path("'runs/my\\ run'", "runs/my\\ run", true);
    check_path("\"x\u00A0\"", "x\u00A0", true);
    check_path("John\u2019s \u00E9t\u00E9", "John\u2019s \u00E9t\u00E9", true);
}

/* What ae_warn() says while the text is read. */
static void check_warned(const char *text, const char *part) {
    char said[4096];
    ae_config *config;
    FILE *file = tmpfile();
    fflush(stderr);
    FILE *kept = stderr;
    stderr = file;
    ae_status status = read_config(&config, text, NULL);
    stderr = kept;
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(status, AE_OK);
    ae_config_destroy(&config);
    if (part ? !strstr(said, part) : said[0]) fail_msg("said: %s", said);
}

static void test_a_comment_that_cuts_a_path(void **state) {
    (void)state;
    refuse_path("/a/Run #3/x", "'/a/Run' would be cut by a comment, '#3/x'", false);
    refuse_path("/a/Run ;x", "'/a/Run' would be cut by a comment, ';x'", false);
    ae_config *config; /* by --set nothing is cut, but which of both is meant? */
    assert_int_equal(read_config(&config, "", "run.dir=/a/Run #3/x"), AE_ERROR_USAGE);
    assert_non_null(strstr(ae_message(), "begin a comment"));
    assert_int_equal(read_config(&config, "[train]\ninit_from = #3/x\n", NULL), AE_ERROR_USAGE);
    check_warned("[train]\ninit_from = # none\n", NULL);
    check_path("/a/Run # 3/x", "/a/Run", false);
    check_warned("[run]\ndir = /a/Run # 3/x\n", "a.ini:2: [run] dir: the path is '/a/Run', and "
                                                "'# 3/x' a comment");
    check_warned("[data]\ndir = d ; x\n", "a.ini:2: [data] dir: the path is 'd'");
    check_warned("[run]\ndir = \"/a/Run\" # 3/x\n[train]\nbatch = 3 # images\n", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_quotes_of_other_values),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_a_shell_would_change),
        cmocka_unit_test(test_a_comment_that_cuts_a_path),
    };
    setenv("HOME", "/home of/me", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
