/* The reader of CIFAR-10. */
#include "cifar.h"
#include "data/cifar10.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return try_input(&ae_cifar10, data, size);
}
