/* The convolutions in vectors, one source for each kind: AE_SIMD_HEADER names the vector type
 * and the tile sizes that fit its registers. A tile is a small matrix of accumulators; a lane's
 * chain of operations is that of the reference whatever the tile. */
#include "kernels/kernels.h"

#include AE_SIMD_HEADER

#define INLINE static inline __attribute__((always_inline))

/* What a call of correlate is about. */
typedef struct task {
    const ae_planes *out, *in, *gate;
    const float *weights, *bias;
    int kernel, shift;
    ae_epilogue epilogue;
} task;

/* Columns [column, column + vecs * VEC) of `ocs` channels from `oc` on in row `oh`; ocs and vecs
 * are constants where this is inlined. */
INLINE void correlate_tile(const task *t, int oc, int oh, int column, int ocs, int vecs) {
    const int row_stride = t->in->row_stride, channels = t->out->channels;
    vec sum[TILE_OC][TILE_VECS];
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[o][v] = vec_set(t->bias ? t->bias[oc + o] : 0);

    const float *weight = t->weights + oc;
    for (int ic = 0; ic < t->in->channels; ++ic) {
        const float *row = ae_planes_row(t->in, ic, oh - t->shift) + column - t->shift;
        for (int kh = 0; kh < t->kernel; ++kh, row += row_stride)
            for (int kw = 0; kw < t->kernel; ++kw, weight += channels) {
                vec pixels[TILE_VECS];
#pragma GCC unroll 8
                for (int v = 0; v < vecs; ++v) pixels[v] = vec_load(row + kw + v * VEC);
#pragma GCC unroll 8
                for (int o = 0; o < ocs; ++o) {
                    vec w = vec_set(weight[o]);
#pragma GCC unroll 8
                    for (int v = 0; v < vecs; ++v) sum[o][v] = vec_fma(w, pixels[v], sum[o][v]);
                }
            }
    }

#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o) {
        float *out = ae_planes_row(t->out, oc + o, oh) + column;
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) {
            vec value = sum[o][v];
            if (t->epilogue == AE_EPILOGUE_RELU) value = vec_relu(value);
            if (t->epilogue == AE_EPILOGUE_GATE)
                value = vec_gate(vec_load(ae_planes_row(t->gate, oc + o, oh) + column + v * VEC),
                                 value);
            int left = t->out->width - column - v * VEC;
            if (left >= VEC)
                vec_store(out + v * VEC, value);
            else if (left > 0)
                vec_store_first(out + v * VEC, vec_first(left), value);
        }
    }
}

/* One tile's columns for all rows, with constant sizes. */
INLINE void correlate_rows(const task *t, int oc, int column, int ocs, int vecs) {
    for (int oh = 0; oh < t->out->height; ++oh) correlate_tile(t, oc, oh, column, ocs, vecs);
}

INLINE void correlate_channels(const task *t, int oc, int ocs) {
    for (int column = 0; column < t->out->width;) {
        if (t->out->width - column > VEC) {
            correlate_rows(t, oc, column, ocs, TILE_VECS);
            column += TILE_VECS * VEC;
        } else {
            correlate_rows(t, oc, column, ocs, 1);
            column += VEC;
        }
    }
}

static void correlate(const ae_planes *out, const ae_planes *in, const float *weights,
                      const float *bias, int kernel, ae_window window, ae_epilogue epilogue,
                      const ae_planes *gate) {
    task t = {out,     in, gate, weights, bias, kernel, window == AE_WINDOW_FULL ? kernel - 1 : 0,
              epilogue};
    int oc = 0;
    for (; oc + TILE_OC <= out->channels; oc += TILE_OC) correlate_channels(&t, oc, TILE_OC);
    switch (out->channels - oc) {
#if TILE_OC > 4
    case 7:
        correlate_channels(&t, oc, 7);
        break;
    case 6:
        correlate_channels(&t, oc, 6);
        break;
    case 5:
        correlate_channels(&t, oc, 5);
        break;
    case 4:
        correlate_channels(&t, oc, 4);
        break;
#endif
    case 3:
        correlate_channels(&t, oc, 3);
        break;
    case 2:
        correlate_channels(&t, oc, 2);
        break;
    case 1:
        correlate_channels(&t, oc, 1);
        break;
    default:
        break;
    }
}

/* Lane sums of `as` small channels from `a` on with one row `kh` of kernel columns [kw, kw + kws)
 * of large channel b; lanes half `half` (VEC lanes) of the virtual 16. */
INLINE void gradient_tile(float *lanes, const ae_planes *small, const ae_planes *large, int kernel,
                          int a, int b, int kh, int kw, int half, int as, int kws) {
    const size_t a_stride = (size_t)large->channels * (size_t)(kernel * kernel) * AE_LANES;
    float *first = lanes + (size_t)a * a_stride +
                   (size_t)((b * kernel + kh) * kernel + kw) * AE_LANES + half * VEC;
    vec sum[TILE_GRADIENT][TILE_KW];
#pragma GCC unroll 8
    for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < kws; ++j)
            sum[i][j] = vec_load(first + (size_t)i * a_stride + j * AE_LANES);

    for (int h = 0; h < small->height; ++h) {
        const float *s = ae_planes_row(small, a, h) + half * VEC;
        const float *l = ae_planes_row(large, b, h + kh) + kw + half * VEC;
        for (int w = 0; w < small->width; w += AE_LANES, s += AE_LANES, l += AE_LANES) {
            vec pixels[TILE_KW];
#pragma GCC unroll 8
            for (int j = 0; j < kws; ++j) pixels[j] = vec_load(l + j);
#pragma GCC unroll 8
            for (int i = 0; i < as; ++i) {
                vec g = vec_load(s + (size_t)i * (size_t)small->plane_stride);
                VEC_OPAQUE(g); /* one load, not one for each use */
#pragma GCC unroll 8
                for (int j = 0; j < kws; ++j) sum[i][j] = vec_fma(g, pixels[j], sum[i][j]);
            }
        }
    }

#pragma GCC unroll 8
    for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < kws; ++j)
            vec_store(first + (size_t)i * a_stride + j * AE_LANES, sum[i][j]);
}

INLINE void gradient_channels(float *lanes, const ae_planes *small, const ae_planes *large,
                              int kernel, int a, int as) {
    for (int b = 0; b < large->channels; ++b)
        for (int half = 0; half < AE_LANES / VEC; ++half)
            for (int kh = 0; kh < kernel; ++kh)
                for (int kw = 0; kw < kernel;) {
                    if (kernel - kw >= TILE_KW) {
                        gradient_tile(lanes, small, large, kernel, a, b, kh, kw, half, as, TILE_KW);
                        kw += TILE_KW;
                    } else {
                        gradient_tile(lanes, small, large, kernel, a, b, kh, kw, half, as, 1);
                        kw += 1;
                    }
                }
}

static void correlate_gradient(float *lanes, const ae_planes *small, const ae_planes *large,
                               int kernel) {
    int a = 0;
    for (; a + TILE_GRADIENT <= small->channels; a += TILE_GRADIENT)
        gradient_channels(lanes, small, large, kernel, a, TILE_GRADIENT);
    for (; a + 3 <= small->channels; a += 3) gradient_channels(lanes, small, large, kernel, a, 3);
    for (; a < small->channels; ++a) gradient_channels(lanes, small, large, kernel, a, 1);
}

static void sum_pixels(float *lanes, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c, lanes += AE_LANES)
        for (int half = 0; half < AE_LANES / VEC; ++half) {
            vec sum = vec_load(lanes + half * VEC);
            for (int h = 0; h < planes->height; ++h) {
                const float *row = ae_planes_row(planes, c, h) + half * VEC;
                for (int w = 0; w < planes->width; w += AE_LANES)
                    sum = vec_add(sum, vec_load(row + w));
            }
            vec_store(lanes + half * VEC, sum);
        }
}

/* Lanes l + lanes l + 8 of 16. */
static inline __m256 vec_fold(const float *lanes) {
    return _mm256_add_ps(_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8));
}

/* The reference's tree: 16 lanes to 8, 4, 2, 1. */
static void reduce_lanes(float *values, const float *lanes, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        __m256 eight = vec_fold(lanes + i * AE_LANES);
        __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        values[i] = _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
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
