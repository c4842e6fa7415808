/* Vectors of 4 floats with ARM64's Advanced SIMD (NEON). */
#include <arm_neon.h>
#include <stdint.h>

#include "kernels/planes.h"

#define VEC 4
#define TILE_OC 8
#define EACH_WIDE_TILE(make) make(1) make(2) make(3) make(4) make(5) make(6) make(7) make(8)
#define DIRECT_OC TILE_OC
#define EACH_DIRECT_TILE(make) EACH_WIDE_TILE(make)
#define NARROW_OC 8
#define EACH_NARROW_TILE(make) EACH_WIDE_TILE(make)
#define TILE_VECS 2
#define TILE_GRADIENT 8
#define TILE_TAPS 3
#define PRODUCT_ROWS 6
#define PRODUCT_VECS 4
#define EACH_PRODUCT(make) make(1) make(2) make(3) make(4) make(5) make(6)
#define EACH_WIDE_PRODUCT(make) make(1) make(2) make(3) make(4)
#define EACH_CHAINED_PRODUCT(make) make(1) make(2) make(3)
typedef float32x4_t vec;
typedef uint32x4_t vec_mask;

static inline vec vec_load(const float *p) {
    return vld1q_f32(p);
}
static inline void vec_store(float *p, vec v) {
    vst1q_f32(p, v);
}
static inline vec vec_set(float x) {
    return vdupq_n_f32(x);
}
/* The instruction that fuses; vmlaq_f32 rounds twice. */
static inline vec vec_fma(vec a, vec b, vec c) {
    return vfmaq_f32(c, a, b);
}
static inline vec vec_add(vec a, vec b) {
    return vaddq_f32(a, b);
}
static inline vec vec_sub(vec a, vec b) {
    return vsubq_f32(a, b);
}
static inline vec vec_mul(vec a, vec b) {
    return vmulq_f32(a, b);
}

static inline vec vec_keep(vec_mask mask, vec v) {
    return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(v)));
}

/* 0 > v ? 0 : v, also for NaN and the zeros, which the instruction for a maximum treats otherwise.
 */
static inline vec vec_relu(vec v) {
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), vcltzq_f32(v)));
}

/* gate > 0 ? v : 0 */
static inline vec vec_gate(vec gate, vec v) {
    return vec_keep(vcgtzq_f32(gate), v);
}

/* 0 > v ? slope * v : v */
static inline vec vec_leaky(vec v, vec slope) {
    return vbslq_f32(vcltzq_f32(v), vmulq_f32(v, slope), v);
}

/* gate > 0 ? v : slope * v */
static inline vec vec_leaky_gate(vec gate, vec v, vec slope) {
    return vbslq_f32(vcgtzq_f32(gate), v, vmulq_f32(v, slope));
}

/* The first `count` lanes, 0 < count <= VEC. */
static inline vec_mask vec_first(int count) {
    const int32x4_t lanes = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(count), lanes);
}

/* Lanes 0, 1 of a and of b, and lanes 2, 3. */
static inline vec lower_halves(vec a, vec b) {
    return vcombine_f32(vget_low_f32(a), vget_low_f32(b));
}
static inline vec upper_halves(vec a, vec b) {
    return vcombine_f32(vget_high_f32(a), vget_high_f32(b));
}

/* v[i][j] = v[j][i] of VEC vectors. */
static inline void vec_transpose(vec v[VEC]) {
    const vec a = vtrn1q_f32(v[0], v[1]), b = vtrn2q_f32(v[0], v[1]);
    const vec c = vtrn1q_f32(v[2], v[3]), d = vtrn2q_f32(v[2], v[3]);
    v[0] = lower_halves(a, c);
    v[1] = lower_halves(b, d);
    v[2] = upper_halves(a, c);
    v[3] = upper_halves(b, d);
}

/* 16 lanes to 4. */
static inline vec fold(const float *lanes) {
    return vec_add(vec_add(vec_load(lanes), vec_load(lanes + 8)),
                   vec_add(vec_load(lanes + 4), vec_load(lanes + 12)));
}

/* sums[i] = the sum of lanes[i][0..15] by the reference's tree (16 lanes to 8, 4, 2, 1), four i at
 * once; `count` is rounded up to a multiple of 8 in both. */
static void sum_lanes(float *sums, const float *lanes, int count) {
    for (int i = 0; i < count; i += 4, lanes += 4 * AE_LANES) {
        vec two[2]; /* two[j]: 2 lanes each of i + 2 j and i + 2 j + 1 */
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const vec a = fold(lanes + 2 * j * AE_LANES), b = fold(lanes + (2 * j + 1) * AE_LANES);
            two[j] = vec_add(lower_halves(a, b), upper_halves(a, b));
        }
        vec_store(sums + i, vpaddq_f32(two[0], two[1]));
    }
}

/* sums[0..7] += values[0..7] * scale, rounded to nearest even. */
static inline void add_rounded(int64_t *sums, const float *values, double scale) {
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        const float64x2_t product = vmulq_n_f64(vcvt_f64_f32(vld1_f32(values + i)), scale);
        vst1q_s64(sums + i, vaddq_s64(vld1q_s64(sums + i), vcvtnq_s64_f64(product)));
    }
}

/* Numbers of 32 bits in the lower halves of 64-bit lanes; the upper halves may hold anything. */
typedef uint64x2_t vec_wide;

static inline vec_wide vec_wide_set(uint32_t x) {
    return vdupq_n_u64(x);
}
/* x, x + 1, ... */
static inline vec_wide vec_wide_count(uint32_t x) {
    const uint64x2_t count = {0, 1};
    return vaddq_u64(vdupq_n_u64(x), count);
}
/* All 64 bits of the products. */
static inline vec_wide vec_wide_multiply(vec_wide a, vec_wide b) {
    return vmull_u32(vmovn_u64(a), vmovn_u64(b));
}
static inline vec_wide vec_wide_upper(vec_wide a) {
    return vshrq_n_u64(a, 32);
}
static inline vec_wide vec_wide_xor(vec_wide a, vec_wide b, vec_wide c) {
    return veorq_u64(veorq_u64(a, b), c);
}
/* The VEC numbers of a and b, as 32-bit words. */
static inline void vec_wide_store(uint32_t *p, vec_wide a, vec_wide b) {
    vst1q_u32(p, vuzp1q_u32(vreinterpretq_u32_u64(a), vreinterpretq_u32_u64(b)));
}

/* The compiler can't look through it: the value is computed, and stays in its register. */
#define VEC_OPAQUE(v) __asm__ volatile("" : "+w"(v))
