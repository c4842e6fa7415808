/* MNIST's format, IDX, as a source of images: big-endian, two zeros, type (8: unsigned bytes) and
 * number of dimensions, a 32-bit word for each of them, then the values. Labels, in a file of their
 * own, are found by its customary name. */
#include "data/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/stop.h"
#include "base/watchdog.h"
#include "data/axes.h"

enum { RANK_MAX = 4, TYPE_BYTES = 8, HEAD_SIZE = 4 };

static const char CURE[] = "point data.train and data.test at files such as "
                           "train-images-idx3-ubyte, gzipped or not";

/* ---- files ---- */

static int64_t big_endian(const uint8_t bytes[4]) {
    return (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Reads the header; a plain file has as many bytes as it tells. */
static ae_status read_header(ae_idx *idx) {
    uint8_t head[HEAD_SIZE + 4 * RANK_MAX] = {0};
    const char *path = idx->bytes.file.path;
    if (idx->bytes.file.info.st_size < HEAD_SIZE)
        return ae_fail(AE_ERROR_DATA, "'%s' has %lld bytes, too few for an IDX file; %s", path,
                       (long long)idx->bytes.file.info.st_size, CURE);
    ae_status status = ae_unpacked_read(&idx->bytes, head, HEAD_SIZE);
    if (status != AE_OK) return status;
    idx->rank = head[3];
    if (head[0] || head[1] || idx->rank < 1 || idx->rank > RANK_MAX)
        return ae_fail(AE_ERROR_DATA,
                       "'%s' is not an IDX file of 1 to %d dimensions: it begins with "
                       "%02x %02x %02x %02x; %s",
                       path, RANK_MAX, head[0], head[1], head[2], head[3], CURE);
    if (head[2] != TYPE_BYTES)
        return ae_fail(AE_ERROR_DATA,
                       "'%s' is an IDX file of type 0x%02x, where unsigned bytes (0x08) are read; "
                       "%s",
                       path, head[2], CURE);
    status = ae_unpacked_read(&idx->bytes, head + HEAD_SIZE, 4 * (size_t)idx->rank);
    for (int d = 0; d < idx->rank; ++d) idx->dims[d] = big_endian(head + HEAD_SIZE + 4 * d);
    idx->first = idx->bytes.at;
    return status;
}

/* Has a plain file of `size` bytes an item that many? */
static ae_status check_size(const ae_idx *idx, int64_t size) {
    int64_t expected;
    const int64_t found = idx->bytes.file.info.st_size;
    if (__builtin_mul_overflow(idx->dims[0], size, &expected)) expected = INT64_MAX / 2;
    expected += idx->first;
    if (idx->bytes.gzip || found == expected) return AE_OK;
    return ae_fail(AE_ERROR_DATA, "'%s' has %lld bytes where its header tells %lld: it is %s; %s",
                   idx->bytes.file.path, (long long)found, (long long)expected,
                   found < expected ? "cut short" : "not what its header says", CURE);
}

ae_status ae_idx_open(ae_idx *idx, const char *path, const char *key) {
    *idx = (ae_idx){.bytes.file = {.key = key, .cure = CURE}};
    snprintf(idx->bytes.file.path, sizeof idx->bytes.file.path, "%s", path);
    ae_status status = ae_unpacked_open(&idx->bytes);
    if (status != AE_OK) return status;
    status = read_header(idx);
    if (status != AE_OK) ae_idx_close(idx);
    return status;
}

void ae_idx_close(ae_idx *idx) {
    ae_unpacked_close(&idx->bytes);
}

ae_status ae_idx_shape(const ae_idx *idx, ae_axes axes, int64_t *count, ae_shape *shape) {
    char where[sizeof idx->bytes.file.path + 2];
    snprintf(where, sizeof where, "'%s'", idx->bytes.file.path);
    ae_status status = ae_axes_shape(count, shape, idx->rank == 3 ? AE_AXES_NHW : axes, idx->rank,
                                     idx->dims, where);
    return status == AE_OK ? check_size(idx, (int64_t)ae_shape_values(*shape)) : status;
}

bool ae_idx_labels_path(char *labels, size_t size, const char *images) {
    static const char *const words[][2] = {
        {"images", "labels"}, {"idx3", "idx1"}, {"idx4", "idx1"}};
    const char *slash = strrchr(images, '/');
    const char *name = slash ? slash + 1 : images;
    if (!strstr(name, words[0][0])) return false;
    snprintf(labels, size, "%s", images);
    for (size_t w = 0; w < sizeof words / sizeof *words; ++w) {
        char *found = strstr(labels + (name - images), words[w][0]);
        if (found) memcpy(found, words[w][1], strlen(words[w][1]));
    }
    return access(labels, F_OK) == 0;
}

/* Opens the labels beside a file of `count` images. */
static ae_status open_labels(ae_idx *labels, const char *path, const char *key, int64_t count) {
    ae_status status = ae_idx_open(labels, path, key);
    if (status != AE_OK) return status;
    if (labels->rank != 1 || labels->dims[0] != count)
        status = ae_fail(AE_ERROR_DATA,
                         "'%s', the labels by its name, has %lld items in %d dimensions, where "
                         "there are %lld images: rename it if it isn't theirs",
                         path, (long long)labels->dims[0], labels->rank, (long long)count);
    else
        status = check_size(labels, 1);
    if (status != AE_OK) ae_idx_close(labels);
    return status;
}

/* ---- the source ---- */

/* What a file holds, and whether labels stand beside it. */
static ae_status describe_file(ae_image_set *set, bool *has_labels, const char *path,
                               const char *key, ae_axes axes) {
    ae_idx idx, labels;
    char labels_path[AE_TEXT_SIZE];
    ae_status status = ae_idx_open(&idx, path, key);
    if (status != AE_OK) return status;
    status = ae_idx_shape(&idx, axes, &set->count, &set->shape);
    ae_idx_close(&idx);
    *has_labels = ae_idx_labels_path(labels_path, sizeof labels_path, path);
    if (status != AE_OK || !*has_labels) return status;
    status = open_labels(&labels, labels_path, key, set->count);
    if (status == AE_OK) ae_idx_close(&labels);
    return status;
}

static ae_status describe(ae_catalog *catalog, const ae_settings *settings) {
    ae_data_info *info = &catalog->info;
    const ae_axes axes = (ae_axes)settings->data.axes;
    bool test_has_labels = true;
    *info = (ae_data_info){.type = AE_SAMPLE_U8, .high = UINT8_MAX};
    ae_status status =
        describe_file(&info->train, &info->has_labels, settings->data.train, "data.train", axes);
    catalog->has_test = settings->data.test[0] != '\0';
    if (status == AE_OK && catalog->has_test)
        status =
            describe_file(&info->test, &test_has_labels, settings->data.test, "data.test", axes);
    info->has_labels &= test_has_labels;
    return status;
}

/* Reads image `number` of the file into samples. */
static ae_status read_image(ae_idx *idx, uint8_t *samples, int64_t number, ae_shape shape,
                            bool is_planar, uint8_t *pixels) {
    const size_t size = ae_shape_values(shape);
    ae_status status = ae_unpacked_skip(&idx->bytes, idx->first + number * (int64_t)size);
    if (status == AE_OK) status = ae_unpacked_read(&idx->bytes, is_planar ? samples : pixels, size);
    if (status == AE_OK && !is_planar) ae_axes_to_planar(samples, pixels, shape, 1);
    if (status == AE_OK && number + 1 == idx->dims[0]) status = ae_unpacked_end(&idx->bytes);
    return status;
}

/* Reads places [begin, end) from an open file, whose first image is number `first`. */
static ae_status read_images(const ae_filling *filling, ae_idx *idx, int64_t begin, int64_t end,
                             int64_t first, ae_shape shape) {
    const bool is_planar = idx->rank == 3 || filling->settings->data.axes == AE_AXES_NCHW;
    uint8_t *pixels = is_planar ? NULL : malloc(ae_shape_values(shape));
    if (!is_planar && !pixels) return ae_fail_memory("an image");
    ae_status status = AE_OK;
    for (int64_t p = begin; p < end && status == AE_OK; ++p) {
        if (ae_stop_requested())
            status = ae_fail(AE_STOPPED, "stopped while the images were being read");
        else
            status = read_image(idx, filling->samples + filling->places[p].offset,
                                filling->numbers[p] - first, shape, is_planar, pixels);
        ae_watchdog_progress();
    }
    free(pixels);
    return status;
}

static ae_status read_labels(const ae_filling *filling, const char *path, const char *key,
                             int64_t begin, int64_t end, int64_t first, int64_t count) {
    ae_idx labels;
    ae_status status = open_labels(&labels, path, key, count);
    if (status != AE_OK) return status;
    for (int64_t p = begin; p < end && status == AE_OK; ++p) {
        uint8_t label = 0;
        status = ae_unpacked_skip(&labels.bytes, labels.first + filling->numbers[p] - first);
        if (status == AE_OK) status = ae_unpacked_read(&labels.bytes, &label, 1);
        filling->places[p].label = label;
    }
    ae_idx_close(&labels);
    return status;
}

/* Fills those places that lie in [begin, end) and are the set's, whose first image is number
 * `first`. */
static ae_status fill_set(const ae_filling *filling, const ae_image_set *set, const char *path,
                          const char *key, int64_t begin, int64_t end, int64_t first) {
    ae_idx idx;
    int64_t count;
    ae_shape shape;
    char labels_path[AE_TEXT_SIZE];
    if (begin >= end) return AE_OK;
    ae_status status = ae_idx_open(&idx, path, key);
    if (status != AE_OK) return status;
    status = ae_idx_shape(&idx, (ae_axes)filling->settings->data.axes, &count, &shape);
    if (status == AE_OK && (count != set->count || memcmp(&shape, &set->shape, sizeof shape) != 0))
        status = ae_fail(AE_ERROR_DATA, "'%s' changed while it was read: give it time, start again",
                         path);
    if (status == AE_OK) status = read_images(filling, &idx, begin, end, first, shape);
    ae_idx_close(&idx);
    if (status != AE_OK || !filling->catalog->info.has_labels) return status;
    if (!ae_idx_labels_path(labels_path, sizeof labels_path, path))
        return ae_fail(AE_ERROR_DATA, "the labels beside '%s' went while it was read", path);
    return read_labels(filling, labels_path, key, begin, end, first, count);
}

static ae_status fill(const ae_filling *filling) {
    const ae_data_info *info = &filling->catalog->info;
    const int64_t train = filling->train, begin = filling->begin, end = filling->end;
    ae_status status = fill_set(filling, &info->train, filling->settings->data.train, "data.train",
                                begin, end < train ? end : train, 0);
    if (status == AE_OK)
        status = fill_set(filling, &info->test, filling->settings->data.test, "data.test",
                          begin > train ? begin : train, end, info->train.count);
    return status;
}

/* A file, and the labels beside it. */
static ae_status identify_file(ae_hash *hash, const char *path) {
    char labels[AE_TEXT_SIZE];
    ae_status status = ae_source_add_file(hash, path);
    if (status == AE_OK && ae_idx_labels_path(labels, sizeof labels, path))
        status = ae_source_add_file(hash, labels);
    return status;
}

static ae_status identify(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings) {
    return ae_source_add_paths(hash, catalog, settings, identify_file);
}

const ae_source_row ae_source_idx = {.cure = AE_SAME_FILES "data.train and data.test",
                                     .describe = describe,
                                     .fill = fill,
                                     .identify = identify};
