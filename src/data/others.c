/* A second data set, picture by picture beside another. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/text.h"
#include "data/internal.h"

static const char *path_of(const ae_dataset *dataset, bool is_test) {
    return is_test ? dataset->settings->data.test : dataset->settings->data.train;
}

/* Do they hold the same kind of numbers? */
static ae_status check_kind(const ae_dataset *others, const ae_dataset *like) {
    const ae_data_info *its = &others->catalog.info, *wanted = &like->catalog.info;
    if (its->type == wanted->type && its->low == wanted->low && its->high == wanted->high &&
        its->train.shape.channels == wanted->train.shape.channels)
        return AE_OK;
    return ae_fail(
        AE_ERROR_DATA,
        "the images of '%s' have %d channel%s of %s, and those of '%s', whose others they "
        "are (data.other), %d of %s: give both the same numbers, of the same range",
        path_of(others, false), its->train.shape.channels, ae_plural(its->train.shape.channels),
        ae_sample_name(its->type), path_of(like, false), wanted->train.shape.channels,
        ae_sample_name(wanted->type));
}

static ae_status refuse_size(const ae_dataset *others, const ae_dataset *like, int64_t number) {
    char name[AE_IMAGE_NAME_SIZE], like_name[AE_IMAGE_NAME_SIZE];
    const ae_size its = ae_catalog_size(&others->catalog, number);
    const ae_size wanted = ae_catalog_size(&like->catalog, number);
    ae_catalog_name(name, &others->catalog, others->settings, number);
    ae_catalog_name(like_name, &like->catalog, like->settings, number);
    return ae_fail(
        AE_ERROR_DATA,
        "%s has %d x %d pixels, and %s, whose other it is (data.other), %d x %d: they go "
        "together in their order, and must be of one size",
        name, its.height, its.width, like_name, wanted.height, wanted.width);
}

/* As many of the same sizes, of the `count` from `first` on? */
static ae_status check_set(const ae_dataset *others, const ae_dataset *like, bool is_test) {
    const ae_data_info *its = &others->catalog.info, *wanted = &like->catalog.info;
    const int64_t count = is_test ? its->test.count : its->train.count;
    const int64_t wanted_count = is_test ? wanted->test.count : wanted->train.count;
    const int64_t first = is_test ? its->train.count : 0;
    if (count != wanted_count)
        return ae_fail(
            AE_ERROR_DATA,
            "'%s' has %lld images, and '%s', whose others they are (data.other%s), %lld: "
            "they go together in their order, one by one",
            path_of(others, is_test), (long long)count, path_of(like, is_test),
            is_test ? "_test" : "", (long long)wanted_count);
    for (int64_t n = first; n < first + count; ++n) {
        const ae_size a = ae_catalog_size(&others->catalog, n);
        const ae_size b = ae_catalog_size(&like->catalog, n);
        if (a.height != b.height || a.width != b.width) return refuse_size(others, like, n);
    }
    return AE_OK;
}

/* The last number in a file's name; -1: it has none. */
static long long number_in(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *end = name + strlen(name);
    while (end > name && !strchr("0123456789", end[-1])) --end;
    const char *begin = end;
    while (begin > name && strchr("0123456789", begin[-1])) --begin;
    return begin < end ? strtoll(begin, NULL, 10) : -1;
}

/* Of pictures in files, which go together in the order of names: 10 is before 2. */
static void warn_of_numbers(const ae_catalog *others, const ae_catalog *like) {
    const char *its = others->names, *wanted = like->names;
    const int64_t count = like->info.train.count + (like->has_test ? like->info.test.count : 0);
    for (int64_t n = 0; n < count; ++n) {
        if (number_in(its) != number_in(wanted)) {
            ae_warn("'%s' is taken for the other (data.other) to '%s', whose name has another "
                    "number: they go together in the order of their names; name them alike, if "
                    "they don't belong together",
                    its, wanted);
            return;
        }
        its += strlen(its) + 1, wanted += strlen(wanted) + 1;
    }
}

/* Is there nothing to learn, for images are compared with themselves? */
static void warn_of_selves(const ae_settings *settings) {
    if (strcmp(settings->data.train, settings->data.other) == 0 && settings->noise.sigma[1] == 0 &&
        settings->noise.level[1] == 0)
        ae_warn("data.other is data.train, '%s': without noise, images are compared with "
                "themselves, and a network has nothing to learn",
                settings->data.train);
}

ae_status ae_others_check(const ae_dataset *others, const ae_dataset *like) {
    ae_status status = check_kind(others, like);
    if (status == AE_OK) status = check_set(others, like, false);
    if (status == AE_OK && like->catalog.has_test) status = check_set(others, like, true);
    if (status != AE_OK) return status;
    warn_of_selves(like->settings);
    if (others->catalog.names && like->catalog.names)
        warn_of_numbers(&others->catalog, &like->catalog);
    return AE_OK;
}
