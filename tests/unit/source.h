/* What the tests of sources of images share: a source read as a node's ranks would. */
#ifndef AE_TESTS_SOURCE_H
#define AE_TESTS_SOURCE_H

#include "files.h"

#include "data/selection.h"
#include "data/source.h"

/* Images read by so many ranks, one after the other. */
typedef struct loaded {
    ae_catalog catalog;
    ae_selection selection;
    ae_data_info info;
    ae_image_place *places;
    uint8_t *samples;
} loaded;

static inline void lay_out(loaded *l) {
    int64_t byte = 0;
    l->places = calloc((size_t)l->selection.count, sizeof *l->places);
    assert_non_null(l->places);
    for (int64_t p = 0; p < l->selection.count; ++p) {
        const ae_size size = ae_catalog_size(&l->catalog, l->selection.numbers[p]);
        l->places[p] = (ae_image_place){
            .offset = byte + l->catalog.prefix, .height = size.height, .width = size.width};
        byte += (int64_t)ae_catalog_bytes(&l->catalog, l->selection.numbers[p]);
    }
    assert_int_equal(l->info.bytes, byte + l->selection.count * (int64_t)sizeof *l->places);
    l->samples = malloc((size_t)byte);
    assert_non_null(l->samples);
}

static inline ae_status source_describe(loaded *l, const ae_source_row *source,
                                        const ae_settings *settings) {
    *l = (loaded){0};
    ae_status status = source->describe(&l->catalog, settings);
    if (status == AE_OK) status = ae_selection_make(&l->selection, &l->info, &l->catalog, settings);
    return status;
}

static inline ae_status source_fill(loaded *l, const ae_source_row *source,
                                    const ae_settings *settings, int ranks) {
    ae_status status = AE_OK;
    lay_out(l);
    for (int r = 0; r < ranks && status == AE_OK; ++r) {
        const ae_filling filling = {.settings = settings,
                                    .catalog = &l->catalog,
                                    .numbers = l->selection.numbers,
                                    .train = l->selection.train,
                                    .begin = l->selection.count * r / ranks,
                                    .end = l->selection.count * (r + 1) / ranks,
                                    .places = l->places,
                                    .samples = l->samples};
        if (filling.begin < filling.end) status = source->fill(&filling);
    }
    return status;
}

static inline void source_release(loaded *l) {
    ae_selection_release(&l->selection);
    free(l->catalog.sizes);
    free(l->catalog.pages);
    free(l->catalog.names);
    free(l->places);
    free(l->samples);
}

/* Describes and fills, which must work. */
static inline void source_load(loaded *l, const ae_source_row *source, const ae_settings *settings,
                               int ranks) {
    check_ok(source_describe(l, source, settings));
    check_ok(source_fill(l, source, settings, ranks));
}

/* Image `index` of those to train on (set 0) or to test on (1). */
static inline const ae_image_place *loaded_place(const loaded *l, int set, int64_t index) {
    const uint32_t *chosen = l->selection.chosen[set];
    return &l->places[chosen ? chosen[index] : (set ? l->selection.train : 0) + index];
}

static inline const void *loaded_samples(const loaded *l, int set, int64_t index) {
    return l->samples + loaded_place(l, set, index)->offset;
}

/* The file `name` in the test's folder holds bytes[size]; its path is `path`. */
static inline void write_file(const char *name, const void *bytes, size_t size) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

#endif
