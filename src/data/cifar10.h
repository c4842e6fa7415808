/* The CIFAR-10 binary files: data_batch_1.bin to data_batch_5.bin and test_batch.bin, 10,000
 * records of label and pixels each (https://www.cs.toronto.edu/~kriz/cifar.html). */
#ifndef AE_DATA_CIFAR10_H
#define AE_DATA_CIFAR10_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "comm/comm.h"

enum { AE_CIFAR10_TRAIN = 50000, AE_CIFAR10_TEST = 10000 }; /* the whole set */
enum {
    AE_CIFAR10_CHANNELS = 3,
    AE_CIFAR10_SIDE = 32,
    AE_CIFAR10_VALUES = AE_CIFAR10_CHANNELS * AE_CIFAR10_SIDE * AE_CIFAR10_SIDE,
    AE_CIFAR10_RECORD = 1 + AE_CIFAR10_VALUES, /* bytes: label, then [channel][row][column] */
    AE_CIFAR10_LABELS = 10
};
enum { AE_CIFAR10_FILES = 6, AE_CIFAR10_FILE_RECORDS = 10000 };

#define AE_CIFAR10_CURE                                                                            \
    "fetch CIFAR-10 with 'cmake --build build --target cifar10', or point data.dir at the folder " \
    "that holds data_batch_1.bin to data_batch_5.bin and test_batch.bin"

extern const char *const ae_cifar10_names[AE_CIFAR10_FILES]; /* of the files */

/* What to do about a folder that is missing, or lacks batches: told from what it, the folders in
 * it or the one around it hold instead. Owned by the module. Local. */
const char *ae_cifar10_advice(const char *dir);

/* Are all six files in the folder, each of the right size? Local. AE_ERROR_DATA. */
ae_status ae_cifar10_check(const char *dir);

/* Reads records [begin, end) of the first `train` training images followed by the test images into
 * records[end - begin][AE_CIFAR10_RECORD], and checks their labels. Local. AE_ERROR_DATA;
 * AE_STOPPED where this process is asked to stop. */
ae_status ae_cifar10_read(uint8_t *records, const char *dir, int64_t train, int64_t begin,
                          int64_t end);

/* What was read of one file. A view. */
typedef struct ae_cifar10_part {
    const char *name;
    const uint8_t *records; /* [count][AE_CIFAR10_RECORD] */
    int64_t count;
} ae_cifar10_part;

/* The parts of `train` training images followed by `test` test images. Local. */
void ae_cifar10_split(ae_cifar10_part parts[AE_CIFAR10_FILES], const uint8_t *records,
                      int64_t train, int64_t test);

/* The MD5 of each file as published. */
extern const char *const ae_cifar10_md5[AE_CIFAR10_FILES];

/* Has the part that `md5`? A part of a file passes: only whole ones can be told. Local. */
bool ae_cifar10_is_published(const ae_cifar10_part *part, const char *md5);

/* Images that have one value in every pixel; there are none in CIFAR-10. Local. */
int64_t ae_cifar10_blank(const ae_cifar10_part *part);

/* The first file before `index` that begins with the same images, as far as both were read; -1:
 * none. Local. */
int ae_cifar10_repeats(const ae_cifar10_part parts[AE_CIFAR10_FILES], int index);

/* Warns once where whole files are not those published or some repeat others, and once of images
 * that are blank. `records` are all that was read, on every rank. Collective. */
void ae_cifar10_review(ae_comm *comm, const uint8_t *records, const char *dir, int64_t train,
                       int64_t test);

#endif
