/* A data set's images, read or made by the ranks of each node, and what becomes known of them. */
#include "data/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/watchdog.h"

ae_image_place *ae_dataset_places(const ae_dataset *dataset) {
    uint8_t *bytes =
        dataset->cache ? ae_cache_bytes(dataset->cache) : ae_shared_bytes(dataset->shared);
    return (ae_image_place *)(void *)bytes;
}

uint8_t *ae_dataset_records(const ae_dataset *dataset) {
    return (uint8_t *)(ae_dataset_places(dataset) + dataset->selection.count);
}

/* Bytes of the places, and of the records. */
static size_t places_size(const ae_dataset *dataset) {
    return (size_t)dataset->selection.count * sizeof(ae_image_place);
}

static size_t records_size(const ae_dataset *dataset) {
    return (size_t)dataset->info.bytes - places_size(dataset);
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
    const size_t all = records_size(dataset);
    int64_t first, last;
    ae_comm_node_slice(dataset->comm, (int64_t)all, &first, &last);
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
    ae_image_place *places = ae_dataset_places(dataset);
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
                                .places = ae_dataset_places(dataset),
                                .samples = ae_dataset_records(dataset)};
    ae_watchdog_doing("reading or making the images");
    lay_out(dataset, mine);
    return mine.begin < mine.end ? dataset->source->fill(&filling) : AE_OK;
}

/* Takes floats into the least and largest, if they are to be counted. False: one is not a finite
 * number. */
static bool take_floats(ae_cache_facts *found, const float *samples, size_t count,
                        bool is_counted) {
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

/* Are this rank's floats finite? And the least and largest of those to train on. Local. */
static ae_status check_floats(const ae_dataset *dataset, share mine, ae_cache_facts *found) {
    const ae_image_place *places = ae_dataset_places(dataset);
    const ae_selection *selection = &dataset->selection;
    found->low = INFINITY;
    found->high = -INFINITY;
    if (dataset->info.type != AE_SAMPLE_F32) return AE_OK;
    for (int64_t p = mine.begin; p < mine.end; ++p) {
        const ae_shape shape = {dataset->info.train.shape.channels, places[p].height,
                                places[p].width};
        const float *samples =
            (const float *)(const void *)(ae_dataset_records(dataset) + places[p].offset);
        if (take_floats(found, samples, ae_shape_values(shape), ae_selection_trains(selection, p)))
            continue;
        char name[AE_IMAGE_NAME_SIZE];
        ae_catalog_name(name, &dataset->catalog, dataset->settings, selection->numbers[p]);
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

/* The least and largest of all ranks' floats. Collective. */
static void reduce_extremes(ae_comm *comm, ae_cache_facts *facts) {
    facts->low = value_of(ae_comm_min(comm, key_of(facts->low)));
    facts->high = -value_of(ae_comm_min(comm, key_of(-facts->high)));
}

/* The samples that become 0 and 1: those that the settings name, or the type's, or those measured.
 * The same on every rank. */
static ae_status choose_range(ae_dataset *dataset, const ae_cache_facts *facts) {
    ae_data_info *info = &dataset->info;
    const double *given = dataset->settings->data.range;
    if (given[0] != given[1]) {
        info->low = given[0];
        info->high = given[1];
    }
    if (info->low != info->high) return AE_OK;
    info->low = facts->low;
    info->high = facts->high;
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
    if (dataset->cache) return AE_OK; /* all map the same file */
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
static ae_status take_hash(const ae_dataset *dataset, char hash[AE_HASH_TEXT_SIZE]) {
    const ae_image_place *places = ae_dataset_places(dataset);
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
    ae_hash_add(sum, ae_dataset_records(dataset), records_size(dataset));
    ae_hash_text(sum, hash);
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
    ae_status status = AE_OK;
    ae_dataset_decoders(dataset, mine);
    memcpy(first, mine, sizeof first);
    ae_comm_broadcast(dataset->comm, first, sizeof first);
    if (!ae_comm_equals_first(dataset->comm, dataset->hash, sizeof dataset->hash))
        status = ae_fail(AE_ERROR_DATA, "its images (hash %s) are not those of rank 0; %s%s%s%s%s",
                         dataset->hash, dataset->source->cure,
                         mine[0] ? ", and the same libraries: here are " : "", mine,
                         mine[0] ? ", there " : "", first);
    return ae_comm_agree(dataset->comm, status);
}

/* The name of what would be read: the hash of the files' names, sizes and times, of what decodes
 * them, and of the settings that choose among the images or make them. On rank 0. */
static ae_status make_key(const ae_dataset *dataset, char key[AE_HASH_TEXT_SIZE]) {
    const ae_settings *settings = dataset->settings;
    const int64_t numbers[] = {settings->data.source,       settings->data.axes,
                               settings->data.train_images, settings->data.test_images,
                               settings->data.channels,     settings->run.seed,
                               dataset->selection.count,    dataset->info.bytes};
    const double reals[] = {settings->data.test_fraction, settings->data.size[0],
                            settings->data.size[1]};
    char decoders[AE_DECODERS_SIZE];
    ae_hash *sum = NULL;
    ae_status status = ae_hash_create(&sum);
    if (status != AE_OK) return status;
    ae_hash_add(sum, numbers, sizeof numbers);
    ae_hash_add(sum, reals, sizeof reals);
    ae_hash_add_text(sum, ae_dataset_decoders(dataset, decoders));
    if (dataset->source->identify)
        status = dataset->source->identify(sum, &dataset->catalog, settings);
    ae_hash_text(sum, key);
    ae_hash_destroy(&sum);
    return status;
}

/* Fills what isn't there yet. *facts: what becomes known of it. Collective. */
static ae_status fill_all(ae_dataset *dataset, ae_cache_facts *facts) {
    ae_comm *comm = dataset->comm;
    const share mine = share_of(dataset);
    const bool is_filled = dataset->cache && ae_cache_is_filled(dataset->cache);
    ae_comm_begin_work(comm);
    ae_status status = is_filled ? AE_OK : fill(dataset, mine);
    if (status == AE_OK && !is_filled) status = check_floats(dataset, mine, facts);
    ae_comm_wait(comm);
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) status = publish(dataset, mine);
    if (status != AE_OK) return status;
    if (is_filled) *facts = *ae_cache_describe(dataset->cache);
    reduce_extremes(comm, facts);
    ae_comm_begin_work(comm);
    status = is_filled ? AE_OK : take_hash(dataset, facts->hash);
    memcpy(dataset->hash, facts->hash, sizeof dataset->hash);
    ae_comm_wait(comm);
    return ae_comm_agree(comm, status);
}

/* The memory for the images. Collective. */
static ae_status create_room(ae_dataset *dataset) {
    const size_t size = (size_t)dataset->info.bytes;
    char key[AE_HASH_TEXT_SIZE] = "";
    if (!dataset->settings->data.cache[0])
        return ae_shared_create(&dataset->shared, dataset->comm, size);
    ae_status status = AE_OK;
    if (ae_comm_rank(dataset->comm) == 0) status = make_key(dataset, key);
    status = ae_comm_agree(dataset->comm, status);
    if (status != AE_OK) return status;
    ae_comm_broadcast(dataset->comm, key, sizeof key);
    return ae_cache_open(&dataset->cache, dataset->comm, dataset->settings->data.cache, key, size);
}

/* Collective. */
static ae_status load(ae_dataset *dataset, ae_cache_facts *facts) {
    *facts = (ae_cache_facts){.low = INFINITY, .high = -INFINITY};
    ae_status status = create_room(dataset);
    if (status == AE_OK) status = fill_all(dataset, facts);
    if (status == AE_OK) status = compare_hashes(dataset);
    if (status == AE_OK && dataset->cache) status = ae_cache_finish(dataset->cache, facts);
    return status;
}

/* The others, where there are any; the hash becomes that of both. Collective. */
static ae_status load_others(ae_dataset *dataset) {
    ae_cache_facts facts;
    char hashes[2][AE_HASH_TEXT_SIZE];
    if (!dataset->others) return AE_OK;
    ae_status status = load(dataset->others, &facts);
    memcpy(hashes[0], dataset->hash, sizeof hashes[0]);
    memcpy(hashes[1], dataset->others->hash, sizeof hashes[1]);
    ae_hash_of(hashes, sizeof hashes, dataset->hash);
    return status;
}

ae_status ae_dataset_load(ae_dataset *dataset) {
    ae_cache_facts facts;
    ae_status status = load(dataset, &facts);
    if (status == AE_OK) status = load_others(dataset);
    if (status == AE_OK) status = choose_range(dataset, &facts);
    if (status == AE_OK && dataset->source->review)
        dataset->source->review(dataset->comm, ae_dataset_records(dataset), dataset->settings,
                                dataset->info.train.count, dataset->info.test.count);
    return status;
}
