/* The CIFAR-100 binary files. */
#ifndef AE_DATA_CIFAR100_H
#define AE_DATA_CIFAR100_H

#include "data/cifar.h"

extern const ae_cifar ae_cifar100;

#endif
