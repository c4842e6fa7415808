/* The configuration: one table of options (config/options.def), from which parsing, checking, help,
 * the printed configuration and the copy in the HDF5 files all come. */
#ifndef AE_CONFIG_CONFIG_H
#define AE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/status.h"

typedef enum ae_resume { AE_RESUME_AUTO, AE_RESUME_NEVER } ae_resume;
typedef enum ae_source {
    AE_SOURCE_CIFAR10,
    AE_SOURCE_CIFAR100,
    AE_SOURCE_IDX,
    AE_SOURCE_HDF5,
    AE_SOURCE_PICTURES,
    AE_SOURCE_DEADLEAVES
} ae_source;
typedef enum ae_channels { AE_CHANNELS_COLOUR, AE_CHANNELS_GREY } ae_channels;
typedef enum ae_augment { AE_AUGMENT_NONE, AE_AUGMENT_FLIP, AE_AUGMENT_SYMMETRIES } ae_augment;
typedef enum ae_axes { AE_AXES_NCHW, AE_AXES_NHWC, AE_AXES_NHW } ae_axes;
typedef enum ae_target { AE_TARGET_CLEAN, AE_TARGET_OTHER, AE_TARGET_MASKED } ae_target;
typedef enum ae_mask_fill { AE_MASK_FILL_UNIFORM, AE_MASK_FILL_MEDIAN } ae_mask_fill;
typedef enum ae_loss { AE_LOSS_MSE, AE_LOSS_L1 } ae_loss;
typedef enum ae_output { AE_OUTPUT_DIRECT, AE_OUTPUT_RESIDUAL } ae_output;
typedef enum ae_init { AE_INIT_PYTORCH, AE_INIT_HE, AE_INIT_ORTHOGONAL } ae_init;
typedef enum ae_noise_kind {
    AE_NOISE_GAUSSIAN,
    AE_NOISE_POISSON,
    AE_NOISE_SPECKLE,
    AE_NOISE_SALT_PEPPER,
    AE_NOISE_KINDS
} ae_noise_kind;
typedef enum ae_clamp_on { AE_CLAMP_ON_ALL, AE_CLAMP_ON_TRAINING, AE_CLAMP_ON_TEST } ae_clamp_on;
typedef enum ae_optimizer_kind { AE_ADAM, AE_ADAMW, AE_SGD } ae_optimizer_kind;
typedef enum ae_schedule_kind {
    AE_SCHEDULE_CONSTANT,
    AE_SCHEDULE_STEP,
    AE_SCHEDULE_COSINE
} ae_schedule_kind;

enum {
    AE_TEXT_SIZE = 1024,         /* bytes a path may have, with the final NUL */
    AE_LAYERS_SIZE = 1 << 14,    /* the same of model.layers, the longest of texts */
    AE_BLOCK_AUTO = 0,           /* train.block */
    AE_MASK_WINDOW_MAX = 31,     /* mask.window */
    AE_CONFIG_SIZE_MAX = 1 << 20 /* bytes an ini file may have */
};

/* A list of numbers. */
enum { AE_NUMBERS_MAX = 16 };
typedef struct ae_numbers {
    int64_t count; /* 1 to AE_NUMBERS_MAX */
    double values[AE_NUMBERS_MAX];
} ae_numbers;

/* The effective values; an int64_t for whole numbers and choices, a double for real ones, two for
 * pairs. Noise is in units of the pixel range [0, 1]. */
typedef struct ae_settings {
    struct {
        char dir[AE_TEXT_SIZE];
        int64_t seed;
        int64_t resume;                    /* ae_resume */
        int64_t time_limit, stall_seconds; /* seconds, 0 = none */
        int64_t slow_percent;              /* 0 = off */
    } run;
    struct {
        int64_t source; /* ae_source */
        char dir[AE_TEXT_SIZE];
        char train[AE_TEXT_SIZE], test[AE_TEXT_SIZE];       /* "" = none */
        char other[AE_TEXT_SIZE], other_test[AE_TEXT_SIZE]; /* "" = none */
        char cache[AE_TEXT_SIZE];                           /* "" = in memory */
        double test_fraction;
        int64_t axes;    /* ae_axes */
        double range[2]; /* what becomes 0 and 1; alike: chosen by the program */
        int64_t patch;   /* 0 = whole */
        int64_t crops;
        int64_t augment;                   /* ae_augment */
        double size[2];                    /* height, width */
        int64_t channels;                  /* ae_channels */
        int64_t train_images, test_images; /* 0 = all */
    } data;
    struct {
        char layers[AE_LAYERS_SIZE];
        int64_t output; /* ae_output */
        int64_t init;   /* ae_init */
    } model;
    struct {
        int64_t pretrain_epochs, epochs;
        int64_t batch;  /* images, over all ranks */
        int64_t block;  /* images, or AE_BLOCK_AUTO: ae_network_block() */
        int64_t target; /* ae_target */
        int64_t loss;   /* ae_loss */
        int64_t skip_steps;
        int64_t validation_images;    /* 0 = none */
        int64_t patience;             /* epochs; 0 = none */
        char init_from[AE_TEXT_SIZE]; /* "" = none */
    } train;
    struct {
        int64_t kind;              /* ae_noise_kind */
        double sigma[2], level[2]; /* lowest and highest; alike: that */
        ae_numbers test_sigma, test_level;
        double clamp_min, clamp_max; /* infinite: none */
        int64_t clamp_on;            /* ae_clamp_on */
    } noise;
    struct {
        double percent; /* of the values */
        int64_t window; /* pixels a side */
        int64_t fill;   /* ae_mask_fill */
    } mask;
    struct {
        int64_t name; /* ae_optimizer_kind */
        double lr, beta1, beta2, epsilon, momentum, weight_decay;
        double clip_norm; /* 0 = off */
    } optimizer;
    struct {
        int64_t name; /* ae_schedule_kind */
        int64_t warmup_steps;
        int64_t step_epochs;
        double step_factor;
        double min_lr;
    } schedule;
    struct {
        int64_t checkpoint_epochs, checkpoint_steps;                       /* steps: 0 = off */
        double checkpoint_minutes;                                         /* 0 = off */
        int64_t keep, test_epochs, reconstructions, reconstruction_epochs; /* test: 0 = the last */
    } output;
} ae_settings;

/* The options' indices, in the order of the table: AE_OPTION(run, dir) = 0 and so on. */
#define AE_OPTION(section, key) AE_OPTION_##section##_##key
#define AE_ROW(section, key, ...) AE_OPTION(section, key),
typedef enum ae_option_index {
#include "config/options.def"
    AE_OPTION_COUNT
} ae_option_index;
#undef AE_ROW

/* What a change of the option does to a run that is to be gone on with. */
typedef enum ae_effect {
    AE_EFFECT_NUMBERS, /* the numbers change: refused */
    AE_EFFECT_EPOCHS,  /* it may grow, but where the schedule depends on it */
    AE_EFFECT_NONE     /* paths and output: taken */
} ae_effect;

enum { AE_VALUE_SIZE = AE_LAYERS_SIZE }; /* bytes of any value as text */

typedef struct ae_config ae_config;

/* Reads the ini text of `text` (`size` bytes; `path` is for messages and for the default of
 * run.dir), then applies the `override_count` strings "section.key=value" in order; the last one
 * for a key counts. Local; the caller owns *config. AE_ERROR_USAGE: a message with file, line, key
 * and what is allowed. On failure *config is NULL. */
ae_status ae_config_create(ae_config **config, const char *path, const char *text, size_t size,
                           const char *const *overrides, int override_count);
void ae_config_destroy(ae_config **config); /* *config may be NULL */

/* Borrowed. */
const ae_settings *ae_config_settings(const ae_config *config);

/* Puts this process's environment in place of ~/, $NAME and ${NAME} in the options that are paths,
 * but for those in single quotes; once, after ae_config_create(), which leaves them. Local. Where
 * there are several processes one does this for the paths that all share, and the others take its
 * settings: environments differ. Each does it for those on disks of its own (`own`).
 * AE_ERROR_USAGE: a variable isn't set. */
ae_status ae_config_expand_paths(ae_config *config, bool own);
void ae_config_take_settings(ae_config *config, const ae_settings *settings);

/* The ini text as it was read, NUL-terminated. Borrowed. */
const char *ae_config_ini(const ae_config *config);

/* Where an option's value comes from, for messages: "configs/a.ini:12: [model] layers",
 * "--set model.layers" or "model.layers (default)". Borrowed. */
const char *ae_config_where(const ae_config *config, ae_option_index index);

/* "section.key". Borrowed. */
const char *ae_config_name(ae_option_index index);
ae_effect ae_config_effect(ae_option_index index);

/* The default as text; of an option that follows another, that one's. Borrowed. */
const char *ae_config_initial(ae_option_index index);

/* The word of a choice, and NULL behind the last. Borrowed. */
const char *ae_config_word(ae_option_index index, int64_t choice);

/* The effective value as text; ae_config_print() puts quotes around what else wouldn't read back.
 */
void ae_config_value(const ae_config *config, int index, char value[AE_VALUE_SIZE]);

/* Prints the effective configuration as an ini file with a help line a key; long texts on several
 * lines. */
void ae_config_print(const ae_config *config, FILE *file);

/* Prints each option on a line with its default and what is allowed, for --help. */
void ae_config_print_help(FILE *file);

#endif
