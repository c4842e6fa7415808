#include "base/random.h"

float ae_random_unit(uint32_t word) {
    return (float)(word >> 8) * 0x1p-24f;
}

double ae_random_real(uint32_t high, uint32_t low) {
    return ((double)(high >> 5) * 0x1p26 + (double)(low >> 6)) * 0x1p-53;
}

uint32_t ae_random_below(uint32_t high, uint32_t low, uint32_t n) {
    /* (high, low) * n / 2^64, the 96-bit product taken in two steps. */
    uint64_t low_product = (uint64_t)low * n;
    uint64_t high_product = (uint64_t)high * n + (low_product >> 32);
    return (uint32_t)(high_product >> 32);
}
