#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/watchdog.h"
#include "data/selection.h"
#include "data/source.h"

static const ae_source_row *const sources[] = {
    [AE_SOURCE_CIFAR10] = &ae_source_cifar10,   [AE_SOURCE_CIFAR100] = &ae_source_cifar100,
    [AE_SOURCE_IDX] = &ae_source_idx,           [AE_SOURCE_HDF5] = &ae_source_hdf5,
    [AE_SOURCE_PICTURES] = &ae_source_pictures, [AE_SOURCE_DEADLEAVES] = &ae_source_deadleaves,
};

struct ae_dataset {
    ae_comm *comm;               /* borrowed */
    const ae_settings *settings; /* borrowed */
    const ae_source_row *source;
    ae_catalog catalog;
    ae_selection selection;
    ae_data_info info;
    ae_shared *shared; /* places[selection.count], then the records; NULL: not loaded */
    char hash[AE_HASH_TEXT_SIZE];
};

size_t ae_sample_size(ae_sample_type type) {
    static const size_t sizes[] = {1, 2, 4};
    return sizes[type];
}

const char *ae_sample_name(ae_sample_type type) {
    static const char *const names[] = {"8 bits", "16 bits", "32-bit floats"};
    return names[type];
}

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

/* Collective. */
static ae_status look(ae_dataset *dataset) {
    ae_status status = AE_OK;
    ae_watchdog_doing("looking for the images");
    if (ae_comm_rank(dataset->comm) == 0) status = describe(dataset);
    status = ae_comm_agree(dataset->comm, status);
    if (status == AE_OK) status = share_catalog(&dataset->catalog, dataset->comm);
    if (status != AE_OK) return status;
    status = ae_selection_make(&dataset->selection, &dataset->info, &dataset->catalog,
                               dataset->settings);
    return ae_comm_agree(dataset->comm, status);
}

ae_status ae_dataset_create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings) {
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
    status = look(made);
    if (status != AE_OK) ae_dataset_destroy(&made);
    *dataset = made;
    return status;
}

void ae_dataset_destroy(ae_dataset **dataset) {
    if (!*dataset) return;
    if ((*dataset)->shared) ae_shared_destroy(&(*dataset)->shared);
    ae_selection_release(&(*dataset)->selection);
    release_catalog(&(*dataset)->catalog);
    free(*dataset);
    *dataset = NULL;
}

const ae_data_info *ae_dataset_info(const ae_dataset *dataset) {
    return &dataset->info;
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

/* ---- loaded ---- */

static ae_image_place *places_of(const ae_dataset *dataset) {
    return (ae_image_place *)(void *)ae_shared_bytes(dataset->shared);
}

/* Bytes of the places, which the records follow. */
static size_t places_size(const ae_dataset *dataset) {
    return (size_t)dataset->selection.count * sizeof(ae_image_place);
}

static uint8_t *samples_of(const ae_dataset *dataset) {
    return ae_shared_bytes(dataset->shared) + places_size(dataset);
}

/* This rank's share of a node's places, and where it begins and ends among the records. */
typedef struct share {
    int64_t begin, end;
    size_t begin_byte, end_byte;
} share;

/* Can a rank's share begin at this place? What is best read together stays so. */
static bool may_begin(const ae_dataset *dataset, int64_t place) {
    const bool is_test = place > dataset->selection.train;
    const int64_t first = is_test ? dataset->catalog.info.train.count : 0;
    const int64_t together = dataset->catalog.together[is_test];
    const uint32_t *numbers = dataset->selection.numbers;
    return together <= 1 || place == 0 || place == dataset->selection.train ||
           (numbers[place] - first) / together != (numbers[place - 1] - first) / together;
}

/* Ranks of a node share the images by their bytes. */
static share share_of(const ae_dataset *dataset) {
    const ae_selection *selection = &dataset->selection;
    const size_t all = (size_t)dataset->info.bytes - places_size(dataset);
    int64_t first, last;
    ae_shared_slice(dataset->shared, (int64_t)all, &first, &last);
    share mine = {selection->count, selection->count, all, all};
    size_t byte = 0;
    for (int64_t p = 0; p < selection->count; ++p) {
        const bool begins = may_begin(dataset, p);
        if (begins && byte >= (size_t)first && mine.begin == selection->count) {
            mine.begin = p;
            mine.begin_byte = byte;
        }
        if (begins && byte >= (size_t)last) {
            mine.end = p;
            mine.end_byte = byte;
            break;
        }
        byte += ae_catalog_bytes(&dataset->catalog, selection->numbers[p]);
    }
    return mine;
}

/* Sets offsets and sides of this rank's places. */
static void lay_out(const ae_dataset *dataset, share mine) {
    ae_image_place *places = places_of(dataset);
    size_t byte = mine.begin_byte;
    for (int64_t p = mine.begin; p < mine.end; ++p) {
        const int64_t number = dataset->selection.numbers[p];
        const ae_size size = ae_catalog_size(&dataset->catalog, number);
        places[p] = (ae_image_place){.offset = (int64_t)byte + dataset->catalog.prefix,
                                     .height = size.height,
                                     .width = size.width};
        byte += ae_catalog_bytes(&dataset->catalog, number);
    }
}

/* Local. */
static ae_status fill(const ae_dataset *dataset, share mine) {
    const ae_filling filling = {.settings = dataset->settings,
                                .catalog = &dataset->catalog,
                                .numbers = dataset->selection.numbers,
                                .train = dataset->selection.train,
                                .begin = mine.begin,
                                .end = mine.end,
                                .places = places_of(dataset),
                                .samples = samples_of(dataset)};
    ae_watchdog_doing("reading or making the images");
    lay_out(dataset, mine);
    return mine.begin < mine.end ? dataset->source->fill(&filling) : AE_OK;
}

/* The lowest and highest sample of the images to train on. */
typedef struct extremes {
    double low, high;
} extremes;

/* Takes floats into the extremes, if they are to be counted. False: one is not a finite number. */
static bool take_floats(extremes *found, const float *samples, size_t count, bool is_counted) {
    float low = samples[0], high = samples[0];
    bool finite = true;
    for (size_t i = 0; i < count; ++i) {
        finite &= isfinite(samples[i]) != 0;
        low = samples[i] < low ? samples[i] : low;
        high = samples[i] > high ? samples[i] : high;
    }
    if (is_counted && low < found->low) found->low = low;
    if (is_counted && high > found->high) found->high = high;
    return finite;
}

/* Are this rank's floats finite? And their extremes. Local. */
static ae_status check_floats(const ae_dataset *dataset, share mine, extremes *found) {
    const ae_image_place *places = places_of(dataset);
    const ae_selection *selection = &dataset->selection;
    *found = (extremes){INFINITY, -INFINITY};
    if (dataset->info.type != AE_SAMPLE_F32) return AE_OK;
    for (int64_t p = mine.begin; p < mine.end; ++p) {
        const ae_shape shape = {dataset->info.train.shape.channels, places[p].height,
                                places[p].width};
        const float *samples =
            (const float *)(const void *)(samples_of(dataset) + places[p].offset);
        if (take_floats(found, samples, ae_shape_values(shape), ae_selection_trains(selection, p)))
            continue;
        char name[AE_TEXT_SIZE + 64];
        ae_catalog_name(name, sizeof name, &dataset->catalog, dataset->settings,
                        selection->numbers[p]);
        return ae_fail(AE_ERROR_DATA,
                       "%s holds a NaN or an infinity, and every pixel must be a finite number",
                       name);
    }
    return AE_OK;
}

/* A whole number that rises as the double does. */
static int64_t key_of(double value) {
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static double value_of(int64_t key) {
    double value;
    const int64_t bits = key < 0 ? INT64_MIN - key : key;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The samples that become 0 and 1: those that the settings name, or the type's, or those measured.
 * Collective. */
static ae_status choose_range(ae_dataset *dataset, extremes mine) {
    ae_data_info *info = &dataset->info;
    const double *given = dataset->settings->data.range;
    if (given[0] != given[1]) {
        info->low = given[0];
        info->high = given[1];
    }
    if (info->low != info->high) return AE_OK;
    info->low = value_of(ae_comm_min(dataset->comm, key_of(mine.low)));
    info->high = -value_of(ae_comm_min(dataset->comm, key_of(-mine.high)));
    ae_say("range    %.9g becomes 0 and %.9g becomes 1: the least and the largest of the training "
           "images' values",
           info->low, info->high);
    if (info->low < info->high) return AE_OK;
    return ae_fail(AE_ERROR_DATA,
                   "every value of the training images is %.9g; set data.range to the values that "
                   "are to become 0 and 1",
                   info->low);
}

/* Shares what each rank has filled with those of its node. Collective. */
static ae_status publish(ae_dataset *dataset, share mine) {
    const size_t records = places_size(dataset);
    ae_status status =
        ae_shared_publish(dataset->shared, (size_t)mine.begin * sizeof(ae_image_place),
                          (size_t)mine.end * sizeof(ae_image_place));
    if (status == AE_OK)
        status =
            ae_shared_publish(dataset->shared, records + mine.begin_byte, records + mine.end_byte);
    return status;
}

/* The hash of samples and prefixes; before them what tells how to read them, unless that is known
 * from the source. Local. */
static ae_status take_hash(ae_dataset *dataset) {
    const ae_image_place *places = places_of(dataset);
    const ae_data_info *info = &dataset->info;
    ae_hash *sum = NULL;
    ae_status status = ae_hash_create(&sum);
    if (status != AE_OK) return status;
    if (!dataset->catalog.is_bare) {
        const int64_t head[] = {info->type, info->train.shape.channels, dataset->selection.count};
        ae_hash_add(sum, head, sizeof head);
        for (int64_t p = 0; p < dataset->selection.count; ++p)
            ae_hash_add(sum, &places[p].height, 3 * sizeof places[p].height);
    }
    ae_hash_add(sum, samples_of(dataset), (size_t)info->bytes - places_size(dataset));
    ae_hash_text(sum, dataset->hash);
    ae_hash_destroy(&sum);
    return AE_OK;
}

const char *ae_dataset_decoders(const ae_dataset *dataset, char text[AE_DECODERS_SIZE]) {
    text[0] = '\0';
    return dataset->source->decoders ? dataset->source->decoders(text) : text;
}

/* Have all ranks the same images? Collective. */
static ae_status compare_hashes(ae_dataset *dataset) {
    char mine[AE_DECODERS_SIZE] = "", first[AE_DECODERS_SIZE];
    ae_status status = ae_comm_agree(dataset->comm, take_hash(dataset));
    if (status != AE_OK) return status;
    ae_dataset_decoders(dataset, mine);
    memcpy(first, mine, sizeof first);
    ae_comm_broadcast(dataset->comm, first, sizeof first);
    if (!ae_comm_equals_first(dataset->comm, dataset->hash, sizeof dataset->hash))
        status = ae_fail(AE_ERROR_DATA,
                         "its images (hash %s) are not those of rank 0; give every host the same "
                         "files%s%s%s%s",
                         dataset->hash, mine[0] ? ", and the same libraries: here are " : "", mine,
                         mine[0] ? ", there " : "", first);
    return ae_comm_agree(dataset->comm, status);
}

ae_status ae_dataset_load(ae_dataset *dataset) {
    ae_comm *comm = dataset->comm;
    const ae_data_info *info = &dataset->info;
    ae_status status = ae_shared_create(&dataset->shared, comm, (size_t)info->bytes);
    if (status != AE_OK) return status;
    const share mine = share_of(dataset);
    extremes found;
    status = fill(dataset, mine);
    if (status == AE_OK) status = check_floats(dataset, mine, &found);
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) status = publish(dataset, mine);
    if (status == AE_OK) status = compare_hashes(dataset);
    if (status == AE_OK) status = choose_range(dataset, found);
    if (status == AE_OK && dataset->source->review)
        dataset->source->review(comm, samples_of(dataset), dataset->settings, info->train.count,
                                info->test.count);
    return status;
}

/* ---- views ---- */

static ae_images view(const ae_dataset *dataset, int set, const ae_image_set *images,
                      int64_t first) {
    const ae_data_info *info = &dataset->info;
    return (ae_images){.samples = samples_of(dataset),
                       .places = places_of(dataset) + first,
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

const char *ae_dataset_hash(const ae_dataset *dataset) {
    return dataset->hash;
}
