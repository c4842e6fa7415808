#include "config/options.h"

#include <stdio.h>
#include <string.h>

/* Parts of a row. */
#define NAME(section_, key_)                                                                       \
    .section = #section_, .key = #key_, .name = #section_ "." #key_,                               \
    .offset = offsetof(ae_settings, section_.key_)
#define REST(initial_, unit_, effect_, help_)                                                      \
    .initial = (initial_), .unit = (unit_), .effect = AE_EFFECT_##effect_, .help = (help_)

/* Bounds: with the value itself, or without it. */
#define FROM(value) .low = (value), .low_open = false
#define ABOVE(value) .low = (value), .low_open = true
#define UPTO(value) .high = (value), .high_open = false
#define BELOW(value) .high = (value), .high_open = true

/* Rows: section, key, default, what is allowed, unit, effect, help. */
/* clang-format off */
#define TEXT(section_, key_, initial_, effect_, help_)                                             \
    {NAME(section_, key_), .kind = AE_OPTION_TEXT, REST(initial_, "", effect_, help_)}
#define PATH(section_, key_, initial_, effect_, help_)                                             \
    {NAME(section_, key_), .kind = AE_OPTION_PATH, REST(initial_, "", effect_, help_)}
#define WHOLE(section_, key_, initial_, low_, high_, unit_, effect_, help_)                        \
    {NAME(section_, key_), .kind = AE_OPTION_WHOLE, low_, high_,                                   \
     REST(initial_, unit_, effect_, help_)}
#define REAL(section_, key_, initial_, low_, high_, unit_, effect_, help_)                         \
    {NAME(section_, key_), .kind = AE_OPTION_REAL, low_, high_,                                    \
     REST(initial_, unit_, effect_, help_)}
#define REAL_LIKE(follows_, section_, key_, low_, high_, unit_, effect_, help_)                    \
    {NAME(section_, key_), .kind = AE_OPTION_REAL, low_, high_, .follows = #follows_,              \
     REST(#follows_, unit_, effect_, help_)}
#define CHOICE(section_, key_, initial_, effect_, help_, ...)                                      \
    {NAME(section_, key_), .kind = AE_OPTION_CHOICE, .choices = {__VA_ARGS__},                     \
     REST(initial_, "", effect_, help_)}

static const ae_option table[] = {
    PATH(run, dir, "runs/<name of the ini file>", NONE,
         "Folder the results and checkpoints are written to"),
    WHOLE(run, seed, "0", FROM(0), UPTO(9007199254740991), "", NUMBERS,
          "Names the random numbers: initial weights, order, noise, generated pictures"),
    CHOICE(run, resume, "auto", NONE,
           "Where the folder holds a run: go on from its newest checkpoint, or refuse",
           [AE_RESUME_AUTO] = "auto", [AE_RESUME_NEVER] = "never"),
    WHOLE(run, time_limit, "0", FROM(0), UPTO(1e9), "seconds", NONE,
          "Time after which it stops with a checkpoint, 0 = none; a Slurm job's end is heeded too"),
    WHOLE(run, stall_seconds, "300", FROM(0), UPTO(1e9), "seconds", NONE,
          "Time without progress after which it gives up, 0 = never"),
    WHOLE(run, slow_percent, "50", FROM(0), UPTO(1e6), "percent", NONE,
          "Warn of ranks that take so much longer than the median, 0 = off"),

    CHOICE(data, source, "deadleaves", NUMBERS, "CIFAR-10 files, or pictures made by the program",
           [AE_SOURCE_CIFAR10] = "cifar10", [AE_SOURCE_DEADLEAVES] = "deadleaves"),
    PATH(data, dir, "data/cifar-10-batches-bin", NONE,
         "Folder of data_batch_1.bin to data_batch_5.bin and test_batch.bin, for cifar10"),
    WHOLE(data, train_images, "0", FROM(0), UPTO(1e7), "images", NUMBERS,
          "Training images: the first so many, 0 = all"),
    WHOLE(data, test_images, "0", FROM(0), UPTO(1e7), "images", NUMBERS,
          "Test images: the first so many, 0 = all"),

    TEXT(model, layers, "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid", NUMBERS,
         "Layers in order: conv or tconv, output channels, kernel side, relu, sigmoid or none"),

    WHOLE(train, pretrain_epochs, "0", FROM(0), UPTO(1e6), "epochs", NUMBERS,
          "Epochs on clean images, before the others"),
    WHOLE(train, epochs, "20", FROM(0), UPTO(1e6), "epochs", EPOCHS,
          "Epochs with the noise of [noise]"),
    WHOLE(train, batch, "100", FROM(1), UPTO(1e6), "images", NUMBERS,
          "Images in a step, over all ranks"),
    WHOLE(train, block, "1", FROM(1), UPTO(1e6), "images", NUMBERS,
          "Images whose gradient one thread computes at a time, at most batch"),
    CHOICE(train, loss, "mse", NUMBERS, "Mean squared or mean absolute error",
           [AE_LOSS_MSE] = "mse", [AE_LOSS_L1] = "l1"),
    WHOLE(train, skip_steps, "0", FROM(0), UPTO(1e9), "steps", NUMBERS,
          "Steps with numbers that aren't finite to leave out before the run stops, 0 = stop at once"),
    WHOLE(train, validation_images, "0", FROM(0), UPTO(1e7), "images", NUMBERS,
          "The last so many training images are kept from training and choose the best checkpoint"),
    PATH(train, init_from, "", NONE,
         "Checkpoint, or folder of a run, whose weights a new run begins with; empty = none"),

    REAL(noise, sigma, "0", FROM(0), UPTO(10), "pixel range", NUMBERS,
         "Standard deviation of the Gaussian noise on training images"),
    REAL(noise, clamp_min, "-1", FROM(-1000), UPTO(1000), "pixel range", NUMBERS,
         "Noisy pixels below are raised to it"),
    REAL(noise, clamp_max, "1", FROM(-1000), UPTO(1000), "pixel range", NUMBERS,
         "Noisy pixels above are lowered to it, above clamp_min"),
    REAL_LIKE(sigma, noise, test_sigma, FROM(0), UPTO(10), "pixel range", NUMBERS,
              "Standard deviation of the noise on test images"),

    CHOICE(optimizer, name, "adam", NUMBERS,
           "Adam, Adam with decoupled weight decay, or gradient descent with momentum",
           [AE_ADAM] = "adam", [AE_ADAMW] = "adamw", [AE_SGD] = "sgd"),
    REAL(optimizer, lr, "0.001", ABOVE(0), UPTO(1000), "", NUMBERS, "Learning rate"),
    REAL(optimizer, beta1, "0.9", FROM(0), BELOW(1), "", NUMBERS,
         "Decay of the mean gradient, for adam and adamw"),
    REAL(optimizer, beta2, "0.999", FROM(0), BELOW(1), "", NUMBERS,
         "Decay of the mean squared gradient, for adam and adamw"),
    REAL(optimizer, epsilon, "1e-8", FROM(1e-30), UPTO(1), "", NUMBERS,
         "Added to the root of the mean squared gradient, for adam and adamw"),
    REAL(optimizer, momentum, "0", FROM(0), BELOW(1), "", NUMBERS, "Momentum, for sgd"),
    REAL(optimizer, weight_decay, "0", FROM(0), UPTO(100), "", NUMBERS, "Weight decay, 0 = off"),
    REAL(optimizer, clip_norm, "0", FROM(0), UPTO(1e6), "", NUMBERS,
         "Longest gradient (L2 norm over all parameters), 0 = off"),

    CHOICE(schedule, name, "constant", NUMBERS, "How the learning rate goes after the warm-up",
           [AE_SCHEDULE_CONSTANT] = "constant", [AE_SCHEDULE_STEP] = "step",
           [AE_SCHEDULE_COSINE] = "cosine"),
    WHOLE(schedule, warmup_steps, "0", FROM(0), UPTO(1e9), "steps", NUMBERS,
          "Steps over which the learning rate rises to lr, 0 = off"),
    WHOLE(schedule, step_epochs, "10", FROM(1), UPTO(1e6), "epochs", NUMBERS,
          "Epochs between two changes of the learning rate, for step"),
    REAL(schedule, step_factor, "0.1", ABOVE(0), UPTO(1), "", NUMBERS,
         "What the learning rate is multiplied by each time, for step"),
    REAL(schedule, min_lr, "0", FROM(0), UPTO(1000), "", NUMBERS,
         "Learning rate at the end, for cosine, at most lr"),

    WHOLE(output, checkpoint_epochs, "1", FROM(1), UPTO(1e6), "epochs", NONE,
          "Epochs from one checkpoint to the next"),
    WHOLE(output, checkpoint_steps, "0", FROM(0), UPTO(1e9), "steps", NONE,
          "Steps of an epoch from one checkpoint within it to the next, 0 = none"),
    REAL(output, checkpoint_minutes, "0", FROM(0), UPTO(1e6), "minutes", NONE,
         "Minutes from one checkpoint to the next at most, 0 = no limit"),
    WHOLE(output, keep, "3", FROM(1), UPTO(1e6), "checkpoints", NONE, "Newest checkpoints to keep"),
    WHOLE(output, reconstructions, "10", FROM(0), UPTO(1e6), "images", NONE,
          "Test images, the first so many, whose reconstructions are stored"),
    WHOLE(output, reconstruction_epochs, "10", FROM(1), UPTO(1e6), "epochs", NONE,
          "Epochs from one set of stored reconstructions to the next"),
};
/* clang-format on */

_Static_assert(sizeof table / sizeof table[0] == AE_OPTION_COUNT,
               "AE_OPTION_COUNT counts the rows");

const ae_option *ae_option_at(int index) {
    return &table[index];
}

int ae_config_count(void) {
    return AE_OPTION_COUNT;
}

const char *ae_config_name(int index) {
    return table[index].name;
}

ae_effect ae_config_effect(int index) {
    return table[index].effect;
}

const char *ae_config_unit(int index) {
    return table[index].unit;
}

const char *ae_config_help(int index) {
    return table[index].help;
}

int ae_option_find(ae_slice section, ae_slice key) {
    for (int i = 0; i < AE_OPTION_COUNT; i++)
        if (ae_slice_equals(section, table[i].section) && ae_slice_equals(key, table[i].key))
            return i;
    return -1;
}

bool ae_option_has_section(ae_slice section) {
    for (int i = 0; i < AE_OPTION_COUNT; i++)
        if (ae_slice_equals(section, table[i].section)) return true;
    return false;
}

static char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Letters to insert, delete or replace to make `name` of `given`, whatever their case
 * (Levenshtein's distance, by rows). */
static int edit_distance(ae_slice given, const char *name) {
    enum { LONGEST = 32 }; /* longer than any name in the table */
    int row[LONGEST + 1];
    int length = (int)strlen(name);
    int size = ae_slice_shown(given);
    for (int j = 0; j <= length; j++) row[j] = j;
    for (int i = 1; i <= size; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int replaced = diagonal + (lower(given.text[i - 1]) != name[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, 1 + smaller(row[j], row[j - 1]));
        }
    }
    return row[length];
}

/* Adds a word, after a comma where it isn't the first, to a list. */
static void add_word(char *list, size_t size, const char *word) {
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", word);
}

ae_status ae_option_refuse_section(const char *where, ae_slice section) {
    char all[256] = "";
    const char *nearest = NULL;
    int least = 0;
    for (int i = 0; i < AE_OPTION_COUNT; i++) {
        if (i > 0 && strcmp(table[i].section, table[i - 1].section) == 0) continue;
        add_word(all, sizeof all, table[i].section);
        int distance = edit_distance(section, table[i].section);
        if (nearest && distance >= least) continue;
        nearest = table[i].section;
        least = distance;
    }
    return ae_fail(AE_ERROR_USAGE, "%s: unknown section [%.*s], the nearest is [%s]; allowed: %s",
                   where, ae_slice_shown(section), section.text, nearest, all);
}

ae_status ae_option_refuse_key(const char *where, ae_slice section, ae_slice key) {
    char all[512] = "";
    const ae_option *nearest = NULL;
    int least = 0;
    for (int i = 0; i < AE_OPTION_COUNT; i++) {
        bool here = ae_slice_equals(section, table[i].section);
        if (here) add_word(all, sizeof all, table[i].key);
        int distance = edit_distance(key, table[i].key) + !here;
        if (nearest && distance >= least) continue;
        nearest = &table[i];
        least = distance;
    }
    return ae_fail(AE_ERROR_USAGE,
                   "%s: unknown key %.*s in [%.*s], the nearest is [%s] %s; allowed in [%.*s]: %s",
                   where, ae_slice_shown(key), key.text, ae_slice_shown(section), section.text,
                   nearest->section, nearest->key, ae_slice_shown(section), section.text, all);
}
