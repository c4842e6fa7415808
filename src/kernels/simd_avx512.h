/* Vectors of 16 floats with AVX-512F. */
#include <immintrin.h>

#define VEC 16
#define TILE_OC 8
#define TILE_VECS 2
#define TILE_GRADIENT 8
#define TILE_KW 3
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

/* The first `count` lanes, 0 < count <= VEC. */
static inline vec_mask vec_first(int count) {
    return (vec_mask)(0xffffu >> (VEC - count));
}
static inline vec vec_keep(vec_mask mask, vec v) {
    return _mm512_maskz_mov_ps(mask, v);
}

/* The compiler can't look through it: the value is computed, and stays in its register. */
#define VEC_OPAQUE(v) __asm__ volatile("" : "+v"(v))
