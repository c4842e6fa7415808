/* Vectors of 8 floats with AVX2 and FMA. */
#include "kernels/simd_x86.h"

#define VEC 8
#define TILE_OC 4
#define EACH_WIDE_TILE(make) make(1) make(2) make(3) make(4)
#define DIRECT_OC 6
#define EACH_DIRECT_TILE(make) EACH_WIDE_TILE(make) make(5) make(6)
#define NARROW_OC 8
#define EACH_NARROW_TILE(make) EACH_WIDE_TILE(make) make(5) make(6) make(7) make(8)
#define TILE_VECS 2
#define TILE_GRADIENT 4
#define TILE_TAPS 3
#define PRODUCT_ROWS 6
#define PRODUCT_VECS 2
#define EACH_PRODUCT(make) make(1) make(2) make(3) make(4) make(5) make(6)
#define EACH_WIDE_PRODUCT(make) make(1) make(2) make(3) make(4)
#define EACH_CHAINED_PRODUCT(make) make(1) make(2) make(3)
typedef __m256 vec;
typedef __m256 vec_mask;

static inline vec vec_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vec_store(float *p, vec v) {
    _mm256_storeu_ps(p, v);
}
static inline vec vec_set(float x) {
    return _mm256_set1_ps(x);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return _mm256_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b) {
    return _mm256_mul_ps(a, b);
}

/* 0 > v ? 0 : v, also for NaN and the zeros: the instruction gives its second operand then. */
static inline vec vec_relu(vec v) {
    return _mm256_max_ps(_mm256_setzero_ps(), v);
}

/* gate > 0 ? v : 0 */
static inline vec vec_gate(vec gate, vec v) {
    return _mm256_and_ps(_mm256_cmp_ps(gate, _mm256_setzero_ps(), _CMP_GT_OQ), v);
}

/* 0 > v ? slope * v : v */
static inline vec vec_leaky(vec v, vec slope) {
    return _mm256_blendv_ps(v, _mm256_mul_ps(v, slope),
                            _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_LT_OQ));
}

/* gate > 0 ? v : slope * v */
static inline vec vec_leaky_gate(vec gate, vec v, vec slope) {
    return _mm256_blendv_ps(_mm256_mul_ps(v, slope), v,
                            _mm256_cmp_ps(gate, _mm256_setzero_ps(), _CMP_GT_OQ));
}

/* The first `count` lanes, 0 < count <= VEC. */
static inline vec_mask vec_first(int count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes));
}
static inline vec vec_keep(vec_mask mask, vec v) {
    return _mm256_and_ps(mask, v);
}

/* v[i][j] = v[j][i] of VEC vectors. */
static inline void vec_transpose(vec v[VEC]) {
    __m256 pairs[VEC], fours[VEC];
#pragma GCC unroll 8
    for (int i = 0; i < VEC; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < VEC; ++i) {
        const __m256 a = pairs[i / 4 * 4 + i % 4 / 2], b = pairs[i / 4 * 4 + i % 4 / 2 + 2];
        fours[i] = i % 2 == 0 ? _mm256_shuffle_ps(a, b, 0x44) : _mm256_shuffle_ps(a, b, 0xee);
    }
#pragma GCC unroll 8
    for (int i = 0; i < VEC / 2; ++i) {
        v[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
        v[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
}

/* sums[0..7] += values[0..7] * scale, rounded to nearest even. AVX2 has no such conversion; a sum
 * of 1.5 * 2^52 and what is below 2^51 has its integer in the last bits. Larger ones are few. */
static inline void add_rounded(int64_t *sums, const float *values, double scale) {
    const __m256d limit = _mm256_set1_pd(0x1p51), shift = _mm256_set1_pd(0x1.8p52);
    const __m256d sign = _mm256_set1_pd(-0.0), factor = _mm256_set1_pd(scale);
    const __m256d low = _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(values)), factor);
    const __m256d high = _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(values + 4)), factor);
    const __m256d largest =
        _mm256_max_pd(_mm256_andnot_pd(sign, low), _mm256_andnot_pd(sign, high));
    if (_mm256_movemask_pd(_mm256_cmp_pd(largest, limit, _CMP_LT_OQ)) != 0xf) {
        for (int i = 0; i < 8; ++i)
            sums[i] += _mm_cvtsd_si64(_mm_set_sd((double)values[i] * scale));
        return;
    }
    const __m256d halves[2] = {low, high};
    for (int h = 0; h < 2; ++h) {
        __m256i *at = (__m256i *)(sums + 4 * h);
        const __m256i shifted = _mm256_castpd_si256(_mm256_add_pd(halves[h], shift));
        const __m256i number = _mm256_sub_epi64(shifted, _mm256_castpd_si256(shift));
        _mm256_storeu_si256(at, _mm256_add_epi64(_mm256_loadu_si256(at), number));
    }
}

/* Numbers of 32 bits in the lower halves of 64-bit lanes; the upper halves may hold anything. */
typedef __m256i vec_wide;

static inline vec_wide vec_wide_set(uint32_t x) {
    return _mm256_set1_epi64x(x);
}
/* x, x + 1, ... */
static inline vec_wide vec_wide_count(uint32_t x) {
    return _mm256_add_epi64(_mm256_set1_epi64x(x), _mm256_setr_epi64x(0, 1, 2, 3));
}
/* All 64 bits of the products. */
static inline vec_wide vec_wide_multiply(vec_wide a, vec_wide b) {
    return _mm256_mul_epu32(a, b);
}
static inline vec_wide vec_wide_upper(vec_wide a) {
    return _mm256_srli_epi64(a, 32);
}
static inline vec_wide vec_wide_xor(vec_wide a, vec_wide b, vec_wide c) {
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
/* The VEC numbers of a and b, as 32-bit words. */
static inline void vec_wide_store(uint32_t *p, vec_wide a, vec_wide b) {
    __m256 words = _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88);
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(_mm256_castps_si256(words), 0xd8));
}

/* The compiler can't look through it: the value is computed, and stays in its register. */
#define VEC_OPAQUE(v) __asm__ volatile("" : "+x"(v))
