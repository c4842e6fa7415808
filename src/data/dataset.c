#include "data/dataset.h"

#include <stdlib.h>
#include "base/memory.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "cifar10.h"
#include "data/deadleaves.h"

/* All records lie in one array, those for training first. */
struct ae_dataset {
    ae_shared *shared;
    int64_t train, test; /* images */
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
static ae_status count_images(int64_t counts[2], const ae_settings *settings) {
    bool is_cifar10 = settings->data.source == AE_SOURCE_CIFAR10;
    ae_status status = choose_count(&counts[0], "data.train_images", settings->data.train_images,
                                    is_cifar10 ? AE_CIFAR10_TRAIN : AE_DEADLEAVES_TRAIN);
    if (status != AE_OK) return status;
    status = choose_count(&counts[1], "data.test_images", settings->data.test_images,
                          is_cifar10 ? AE_CIFAR10_TEST : AE_DEADLEAVES_TEST);
    if (status != AE_OK) return status;
    return is_cifar10 ? ae_cifar10_check(settings->data.dir) : AE_OK;
}

ae_status ae_dataset_count(ae_comm *comm, const ae_settings *settings, int64_t *train,
                           int64_t *test) {
    int64_t counts[2] = {0, 0};
    ae_status status = ae_comm_rank(comm) == 0 ? count_images(counts, settings) : AE_OK;
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    ae_comm_broadcast(comm, counts, sizeof counts);
    *train = counts[0];
    *test = counts[1];
    return AE_OK;
}

/* Makes pictures [begin, end) of the training pictures followed by the test pictures. */
static ae_status make_pictures(uint8_t *records, uint64_t seed, int64_t train, int64_t begin,
                               int64_t end) {
#pragma omp parallel for schedule(dynamic, 32)
    for (int64_t i = begin; i < end; ++i) {
        if (ae_stop_requested()) continue;
        int64_t index = i < train ? i : AE_DEADLEAVES_TRAIN + (i - train);
        ae_deadleaves_make(records + (i - begin) * AE_RECORD_SIZE, seed, (uint32_t)index);
        ae_watchdog_progress();
    }
    if (!ae_stop_requested()) return AE_OK;
    return ae_fail(AE_STOPPED, "stopped while the pictures were being made");
}

/* Fills this rank's slice. Local. */
static ae_status fill_slice(ae_dataset *dataset, const ae_settings *settings) {
    int64_t begin, end;
    ae_shared_slice(dataset->shared, dataset->train + dataset->test, &begin, &end);
    uint8_t *records = ae_shared_bytes(dataset->shared) + begin * AE_RECORD_SIZE;
    ae_watchdog_phase("reading or making the images");
    if (settings->data.source == AE_SOURCE_CIFAR10) {
        return ae_cifar10_read(records, settings->data.dir, dataset->train, begin, end);
    }
    return make_pictures(records, (uint64_t)settings->run.seed, dataset->train, begin, end);
}

ae_status ae_dataset_create(ae_dataset **dataset, ae_comm *comm, const ae_settings *settings) {
    *dataset = NULL;
    ae_dataset *d = calloc(1, sizeof *d);
    ae_status status = ae_comm_agree(comm, d ? AE_OK : ae_fail_memory("the data set"));
    if (status == AE_OK) status = ae_dataset_count(comm, settings, &d->train, &d->test);
    if (status != AE_OK) {
        free(d);
        return status;
    }
    int64_t count = d->train + d->test;
    size_t size = (size_t)count * AE_RECORD_SIZE;
    status = ae_shared_create(&d->shared, comm, size);
    if (status != AE_OK) goto done;
    status = ae_comm_agree(comm, fill_slice(d, settings));
    if (status != AE_OK) goto done;
    status = ae_shared_publish(d->shared, count, AE_RECORD_SIZE);
    if (status != AE_OK) goto done;
    ae_hash_of(ae_shared_bytes(d->shared), size, d->hash);
    if (!ae_comm_equals_first(comm, d->hash, sizeof d->hash))
        status = ae_fail(AE_ERROR_DATA,
                         "its images (hash %s) are not those of rank 0; give every host the same "
                         "files in data.dir",
                         d->hash);
    status = ae_comm_agree(comm, status);
    if (status == AE_OK && settings->data.source == AE_SOURCE_CIFAR10)
        ae_cifar10_review(comm, ae_shared_bytes(d->shared), settings->data.dir, d->train, d->test);
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
    return (ae_images){.records = ae_shared_bytes(dataset->shared), .count = dataset->train};
}

ae_images ae_dataset_test(const ae_dataset *dataset) {
    const uint8_t *records = ae_shared_bytes(dataset->shared);
    return (ae_images){.records = records + dataset->train * AE_RECORD_SIZE,
                       .count = dataset->test};
}

const char *ae_dataset_hash(const ae_dataset *dataset) {
    return dataset->hash;
}

bool ae_dataset_is_shared(const ae_dataset *dataset) {
    return ae_shared_is_shared(dataset->shared);
}
