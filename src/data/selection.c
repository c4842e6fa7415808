#include "data/selection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/random.h"

ae_size ae_catalog_size(const ae_catalog *catalog, int64_t number) {
    if (catalog->sizes) return catalog->sizes[number];
    const ae_data_info *info = &catalog->info;
    const ae_shape *shape = number < info->train.count ? &info->train.shape : &info->test.shape;
    return (ae_size){shape->height, shape->width};
}

size_t ae_catalog_bytes(const ae_catalog *catalog, int64_t number) {
    const ae_size size = ae_catalog_size(catalog, number);
    const ae_shape shape = {catalog->info.train.shape.channels, size.height, size.width};
    return (size_t)catalog->prefix + ae_shape_values(shape) * ae_sample_size(catalog->info.type);
}

/* Its file, where it has one of its own. */
static const char *file_of(const ae_catalog *catalog, int64_t number) {
    const char *name = catalog->names;
    for (int64_t n = 0; n < number; ++n) name += strlen(name) + 1;
    return name;
}

void ae_catalog_name(char name[AE_IMAGE_NAME_SIZE], const ae_catalog *catalog,
                     const ae_settings *settings, int64_t number) {
    const size_t size = AE_IMAGE_NAME_SIZE;
    const int64_t train = catalog->info.train.count;
    const bool is_train = number < train;
    const char *path = is_train ? settings->data.train : settings->data.test;
    const long long index = is_train ? number : number - train;
    if (catalog->names && catalog->pages[number] > 0)
        snprintf(name, size, "page %d of '%s'", catalog->pages[number] + 1,
                 file_of(catalog, number));
    else if (catalog->names)
        snprintf(name, size, "'%s'", file_of(catalog, number));
    else if (path[0])
        snprintf(name, size, "image %lld (from 0) of '%s'", index, path);
    else
        snprintf(name, size, "%s image %lld (from 0)", is_train ? "training" : "test", index);
}

/* The number of images `asked` for of the `have` there are; 0 asks for all. */
static ae_status choose_count(int64_t *count, const char *key, int64_t asked, int64_t have) {
    if (asked > have)
        return ae_fail(AE_ERROR_USAGE,
                       "%s = %lld, but there are %lld such images: ask for at most that many, or "
                       "for 0 (all)",
                       key, (long long)asked, (long long)have);
    *count = asked > 0 ? asked : have;
    return AE_OK;
}

/* Is the image kept for testing? By its number alone, so that runs with other seeds compare. */
static bool is_held_out(int64_t number, double fraction) {
    const ae_stream stream = {.purpose = AE_RANDOM_HOLD_OUT, .sample = (uint32_t)number};
    uint32_t words[4];
    ae_random_words(words, stream, 0);
    return words[0] < fraction * 0x1p32;
}

bool ae_selection_trains(const ae_selection *selection, int64_t place) {
    if (selection->chosen[0]) return !is_held_out(selection->numbers[place], selection->fraction);
    return place < selection->train;
}

static int64_t count_held_out(int64_t count, double fraction) {
    int64_t held = 0;
    for (int64_t n = 0; n < count; ++n) held += is_held_out(n, fraction);
    return held;
}

/* The first images of both of the source's sets. */
static ae_status choose_first(ae_selection *selection, const ae_data_info *info,
                              const ae_catalog *catalog) {
    const int64_t train = info->train.count;
    selection->train = train;
    for (int64_t p = 0; p < selection->count; ++p)
        selection->numbers[p] = (uint32_t)(p < train ? p : catalog->info.train.count + p - train);
    return AE_OK;
}

/* The first training images that are kept for testing, and the first that aren't. */
static ae_status choose_apart(ae_selection *selection, const ae_data_info *info,
                              const ae_catalog *catalog, double fraction) {
    const int64_t wanted[2] = {info->train.count, info->test.count};
    int64_t found[2] = {0, 0}, place = 0;
    for (int set = 0; set < 2; ++set) {
        selection->chosen[set] = malloc((size_t)wanted[set] * sizeof *selection->chosen[set]);
        if (!selection->chosen[set]) return ae_fail_memory("the images' numbers");
    }
    for (int64_t n = 0; n < catalog->info.train.count; ++n) {
        const int set = is_held_out(n, fraction);
        if (found[set] == wanted[set]) continue;
        selection->numbers[place] = (uint32_t)n;
        selection->chosen[set][found[set]++] = (uint32_t)place++;
    }
    selection->train = selection->count;
    return AE_OK;
}

/* Takes the image at place `place` into a set whose images have been of one shape so far. */
static void take_size(ae_image_set *set, ae_size size) {
    const bool is_first = set->least_height == 0;
    if (is_first) {
        set->shape.height = size.height;
        set->shape.width = size.width;
    } else if (set->shape.height != size.height || set->shape.width != size.width) {
        set->shape.height = set->shape.width = 0;
    }
    if (is_first || size.height < set->least_height) set->least_height = size.height;
    if (is_first || size.width < set->least_width) set->least_width = size.width;
}

/* Shapes of what is chosen. */
static void measure(ae_image_set *set, const ae_selection *selection, const ae_catalog *catalog,
                    const uint32_t *chosen, int64_t first) {
    set->least_height = set->least_width = 0;
    for (int64_t i = 0; i < set->count; ++i) {
        const int64_t place = chosen ? chosen[i] : first + i;
        take_size(set, ae_catalog_size(catalog, selection->numbers[place]));
    }
    set->shape.channels = catalog->info.train.shape.channels;
}

/* How many images there are to choose from. AE_ERROR_USAGE: options that don't go together. */
static ae_status split(int64_t *train, int64_t *test, const ae_catalog *catalog, double fraction) {
    *train = catalog->info.train.count;
    *test = catalog->has_test ? catalog->info.test.count : count_held_out(*train, fraction);
    if (catalog->has_test && fraction > 0)
        return ae_fail(AE_ERROR_USAGE,
                       "data.test_fraction = %g keeps training images for testing, where there are "
                       "%lld test images of their own; set it to 0, or leave data.test out",
                       fraction, (long long)*test);
    if (!catalog->has_test) *train -= *test;
    if (!catalog->has_test && fraction == 0)
        return ae_fail(AE_ERROR_USAGE, "there are no test images: set data.test, or the share of "
                                       "data.train that data.test_fraction keeps for testing");
    if (*train < 1 || *test < 1)
        return ae_fail(AE_ERROR_USAGE,
                       "data.test_fraction = %g leaves %lld of %lld images to train on and %lld to "
                       "test on, and there must be one of each",
                       fraction, (long long)*train, (long long)(*train + *test), (long long)*test);
    return AE_OK;
}

/* Can a node hold so many images? Where they are of one size, this is known before any is numbered.
 */
static ae_status check_memory(double bytes, const ae_settings *settings) {
    const double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (bytes <= have || settings->data.cache[0]) return AE_OK;
    return ae_fail(AE_ERROR_DATA,
                   "the images take %.1f GB and this host has %.1f GB of memory; take fewer "
                   "(data.train_images, data.test_images), or keep them on disk (data.cache)",
                   bytes / 1e9, have / 1e9);
}

/* Bytes of one record of each set, or a byte where they are of many sizes. */
static double least_bytes(const ae_data_info *info, const ae_catalog *catalog) {
    const int64_t first_test = catalog->has_test ? catalog->info.train.count : 0;
    if (catalog->sizes) return (double)(info->train.count + info->test.count);
    return (double)info->train.count * (double)ae_catalog_bytes(catalog, 0) +
           (double)info->test.count * (double)ae_catalog_bytes(catalog, first_test);
}

/* The images' places. AE_FAILED: memory. */
static ae_status choose(ae_selection *selection, const ae_data_info *info,
                        const ae_catalog *catalog, double fraction) {
    selection->count = info->train.count + info->test.count;
    selection->numbers = calloc((size_t)selection->count, sizeof *selection->numbers);
    if (!selection->numbers) return ae_fail_memory("the images' numbers");
    return catalog->has_test ? choose_first(selection, info, catalog)
                             : choose_apart(selection, info, catalog, fraction);
}

ae_status ae_selection_make(ae_selection *selection, ae_data_info *info, const ae_catalog *catalog,
                            const ae_settings *settings) {
    const double fraction = settings->data.test_fraction;
    int64_t train, test;
    *selection = (ae_selection){.fraction = fraction};
    *info = catalog->info;
    ae_status status = split(&train, &test, catalog, fraction);
    if (status == AE_OK)
        status = choose_count(&info->train.count, "data.train_images", settings->data.train_images,
                              train);
    if (status == AE_OK)
        status =
            choose_count(&info->test.count, "data.test_images", settings->data.test_images, test);
    if (status == AE_OK) status = check_memory(least_bytes(info, catalog), settings);
    if (status == AE_OK) status = choose(selection, info, catalog, fraction);
    if (status != AE_OK) return status;
    measure(&info->train, selection, catalog, selection->chosen[0], 0);
    measure(&info->test, selection, catalog, selection->chosen[1], selection->train);
    info->bytes = selection->count * (int64_t)sizeof(ae_image_place);
    for (int64_t p = 0; p < selection->count; ++p)
        info->bytes += (int64_t)ae_catalog_bytes(catalog, selection->numbers[p]);
    return check_memory((double)info->bytes, settings);
}

void ae_selection_release(ae_selection *selection) {
    free(selection->numbers);
    for (int set = 0; set < 2; ++set) free(selection->chosen[set]);
    *selection = (ae_selection){0};
}
