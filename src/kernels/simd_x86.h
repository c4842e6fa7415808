/* What the paths of x86 processors share. */
#include <immintrin.h>
#include <stdint.h>

#include "kernels/planes.h"

/* Lanes l + lanes l + 8 of 16. */
static inline __m256 fold(const float *lanes) {
    return _mm256_add_ps(_mm256_load_ps(lanes), _mm256_load_ps(lanes + 8));
}

/* sums[i] = the sum of lanes[i][0..15] by the reference's tree (16 lanes to 8, 4, 2, 1), eight i at
 * once; lanes are aligned and `count` is rounded up to a multiple of 8 in both. */
static void sum_lanes(float *sums, const float *lanes, int count) {
    for (int i = 0; i < count; i += 8, lanes += 8 * AE_LANES) {
        __m256 four[4], two[2]; /* four[j]: 4 lanes each of i + j and i + j + 4 */
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            __m256 a = fold(lanes + j * AE_LANES), b = fold(lanes + (j + 4) * AE_LANES);
            four[j] = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20),
                                    _mm256_permute2f128_ps(a, b, 0x31));
        }
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j)
            two[j] = _mm256_add_ps(_mm256_shuffle_ps(four[2 * j], four[2 * j + 1], 0x44),
                                   _mm256_shuffle_ps(four[2 * j], four[2 * j + 1], 0xee));
        _mm256_storeu_ps(sums + i, _mm256_add_ps(_mm256_shuffle_ps(two[0], two[1], 0x88),
                                                 _mm256_shuffle_ps(two[0], two[1], 0xdd)));
    }
}
