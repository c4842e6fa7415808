/* A dataset of an HDF5 file as a source of images. */
#include <stdlib.h>
#include <string.h>
#include "base/stop.h"
#include "base/watchdog.h"
#include "data/axes.h"
#include "data/source.h"
#include "h5/array.h"

enum { SLAB_BYTES = 64 << 20 /* read at once, where an image isn't larger */ };

/* The images of an open dataset. */
static ae_status describe_array(ae_image_set *set, const ae_h5_array *array, const char *path,
                                ae_axes axes) {
    const ae_h5_array_info *info = ae_h5_array_describe(array);
    char where[AE_TEXT_SIZE + 2];
    snprintf(where, sizeof where, "'%s'", path);
    return ae_axes_shape(&set->count, &set->shape, axes, info->rank, info->dims, where);
}

static ae_sample_type type_of(const ae_h5_array_info *info) {
    static const ae_sample_type types[] = {AE_SAMPLE_U8, AE_SAMPLE_U16, AE_SAMPLE_F32};
    return types[info->number];
}

static ae_status describe_path(ae_h5_array_info *info, ae_image_set *set, const char *path,
                               ae_axes axes) {
    ae_h5_array *array;
    ae_status status = ae_h5_array_open(&array, path);
    if (status != AE_OK) return status;
    *info = *ae_h5_array_describe(array);
    status = describe_array(set, array, path, axes);
    ae_h5_array_close(&array);
    return status;
}

static ae_status describe(ae_catalog *catalog, const ae_settings *settings) {
    ae_data_info *info = &catalog->info;
    const ae_axes axes = (ae_axes)settings->data.axes;
    ae_h5_array_info train, test;
    ae_status status = describe_path(&train, &info->train, settings->data.train, axes);
    catalog->has_test = settings->data.test[0] != '\0';
    if (status == AE_OK && catalog->has_test)
        status = describe_path(&test, &info->test, settings->data.test, axes);
    if (status != AE_OK) return status;
    info->type = type_of(&train);
    info->low = train.low;
    info->high = train.high;
    catalog->together[0] = train.chunk;
    if (!catalog->has_test) return AE_OK;
    catalog->together[1] = test.chunk;
    if (test.number == train.number && test.low == train.low && test.high == train.high)
        return AE_OK;
    return ae_fail(AE_ERROR_DATA, "'%s' and '%s' hold numbers of other types; give both the same",
                   settings->data.train, settings->data.test);
}

/* A run of images as they lie in the file. */
typedef struct slab {
    ae_h5_array *array;
    int64_t begin, end; /* what is in memory */
    int64_t most;       /* images */
    size_t image_size;  /* bytes */
    uint8_t *values;
} slab;

/* Reads the images from `number` on, up to `end`: whole rows of chunks, or as much of one as there
 * is room for. */
static ae_status slab_read(slab *s, int64_t number, int64_t end) {
    const int64_t chunk = ae_h5_array_describe(s->array)->chunk;
    const int64_t rows = s->most < chunk ? 1 : s->most / chunk;
    s->begin = number;
    s->end = (number / chunk + rows) * chunk;
    if (s->end > number + s->most) s->end = number + s->most;
    if (s->end > end) s->end = end;
    return ae_h5_array_read(s->array, s->begin, s->end - s->begin, s->values);
}

static ae_status slab_create(slab *s, ae_h5_array *array, ae_shape shape) {
    const ae_h5_array_info *info = ae_h5_array_describe(array);
    *s = (slab){.array = array};
    s->image_size = ae_shape_values(shape) * ae_sample_size(type_of(info));
    const int64_t room = SLAB_BYTES / (int64_t)s->image_size;
    s->most = room < 1 ? 1 : room < info->chunk ? room : room / info->chunk * info->chunk;
    s->values = malloc((size_t)s->most * s->image_size);
    return s->values ? AE_OK : ae_fail_memory("a piece of the images");
}

/* Reads places [begin, end) from an open dataset, whose first image is number `first`. */
static ae_status read_images(const ae_filling *filling, slab *s, int64_t begin, int64_t end,
                             int64_t first, ae_shape shape) {
    const bool is_planar = filling->settings->data.axes != AE_AXES_NHWC;
    const size_t size = s->image_size / ae_shape_values(shape);
    const int64_t last = filling->numbers[end - 1] - first + 1;
    ae_status status = AE_OK;
    for (int64_t p = begin; p < end && status == AE_OK; ++p) {
        const int64_t number = filling->numbers[p] - first;
        if (ae_stop_requested())
            return ae_fail(AE_STOPPED, "stopped while the images were being read");
        if (number >= s->end) status = slab_read(s, number, last);
        if (status != AE_OK) break;
        const uint8_t *image = s->values + (size_t)(number - s->begin) * s->image_size;
        uint8_t *samples = filling->samples + filling->places[p].offset;
        if (is_planar)
            memcpy(samples, image, s->image_size);
        else
            ae_axes_to_planar(samples, image, shape, size);
        ae_watchdog_progress();
    }
    return status;
}

/* Fills those places that lie in [begin, end) and are the set's, whose first image is number
 * `first`. */
static ae_status fill_set(const ae_filling *filling, const ae_image_set *set, const char *path,
                          int64_t begin, int64_t end, int64_t first) {
    ae_image_set now = {0};
    ae_h5_array *array;
    slab s = {0};
    if (begin >= end) return AE_OK;
    ae_status status = ae_h5_array_open(&array, path);
    if (status != AE_OK) return status;
    status = describe_array(&now, array, path, (ae_axes)filling->settings->data.axes);
    if (status == AE_OK &&
        (now.count != set->count || memcmp(&now.shape, &set->shape, sizeof now.shape) != 0 ||
         type_of(ae_h5_array_describe(array)) != filling->catalog->info.type))
        status = ae_fail(AE_ERROR_DATA,
                         "'%s' changed while it was read: give it time, and start again", path);
    if (status == AE_OK) status = slab_create(&s, array, set->shape);
    if (status == AE_OK) status = read_images(filling, &s, begin, end, first, set->shape);
    free(s.values);
    ae_h5_array_close(&array);
    return status;
}

static ae_status fill(const ae_filling *filling) {
    const ae_data_info *info = &filling->catalog->info;
    const int64_t train = filling->train, begin = filling->begin, end = filling->end;
    ae_status status = fill_set(filling, &info->train, filling->settings->data.train, begin,
                                end < train ? end : train, 0);
    if (status == AE_OK)
        status = fill_set(filling, &info->test, filling->settings->data.test,
                          begin > train ? begin : train, end, info->train.count);
    return status;
}

/* The dataset's name and its file. */
static ae_status identify_path(ae_hash *hash, const char *path) {
    char file[AE_TEXT_SIZE];
    const char *name = path;
    for (const char *at = path; (at = strstr(at, ":/")); ++at) name = at;
    snprintf(file, sizeof file, "%.*s", (int)(name - path), path);
    ae_hash_add_text(hash, name);
    return ae_source_add_file(hash, file);
}

static ae_status identify(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings) {
    return ae_source_add_paths(hash, catalog, settings, identify_path);
}

const ae_source_row ae_source_hdf5 = {.cure = AE_SAME_FILES "data.train and data.test",
                                      .describe = describe,
                                      .fill = fill,
                                      .identify = identify};
