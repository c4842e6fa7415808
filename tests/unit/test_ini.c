/* The ini file: lines, how long they may be, and values of several lines. */
#include "read_config.h"

static void test_lines(void **state) {
    (void)state;
    REFUSE("[train]\nbatch 5\n", PATH ":2: 'batch 5' has no =", "allowed: [section], key = value");
    REFUSE("\nbatch = 5\n", PATH ":2: ", "batch stands outside a section");
    REFUSE("[train]\n = 5\n", PATH ":2: ", "no key before the =");
    REFUSE("[train\n", PATH ":1: '[train' has no closing ]");
    REFUSE("[train] batch = 5\n", PATH ":1: ", "text after ]: ' batch = 5'");
    REFUSE("[train]]\n", PATH ":1: ", "text after ]: ']'");
    REFUSE("[train]\nbatch =\n", PATH ":2: [train] batch: '' is no value",
           "allowed: a whole number");
    REFUSE("[train]\nbatch = # 5\n", PATH ":2: [train] batch: '' is no value");
    REFUSE("[run]\ndir =\n", PATH ":2: [run] dir: '' is no value", "allowed: a text of 1 to 1023");
    REFUSE("[train]\nbatch = 5\n[run]\n[train]\nbatch = 5\n",
           PATH ":5: [train] batch is a duplicate of line 2", "allowed: each key once");
    static const char nul[] = "[train]\nbatch = 5\0\n";
    refuse_bytes(nul, sizeof nul - 1, PARTS(PATH ":2: ", "holds a NUL byte", "UTF-8 text"));
    REFUSE("\n# caf\xE9\n", PATH ":2: ", "not UTF-8");
    REFUSE("# \xC0\xAF\n", PATH ":1: ", "not UTF-8");         /* overlong */
    REFUSE("# \xED\xA0\x80\n", PATH ":1: ", "not UTF-8");     /* surrogate */
    REFUSE("# \xF4\x90\x80\x80\n", PATH ":1: ", "not UTF-8"); /* beyond U+10FFFF */
    REFUSE("# \xE2\x82", PATH ":1: ", "not UTF-8");           /* cut */
    REFUSE("[run]\ndir = a\x1B[2J\n", PATH ":2: ", "control character");
    REFUSE("[run]\ndir = a\xC2\x85\n", PATH ":2: ", "control character");
    REFUSE("[run]\rdir = a\n", PATH ":1: ", "control character");
}

static void test_lengths(void **state) {
    (void)state;
    static char text[1 << 17];
    static const struct {
        const char *key;
        int size;
        const char *allowed;
    } keys[] = {{"[run]\ndir = ", AE_TEXT_SIZE, "allowed: a text of 1 to 1023 bytes"},
                {"[data]\ndir = ", AE_TEXT_SIZE, "allowed: a text of 1 to 1023 bytes"},
                {"[model]\nlayers = ", AE_LAYERS_SIZE, "allowed: a text of 1 to 16383 bytes"}};
    for (size_t i = 0; i < 3; ++i) {
        char *value = text + snprintf(text, sizeof text, "%s", keys[i].key);
        memset(value, 'x', (size_t)keys[i].size);
        value[keys[i].size] = '\0';
        REFUSE(text, PATH ":2: [", "too long", keys[i].allowed);
        value[keys[i].size - 1] = '\0';
        ae_config *config = accept(text, NULL);
        check_round_trip(config);
        ae_config_destroy(&config);
    }
    memset(text, '#', 65537);
    text[65537] = '\0';
    REFUSE(text, PATH ":1: ", "too long", "at most 65536");
    text[65536] = '\0';
    ae_config *config = accept(text, NULL);
    ae_config_destroy(&config);
    size_t size = (1 << 20) + 1;
    char *large = calloc(size, 1);
    refuse_bytes(large, size, PARTS(PATH ": ", "too large"));
    free(large);
    /* A long faulty name is cut between characters. */
    memset(text, 'k', 83);
    strcpy(text + 83, "\xC3\xA9\xC3\xA9 = 1");
    const char *overrides[] = {text};
    memcpy(text, "run.", 4);
    assert_int_equal(ae_config_create(&config, PATH, "", 0, overrides, 1), AE_ERROR_USAGE);
    check_message(PARTS("kkk in [run]"));
}

#define LAYERS "conv 8 3 relu, tconv 3 3 sigmoid"

static void check_layers(const char *text, const char *layers) {
    ae_config *config = accept(text, NULL);
    assert_string_equal(ae_config_settings(config)->model.layers, layers);
    check_round_trip(config);
    ae_config_destroy(&config);
}

/* Values of several lines, as Python's configparser takes them. */
static void test_continuation(void **state) {
    (void)state;
    check_layers("[model]\nlayers = conv 8 3 relu,\n  tconv 3 3 sigmoid\n[train]\n", LAYERS);
    check_layers("[model]\r\nlayers =\r\n\tconv 8 3 relu,\r\n\ttconv 3 3 sigmoid", LAYERS);
    check_layers("[model]\nlayers = conv 8 3 relu, # one\n\n# two\n   ; three\n"
                 "      tconv 3 3 sigmoid ; four\n[run]\nseed = 1\n",
                 LAYERS);
    check_layers("  [model]\n  layers = conv 8 3 relu,\n   tconv 3 3 sigmoid\n  init = he\n",
                 LAYERS);
    ae_config *config = accept("[train]\n  batch = 7\n  block = 3\n epochs = 5\n", NULL);
    assert_int_equal(ae_config_settings(config)->train.batch, 7);
    assert_int_equal(ae_config_settings(config)->train.epochs, 5);
    ae_config_destroy(&config);
    config = accept("[model]\nlayers = a,\n b\n[train]\n", NULL);
    assert_string_equal(ae_config_where(config, AE_OPTION(model, layers)),
                        PATH ":2: [model] layers");
    ae_config_destroy(&config);

    REFUSE("[train]\nbatch = 7\n  epochs = 5\n",
           PATH ":3: 'epochs = 5' begins with more blanks "
                "than batch above, and would go on with its value; take the blanks away");
    REFUSE("[train]\nbatch = 7\n [run]\n", PATH ":3: '[run]' begins with more blanks than batch");
    REFUSE("[run]\ndir = 'a\n  b'\n", PATH ":3: 'b'' begins with more blanks than dir above, whose "
                                           "value is in quotes and so ends on its line");
    REFUSE("[train]\nbatch = 7\n 8\n", PATH ":2: [train] batch: '7 8' has text after");
    REFUSE("[run]\ndir =\n  runs/Run #3\n", PATH ":2: [run] dir: 'runs/Run' would be cut by a "
                                                 "comment, '#3'");
    REFUSE("[model]\nlayers = a,\n b\xFF\n", PATH ":3: the line holds bytes that are not UTF-8");
    REFUSE("[model]\n layers = a,\nlayers = b\n",
           PATH ":3: [model] layers is a duplicate of line 2");
}

/* As many lines as it takes: up to what an option holds. */
static void test_long_values(void **state) {
    (void)state;
    static char text[1 << 17], value[1 << 17];
    strcpy(text, "[model]\nlayers = conv 8 3 relu");
    strcpy(value, "conv 8 3 relu");
    const char *line = ",\n    conv 8 3 relu";
    while (strlen(value) + strlen(", conv 8 3 relu") < AE_LAYERS_SIZE) {
        strcat(text, line);
        strcat(value, ", conv 8 3 relu");
    }
    check_layers(text, value);
    ae_config *config = accept(text, NULL);
    char *print = printed(config);
    assert_non_null(strstr(print, "\nlayers = conv 8 3 relu, conv 8 3 relu, "));
    assert_non_null(strstr(print, " relu,\n    conv 8 3 relu, "));
    for (const char *at = print, *end; (end = strchr(at, '\n')); at = end + 1)
        assert_true(at[0] == '#' || end - at <= 100);
    free(print);
    ae_config_destroy(&config);
    for (int i = 0; i < 200; ++i) strcat(text, line);
    REFUSE(text, PATH ":2: [model] layers: ", "too long", "1 to 16383");
    for (int i = 0; i < 2000; ++i) strcat(text, line);
    REFUSE(text, "the value of layers is too long");
    /* Texts that would be read as another on several lines stay on one. */
    memset(value, 'x', 120);
    static const char *const ends[] = {",  y", ", y = 1", ", [y]", ", \ty", ", 'y'", ", #y", ", y"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; ++i) {
        strcpy(value + 120, ends[i]);
        snprintf(text, sizeof text, "[model]\nlayers = \"%s\"\n", value);
        check_layers(text, value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_continuation),
        cmocka_unit_test(test_long_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
