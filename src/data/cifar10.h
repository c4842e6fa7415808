/* The CIFAR-10 binary files: data_batch_1.bin to data_batch_5.bin and test_batch.bin, 10,000
 * records of label and pixels each (https://www.cs.toronto.edu/~kriz/cifar.html). */
#ifndef AE_DATA_CIFAR10_H
#define AE_DATA_CIFAR10_H

#include <stdint.h>
#include "base/status.h"

enum { AE_CIFAR10_TRAIN = 50000, AE_CIFAR10_TEST = 10000 }; /* the whole set */

/* Are all six files in the folder, each of the right size? Local. AE_ERROR_DATA. */
ae_status ae_cifar10_check(const char *dir);

/* Reads records [begin, end) of the first `train` training images followed by the test images into
 * records[end - begin][AE_RECORD_SIZE], and checks their labels. Local. AE_ERROR_DATA; AE_STOPPED
 * where this process is asked to stop. */
ae_status ae_cifar10_read(uint8_t *records, const char *dir, int64_t train, int64_t begin,
                          int64_t end);

#endif
