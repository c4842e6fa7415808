/* A source of images read as a node's ranks would: for the fuzz targets of what it reads. */
#ifndef AE_TESTS_FUZZ_SOURCE_H
#define AE_TESTS_FUZZ_SOURCE_H

#include "data/selection.h"
#include "data/source.h"
#include "fuzz.h"

enum { SOURCE_MAX = 1 << 20 /* bytes of images that are read */ };

/* Reads all that is described by two ranks. The room ends with the last sample: beyond it lies the
 * sanitizer's guard. */
static inline ae_status source_fill(const ae_source_row *source, const ae_settings *settings,
                                    const ae_catalog *catalog, const ae_selection *selection) {
    ae_status status = AE_OK;
    size_t bytes = 0;
    ae_image_place *places = calloc((size_t)selection->count, sizeof *places);
    REQUIRE(places, "no memory");
    for (int64_t p = 0; p < selection->count; ++p) {
        const ae_size size = ae_catalog_size(catalog, selection->numbers[p]);
        places[p] =
            (ae_image_place){(int64_t)bytes + catalog->prefix, size.height, size.width, 0, 0};
        bytes += ae_catalog_bytes(catalog, selection->numbers[p]);
    }
    uint8_t *samples = malloc(bytes);
    REQUIRE(samples, "no memory");
    for (int rank = 0; rank < 2 && status == AE_OK; ++rank) {
        const ae_filling filling = {.settings = settings,
                                    .catalog = catalog,
                                    .numbers = selection->numbers,
                                    .train = selection->train,
                                    .begin = rank * (selection->count / 2),
                                    .end = rank ? selection->count : selection->count / 2,
                                    .places = places,
                                    .samples = samples};
        if (filling.begin < filling.end) status = source->fill(&filling);
    }
    free(samples);
    free(places);
    return status;
}

/* Whatever the files hold, they are read or refused, by a message that names one of them. */
static inline void try_source(const ae_source_row *source, const ae_settings *settings,
                              const char *named) {
    ae_catalog catalog = {0};
    ae_selection selection = {0};
    ae_data_info info;
    ae_status status = source->describe(&catalog, settings);
    if (status == AE_OK && catalog.info.train.count + catalog.info.test.count > SOURCE_MAX)
        goto done;
    if (status == AE_OK) status = ae_selection_make(&selection, &info, &catalog, settings);
    const bool is_chosen = status == AE_OK;
    if (is_chosen && info.bytes <= SOURCE_MAX)
        status = source_fill(source, settings, &catalog, &selection);
    if (status != AE_OK) {
        require_message();
        REQUIRE(status == AE_ERROR_DATA || (status == AE_ERROR_USAGE && !is_chosen), "status %d",
                (int)status);
        const bool is_large = strstr(ae_message(), "of memory; take fewer") != NULL;
        if (status == AE_ERROR_DATA && !is_large)
            REQUIRE(strstr(ae_message(), named), "%s", ae_message());
    }
done:
    ae_selection_release(&selection);
    free(catalog.sizes);
    free(catalog.pages);
    free(catalog.names);
}

#endif
