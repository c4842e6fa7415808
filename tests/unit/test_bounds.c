/* What options take at the edge of what is documented: each bound itself, and the next value
 * beyond. The table is written once more here, by hand, and held against the program's and its
 * --help. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"
#include "config/options.h"

/* An option that is a number. */
typedef struct bounds {
    const char *name;
    double low, high;
    const char *documented; /* in --help */
    bool low_open, high_open;
} bounds;

#define WHOLE(low, high) low, high, "a whole number from " #low " to " #high, false, false
#define REAL(low, high) low, high, "a number from " #low " to " #high, false, false
#define ABOVE(low, high) low, high, "a number above " #low ", up to " #high, true, false
#define BELOW(low, high) low, high, "a number from " #low " to below " #high, false, true

/* clang-format off */
static const bounds table[] = {
    {"run.seed", WHOLE(0, 9007199254740991)},
    {"run.time_limit", WHOLE(0, 1000000000)},
    {"run.stall_seconds", WHOLE(0, 1000000000)},
    {"run.slow_percent", WHOLE(0, 1000000)},
    {"data.train_images", WHOLE(0, 10000000)},
    {"data.test_images", WHOLE(0, 10000000)},
    {"data.test_fraction", BELOW(0, 1)},
    {"data.patch", WHOLE(0, 4096)},
    {"data.crops", WHOLE(1, 1000000)},
    {"train.pretrain_epochs", WHOLE(0, 1000000)},
    {"train.epochs", WHOLE(0, 1000000)},
    {"train.batch", WHOLE(1, 1000000)},
    {"train.block", 1, 1000000, "a whole number from 1 to 1000000, or the word auto", false, false},
    {"train.skip_steps", WHOLE(0, 1000000000)},
    {"train.validation_images", WHOLE(0, 10000000)},
    {"train.patience", WHOLE(0, 1000000)},
    {"mask.percent", ABOVE(0, 100)},
    {"mask.window", WHOLE(3, 31)},
    {"noise.clamp_min", -1000, 1000, "a number from -1000 to 1000, or the word none", false, false},
    {"noise.clamp_max", -1000, 1000, "a number from -1000 to 1000, or the word none", false, false},
    {"optimizer.lr", ABOVE(0, 1000)},
    {"optimizer.beta1", BELOW(0, 1)},
    {"optimizer.beta2", BELOW(0, 1)},
    {"optimizer.epsilon", REAL(1e-30, 1)},
    {"optimizer.momentum", BELOW(0, 1)},
    {"optimizer.weight_decay", REAL(0, 100)},
    {"optimizer.clip_norm", REAL(0, 1000000)},
    {"schedule.warmup_steps", WHOLE(0, 1000000000)},
    {"schedule.step_epochs", WHOLE(1, 1000000)},
    {"schedule.step_factor", ABOVE(0, 1)},
    {"schedule.min_lr", REAL(0, 1000)},
    {"output.checkpoint_epochs", WHOLE(1, 1000000)},
    {"output.checkpoint_steps", WHOLE(0, 1000000000)},
    {"output.checkpoint_minutes", REAL(0, 1000000)},
    {"output.keep", WHOLE(1, 1000000)},
    {"output.test_epochs", WHOLE(0, 1000000)},
    {"output.reconstructions", WHOLE(0, 1000000)},
    {"output.reconstruction_epochs", WHOLE(1, 1000000)},
};
/* clang-format on */

/* The options that others must not be above, below or without, moved out of the way of a bound. */
static const char far_apart[] = "[noise]\nclamp_min = -1000\nclamp_max = 1000\n"
                                "[train]\nbatch = 1000000\npretrain_epochs = 1\n"
                                "validation_images = 1\n"
                                "[optimizer]\nlr = 1000\n";

static const bounds *find(const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; ++i)
        if (strcmp(table[i].name, name) == 0) return &table[i];
    fail_msg("%s isn't in the table of this test: write its bounds there", name);
    return NULL;
}

/* Is SECTION.KEY = VALUE taken over `text`? Then it must be the option's value. */
static bool takes(const char *text, const char *name, const char *value) {
    char override[2 * AE_LAYERS_SIZE];
    snprintf(override, sizeof override, "%s=%s", name, value);
    const char *overrides[] = {override};
    ae_config *config;
    ae_status status = ae_config_create(&config, "a.ini", text, strlen(text), overrides, 1);
    for (int i = 0; status == AE_OK && i < AE_OPTION_COUNT; ++i) {
        if (strcmp(ae_config_name(i), name) != 0) continue;
        char is[AE_VALUE_SIZE];
        ae_config_value(config, i, is);
        const ae_option *option = ae_option_at(i);
        if (ae_option_is_text(option) || option->kind == AE_OPTION_CHOICE ||
            (option->word && strcmp(value, option->word) == 0))
            assert_string_equal(is, value);
        else
            assert_true(strtod(is, NULL) == strtod(value, NULL));
    }
    ae_config_destroy(&config);
    return status == AE_OK;
}

/* Is a number taken? A refusal must be for its range. */
static bool takes_number(const char *name, double value) {
    char text[64];
    snprintf(text, sizeof text, "%.17g", value);
    bool taken = takes(far_apart, name, text);
    if (!taken && !strstr(ae_message(), "is out of range; allowed: "))
        fail_msg("%s: %s", name, ae_message());
    return taken;
}

/* The next number in a direction: by one for whole ones, and from 0 the first normal one. */
static double beyond(const ae_option *option, double value, double direction) {
    if (option->kind == AE_OPTION_WHOLE) return value + direction;
    return value == 0 ? direction * DBL_MIN : nextafter(value, direction * INFINITY);
}

static void check_bound(const ae_option *option, double bound, bool is_open, double outwards) {
    double inside = beyond(option, bound, -outwards), outside = beyond(option, bound, outwards);
    if (!takes_number(option->name, inside)) fail_msg("%s: %.17g", option->name, inside);
    if (takes_number(option->name, bound) == is_open) fail_msg("%s: %.17g", option->name, bound);
    if (takes_number(option->name, outside)) fail_msg("%s: %.17g", option->name, outside);
}

static bool is_number(const ae_option *option) {
    return option->kind == AE_OPTION_WHOLE || option->kind == AE_OPTION_REAL;
}

/* clamp_min at clamp_max's bound, and the other way round, are what test_pairs() is about. */
static bool is_bound_of_pair(const char *name, bool is_high) {
    return strcmp(name, is_high ? "noise.clamp_min" : "noise.clamp_max") == 0;
}

static void test_numbers(void **state) {
    (void)state;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        if (!is_number(option)) continue;
        const bounds *known = find(option->name);
        if (!is_bound_of_pair(option->name, false))
            check_bound(option, known->low, known->low_open, -1);
        if (!is_bound_of_pair(option->name, true))
            check_bound(option, known->high, known->high_open, 1);
    }
}

/* Where the pair holds the one back, the range does it too, one further. */
static void test_numbers_of_pairs(void **state) {
    (void)state;
    assert_true(takes_number("noise.clamp_min", nextafter(1000, 0)));
    assert_false(takes_number("noise.clamp_min", nextafter(1000, 2000)));
    assert_true(takes_number("noise.clamp_max", nextafter(-1000, 0)));
    assert_false(takes_number("noise.clamp_max", nextafter(-1000, -2000)));
}

static void test_documented(void **state) {
    (void)state;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        char allowed[AE_OPTION_ALLOWED_SIZE];
        if (!is_number(option)) continue;
        ae_option_allowed(option, allowed);
        assert_string_equal(allowed, find(option->name)->documented);
    }
}

static bool may_be_empty(const char *name) {
    static const char *const names[] = {"train.init_from", "data.train", "data.test", "data.other",
                                        "data.cache"};
    for (size_t n = 0; n < sizeof names / sizeof *names; ++n)
        if (strcmp(name, names[n]) == 0) return true;
    return false;
}

/* All else that is needed for a path. */
static const char *beside_path(const char *name) {
    if (strcmp(name, "data.other") == 0)
        return "[data]\nsource = hdf5\n[train]\ntarget = other\n[noise]\nsigma = 1\n";
    if (strcmp(name, "data.other_test") == 0)
        return "[data]\nsource = hdf5\nother = a\ntest = b\n[train]\ntarget = other\n";
    return "";
}

/* Paths of 1 to 1023 bytes, or of none where that means something; layers of up to 16383. */
static void test_texts(void **state) {
    (void)state;
    char text[16384 + 1];
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        if (!ae_option_is_text(ae_option_at(i))) continue;
        const size_t size = strcmp(ae_config_name(i), "model.layers") == 0 ? 16384 : 1024;
        const char *beside = beside_path(ae_config_name(i));
        memset(text, 'x', sizeof text);
        text[size] = '\0';
        assert_false(takes(beside, ae_config_name(i), text));
        text[size - 1] = '\0';
        assert_true(takes(beside, ae_config_name(i), text));
        text[1] = '\0';
        assert_true(takes(beside, ae_config_name(i), text));
        text[0] = '\0';
        assert_int_equal(takes(beside, ae_config_name(i), text), may_be_empty(ae_config_name(i)));
    }
}

/* All else that is needed for what options of [noise] may be. */
static const char any_noise[] =
    "[noise]\nkind = speckle\ntest_sigma = 0\nlevel = 1\ntest_level = 1\n";

/* What `name` takes and refuses. */
static void check_texts(const char *name, const char *const *taken, const char *const *refused) {
    for (int t = 0; taken[t]; ++t)
        if (!takes(any_noise, name, taken[t])) fail_msg("%s: %s", name, taken[t]);
    for (int r = 0; refused[r]; ++r)
        if (takes(any_noise, name, refused[r])) fail_msg("%s: %s", name, refused[r]);
}

static void check_allowed(int option, const char *documented) {
    char allowed[AE_OPTION_ALLOWED_SIZE];
    ae_option_allowed(ae_option_at(option), allowed);
    assert_string_equal(allowed, documented);
}

/* One or two whole numbers. */
static void test_sides(void **state) {
    (void)state;
    static const char *const taken[] = {"1", "4096", "1 4096", "4096 1", "7\t 8", NULL};
    static const char *const refused[] = {"0",   "4097", "1 0", "0 1", "1 4097",      "1 2 3", "-1",
                                          "1,2", "1.5",  "x",   "1 x", "12345678901", NULL};
    check_texts("data.size", taken, refused);
    const char *override = "data.size=20 30";
    ae_config *config;
    assert_int_equal(ae_config_create(&config, "a.ini", "", 0, &override, 1), AE_OK);
    char value[AE_VALUE_SIZE];
    ae_config_value(config, AE_OPTION(data, size), value);
    assert_string_equal(value, "20 30");
    assert_true(ae_config_settings(config)->data.size[0] == 20);
    assert_true(ae_config_settings(config)->data.size[1] == 30);
    ae_config_destroy(&config);
    check_allowed(AE_OPTION(data, size), "one or two whole numbers from 1 to 4096");
}

/* Two numbers that differ, or none. */
static void test_range(void **state) {
    (void)state;
    static const char *const taken[] = {"auto",  "0 1",      "1 0",   "-1e30 1e30", "0.5 \t-2.5",
                                        "0,255", "0 , -1.5", "1,\t2", NULL};
    static const char *const refused[] = {
        "1",     "1 1", "1 2 3", "0 1.1e30", "-1.1e30 0", "1,",  ",1",   "1,,2", "1,2,",
        "1,2,3", "1,1", "1;2",   "auto 1",   "1 auto",    "x y", "1 2x", NULL};
    check_texts("data.range", taken, refused);
    const char *override = "data.range=-0.5,4095";
    ae_config *config;
    assert_int_equal(ae_config_create(&config, "a.ini", "", 0, &override, 1), AE_OK);
    char value[AE_VALUE_SIZE];
    ae_config_value(config, AE_OPTION(data, range), value);
    assert_string_equal(value, "-0.5 4095");
    assert_true(ae_config_settings(config)->data.range[0] == -0.5);
    assert_true(ae_config_settings(config)->data.range[1] == 4095);
    ae_config_destroy(&config);
    check_allowed(AE_OPTION(data, range), "two numbers from -1e+30 to 1e+30, or the word auto");
}

/* A number, or two that rise. */
static void test_spans(void **state) {
    (void)state;
    static const char *const taken[] = {"0",        "10",      "-0",
                                        "0 .. 10",  "0..10",   "0.. 1",
                                        ".5\t..1.", "1e-3..1", "0 .. 2.2250738585072014e-308",
                                        NULL};
    static const char *const refused[] = {"-1e-3",       "10.000000000000002",
                                          "x",           "0 .. 10.000000000000002",
                                          "-1 .. 1",     "1 .. 0",
                                          "1 .. 1",      "0 .. ",
                                          ".. 1",        "0 . 1",
                                          "0 ... 1",     "0 1",
                                          "0 .. 1 .. 2", "0 .. 1x",
                                          "0 .. x",      "0, 1",
                                          "sigma",       "0 .. 1e-320",
                                          NULL};
    check_texts("noise.sigma", taken, refused);
    check_texts("noise.level", (const char *const[]){"1", "1000000000", "0 .. 1e9", NULL},
                (const char *const[]){"-1", "1000000000.0000001", "1 .. 1000000000.0000001", NULL});
    check_allowed(AE_OPTION(noise, level),
                  "a number from 0 to 1000000000, or a range of such, A .. B");
    check_allowed(AE_OPTION(noise, sigma), "a number from 0 to 10, or a range of such, A .. B");
}

/* Up to 16 of them. */
static void test_number_lists(void **state) {
    (void)state;
    static const char *const taken[] = {
        "0", "10", "0 10", "1,0 , 2\t3", "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5", NULL};
    static const char *const refused[] = {"10.000000000000002",
                                          "0 -1",
                                          "0,",
                                          ",0",
                                          "0,,1",
                                          "x",
                                          "0 x",
                                          "0 sigma",
                                          "0 .. 1",
                                          "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6",
                                          NULL};
    check_texts("noise.test_sigma", taken, refused);
    check_texts("noise.test_level", (const char *const[]){"0", "1000000000 0", NULL},
                (const char *const[]){"-1", "1000000000.0000001", NULL});
    check_allowed(AE_OPTION(noise, test_level),
                  "up to 16 numbers from 0 to 1000000000, or the word level");
    check_allowed(AE_OPTION(noise, test_sigma), "up to 16 numbers from 0 to 10, or the word sigma");
}

/* Each choice, and none that is a letter shorter or longer. */
static void test_choices(void **state) {
    (void)state;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        if (option->kind != AE_OPTION_CHOICE) continue;
        for (int c = 0; c < AE_CHOICES_MAX && option->choices[c]; ++c) {
            const bool is_noisy = (i == AE_OPTION(noise, kind) && c != AE_NOISE_GAUSSIAN) ||
                                  (i == AE_OPTION(train, target) && c == AE_TARGET_OTHER);
            const char *needs = !is_noisy                       ? ""
                                : i == AE_OPTION(train, target) ? "[noise]\nsigma = 1\n"
                                                                : any_noise;
            char word[64];
            assert_true(takes(needs, option->name, option->choices[c]));
            snprintf(word, sizeof word, "%ss", option->choices[c]);
            assert_false(takes("", option->name, word));
            snprintf(word, sizeof word, "%s", option->choices[c] + 1);
            assert_false(takes("", option->name, word));
        }
    }
}

/* Two options that are bound to each other, at the bound and on either side of it. */
static void test_pairs(void **state) {
    (void)state;
    assert_false(takes("[noise]\nclamp_max = 0.5\n", "noise.clamp_min", "0.5"));
    assert_true(takes("[noise]\nclamp_max = 0.5\n", "noise.clamp_min", "0.49999999999999994"));
    assert_false(takes("[noise]\nclamp_min = 0.5\n", "noise.clamp_max", "0.5"));
    assert_true(takes("[noise]\nclamp_min = 0.5\n", "noise.clamp_max", "0.50000000000000011"));
    assert_true(takes("[noise]\nclamp_max = -1000\n", "noise.clamp_min", "none"));
    assert_true(takes("[noise]\nclamp_min = 1000\n", "noise.clamp_max", "none"));
    assert_true(takes("[noise]\nclamp_min = none\n", "noise.clamp_max", "none"));

    assert_true(takes("[train]\nbatch = 7\n", "train.block", "7"));
    assert_false(takes("[train]\nbatch = 7\n", "train.block", "8"));
    assert_true(takes("[train]\nblock = 7\n", "train.batch", "7"));
    assert_false(takes("[train]\nblock = 7\n", "train.batch", "6"));

    assert_true(takes("[optimizer]\nlr = 0.5\n", "schedule.min_lr", "0.5"));
    assert_false(takes("[optimizer]\nlr = 0.5\n", "schedule.min_lr", "0.50000000000000011"));
    assert_true(takes("[schedule]\nmin_lr = 0.5\n", "optimizer.lr", "0.5"));
    assert_false(takes("[schedule]\nmin_lr = 0.5\n", "optimizer.lr", "0.49999999999999994"));

    assert_true(takes("[train]\nepochs = 0\n", "train.pretrain_epochs", "1"));
    assert_false(takes("[train]\nepochs = 0\n", "train.pretrain_epochs", "0"));
    assert_true(takes("[train]\npretrain_epochs = 0\n", "train.epochs", "1"));
    assert_false(takes("[train]\npretrain_epochs = 0\n", "train.epochs", "0"));
}

/* Lines of 65536 bytes, and files of 1 MiB: what stands at their very end counts. */
static void test_sizes(void **state) {
    (void)state;
    const size_t most = 1 << 20;
    char *text = malloc(most + 1);
    assert_non_null(text);
    static const char end[] = "\n[train]\nbatch = 7";
    memset(text, '\n', most + 1);
    memcpy(text + most - strlen(end), end, strlen(end));
    ae_config *config;
    assert_int_equal(ae_config_create(&config, "a.ini", text, most, NULL, 0), AE_OK);
    assert_int_equal(ae_config_settings(config)->train.batch, 7);
    ae_config_destroy(&config);
    assert_int_equal(ae_config_create(&config, "a.ini", text, most + 1, NULL, 0), AE_ERROR_USAGE);
    assert_non_null(
        strstr(ae_message(), "too large for a configuration; allowed: at most 1048576"));

    static const char key[] = "[train]\nbatch =";
    memset(text, ' ', most);
    memcpy(text, key, strlen(key));
    size_t line_end = strlen("[train]\n") + 65536;
    memcpy(text + line_end - 1, "7", 1);
    assert_int_equal(ae_config_create(&config, "a.ini", text, line_end, NULL, 0), AE_OK);
    assert_int_equal(ae_config_settings(config)->train.batch, 7);
    ae_config_destroy(&config);
    assert_int_equal(ae_config_create(&config, "a.ini", text, line_end + 1, NULL, 0),
                     AE_ERROR_USAGE);
    assert_non_null(strstr(ae_message(), "a.ini:2: the line is too long: 65537 bytes"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_numbers_of_pairs),
        cmocka_unit_test(test_documented),   cmocka_unit_test(test_texts),
        cmocka_unit_test(test_choices),      cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_sides),
        cmocka_unit_test(test_range),        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_number_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
