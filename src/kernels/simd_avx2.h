/* Vectors of 8 floats with AVX2 and FMA. */
#include <immintrin.h>

#define VEC 8
#define TILE_OC 4
#define TILE_VECS 2
#define TILE_GRADIENT 4
#define TILE_KW 3
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

/* The first `count` lanes, 0 < count <= VEC. */
static inline vec_mask vec_first(int count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes));
}
static inline vec vec_keep(vec_mask mask, vec v) {
    return _mm256_and_ps(mask, v);
}

/* The compiler can't look through it: the value is computed, and stays in its register. */
#define VEC_OPAQUE(v) __asm__ volatile("" : "+x"(v))
