#include "data/selection.h"

#include <stdlib.h>

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

/* The first images of both of the source's sets. */
static void choose_first(ae_selection *selection, const ae_catalog *catalog, int64_t train) {
    selection->train = train;
    for (int64_t p = 0; p < selection->count; ++p)
        selection->numbers[p] = (uint32_t)(p < train ? p : catalog->info.train.count + p - train);
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

/* Shapes and bytes of what is chosen. */
static void measure(const ae_selection *selection, ae_data_info *info, const ae_catalog *catalog) {
    info->bytes = selection->count * (int64_t)sizeof(ae_image_place);
    info->train.least_height = info->test.least_height = 0;
    for (int64_t p = 0; p < selection->count; ++p) {
        const int64_t number = selection->numbers[p];
        take_size(p < selection->train ? &info->train : &info->test,
                  ae_catalog_size(catalog, number));
        info->bytes += (int64_t)ae_catalog_bytes(catalog, number);
    }
}

ae_status ae_selection_make(ae_selection *selection, ae_data_info *info, const ae_catalog *catalog,
                            const ae_settings *settings) {
    *selection = (ae_selection){0};
    *info = catalog->info;
    ae_status status = choose_count(&info->train.count, "data.train_images",
                                    settings->data.train_images, catalog->info.train.count);
    if (status == AE_OK)
        status = choose_count(&info->test.count, "data.test_images", settings->data.test_images,
                              catalog->info.test.count);
    if (status != AE_OK) return status;
    selection->count = info->train.count + info->test.count;
    selection->numbers = calloc((size_t)selection->count, sizeof *selection->numbers);
    if (!selection->numbers) return ae_fail_memory("the images' numbers");
    choose_first(selection, catalog, info->train.count);
    measure(selection, info, catalog);
    return AE_OK;
}

void ae_selection_release(ae_selection *selection) {
    free(selection->numbers);
    for (int set = 0; set < 2; ++set) free(selection->chosen[set]);
    *selection = (ae_selection){0};
}
