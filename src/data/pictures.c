/* Pictures in files as a source of images: a folder or a list of them; each page is an image. */
#include <stdlib.h>
#include <string.h>
#include "base/stop.h"
#include "base/text.h"
#include "base/watchdog.h"
#include "data/source.h"
#include "picture/picture.h"

enum {
    VALUES_MAX = 1 << 30,  /* of an image */
    ROWS_BYTES = 256 << 10 /* read at once, where a row isn't larger */
};

/* The first failure, in the order of the files, of threads that work on them. */
typedef struct failure {
    ae_status status;
    int64_t index;
    char message[AE_MESSAGE_SIZE];
} failure;

/* Takes this thread's failure. Safe in threads. */
static void take_failure(failure *first, ae_status status, int64_t index) {
#pragma omp critical(ae_pictures)
    if (status != AE_OK && (first->status == AE_OK || index < first->index)) {
        first->status = status;
        first->index = index;
        snprintf(first->message, sizeof first->message, "%s", ae_message());
    }
}

/* It, or that the process was asked to stop. */
static ae_status tell_failure(const failure *first) {
    if (first->status != AE_OK) return ae_fail(first->status, "%s", first->message);
    if (!ae_stop_requested()) return AE_OK;
    return ae_fail(AE_STOPPED, "stopped while the pictures were being read");
}

/* ---- headers ---- */

/* What a file's header tells. */
typedef struct header {
    ae_picture_info info; /* of its first page */
    ae_size *sizes;       /* [info.pages], owned */
} header;

/* Does the page go with the first one of its file, and can it be an image? */
static ae_status check_page(const header *h, const ae_picture_info *page, const char *path,
                            int64_t number) {
    if (page->channels != h->info.channels || page->type != h->info.type)
        return ae_fail(AE_ERROR_DATA,
                       "page %lld of '%s' has other channels or another type than its first; "
                       "write it to a file of its own",
                       (long long)number + 1, path);
    if (page->width * page->height <= VALUES_MAX / page->channels) return AE_OK;
    return ae_fail(AE_ERROR_DATA,
                   "'%s' has %lld x %lld pixels, which is more than an image can have: cut it into "
                   "parts",
                   path, (long long)page->height, (long long)page->width);
}

/* To be released whatever is returned. Safe in threads. */
static ae_status read_header(header *h, const char *path) {
    ae_picture_reader *reader;
    ae_status status = ae_picture_open(&reader, path);
    if (status != AE_OK) return status;
    h->info = *ae_picture_describe(reader);
    h->sizes = malloc((size_t)h->info.pages * sizeof *h->sizes);
    if (!h->sizes) status = ae_fail_memory("the pictures' sizes");
    for (int64_t p = 0; p < h->info.pages && status == AE_OK; ++p) {
        if (p > 0) status = ae_picture_select(reader, p);
        const ae_picture_info *page = ae_picture_describe(reader);
        if (status == AE_OK) status = check_page(h, page, path, p);
        if (status != AE_OK) break;
        h->sizes[p] = (ae_size){(int32_t)page->height, (int32_t)page->width};
    }
    ae_picture_close(&reader);
    return status;
}

/* headers[list->count], zeroed. */
static ae_status read_headers(header *headers, const ae_picture_list *list) {
    failure first = {.status = AE_OK};
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t f = 0; f < list->count; ++f) {
        if (ae_stop_requested()) continue;
        take_failure(&first, read_header(&headers[f], list->files[f].path), f);
        ae_watchdog_progress();
    }
    return tell_failure(&first);
}

static ae_sample_type type_of(ae_picture_type type) {
    static const ae_sample_type types[] = {AE_SAMPLE_U8, AE_SAMPLE_U16, AE_SAMPLE_F32};
    return types[type];
}

/* Channels of the images that a file becomes. */
static int channels_of(const header *h, const ae_settings *settings) {
    return settings->data.channels == AE_CHANNELS_GREY ? 1 : h->info.channels;
}

/* Takes a file's kind into what all files are, of which `first` is one. Bytes become 16-bit words
 * where there are such. */
static ae_status take_kind(ae_data_info *info, const header *h, const ae_settings *settings,
                           const char *path, const char *first) {
    const ae_sample_type type = type_of(h->info.type);
    const int channels = channels_of(h, settings);
    if (channels != info->train.shape.channels)
        return ae_fail(AE_ERROR_DATA,
                       "'%s' has %d channel%s and '%s' has %d; data.channels = 1 makes all grey",
                       path, channels, ae_plural(channels), first, info->train.shape.channels);
    if ((type == AE_SAMPLE_F32) != (info->type == AE_SAMPLE_F32))
        return ae_fail(AE_ERROR_DATA,
                       "'%s' holds %s and '%s' %s; convert them to integers, or to floating point",
                       path, ae_sample_name(type), first, ae_sample_name(info->type));
    if (type > info->type) info->type = type;
    return AE_OK;
}

/* ---- catalog ---- */

static int64_t count_pages(const header *headers, int64_t files) {
    int64_t pages = 0;
    for (int64_t f = 0; f < files; ++f) pages += headers[f].info.pages;
    return pages;
}

/* Makes the catalog's arrays so large. */
static ae_status grow(ae_catalog *catalog, int64_t images, size_t names_size) {
    ae_size *sizes = realloc(catalog->sizes, (size_t)images * sizeof *sizes);
    if (sizes) catalog->sizes = sizes;
    int32_t *pages = realloc(catalog->pages, (size_t)images * sizeof *pages);
    if (pages) catalog->pages = pages;
    char *names = realloc(catalog->names, names_size);
    if (names) catalog->names = names;
    return sizes && pages && names ? AE_OK : ae_fail_memory("the list of pictures");
}

/* Adds the files' pages behind the `before` images that the catalog has. */
static ae_status add_files(ae_catalog *catalog, int64_t before, const header *headers,
                           const ae_picture_list *list) {
    size_t names_size = catalog->names_size;
    for (int64_t f = 0; f < list->count; ++f)
        names_size += (size_t)headers[f].info.pages * (strlen(list->files[f].path) + 1);
    ae_status status = grow(catalog, before + count_pages(headers, list->count), names_size);
    if (status != AE_OK) return status;
    char *name = catalog->names + catalog->names_size;
    int64_t image = before;
    for (int64_t f = 0; f < list->count; ++f)
        for (int64_t p = 0; p < headers[f].info.pages; ++p, ++image) {
            catalog->sizes[image] = headers[f].sizes[p];
            catalog->pages[image] = (int32_t)p;
            name = stpcpy(name, list->files[f].path) + 1;
        }
    catalog->names_size = names_size;
    return AE_OK;
}

/* Takes in what a folder or list holds. */
static ae_status take_list(ae_catalog *catalog, ae_image_set *set, int64_t before,
                           const ae_picture_list *list, const ae_settings *settings) {
    ae_data_info *info = &catalog->info;
    header *headers = calloc((size_t)list->count, sizeof *headers);
    if (!headers) return ae_fail_memory("the list of pictures");
    ae_status status = read_headers(headers, list);
    if (status == AE_OK && before == 0) {
        info->train.shape.channels = channels_of(&headers[0], settings);
        info->type = type_of(headers[0].info.type);
    }
    const char *first = before == 0 ? list->files[0].path : catalog->names;
    for (int64_t f = 0; f < list->count && status == AE_OK; ++f)
        status = take_kind(info, &headers[f], settings, list->files[f].path, first);
    if (status == AE_OK) status = add_files(catalog, before, headers, list);
    if (status == AE_OK) {
        set->count = count_pages(headers, list->count);
        set->shape.channels = info->train.shape.channels;
    }
    for (int64_t f = 0; f < list->count; ++f) free(headers[f].sizes);
    free(headers);
    return status;
}

static ae_status take_path(ae_catalog *catalog, ae_image_set *set, int64_t before, const char *path,
                           const ae_settings *settings) {
    ae_picture_list list;
    ae_status status = ae_picture_list_read(&list, path, NULL);
    if (status != AE_OK) return status;
    status = take_list(catalog, set, before, &list, settings);
    ae_picture_list_release(&list);
    return status;
}

static ae_status describe(ae_catalog *catalog, const ae_settings *settings) {
    static const double highest[] = {UINT8_MAX, UINT16_MAX, 0};
    ae_data_info *info = &catalog->info;
    ae_status status = take_path(catalog, &info->train, 0, settings->data.train, settings);
    catalog->is_made_grey = settings->data.channels == AE_CHANNELS_GREY;
    catalog->has_test = settings->data.test[0] != '\0';
    if (status == AE_OK && catalog->has_test)
        status = take_path(catalog, &info->test, info->train.count, settings->data.test, settings);
    info->high = highest[info->type];
    return status;
}

/* ---- pixels ---- */

/* planes[channel][...] = `count` pixels, from `first` on of planes of `plane` samples, without the
 * samples of a pixel beyond the channels. */
#define TO_PLANES(name, out, in, scale)                                                            \
    static void name(out *planes, const in *pixels, size_t count, size_t plane, int channels,      \
                     int samples) {                                                                \
        for (int c = 0; c < channels; ++c)                                                         \
            for (size_t p = 0; p < count; ++p)                                                     \
                planes[(size_t)c * plane + p] =                                                    \
                    (out)(pixels[p * (size_t)samples + (size_t)c] * (scale));                      \
    }
TO_PLANES(bytes_to_planes, uint8_t, uint8_t, 1)
TO_PLANES(bytes_to_words, uint16_t, uint8_t, UINT16_MAX / UINT8_MAX)
TO_PLANES(words_to_planes, uint16_t, uint16_t, 1)
TO_PLANES(floats_to_planes, float, float, 1)

/* grey[count] = the luma of colour pixels (ITU-R BT.601), integers rounded. */
#define TO_GREY(name, out, in, scale, luma)                                                        \
    static void name(out *grey, const in *pixels, size_t count, int samples) {                     \
        for (size_t p = 0; p < count; ++p, pixels += samples)                                      \
            grey[p] = (out)luma(pixels[0] * (scale), pixels[1] * (scale), pixels[2] * (scale));    \
    }
#define INTEGER_LUMA(r, g, b) ((299 * (r) + 587 * (g) + 114 * (b) + 500) / 1000)
#define FLOAT_LUMA(r, g, b) (0.299f * (r) + 0.587f * (g) + 0.114f * (b))
TO_GREY(bytes_to_grey, uint8_t, uint8_t, 1u, INTEGER_LUMA)
TO_GREY(bytes_to_grey_words, uint16_t, uint8_t, (unsigned)(UINT16_MAX / UINT8_MAX), INTEGER_LUMA)
TO_GREY(words_to_grey, uint16_t, uint16_t, 1u, INTEGER_LUMA)
TO_GREY(floats_to_grey, float, float, 1.0f, FLOAT_LUMA)

/* Colour pixels into a grey image, of that type from `out` on. */
static void spread_grey(void *out, ae_sample_type type, const void *pixels, size_t count,
                        const ae_picture_info *info) {
    const int samples = ae_picture_samples(info);
    if (type == AE_SAMPLE_U8) bytes_to_grey(out, pixels, count, samples);
    if (type == AE_SAMPLE_F32) floats_to_grey(out, pixels, count, samples);
    if (type != AE_SAMPLE_U16) return;
    if (info->type == AE_PICTURE_U8)
        bytes_to_grey_words(out, pixels, count, samples);
    else
        words_to_grey(out, pixels, count, samples);
}

/* Pixels into an image's planes of that type, from `out` on. */
static void spread(void *out, ae_sample_type type, const void *pixels, size_t count,
                   const ae_picture_info *info) {
    const size_t plane = (size_t)(info->width * info->height);
    const int channels = info->channels, samples = ae_picture_samples(info);
    if (type == AE_SAMPLE_U8) bytes_to_planes(out, pixels, count, plane, channels, samples);
    if (type == AE_SAMPLE_F32) floats_to_planes(out, pixels, count, plane, channels, samples);
    if (type != AE_SAMPLE_U16) return;
    if (info->type == AE_PICTURE_U8)
        bytes_to_words(out, pixels, count, plane, channels, samples);
    else
        words_to_planes(out, pixels, count, plane, channels, samples);
}

/* Reads the selected page into the image, of so many channels. */
static ae_status read_rows(uint8_t *image, ae_sample_type type, int channels,
                           ae_picture_reader *reader) {
    const ae_picture_info *info = ae_picture_describe(reader);
    const size_t image_row = (size_t)info->width * ae_sample_size(type);
    const size_t row = ae_picture_row_bytes(info);
    const int64_t most = row < ROWS_BYTES ? (int64_t)(ROWS_BYTES / row) : 1;
    void *rows = malloc((size_t)most * row);
    if (!rows) return ae_fail_memory("rows of a picture");
    ae_status status = AE_OK;
    for (int64_t done = 0; done < info->height && status == AE_OK;) {
        const int64_t count = info->height - done < most ? info->height - done : most;
        status = ae_picture_read(reader, count, rows);
        const size_t pixels = (size_t)(count * info->width);
        if (status == AE_OK && channels < info->channels)
            spread_grey(image, type, rows, pixels, info);
        else if (status == AE_OK)
            spread(image, type, rows, pixels, info);
        image += (size_t)count * image_row;
        done += count;
    }
    free(rows);
    return status;
}

/* Is the page as its header told at first? */
static ae_status check_same(const ae_picture_info *info, const ae_catalog *catalog, ae_size size,
                            const char *path) {
    const ae_sample_type type = type_of(info->type), all = catalog->info.type;
    const int channels = catalog->info.train.shape.channels;
    if (info->width == size.width && info->height == size.height &&
        (info->channels == channels || catalog->is_made_grey) &&
        (type == all || (type == AE_SAMPLE_U8 && all == AE_SAMPLE_U16)))
        return AE_OK;
    return ae_fail(AE_ERROR_DATA, "'%s' changed while it was read: give it time, and start again",
                   path);
}

/* Reads the image at a place from its file. Safe in threads. */
static ae_status read_image(const ae_filling *filling, int64_t place, const char *path) {
    const uint32_t number = filling->numbers[place];
    const ae_catalog *catalog = filling->catalog;
    ae_picture_reader *reader;
    ae_status status = ae_picture_open(&reader, path);
    if (status != AE_OK) return status;
    if (catalog->pages[number] > 0) status = ae_picture_select(reader, catalog->pages[number]);
    if (status == AE_OK)
        status = check_same(ae_picture_describe(reader), catalog, catalog->sizes[number], path);
    if (status == AE_OK)
        status = read_rows(filling->samples + filling->places[place].offset, catalog->info.type,
                           catalog->info.train.shape.channels, reader);
    ae_picture_close(&reader);
    return status;
}

/* paths[end - begin] = those of the places. */
static void find_paths(const char **paths, const ae_filling *filling) {
    const char *name = filling->catalog->names;
    uint32_t number = 0;
    for (int64_t p = filling->begin; p < filling->end; ++p) {
        for (; number < filling->numbers[p]; ++number) name += strlen(name) + 1;
        paths[p - filling->begin] = name;
    }
}

static ae_status fill(const ae_filling *filling) {
    const char **paths = malloc((size_t)(filling->end - filling->begin) * sizeof *paths);
    if (!paths) return ae_fail_memory("the list of pictures");
    failure first = {.status = AE_OK};
    find_paths(paths, filling);
#pragma omp parallel for schedule(dynamic)
    for (int64_t p = filling->begin; p < filling->end; ++p) {
        if (ae_stop_requested()) continue;
        take_failure(&first, read_image(filling, p, paths[p - filling->begin]), p);
        ae_watchdog_progress();
    }
    free(paths);
    return tell_failure(&first);
}

/* Each file once, at its first page. */
static ae_status identify(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings) {
    const int64_t count = catalog->info.train.count + catalog->info.test.count;
    const char *name = catalog->names;
    ae_status status = AE_OK;
    (void)settings;
    for (int64_t n = 0; n < count && status == AE_OK; ++n, name += strlen(name) + 1) {
        if (catalog->pages[n] == 0) status = ae_source_add_file(hash, name);
        ae_watchdog_progress();
    }
    return status;
}

const ae_source_row ae_source_pictures = {.cure = AE_SAME_FILES "data.train and data.test",
                                          .describe = describe,
                                          .fill = fill,
                                          .identify = identify,
                                          .decoders = ae_picture_libraries};
