/* The configuration: what is read, what is refused and with which message, what is printed. */
#include "read_config.h"

#include <math.h>

#include "config/options.h"

static void test_defaults(void **state) {
    (void)state;
    ae_config *config;
    assert_int_equal(ae_config_create(&config, PATH, NULL, 0, NULL, 0), AE_OK);
    const ae_settings *settings = ae_config_settings(config);
    assert_string_equal(settings->run.dir, "runs/a");
    assert_int_equal(settings->run.seed, 0);
    assert_int_equal(settings->run.resume, AE_RESUME_AUTO);
    assert_int_equal(settings->data.source, AE_SOURCE_DEADLEAVES);
    assert_string_equal(settings->data.dir, "data/cifar-10-batches-bin");
    assert_string_equal(settings->model.layers,
                        "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid");
    assert_int_equal(settings->train.pretrain_epochs, 0);
    assert_int_equal(settings->train.epochs, 20);
    assert_int_equal(settings->train.batch, 100);
    assert_int_equal(settings->train.block, AE_BLOCK_AUTO);
    assert_int_equal(settings->model.output, AE_OUTPUT_DIRECT);
    assert_int_equal(settings->model.init, AE_INIT_PYTORCH);
    assert_true(settings->noise.sigma[0] == 0 && settings->noise.sigma[1] == 0);
    assert_true(settings->noise.test_sigma.count == 1 && settings->noise.test_sigma.values[0] == 0);
    assert_true(settings->noise.clamp_min == -1 && settings->noise.clamp_max == 1);
    assert_int_equal(settings->optimizer.name, AE_ADAM);
    assert_true(settings->optimizer.lr == 0.001 && settings->optimizer.epsilon == 1e-8);
    assert_true(settings->optimizer.beta1 == 0.9 && settings->optimizer.beta2 == 0.999);
    assert_int_equal(settings->schedule.name, AE_SCHEDULE_CONSTANT);
    assert_int_equal(settings->output.keep, 3);
    assert_string_equal(ae_config_ini(config), "");
    check_round_trip(config);
    ae_config_destroy(&config);
    assert_null(config);
    ae_config_destroy(&config); /* nothing */
}

static void test_reading(void **state) {
    (void)state;
    const char *text = "\xEF\xBB\xBF# comment\r\n"
                       "  [train] ; comment\r\n"
                       "\tbatch\t=  64 # comment\r\n"
                       "\r\n"
                       "loss=l1\r\n"
                       "; comment = 1\n"
                       "[ run ]\n"
                       "dir = runs/a#b;c=d \xC3\xA9t\xC3\xA9\n"
                       "[train]\n"
                       "block = 3";
    ae_config *config = accept(text, NULL);
    const ae_settings *settings = ae_config_settings(config);
    assert_int_equal(settings->train.batch, 64);
    assert_int_equal(settings->train.block, 3);
    assert_int_equal(settings->train.loss, AE_LOSS_L1);
    assert_string_equal(settings->run.dir, "runs/a#b;c=d \xC3\xA9t\xC3\xA9");
    assert_string_equal(ae_config_ini(config), text);
    check_round_trip(config);
    ae_config_destroy(&config);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1", 1},       {"0.5", 0.5},  {".5", 0.5}, {"2.", 2},
                {"1e-3", 1e-3}, {"1E+2", 100}, {"007", 7},  {"0.1000000000000000055", 0.1}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; ++i) {
        char override[64];
        snprintf(override, sizeof override, "optimizer.lr=%s", good[i].text);
        ae_config *config = accept("", override);
        assert_true(ae_config_settings(config)->optimizer.lr == good[i].value);
        ae_config_destroy(&config);
    }
    static const char *const bad[] = {"x",    "0x1p3",    "+1",  "1,5", "nan",    "inf",
                                      "-inf", "infinity", "1e",  "1e+", "1..2",   "--1",
                                      ".",    "e5",       "1 2", "1f",  "NAN(1)", "-"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
        char override[64], shown[64];
        snprintf(override, sizeof override, "optimizer.lr=%s", bad[i]);
        snprintf(shown, sizeof shown, "'%s'", bad[i]);
        REFUSE_SET(override, "--set optimizer.lr: ", shown, "number",
                   "allowed: a number above 0, up to 1000");
    }
    ae_config *config =
        accept("[noise]\nclamp_min = -0\nclamp_max=-0.0e-5\n[run]\nseed=-0\n", "noise.clamp_max=1");
    assert_false(signbit(ae_config_settings(config)->noise.clamp_min));
    assert_string_equal(value_of(config, "noise.clamp_min"), "0");
    ae_config_destroy(&config);
}

static void test_bounds(void **state) {
    (void)state;
    ae_config *config = accept("[run]\nseed = 9007199254740991\n", NULL);
    assert_int_equal(ae_config_settings(config)->run.seed, 9007199254740991);
    assert_string_equal(value_of(config, "run.seed"), "9007199254740991");
    check_round_trip(config);
    ae_config_destroy(&config);

    REFUSE("[run]\nseed = 9007199254740992\n", PATH ":2: [run] seed: '9007199254740992'",
           "out of range", "allowed: a whole number from 0 to 9007199254740991");
    REFUSE("[run]\nseed = 99999999999999999999999999\n", PATH ":2: [run] seed", "out of range");
    REFUSE("[run]\nseed = -1\n", PATH ":2: [run] seed: '-1'", "out of range");
    REFUSE("[train]\n\nbatch = 0\n", PATH ":3: [train] batch: '0'", "out of range",
           "allowed: a whole number from 1 to 1000000");
    REFUSE("[noise]\nsigma = -0.1\n", PATH ":2: [noise] sigma: '-0.1'", "out of range",
           "allowed: a number from 0 to 10");
    REFUSE("[optimizer]\nlr = nan\n", PATH ":2: [optimizer] lr: 'nan'", "not a number",
           "allowed: a number above 0, up to 1000");
    REFUSE("[optimizer]\nlr = 0\n", "[optimizer] lr: '0'", "out of range", "above 0");
    REFUSE("[optimizer]\nbeta1 = 1\n", "[optimizer] beta1: '1'", "out of range",
           "allowed: a number from 0 to below 1");
    REFUSE("[optimizer]\nlr = 1e999\n", "[optimizer] lr: '1e999'", "out of range");
    REFUSE("[optimizer]\nweight_decay = 1e-999\n", "weight_decay: '1e-999'", "too near to 0");
    REFUSE("[optimizer]\nlr = 4.9406564584124654e-324\n", "[optimizer] lr", "too near to 0");
    REFUSE("[train]\nbatch = 100 images\n", PATH ":2: [train] batch: '100 images'",
           "text after the whole number", "allowed: a whole number from 1");
    REFUSE("[train]\nbatch = 1e2\n", "[train] batch: '1e2'", "text after the whole number");
    REFUSE("[train]\nbatch = many\n", PATH ":2: [train] batch: 'many'", "is not a whole number");
    REFUSE("[train]\nloss = MSE\n", PATH ":2: [train] loss: 'MSE'", "allowed: mse or l1");
    REFUSE("[optimizer]\nname = rmsprop\n", "[optimizer] name: 'rmsprop'",
           "allowed: adam, adamw or sgd");
}

static void test_unknown_names(void **state) {
    (void)state;
    REFUSE("[run]\n[trian]\nbatch = 1\n", PATH ":2: ", "unknown section [trian]",
           "nearest is [train]",
           "allowed: run, data, model, train, noise, mask, optimizer, schedule, output");
    REFUSE("[]\n", PATH ":1: ", "unknown section []");
    REFUSE("[train]\n# one\nepoch = 3\n", PATH ":3: ", "unknown key epoch in [train]",
           "nearest is [train] epochs",
           "allowed in [train]: pretrain_epochs, epochs, batch, block, target, loss");
    REFUSE("[train]\nlr = 3\n", "unknown key lr in [train]", "nearest is [optimizer] lr");
    REFUSE("[noise]\nSIGMA = 3\n", "unknown key SIGMA in [noise]", "nearest is [noise] sigma");
    REFUSE_SET("train.bach=5", "--set: unknown key bach in [train]", "nearest is [train] batch");
    REFUSE_SET("trai.batch=5", "--set: unknown section [trai]", "nearest is [train]");
}

static void test_overrides(void **state) {
    (void)state;
    const char *overrides[] = {"train.batch=5", "run.dir = elsewhere ", "train.batch=7"};
    const char *text = "[train]\nbatch = 50\n[model]\nlayers = conv 8 3 relu\n";
    ae_config *config;
    assert_int_equal(ae_config_create(&config, PATH, text, strlen(text), overrides, 3), AE_OK);
    assert_int_equal(ae_config_settings(config)->train.batch, 7);
    assert_string_equal(ae_config_settings(config)->run.dir, "elsewhere");
    assert_string_equal(ae_config_where(config, AE_OPTION(train, batch)), "--set train.batch");
    assert_string_equal(ae_config_where(config, AE_OPTION(model, layers)),
                        PATH ":4: [model] layers");
    assert_string_equal(ae_config_where(config, AE_OPTION(noise, sigma)), "noise.sigma (default)");
    ae_config_destroy(&config);
    REFUSE_SET("", "--set ''", "allowed: section.key=value");
    REFUSE_SET("train.batch", "--set 'train.batch'", "allowed: section.key=value");
    REFUSE_SET("batch=5.0", "--set 'batch=5.0'", "allowed: section.key=value");
    REFUSE_SET("train.batch=", "--set train.batch: '' is no value", "a whole number");
    REFUSE_SET("train.batch=0", "--set train.batch: '0'", "out of range");
    REFUSE_SET("run.dir=a\nb", "--set: ", "control character");
    REFUSE_SET("run.dir=a\xFF", "--set: ", "not UTF-8");
    REFUSE_SET("run.dir=a #b", "--set run.dir: 'a #b'", "begin a comment");
    REFUSE_SET("run.dir=;b", "--set run.dir: ';b'", "begin a comment");
}

static void test_run_folder(void **state) {
    (void)state;
    static const char *const paths[][2] = {
        {"a.ini", "runs/a"},           {"x/b.c.ini", "runs/b.c"}, {"./c", "runs/c"},
        {"/d.INI", "runs/d.INI"},      {"a b.ini", "runs/a b"},   {"a #.ini", "runs/a #"},
        {"~/$HOME.ini", "runs/$HOME"}, {"a\\b.ini", "runs/a\\b"}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; ++i) {
        ae_config *config;
        assert_int_equal(ae_config_create(&config, paths[i][0], "", 0, NULL, 0), AE_OK);
        assert_string_equal(ae_config_settings(config)->run.dir, paths[i][1]);
        assert_string_equal(ae_config_where(config, AE_OPTION(run, dir)), "run.dir (default)");
        check_round_trip(config);
        ae_config_destroy(&config);
    }
    static const char *const nameless[] = {"", "x/", ".ini", "...ini", "a\n.ini", "a\xE9.ini"};
    for (size_t i = 0; i < sizeof nameless / sizeof nameless[0]; ++i) {
        ae_config *config;
        assert_int_equal(ae_config_create(&config, nameless[i], "", 0, NULL, 0), AE_ERROR_USAGE);
        assert_null(config);
        check_message(PARTS("run"));
        const char *override = "run.dir=there";
        assert_int_equal(ae_config_create(&config, nameless[i], "", 0, &override, 1), AE_OK);
        ae_config_destroy(&config);
    }
}

static void test_test_sigma(void **state) {
    (void)state;
    ae_config *config = accept("[noise]\nsigma = 0.1\n", NULL);
    assert_true(ae_config_settings(config)->noise.test_sigma.values[0] == 0.1);
    assert_string_equal(value_of(config, "noise.test_sigma"), "0.1");
    check_round_trip(config);
    ae_config_destroy(&config);
    config = accept("[noise]\ntest_sigma = 0.3\nsigma = 0.1\n", "noise.test_sigma=sigma");
    assert_true(ae_config_settings(config)->noise.test_sigma.values[0] == 0.1);
    ae_config_destroy(&config);
    config = accept("[noise]\ntest_sigma = sigma\nsigma = 0.1\n", "noise.test_sigma=0.3");
    assert_true(ae_config_settings(config)->noise.test_sigma.values[0] == 0.3);
    ae_config_destroy(&config);
    REFUSE("[noise]\ntest_sigma = sigmas\n", PATH ":2: [noise] test_sigma: 'sigmas'",
           "allowed: up to 16 numbers from 0 to 10, or the word sigma");
    REFUSE("[noise]\nsigma = sigma\n", PATH ":2: [noise] sigma: 'sigma' is not a number");
}

static void test_range_of_sigma(void **state) {
    (void)state;
    ae_config *config =
        accept("[noise]\nsigma = 0 .. 0.2\ntest_sigma = 0.1, 0 0.2\n", "noise.clamp_on=test");
    const ae_settings *settings = ae_config_settings(config);
    assert_true(settings->noise.sigma[0] == 0 && settings->noise.sigma[1] == 0.2);
    assert_int_equal(settings->noise.test_sigma.count, 3);
    assert_true(settings->noise.test_sigma.values[0] == 0.1);
    assert_true(settings->noise.test_sigma.values[2] == 0.2);
    assert_string_equal(value_of(config, "noise.sigma"), "0 .. 0.2");
    assert_string_equal(value_of(config, "noise.test_sigma"), "0.1 0 0.2");
    check_round_trip(config);
    ae_config_destroy(&config);
    REFUSE("[noise]\nsigma = 0 .. 0.2\n", "noise.test_sigma (default): is as noise.sigma",
           "that is a range, 0 .. 0.2 (" PATH ":2: [noise] sigma); name the numbers to test with");
    REFUSE("[noise]\nsigma = 0.2 .. 0.1\n", PATH ":2: [noise] sigma: '0.2 .. 0.1' is not a range",
           "that rises; allowed: a number from 0 to 10, or a range of such, A .. B");
}

static void test_kinds_of_noise(void **state) {
    (void)state;
    ae_config *config = accept("[noise]\nkind = poisson\nsigma = 0.01\nlevel = 20 .. 60\n",
                               "noise.test_level=20 60");
    const ae_settings *settings = ae_config_settings(config);
    assert_int_equal(settings->noise.kind, AE_NOISE_POISSON);
    assert_true(settings->noise.level[0] == 20 && settings->noise.level[1] == 60);
    assert_true(settings->noise.test_level.count == 2 && settings->noise.test_sigma.count == 1);
    check_round_trip(config);
    ae_config_destroy(&config);
    config = accept("[noise]\nkind = speckle\nlevel = 0 .. 0.3\ntest_level = 0 0.3\n", NULL);
    check_round_trip(config);
    ae_config_destroy(&config);
    config = accept("[noise]\nkind = salt_pepper\nlevel = 1\ntest_sigma = 0 0.1\n", NULL);
    ae_config_destroy(&config);
    REFUSE("[noise]\nlevel = 0.5\n", PATH ":2: [noise] level: is 0.5, but noise.kind is gaussian",
           "(noise.kind (default)): its level is noise.sigma; leave this out");
    REFUSE("[noise]\ntest_level = 0 2\n", PATH ":2: [noise] test_level: is 0 2, but noise.kind is");
    REFUSE("[noise]\nkind = poisson\n", "noise.level (default): is 0, but noise.kind is poisson",
           "(" PATH ":2: [noise] kind): set it to the photons at white, above 0");
    REFUSE("[noise]\nkind = poisson\nlevel = 0 .. 9\ntest_level = 9\n", "photons at white");
    REFUSE("[noise]\nkind = poisson\nlevel = 9\ntest_level = 9 0\n", "photons at white");
    REFUSE("[noise]\nkind = speckle\ntest_level = 1\n", "noise.level (default): is 0", "above 0");
    REFUSE("[noise]\nkind = salt_pepper\nlevel = 1.1\n", PATH ":3: [noise] level: is 1.1",
           "share of pixels, at most 1");
    REFUSE("[noise]\nkind = speckle\nlevel = 1 .. 2\n",
           "noise.test_level (default): is as noise.level");
    REFUSE("[noise]\nkind = speckle\nlevel = 1\ntest_level = 1 2 3\ntest_sigma = 0 1\n",
           PATH ":4: [noise] test_level: is 1 2 3, but must be one number, or as many numbers as ",
           "noise.test_sigma, which is 0 1 (" PATH ":5: [noise] test_sigma)");
}

static void test_no_clamp(void **state) {
    (void)state;
    ae_config *config = accept("[noise]\nclamp_min = none\nclamp_max = none\n", NULL);
    assert_true(ae_config_settings(config)->noise.clamp_min == -INFINITY);
    assert_true(ae_config_settings(config)->noise.clamp_max == INFINITY);
    assert_string_equal(value_of(config, "noise.clamp_max"), "none");
    check_round_trip(config);
    ae_config_destroy(&config);
}

static void test_pairs(void **state) {
    (void)state;
    REFUSE("[noise]\nclamp_min = 1\n", PATH ":2: [noise] clamp_min: is 1",
           "must be below noise.clamp_max, which is 1 (noise.clamp_max (default))");
    REFUSE("[noise]\nclamp_max = -2.5\n", "noise.clamp_min (default): is -1", "-2.5",
           PATH ":2: [noise] clamp_max");
    REFUSE("[noise]\nclamp_min = 1\nclamp_max = no\n", PATH ":3: [noise] clamp_max: 'no' is not a",
           "allowed: a number from -1000 to 1000, or the word none");
    REFUSE("[train]\nblock = 8\nbatch = 7\n", PATH ":2: [train] block: is 8",
           "at most train.batch, which is 7 (" PATH ":3: [train] batch)");
    REFUSE_SET("schedule.min_lr=0.5", "--set schedule.min_lr: is 0.5", "optimizer.lr", "0.001");
    REFUSE("[train]\nepochs = 0\n", PATH ":2: [train] epochs", "no epoch to train", "at least 1");
    ae_config *config = accept("[train]\nepochs = 0\npretrain_epochs = 1\n", NULL);
    ae_config_destroy(&config);
}

static void test_targets(void **state) {
    (void)state;
    ae_config *config = accept("[train]\ntarget = masked\n[mask]\nfill = median\n", NULL);
    assert_int_equal(ae_config_settings(config)->train.target, AE_TARGET_MASKED);
    assert_int_equal(ae_config_settings(config)->mask.fill, AE_MASK_FILL_MEDIAN);
    assert_int_equal(ae_config_settings(config)->mask.window, 11);
    assert_true(ae_config_settings(config)->mask.percent == 0.2);
    check_round_trip(config);
    ae_config_destroy(&config);
    REFUSE("[train]\ntarget = masked\npretrain_epochs = 2\n", PATH ":3: [train] pretrain_epochs: ",
           "is 2, but train.target is masked (" PATH
           ":2: [train] target): there are no clean images");
    REFUSE("[train]\ntarget = other\n", PATH ":2: [train] target: is other, but noise.sigma is 0",
           "an image is compared with itself; set that above 0, or data.other");
    config = accept("[train]\ntarget = other\n[noise]\nkind = poisson\nlevel = 9\n", NULL);
    ae_config_destroy(&config);
}

#define OTHER "[train]\ntarget = other\n[data]\nsource = hdf5\nother = a.h5:/a\n"

static void test_others(void **state) {
    (void)state;
    REFUSE("[data]\nsource = idx\nother = a\n", PATH ":3: [data] other: is a, but train.target is ",
           "clean (train.target (default)): set that to other, or leave this out");
    REFUSE("[data]\nother = a\n[train]\ntarget = other\n", "is a, but data.source is deadleaves",
           "set that to idx, hdf5 or pictures, or leave this out");
    REFUSE("[data]\nother_test = a\n", PATH ":2: [data] other_test: is a, but data.other is empty",
           "set that too, or neither");
    REFUSE(OTHER "test = b\n",
           "data.other_test (default): is empty, but data.test is b (" PATH ":6: ",
           "what those are compared with: where they are clean, to the same");
    REFUSE(OTHER "other_test = b\n", "other_test: is b, but data.test is empty", "leave it out");
    ae_config *config = accept(OTHER "test = b\nother_test = c\n", NULL);
    ae_config_destroy(&config);
    config = accept(OTHER "test_fraction = 0.1\n", NULL);
    ae_config_destroy(&config);
}

static void test_round_trip_of_reals(void **state) {
    (void)state;
    static const char *const texts[] = {"0.1",
                                        "0.30000000000000004",
                                        "1e-300",
                                        "2.2250738585072014e-308",
                                        "0.0010000000000000002",
                                        "0.3333333333333333"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; ++i) {
        char override[64];
        snprintf(override, sizeof override, "optimizer.lr=%s", texts[i]);
        ae_config *config = accept("", override);
        assert_string_equal(value_of(config, "optimizer.lr"), texts[i]);
        check_round_trip(config);
        ae_config_destroy(&config);
    }
}

static void test_table(void **state) {
    (void)state;
    char *help = printed(NULL);
    ae_config *config = accept("", NULL);
    char *print = printed(config);
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        assert_non_null(strstr(help, ae_config_name(i)));
        assert_non_null(strstr(help, ae_option_at(i)->help));
        assert_non_null(strstr(print, ae_option_at(i)->help));
    }
    assert_non_null(strstr(print,
                           "# Images in a step, over all ranks (unit: images; a whole number from "
                           "1 to 1000000; default 100)\nbatch = 100\n"));
    assert_non_null(strstr(help, "runs/<name of the ini file>"));
    free(print);
    free(help);
    ae_config_destroy(&config);
    assert_int_equal(ae_config_effect(index_of("run.dir")), AE_EFFECT_NONE);
    assert_int_equal(ae_config_effect(index_of("run.resume")), AE_EFFECT_NONE);
    assert_int_equal(ae_config_effect(index_of("data.dir")), AE_EFFECT_NONE);
    assert_int_equal(ae_config_effect(index_of("output.keep")), AE_EFFECT_NONE);
    assert_int_equal(ae_config_effect(index_of("run.seed")), AE_EFFECT_NUMBERS);
    assert_int_equal(ae_config_effect(index_of("train.block")), AE_EFFECT_NUMBERS);
}

/* A shipped configuration. The caller destroys it. */
static ae_config *read_shipped(const char *name) {
    char path[512], text[16384];
    snprintf(path, sizeof path, AE_SOURCE_DIR "/configs/%s.ini", name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("can't open %s", path);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_true(size < sizeof text);
    ae_config *config;
    if (ae_config_create(&config, path, text, size, NULL, 0) != AE_OK)
        fail_msg("refused: %s", ae_message());
    return config;
}

static void check_reference(const char *name, int pretrain_epochs, int epochs, double sigma) {
    char override[64];
    snprintf(override, sizeof override, "run.dir=runs/%s", name);
    ae_config *config = read_shipped(name), *defaults = accept("", override);
    const ae_settings *settings = ae_config_settings(config);
    assert_int_equal(settings->data.source, AE_SOURCE_CIFAR10);
    assert_int_equal(settings->train.pretrain_epochs, pretrain_epochs);
    assert_int_equal(settings->train.epochs, epochs);
    assert_true(settings->noise.sigma[0] == sigma && settings->noise.sigma[1] == sigma);
    assert_true(settings->noise.test_sigma.values[0] == sigma);
    static const char *const own[] = {"data.source", "train.pretrain_epochs", "train.epochs",
                                      "noise.sigma", "noise.test_sigma"};
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        bool is_own = false;
        for (int j = 0; j < 5; ++j) is_own |= strcmp(ae_config_name(i), own[j]) == 0;
        if (is_own) continue;
        assert_string_equal(value_of(config, ae_config_name(i)),
                            value_of(defaults, ae_config_name(i)));
    }
    check_round_trip(config);
    ae_config_destroy(&defaults);
    ae_config_destroy(&config);
}

static void test_shipped(void **state) {
    (void)state;
    check_reference("reconstruct20", 0, 20, 0);
    check_reference("reconstruct50", 0, 50, 0);
    check_reference("denoise20", 20, 20, 0.1);
    check_reference("denoise50", 50, 50, 0.1);
    ae_config *config = read_shipped("quickstart");
    assert_int_equal(ae_config_settings(config)->data.source, AE_SOURCE_DEADLEAVES);
    assert_string_equal(ae_config_settings(config)->run.dir, "runs/quickstart");
    check_round_trip(config);
    ae_config_destroy(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_run_folder),
        cmocka_unit_test(test_test_sigma),
        cmocka_unit_test(test_no_clamp),
        cmocka_unit_test(test_kinds_of_noise),
        cmocka_unit_test(test_range_of_sigma),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_round_trip_of_reals),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_shipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
