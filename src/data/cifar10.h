/* The CIFAR-10 binary files: data_batch_1.bin to data_batch_5.bin and test_batch.bin, 10,000
 * records of label and pixels each. */
#ifndef AE_DATA_CIFAR10_H
#define AE_DATA_CIFAR10_H

#include "data/cifar.h"

enum { AE_CIFAR10_TRAIN = 50000, AE_CIFAR10_TEST = 10000 }; /* the whole set */
enum {
    AE_CIFAR10_RECORD = 1 + AE_CIFAR_VALUES, /* bytes */
    AE_CIFAR10_LABELS = 10,
    AE_CIFAR10_FILES = 6,
    AE_CIFAR10_FILE_RECORDS = 10000
};

#define AE_CIFAR10_CURE                                                                            \
    "fetch CIFAR-10 with 'cmake --build build --target cifar10', or point data.dir at the folder " \
    "that holds data_batch_1.bin to data_batch_5.bin and test_batch.bin"

extern const ae_cifar ae_cifar10;
extern const char *const ae_cifar10_names[AE_CIFAR10_FILES]; /* of the files */

/* What to do about a folder that is missing, or lacks batches: told from what it, the folders in
 * it or the one around it hold instead. Owned by the module. Local. */
const char *ae_cifar10_advice(const char *dir);

#endif
