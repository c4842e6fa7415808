/* CIFAR's binary files: records of labels and pixels, as many in each file as is known before
 * (https://www.cs.toronto.edu/~kriz/cifar.html). Local. */
#ifndef AE_DATA_CIFAR_H
#define AE_DATA_CIFAR_H

#include <stdint.h>
#include "base/status.h"
#include "data/source.h"

enum {
    AE_CIFAR_CHANNELS = 3,
    AE_CIFAR_SIDE = 32,
    AE_CIFAR_VALUES = AE_CIFAR_CHANNELS * AE_CIFAR_SIDE * AE_CIFAR_SIDE,
    AE_CIFAR_FILES_MAX = 6
};

/* One of the sets. */
typedef struct ae_cifar {
    const char *name;                         /* "CIFAR-10" */
    const char *files_name;                   /* what one file is called: "batch" */
    const char *const *files;                 /* [file_count] names; the last one's test */
    int64_t file_records[AE_CIFAR_FILES_MAX]; /* records of each */
    int file_count;
    int labels[2]; /* labels of a record are below; 0: none */
    const char *cure;
    const char *(*advice)(const char *dir); /* on a folder that is missing or lacks files */
} ae_cifar;

/* Bytes of a record: its labels, then [channel][row][column]. */
int ae_cifar_record(const ae_cifar *set);

/* Images for training, which come first, or for testing. */
int64_t ae_cifar_train(const ae_cifar *set);
int64_t ae_cifar_test(const ae_cifar *set);

/* Are all files in the folder, each of the right size? AE_ERROR_DATA. */
ae_status ae_cifar_check(const ae_cifar *set, const char *dir);

/* Reads records [begin, end) of the first `train` training images followed by the test images into
 * records[end - begin][ae_cifar_record()], and checks their labels. AE_ERROR_DATA; AE_STOPPED where
 * this process is asked to stop. */
ae_status ae_cifar_read(uint8_t *records, const ae_cifar *set, const char *dir, int64_t train,
                        int64_t begin, int64_t end);

/* The source's functions (data/source.h). */
int ae_cifar_channels(const ae_settings *settings);
ae_status ae_cifar_describe(ae_catalog *catalog, const ae_cifar *set, const ae_settings *settings);
ae_status ae_cifar_identify(ae_hash *hash, const ae_cifar *set, const ae_settings *settings);
ae_status ae_cifar_fill(const ae_filling *filling, const ae_cifar *set);

#endif
