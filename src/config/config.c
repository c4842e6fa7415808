#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include "base/found.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/ini.h"
#include "config/options.h"
#include "config/paths.h"
#include "config/quotes.h"

/* Where an option's value comes from. */
typedef struct origin {
    char *where;  /* as ae_config_where() tells it; owned */
    int line;     /* of the ini file, 0 where the key isn't there */
    bool given;   /* in the file or by --set, that is: not the default */
    bool follows; /* takes the value of the option that its row follows */
    bool literal; /* in single quotes: what it is, with nothing to expand */
} origin;

struct ae_config {
    ae_settings settings;
    char *ini; /* owned */
    origin origins[AE_OPTION_COUNT];
};

/* Sets an option to `value`, or notes that it follows another. `where` is copied. */
static ae_status assign(ae_config *config, int index, ae_slice written, const char *where) {
    const ae_option *option = ae_option_at(index);
    origin *from = &config->origins[index];
    ae_value value;
    char *copy = strdup(where);
    if (!copy) return ae_fail_memory("the configuration");
    free(from->where);
    from->where = copy;
    ae_status status = ae_option_unquote(option, &value, written, copy);
    if (status != AE_OK) return status;
    from->literal = value.mark == '\'';
    from->follows = option->follows && strcmp(value.text, option->follows) == 0;
    return from->follows ? AE_OK : ae_option_read(option, &config->settings, &value, copy);
}

static ae_status assign_defaults(ae_config *config) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        char where[128];
        snprintf(where, sizeof where, "%s (default)", ae_config_name(i));
        ae_status status = assign(config, i, ae_slice_of(ae_option_at(i)->initial), where);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

/* Does a path that isn't in quotes end where a comment begins, or did the comment cut it? */
static ae_status check_path_comment(const ae_ini *ini, const char *where) {
    ae_slice value = ini->value, comment = ini->comment;
    if (comment.size == 0 || ae_quotes_mark(value)) return AE_OK;
    int shown = ae_slice_shown(value), comment_shown = ae_slice_shown(comment);
    ae_slice after = {comment.text + 1, comment.size - 1};
    if (after.size > 0 && ae_slice_trim(after).text == after.text)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: '%.*s' would be cut by a comment, '%.*s'; put the path in quotes with "
                       "that if it belongs to it, or a space after the %c if it doesn't",
                       where, shown, value.text, comment_shown, comment.text, comment.text[0]);
    if (value.size == 0) return AE_OK;
    ae_warn("%s: the path is '%.*s', and '%.*s' a comment; quotes around the path make that plain",
            where, shown, value.text, comment_shown, comment.text);
    return AE_OK;
}

static ae_status read_ini_key(ae_config *config, const ae_ini *ini, const char *at) {
    int index = ae_option_find(ini->section, ini->key);
    if (index < 0) return ae_option_refuse_key(at, ini->section, ini->key);
    const ae_option *option = ae_option_at(index);
    origin *from = &config->origins[index];
    if (from->line > 0)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: [%s] %s is a duplicate of line %d; allowed: each key once", at,
                       option->section, option->key, from->line);
    char where[AE_MESSAGE_SIZE];
    snprintf(where, sizeof where, "%s: [%s] %s", at, option->section, option->key);
    from->line = ini->line;
    from->given = true;
    ae_status status = option->kind == AE_OPTION_PATH ? check_path_comment(ini, where) : AE_OK;
    return status == AE_OK ? assign(config, index, ini->value, where) : status;
}

static ae_status read_ini(ae_config *config, const char *path, size_t size) {
    ae_ini ini;
    ae_ini_open(&ini, path, config->ini, size);
    for (;;) {
        ae_ini_item item;
        ae_status status = ae_ini_next(&ini, &item);
        if (status != AE_OK || item == AE_INI_END) return status;
        char at[AE_MESSAGE_SIZE - 64]; /* leaves room for section and key */
        snprintf(at, sizeof at, "%s:%d", path, ini.line);
        if (item == AE_INI_KEY)
            status = read_ini_key(config, &ini, at);
        else if (!ae_option_has_section(ini.section))
            status = ae_option_refuse_section(at, ini.section);
        if (status != AE_OK) return status;
    }
}

/* "section.key=value" */
static ae_status read_override(ae_config *config, const char *override) {
    ae_slice text = ae_slice_of(override);
    const char *fault = ae_slice_fault(text);
    if (fault) return ae_fail(AE_ERROR_USAGE, "--set: the text %s; allowed: UTF-8 text", fault);
    const char *equals = strchr(override, '=');
    const char *dot = strchr(override, '.');
    if (!equals || !dot || dot > equals)
        return ae_fail(AE_ERROR_USAGE, "--set '%.*s' is not understood; allowed: section.key=value",
                       ae_slice_shown(text), override);
    ae_slice section = ae_slice_trim((ae_slice){override, (size_t)(dot - override)});
    ae_slice key = ae_slice_trim((ae_slice){dot + 1, (size_t)(equals - dot - 1)});
    if (!ae_option_has_section(section)) return ae_option_refuse_section("--set", section);
    int index = ae_option_find(section, key);
    if (index < 0) return ae_option_refuse_key("--set", section, key);
    char where[128];
    snprintf(where, sizeof where, "--set %s", ae_config_name(index));
    config->origins[index].given = true;
    return assign(config, index, ae_slice_trim(ae_slice_of(equals + 1)), where);
}

/* The default of run.dir: runs/NAME for the ini file .../NAME.ini. */
static ae_status name_run_folder(ae_config *config, const char *path) {
    const int index = AE_OPTION(run, dir);
    if (config->origins[index].given) return AE_OK;
    const char *slash = strrchr(path, '/');
    ae_slice name = ae_slice_of(slash ? slash + 1 : path);
    static const char ending[] = ".ini";
    size_t length = sizeof ending - 1;
    if (name.size >= length && memcmp(name.text + name.size - length, ending, length) == 0)
        name.size -= length;
    name = ae_slice_trim(name);
    char dir[AE_TEXT_SIZE] = "runs/";
    size_t used = strlen(dir);
    if (name.size == 0 || name.size >= sizeof dir - used || ae_slice_equals(name, ".") ||
        ae_slice_equals(name, ".."))
        return ae_fail(AE_ERROR_USAGE, "%s: no run folder can be named after it; set run.dir",
                       path);
    memcpy(dir + used, name.text, name.size);
    char quoted[AE_OPTION_QUOTED_SIZE];
    ae_option_quote(ae_option_at(index), dir, quoted);
    return assign(config, index, ae_slice_of(quoted), config->origins[index].where);
}

static ae_status refuse_to_follow(const ae_config *config, int index, int followed) {
    char range[AE_VALUE_SIZE];
    ae_config_value(config, followed, range);
    return ae_fail(
        AE_ERROR_USAGE,
        "%s: is as %s, but that is a range, %s (%s); name the numbers to test with, with "
        "blanks between them",
        config->origins[index].where, ae_config_name(followed), range,
        config->origins[followed].where);
}

/* Gives the options that follow another its number. AE_ERROR_USAGE: it is a range. */
static ae_status follow(ae_config *config) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        if (!config->origins[i].follows) continue;
        const int followed =
            ae_option_find(ae_slice_of(option->section), ae_slice_of(option->follows));
        const double *span = ae_option_real(ae_option_at(followed), &config->settings);
        if (span[0] != span[1]) return refuse_to_follow(config, i, followed);
        *ae_option_numbers(option, &config->settings) = (ae_numbers){1, {span[0]}};
    }
    return AE_OK;
}

/* AE_ERROR_USAGE: "WHERE: is VALUE, must be RELATION SECTION.KEY, which is VALUE (WHERE)". */
static ae_status refuse_pair(const ae_config *config, int index, const char *relation, int other) {
    char value[AE_VALUE_SIZE], bound[AE_VALUE_SIZE];
    ae_config_value(config, index, value);
    ae_config_value(config, other, bound);
    return ae_fail(AE_ERROR_USAGE, "%s: is %s, but must be %s %s, which is %s (%s)",
                   config->origins[index].where, value, relation, ae_config_name(other), bound,
                   config->origins[other].where);
}

/* AE_ERROR_USAGE: "WHERE: is VALUE, but OTHER is VALUE (WHERE): CURE". */
static ae_status refuse_beside(const ae_config *config, int index, int other, const char *cure) {
    char value[AE_VALUE_SIZE], beside[AE_VALUE_SIZE];
    ae_config_value(config, index, value);
    ae_config_value(config, other, beside);
    return ae_fail(AE_ERROR_USAGE, "%s: is %s, but %s is %s (%s): %s", config->origins[index].where,
                   value[0] ? value : "empty", ae_config_name(other), beside[0] ? beside : "empty",
                   config->origins[other].where, cure);
}

static ae_status refuse_level(const ae_config *config, int index, const char *cure) {
    return refuse_beside(config, index, AE_OPTION(noise, kind), cure);
}

/* Is the option's level, from `low` to `high`, one of the kind of noise? */
static ae_status check_level(const ae_config *config, int index, double low, double high) {
    const int64_t kind = config->settings.noise.kind;
    if (kind == AE_NOISE_GAUSSIAN && high > 0)
        return refuse_level(config, index,
                            "its level is noise.sigma; leave this out, or choose another kind");
    if (kind == AE_NOISE_POISSON && low == 0)
        return refuse_level(config, index, "set it to the photons at white, above 0");
    if (kind == AE_NOISE_SALT_PEPPER && high > 1)
        return refuse_level(config, index, "set it to the share of pixels, at most 1");
    return AE_OK;
}

static ae_status check_noise(const ae_config *config) {
    const ae_settings *settings = &config->settings;
    const ae_numbers *sigma = &settings->noise.test_sigma, *level = &settings->noise.test_level;
    const double *range = settings->noise.level;
    ae_status status = check_level(config, AE_OPTION(noise, level), range[0], range[1]);
    for (int64_t l = 0; l < level->count && status == AE_OK; ++l)
        status =
            check_level(config, AE_OPTION(noise, test_level), level->values[l], level->values[l]);
    if (status != AE_OK) return status;
    if (settings->noise.kind != AE_NOISE_GAUSSIAN && range[1] == 0)
        return refuse_level(config, AE_OPTION(noise, level), "set it above 0");
    if (sigma->count > 1 && level->count > 1 && sigma->count != level->count)
        return refuse_pair(config, AE_OPTION(noise, test_level),
                           "one number, or as many numbers as", AE_OPTION(noise, test_sigma));
    return AE_OK;
}

/* Do the paths of others go with those of the images that they are others to? */
static ae_status check_others(const ae_config *config) {
    const ae_settings *settings = &config->settings;
    const int other = AE_OPTION(data, other), other_test = AE_OPTION(data, other_test);
    const int64_t source = settings->data.source;
    const bool has_test = settings->data.test[0], has_other_test = settings->data.other_test[0];
    if (!settings->data.other[0])
        return has_other_test ? refuse_beside(config, other_test, other, "set that too, or neither")
                              : AE_OK;
    if (settings->train.target != AE_TARGET_OTHER)
        return refuse_beside(config, other, AE_OPTION(train, target),
                             "set that to other, or leave this out");
    if (source != AE_SOURCE_IDX && source != AE_SOURCE_HDF5 && source != AE_SOURCE_PICTURES)
        return refuse_beside(config, other, AE_OPTION(data, source),
                             "set that to idx, hdf5 or pictures, or leave this out");
    if (has_test && !has_other_test)
        return refuse_beside(config, other_test, AE_OPTION(data, test),
                             "set it to what those are compared with: where they are clean, to the "
                             "same");
    if (!has_test && has_other_test)
        return refuse_beside(config, other_test, AE_OPTION(data, test),
                             "leave it out: data.test_fraction keeps images of data.train and "
                             "their others");
    return AE_OK;
}

/* Is there a target to train to? */
static ae_status check_target(const ae_config *config) {
    const ae_settings *settings = &config->settings;
    const int target = AE_OPTION(train, target);
    const bool has_noise = settings->noise.sigma[1] > 0 || settings->noise.level[1] > 0;
    if (settings->train.target == AE_TARGET_CLEAN) return check_others(config);
    if (settings->train.pretrain_epochs > 0)
        return refuse_beside(config, AE_OPTION(train, pretrain_epochs), target,
                             "there are no clean images for those epochs; set it to 0");
    if (settings->train.target == AE_TARGET_OTHER && !settings->data.other[0] && !has_noise)
        return refuse_beside(config, target, AE_OPTION(noise, sigma),
                             "without noise an image is compared with itself; set that above 0, or "
                             "data.other to other images");
    return check_others(config);
}

/* What the options must be to each other. */
static ae_status check_pairs(const ae_config *config) {
    const ae_settings *settings = &config->settings;
    if (!(settings->noise.clamp_min < settings->noise.clamp_max))
        return refuse_pair(config, AE_OPTION(noise, clamp_min), "below",
                           AE_OPTION(noise, clamp_max));
    if (settings->train.block > settings->train.batch)
        return refuse_pair(config, AE_OPTION(train, block), "at most", AE_OPTION(train, batch));
    if (settings->schedule.min_lr > settings->optimizer.lr)
        return refuse_pair(config, AE_OPTION(schedule, min_lr), "at most",
                           AE_OPTION(optimizer, lr));
    if (settings->train.patience > 0 && settings->train.validation_images == 0)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: is %lld, but without train.validation_images, which is 0, no epoch is "
                       "better than another; set these, or 0",
                       config->origins[AE_OPTION(train, patience)].where,
                       (long long)settings->train.patience);
    if (settings->train.pretrain_epochs + settings->train.epochs < 1)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: there is no epoch to train; allowed: at least 1 of "
                       "train.pretrain_epochs and train.epochs together",
                       ae_config_where(config, AE_OPTION(train, epochs)));
    ae_status status = check_target(config);
    return status == AE_OK ? check_noise(config) : status;
}

ae_status ae_config_create(ae_config **config, const char *path, const char *text, size_t size,
                           const char *const *overrides, int override_count) {
    *config = NULL;
    const char *kind = ae_found_kind(text, size);
    if (kind)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: is %s, where the ini file of a configuration was expected (the one a "
                       "run was made with is in its results.h5, as /config/ini)",
                       path, kind);
    if (size > AE_CONFIG_SIZE_MAX)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: is too large for a configuration; allowed: at most %d bytes", path,
                       AE_CONFIG_SIZE_MAX);
    ae_config *made = ae_calloc(1, sizeof *made);
    if (!made) return ae_fail_memory("the configuration");
    ae_status status;
    made->ini = ae_calloc(size + 1, 1);
    if (!made->ini) {
        status = ae_fail_memory("the configuration");
        goto done;
    }
    if (size > 0) memcpy(made->ini, text, size);
    status = assign_defaults(made);
    if (status == AE_OK) status = read_ini(made, path, size);
    for (int i = 0; i < override_count && status == AE_OK; ++i)
        status = read_override(made, overrides[i]);
    if (status == AE_OK) status = name_run_folder(made, path);
    if (status != AE_OK) goto done;
    status = follow(made);
    if (status == AE_OK) status = check_pairs(made);
done:
    if (status != AE_OK) ae_config_destroy(&made);
    *config = made;
    return status;
}

void ae_config_destroy(ae_config **config) {
    if (!*config) return;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) free((*config)->origins[i].where);
    free((*config)->ini);
    free(*config);
    *config = NULL;
}

const ae_settings *ae_config_settings(const ae_config *config) {
    return &config->settings;
}

ae_status ae_config_expand_paths(ae_config *config, bool own) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        const origin *from = &config->origins[i];
        if (option->kind != AE_OPTION_PATH || from->literal || option->is_own != own) continue;
        ae_status status = ae_path_expand(ae_option_text(option, &config->settings), from->where);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

void ae_config_take_settings(ae_config *config, const ae_settings *settings) {
    config->settings = *settings;
}

const char *ae_config_ini(const ae_config *config) {
    return config->ini;
}

const char *ae_config_where(const ae_config *config, ae_option_index index) {
    return config->origins[index].where;
}

void ae_config_value(const ae_config *config, int index, char value[AE_VALUE_SIZE]) {
    ae_option_write(ae_option_at(index), &config->settings, value);
}

enum { WIDTH = 100, INDENT = 4 }; /* of what is printed on several lines */

/* Can a value's line be broken after commas, and would it be read back the same? */
static bool may_break(const char *value) {
    return !strpbrk(value, "=['\"\t") && !strstr(value, "  ");
}

/* Prints a value on as many lines as it needs, broken after commas, behind `used` columns. */
static void print_lines(FILE *file, size_t used, const char *value) {
    for (const char *comma = value; comma; value = comma) {
        comma = strstr(value + 1, ", ");
        if (comma) ++comma;
        size_t size = comma ? (size_t)(comma - value) : strlen(value);
        if (used + size > WIDTH) {
            fprintf(file, "\n%*s", INDENT - 1, "");
            used = INDENT - 1;
        }
        fprintf(file, "%.*s", (int)size, value);
        used += size;
    }
}

/* "key = value" */
static void print_value(FILE *file, const ae_option *option, const char *quoted) {
    const size_t used = strlen(option->key) + strlen(" =");
    fprintf(file, "%s =", option->key);
    char value[AE_OPTION_QUOTED_SIZE + 1]; /* with the blank before it */
    snprintf(value, sizeof value, " %s", quoted);
    if (option->kind == AE_OPTION_TEXT && used + strlen(value) > WIDTH && may_break(quoted))
        print_lines(file, used, value);
    else
        fprintf(file, "%s", value);
    fprintf(file, "\n");
}

void ae_config_print(const ae_config *config, FILE *file) {
    const char *section = NULL;
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        char value[AE_VALUE_SIZE], quoted[AE_OPTION_QUOTED_SIZE], notes[AE_OPTION_NOTES_SIZE];
        bool first = !section || strcmp(section, option->section) != 0;
        section = option->section;
        if (first) fprintf(file, "%s[%s]\n", i > 0 ? "\n" : "", section);
        ae_option_notes(option, notes);
        ae_config_value(config, i, value);
        ae_option_quote(option, value, quoted);
        fprintf(file, "# %s (%s)\n", option->help, notes);
        print_value(file, option, quoted);
    }
}

void ae_config_print_help(FILE *file) {
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        const ae_option *option = ae_option_at(i);
        char notes[AE_OPTION_NOTES_SIZE];
        ae_option_notes(option, notes);
        fprintf(file, "  %-28s %s (%s)\n", ae_config_name(i), option->help, notes);
    }
}
