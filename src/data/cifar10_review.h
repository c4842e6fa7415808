/* Are the images that were read those of CIFAR-10 as it was published, or what a copy that went
 * wrong holds? */
#ifndef AE_DATA_CIFAR10_REVIEW_H
#define AE_DATA_CIFAR10_REVIEW_H

#include <stdbool.h>
#include "comm/comm.h"
#include "data/cifar10.h"

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
