/* Vectors of 16 floats with AVX-512F. */
#include "kernels/simd_x86.h"

#define VEC 16
#define TILE_OC 8
#define EACH_WIDE_TILE(make) make(1) make(2) make(3) make(4) make(5) make(6) make(7) make(8)
#define DIRECT_OC TILE_OC
#define EACH_DIRECT_TILE(make) EACH_WIDE_TILE(make)
#define NARROW_OC 8
#define EACH_NARROW_TILE(make) EACH_WIDE_TILE(make)
#define TILE_VECS 2
#define TILE_GRADIENT 8
#define TILE_TAPS 3
#define PRODUCT_ROWS 12
#define PRODUCT_VECS 2
#define EACH_PRODUCT(make)                                                                         \
    make(1) make(2) make(3) make(4) make(5) make(6) make(7) make(8) make(9) make(10) make(11)      \
        make(12)
#define EACH_WIDE_PRODUCT(make) make(1) make(2) make(3) make(4) make(5) make(6) make(7) make(8)
#define EACH_CHAINED_PRODUCT(make) make(1) make(2) make(3) make(4) make(5) make(6)
typedef __m512 vec;
typedef __mmask16 vec_mask;

static inline vec vec_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vec_store(float *p, vec v) {
    _mm512_storeu_ps(p, v);
}
static inline vec vec_set(float x) {
    return _mm512_set1_ps(x);
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return _mm512_sub_ps(a, b);
}
static inline vec vec_mul(vec a, vec b) {
    return _mm512_mul_ps(a, b);
}

/* 0 > v ? 0 : v, also for NaN and the zeros: the instruction gives its second operand then. */
static inline vec vec_relu(vec v) {
    return _mm512_max_ps(_mm512_setzero_ps(), v);
}

/* gate > 0 ? v : 0 */
static inline vec vec_gate(vec gate, vec v) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(gate, _mm512_setzero_ps(), _CMP_GT_OQ), v);
}

/* 0 > v ? slope * v : v */
static inline vec vec_leaky(vec v, vec slope) {
    return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope);
}

/* gate > 0 ? v : slope * v */
static inline vec vec_leaky_gate(vec gate, vec v, vec slope) {
    return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(gate, _mm512_setzero_ps(), _CMP_NGT_UQ), v,
                              slope);
}

/* The first `count` lanes, 0 < count <= VEC. */
static inline vec_mask vec_first(int count) {
    return (vec_mask)(0xffffu >> (VEC - count));
}
static inline vec vec_keep(vec_mask mask, vec v) {
    return _mm512_maskz_mov_ps(mask, v);
}

/* v[i][j] = v[j][i] of VEC vectors. */
static inline void vec_transpose(vec v[VEC]) {
    __m512 pairs[VEC], fours[VEC], eights[VEC];
#pragma GCC unroll 16
    for (int i = 0; i < VEC; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < VEC; ++i) {
        const __m512 a = pairs[i / 4 * 4 + i % 4 / 2], b = pairs[i / 4 * 4 + i % 4 / 2 + 2];
        fours[i] = i % 2 == 0 ? _mm512_shuffle_ps(a, b, 0x44) : _mm512_shuffle_ps(a, b, 0xee);
    }
    /* fours[4 g + i] has columns i, 4 + i, 8 + i, 12 + i of rows 4 g to 4 g + 3. */
#pragma GCC unroll 16
    for (int i = 0; i < 4; ++i) {
        eights[i] = _mm512_shuffle_f32x4(fours[i], fours[4 + i], 0x88);
        eights[4 + i] = _mm512_shuffle_f32x4(fours[i], fours[4 + i], 0xdd);
        eights[8 + i] = _mm512_shuffle_f32x4(fours[8 + i], fours[12 + i], 0x88);
        eights[12 + i] = _mm512_shuffle_f32x4(fours[8 + i], fours[12 + i], 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
        v[i] = _mm512_shuffle_f32x4(eights[i], eights[8 + i], 0x88);
        v[8 + i] = _mm512_shuffle_f32x4(eights[i], eights[8 + i], 0xdd);
    }
}

/* sums[0..7] += values[0..7] * scale, rounded to nearest even. */
static inline void add_rounded(int64_t *sums, const float *values, double scale) {
    __m512d product =
        _mm512_mul_pd(_mm512_cvtps_pd(_mm256_loadu_ps(values)), _mm512_set1_pd(scale));
    __m512i sum = _mm512_add_epi64(_mm512_loadu_si512(sums), _mm512_cvtpd_epi64(product));
    _mm512_storeu_si512(sums, sum);
}

/* Numbers of 32 bits in the lower halves of 64-bit lanes; the upper halves may hold anything. */
typedef __m512i vec_wide;

static inline vec_wide vec_wide_set(uint32_t x) {
    return _mm512_set1_epi64(x);
}
/* x, x + 1, ... */
static inline vec_wide vec_wide_count(uint32_t x) {
    return _mm512_add_epi64(_mm512_set1_epi64(x), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
}
/* All 64 bits of the products. */
static inline vec_wide vec_wide_multiply(vec_wide a, vec_wide b) {
    return _mm512_mul_epu32(a, b);
}
static inline vec_wide vec_wide_upper(vec_wide a) {
    return _mm512_srli_epi64(a, 32);
}
static inline vec_wide vec_wide_xor(vec_wide a, vec_wide b, vec_wide c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}
/* The VEC numbers of a and b, as 32-bit words. */
static inline void vec_wide_store(uint32_t *p, vec_wide a, vec_wide b) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi64_epi32(a));
    _mm256_storeu_si256((__m256i *)(p + 8), _mm512_cvtepi64_epi32(b));
}

/* The compiler can't look through it: the value is computed, and stays in its register. */
#define VEC_OPAQUE(v) __asm__ volatile("" : "+v"(v))
