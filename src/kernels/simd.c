/* The convolutions and other sums in vectors, one source for each kind: AE_SIMD_HEADER names the
 * vector type and the tile sizes that fit its registers. */
#include "kernels/conv.h"

#include AE_SIMD_HEADER

#define INLINE static inline __attribute__((always_inline))

/* Winograd's F(2, 3) down the columns takes sums and differences of two of a pair's four input
 * rows: component c is row[plus] + row[other] where c is 1, else row[plus] - row[other]. */
static const struct {
    int plus, other;
} winograd[AE_WINOGRAD_COMPONENTS] = {{0, 2}, {1, 2}, {2, 1}, {3, 1}};

INLINE vec vec_component(int component, const float *plus, const float *other) {
    vec a = vec_load(plus), b = vec_load(other);
    return component == 1 ? vec_add(a, b) : vec_sub(a, b);
}

/* With a stride of 2, of an offset of d rows or columns from 2 y: whether it is odd, and its
 * offset from y. */
static int parity_of(int d) {
    return d & 1;
}
static int half_of(int d) {
    return (d - parity_of(d)) / 2;
}

#include "kernels/simd_products.c"

#include "kernels/simd_pixels.c"

#include "kernels/simd_transforms.c"

#include "kernels/simd_tiles.c"

#include "kernels/simd_conv.c"
#include "kernels/simd_weights.c"

/* `count` channels from c on together, so that their chains of additions overlap. */
INLINE void sum_channels(float *sums, const ae_planes *planes, int c, int count) {
    _Alignas(64) float lanes[8 * AE_LANES] = {0};
    float sum[8];
    for (int half = 0; half < AE_LANES; half += VEC) {
        vec lane[8];
#pragma GCC unroll 8
        for (int i = 0; i < count; ++i) lane[i] = vec_set(0);
        for (int h = 0; h < planes->height; ++h) {
            const float *row = ae_planes_row(planes, c, h) + half;
            for (int w = 0; w < planes->width; w += AE_LANES)
#pragma GCC unroll 8
                for (int i = 0; i < count; ++i)
                    lane[i] =
                        vec_add(lane[i], vec_load(row + w + i * (ptrdiff_t)planes->plane_stride));
        }
#pragma GCC unroll 8
        for (int i = 0; i < count; ++i) vec_store(lanes + i * AE_LANES + half, lane[i]);
    }
    sum_lanes(sum, lanes, 8);
    for (int i = 0; i < count; ++i) sums[c + i] += sum[i];
}

static void sum_pixels(float *sums, const ae_planes *planes) {
    int c = 0;
    for (; c + 8 <= planes->channels; c += 8) sum_channels(sums, planes, c, 8);
    for (; c + 3 <= planes->channels; c += 3) sum_channels(sums, planes, c, 3);
    for (; c < planes->channels; ++c) sum_channels(sums, planes, c, 1);
}

/* words[w][i] = word w of block first + i of the stream. */
static void random_words(uint32_t words[4][CHUNK], ae_stream stream, uint32_t first) {
    const vec_wide multiplier0 = vec_wide_set(AE_PHILOX_MULTIPLIER0);
    const vec_wide multiplier1 = vec_wide_set(AE_PHILOX_MULTIPLIER1);
    for (int i = 0; i < CHUNK; i += VEC) {
        uint32_t key0 = (uint32_t)stream.seed, key1 = (uint32_t)(stream.seed >> 32);
        vec_wide c[4][2];
        for (int h = 0; h < 2; ++h) {
            c[0][h] = vec_wide_count(first + (uint32_t)(i + h * VEC / 2));
            c[1][h] = vec_wide_set(stream.sample);
            c[2][h] = vec_wide_set(stream.epoch);
            c[3][h] = vec_wide_set(stream.purpose);
        }
#pragma GCC unroll 10
        for (int round = 0; round < AE_PHILOX_ROUNDS; ++round) {
            const vec_wide k0 = vec_wide_set(key0), k1 = vec_wide_set(key1);
#pragma GCC unroll 2
            for (int h = 0; h < 2; ++h) {
                vec_wide product0 = vec_wide_multiply(multiplier0, c[0][h]);
                vec_wide product1 = vec_wide_multiply(multiplier1, c[2][h]);
                c[0][h] = vec_wide_xor(vec_wide_upper(product1), c[1][h], k0);
                c[2][h] = vec_wide_xor(vec_wide_upper(product0), c[3][h], k1);
                c[1][h] = product1;
                c[3][h] = product0;
            }
            key0 += AE_PHILOX_KEY0;
            key1 += AE_PHILOX_KEY1;
        }
        for (int w = 0; w < 4; ++w) vec_wide_store(&words[w][i], c[w][0], c[w][1]);
    }
}

static double multiply_adds(long rounds) {
    enum { CHAINS = 12 }; /* for two units of up to six cycles' latency */
    const vec factor = vec_set(0.5f), term = vec_set(1);
    vec chain[CHAINS];
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; ++c) chain[c] = vec_set((float)c);
    for (long r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; ++c) {
            chain[c] = vec_fma(chain[c], factor, term);
            VEC_OPAQUE(chain[c]); /* each is done */
        }
    }
    return (double)rounds * CHAINS * VEC;
}
