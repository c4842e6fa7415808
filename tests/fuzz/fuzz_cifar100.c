/* The reader of CIFAR-100. */
#include "cifar.h"
#include "data/cifar100.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return try_input(&ae_cifar100, data, size);
}
