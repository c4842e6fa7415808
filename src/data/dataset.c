/* The images of a run, from whichever source: counted, loaded, hashed. */
#include "data/dataset.h"

#include <stdlib.h>
#include "base/watchdog.h"
#include "data/source.h"

static const ae_source_row *const sources[] = {
    [AE_SOURCE_CIFAR10] = &ae_source_cifar10,
    [AE_SOURCE_DEADLEAVES] = &ae_source_deadleaves,
};

/* All records lie in one array, those for training first. */
struct ae_dataset {
    ae_shared *shared;
    ae_data_info info;
    char hash[AE_HASH_TEXT_SIZE];
};

/* The number of images `asked` for of the `have` there are; 0 asks for all. */
static ae_status choose_count(int64_t *count, const char *key, int64_t asked, int64_t have) {
    if (asked > have) {
        return ae_fail(AE_ERROR_USAGE,
                       "%s = %lld, but there are %lld such images: ask for at most that many, or "
                       "for 0 (all)",
                       key, (long long)asked, (long long)have);
    }
    *count = asked > 0 ? asked : have;
    return AE_OK;
}

/* On rank 0. */
static ae_status describe(ae_data_info *info, const ae_settings *settings) {
    ae_status status = sources[settings->data.source]->describe(info, settings);
    if (status == AE_OK)
        status = choose_count(&info->train, "data.train_images", settings->data.train_images,
                              info->train);
    if (status == AE_OK)
        status =
            choose_count(&info->test, "data.test_images", settings->data.test_images, info->test);
    return status;
}

int ae_dataset_channels(const ae_settings *settings) {
    return sources[settings->data.source]->channels;
}

ae_status ae_dataset_describe(ae_data_info *info, ae_comm *comm, const ae_settings *settings) {
    ae_status status = ae_comm_rank(comm) == 0 ? describe(info, settings) : AE_OK;
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) ae_comm_broadcast(comm, info, sizeof *info);
    return status;
}

/* Fills this rank's slice. Local. */
static ae_status fill_slice(ae_dataset *dataset, const ae_settings *settings) {
    const ae_data_info *info = &dataset->info;
    int64_t begin, end;
    ae_shared_slice(dataset->shared, info->train + info->test, &begin, &end);
    uint8_t *records =
        ae_shared_bytes(dataset->shared) + (size_t)begin * ae_record_size(info->shape);
    ae_watchdog_doing("reading or making the images");
    return sources[settings->data.source]->fill(records, settings, info->train, begin, end);
}

ae_status ae_dataset_create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings) {
    *dataset = NULL;
    ae_dataset *d = calloc(1, sizeof *d);
    ae_status status = ae_comm_agree(comm, d ? AE_OK : ae_fail_memory("the data set"));
    if (status == AE_OK) status = ae_dataset_describe(&d->info, comm, settings);
    if (status != AE_OK) {
        free(d);
        return status;
    }
    const ae_source_row *source = sources[settings->data.source];
    const int64_t count = d->info.train + d->info.test;
    const size_t record_size = ae_record_size(d->info.shape), size = (size_t)count * record_size;
    status = ae_shared_create(&d->shared, comm, size);
    if (status != AE_OK) goto done;
    status = ae_comm_agree(comm, fill_slice(d, settings));
    if (status != AE_OK) goto done;
    status = ae_shared_publish(d->shared, count, record_size);
    if (status != AE_OK) goto done;
    ae_hash_of(ae_shared_bytes(d->shared), size, d->hash);
    if (!ae_comm_equals_first(comm, d->hash, sizeof d->hash))
        status = ae_fail(AE_ERROR_DATA,
                         "its images (hash %s) are not those of rank 0; give every host the same "
                         "files in data.dir",
                         d->hash);
    status = ae_comm_agree(comm, status);
    if (status == AE_OK && source->review)
        source->review(comm, ae_shared_bytes(d->shared), settings, d->info.train, d->info.test);
done:
    if (status != AE_OK) ae_dataset_destroy(&d);
    *dataset = d;
    return status;
}

void ae_dataset_destroy(ae_dataset **dataset) {
    if (!*dataset) return;
    if ((*dataset)->shared) ae_shared_destroy(&(*dataset)->shared);
    free(*dataset);
    *dataset = NULL;
}

ae_images ae_dataset_train(const ae_dataset *dataset) {
    return (ae_images){.records = ae_shared_bytes(dataset->shared),
                       .count = dataset->info.train,
                       .record_size = ae_record_size(dataset->info.shape)};
}

ae_images ae_dataset_test(const ae_dataset *dataset) {
    ae_images images = ae_dataset_train(dataset);
    images.records += (size_t)images.count * images.record_size;
    images.count = dataset->info.test;
    return images;
}

const char *ae_dataset_hash(const ae_dataset *dataset) {
    return dataset->hash;
}
