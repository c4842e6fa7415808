/* A data set from the search for it to the views of what load.c loads. */
#include "data/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/watchdog.h"

static const ae_source_row *const sources[] = {
    [AE_SOURCE_CIFAR10] = &ae_source_cifar10,   [AE_SOURCE_CIFAR100] = &ae_source_cifar100,
    [AE_SOURCE_IDX] = &ae_source_idx,           [AE_SOURCE_HDF5] = &ae_source_hdf5,
    [AE_SOURCE_PICTURES] = &ae_source_pictures, [AE_SOURCE_DEADLEAVES] = &ae_source_deadleaves,
};

/* ---- looked for ---- */

/* Rank 0's array of so many bytes on all ranks, the others' owned by the caller; none where rank 0
 * has none. Collective. */
static ae_status share_array(void **array, size_t size, ae_comm *comm) {
    const bool is_first = ae_comm_rank(comm) == 0;
    ae_status status = AE_OK;
    if (!*array) return AE_OK;
    if (!is_first && !(*array = malloc(size))) status = ae_fail_memory("the list of images");
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) ae_comm_broadcast(comm, *array, size);
    return status;
}

/* Rank 0's catalog on all ranks. Collective. */
static ae_status share_catalog(ae_catalog *catalog, ae_comm *comm) {
    ae_catalog all = *catalog;
    ae_comm_broadcast(comm, &all, sizeof all);
    const size_t images = (size_t)(all.info.train.count + all.info.test.count);
    void *arrays[] = {all.sizes, all.pages, all.names};
    const size_t sizes[] = {images * sizeof *all.sizes, images * sizeof *all.pages, all.names_size};
    ae_status status = AE_OK;
    for (int a = 0; a < 3 && status == AE_OK; ++a) status = share_array(&arrays[a], sizes[a], comm);
    if (ae_comm_rank(comm) == 0) return status;
    *catalog = all;
    catalog->sizes = arrays[0], catalog->pages = arrays[1], catalog->names = arrays[2];
    return status;
}

static void release_catalog(ae_catalog *catalog) {
    free(catalog->sizes);
    free(catalog->pages);
    free(catalog->names);
    *catalog = (ae_catalog){0};
}

/* What a source leaves to its caller. On rank 0. */
static ae_status check_catalog(const ae_catalog *catalog) {
    const ae_image_set *train = &catalog->info.train, *test = &catalog->info.test;
    if (catalog->has_test && train->shape.channels != test->shape.channels)
        return ae_fail(AE_ERROR_DATA,
                       "the training images have %d channels and the test images %d; give both "
                       "the same",
                       train->shape.channels, test->shape.channels);
    if (train->count + test->count <= UINT32_MAX) return AE_OK;
    return ae_fail(AE_ERROR_DATA,
                   "there are %lld images, which is more than can be numbered (%lld)",
                   (long long)(train->count + test->count), (long long)UINT32_MAX);
}

/* On rank 0. */
static ae_status describe(ae_dataset *dataset) {
    const ae_settings *settings = dataset->settings;
    const bool is_of_files = dataset->source->channels == NULL;
    if (is_of_files && !settings->data.train[0])
        return ae_fail(AE_ERROR_USAGE,
                       "data.train is empty; name the images to train on, or choose "
                       "another data.source");
    ae_status status = dataset->source->describe(&dataset->catalog, settings);
    return status == AE_OK ? check_catalog(&dataset->catalog) : status;
}

/* The others to the images of `like`. On rank 0. */
static ae_status describe_others(ae_dataset *others, const ae_dataset *like) {
    char message[AE_MESSAGE_SIZE];
    ae_status status = describe(others);
    if (status == AE_OK) return ae_others_check(others, like);
    snprintf(message, sizeof message, "%s", ae_message());
    return ae_fail(status, "data.other or data.other_test: %s", message);
}

/* `like`: NULL, or whose others it is. Collective. */
static ae_status look(ae_dataset *dataset, const ae_dataset *like) {
    ae_status status = AE_OK;
    ae_watchdog_doing("looking for the images");
    ae_comm_begin_work(dataset->comm);
    if (ae_comm_rank(dataset->comm) == 0)
        status = like ? describe_others(dataset, like) : describe(dataset);
    ae_comm_wait(dataset->comm);
    status = ae_comm_agree(dataset->comm, status);
    if (status == AE_OK) status = share_catalog(&dataset->catalog, dataset->comm);
    if (status != AE_OK) return status;
    status = ae_selection_make(&dataset->selection, &dataset->info, &dataset->catalog,
                               dataset->settings);
    return ae_comm_agree(dataset->comm, status);
}

static ae_status create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings,
                        const ae_dataset *like) {
    ae_dataset *made = calloc(1, sizeof *made);
    *dataset = NULL;
    ae_status status = ae_comm_agree(comm, made ? AE_OK : ae_fail_memory("the data set"));
    if (status != AE_OK) {
        free(made);
        return status;
    }
    made->comm = comm;
    made->settings = settings;
    made->source = sources[settings->data.source];
    status = look(made, like);
    if (status != AE_OK) ae_dataset_destroy(&made);
    *dataset = made;
    return status;
}

/* The others, which are looked for as the images are, at their own paths. Collective. */
static ae_status create_others(ae_dataset *dataset) {
    ae_settings *own = malloc(sizeof *own);
    dataset->others_settings = own;
    ae_status status =
        ae_comm_agree(dataset->comm, own ? AE_OK : ae_fail_memory("the data set's others"));
    if (status != AE_OK) return status;
    *own = *dataset->settings;
    memcpy(own->data.train, own->data.other, sizeof own->data.train);
    memcpy(own->data.test, own->data.other_test, sizeof own->data.test);
    status = create(&dataset->others, dataset->comm, own, dataset);
    if (status == AE_OK) dataset->info.others_bytes = dataset->others->info.bytes;
    return status;
}

ae_status ae_dataset_create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings) {
    ae_status status = create(dataset, comm, settings, NULL);
    if (status == AE_OK && settings->data.other[0]) status = create_others(*dataset);
    if (status != AE_OK) ae_dataset_destroy(dataset);
    return status;
}

void ae_dataset_destroy(ae_dataset **dataset) {
    if (!*dataset) return;
    ae_dataset_destroy(&(*dataset)->others);
    free((*dataset)->others_settings);
    if ((*dataset)->shared) ae_shared_destroy(&(*dataset)->shared);
    ae_cache_close(&(*dataset)->cache);
    ae_selection_release(&(*dataset)->selection);
    release_catalog(&(*dataset)->catalog);
    free(*dataset);
    *dataset = NULL;
}

const ae_data_info *ae_dataset_info(const ae_dataset *dataset) {
    return &dataset->info;
}

/* The catalog's number of test image `index`. */
static int64_t test_number(const ae_dataset *dataset, int64_t index) {
    const ae_selection *selection = &dataset->selection;
    const uint32_t *chosen = selection->chosen[1];
    return selection->numbers[chosen ? chosen[index] : selection->train + index];
}

ae_shape ae_dataset_test_shape(const ae_dataset *dataset, int64_t index) {
    const ae_size size = ae_catalog_size(&dataset->catalog, test_number(dataset, index));
    return (ae_shape){dataset->info.test.shape.channels, size.height, size.width};
}

const char *ae_dataset_test_name(const ae_dataset *dataset, int64_t index,
                                 char name[AE_IMAGE_NAME_SIZE]) {
    ae_catalog_name(name, &dataset->catalog, dataset->settings, test_number(dataset, index));
    return name;
}

bool ae_dataset_knows_channels(const ae_settings *settings) {
    return sources[settings->data.source]->channels != NULL;
}

ae_status ae_dataset_channels(int *channels, ae_comm *comm, const ae_settings *settings) {
    ae_dataset *dataset;
    const ae_source_row *source = sources[settings->data.source];
    if (source->channels) {
        *channels = source->channels(settings);
        return AE_OK;
    }
    ae_status status = ae_dataset_create(&dataset, comm, settings);
    if (status == AE_OK) *channels = dataset->info.train.shape.channels;
    ae_dataset_destroy(&dataset);
    return status;
}

/* ---- views ---- */

static ae_images view(const ae_dataset *dataset, int set, const ae_image_set *images,
                      int64_t first) {
    const ae_data_info *info = &dataset->info;
    return (ae_images){.samples = ae_dataset_records(dataset),
                       .places = ae_dataset_places(dataset) + first,
                       .numbers = dataset->selection.chosen[set],
                       .count = images->count,
                       .channels = images->shape.channels,
                       .type = info->type,
                       .low = info->low,
                       .high = info->high};
}

ae_images ae_dataset_train(const ae_dataset *dataset) {
    return view(dataset, 0, &dataset->info.train, 0);
}

ae_images ae_dataset_test(const ae_dataset *dataset) {
    const bool is_chosen = dataset->selection.chosen[1] != NULL;
    return view(dataset, 1, &dataset->info.test, is_chosen ? 0 : dataset->selection.train);
}

/* The others' pixels are in the range of the images they are others to. */
static ae_images in_range_of(const ae_dataset *dataset, ae_images others) {
    others.low = dataset->info.low;
    others.high = dataset->info.high;
    return others;
}

ae_images ae_dataset_train_others(const ae_dataset *dataset) {
    if (!dataset->others) return (ae_images){0};
    return in_range_of(dataset, ae_dataset_train(dataset->others));
}

ae_images ae_dataset_test_others(const ae_dataset *dataset) {
    if (!dataset->others) return (ae_images){0};
    return in_range_of(dataset, ae_dataset_test(dataset->others));
}

const char *ae_dataset_hash(const ae_dataset *dataset) {
    return dataset->hash;
}
