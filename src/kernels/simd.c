/* The convolutions in vectors, one source for each kind: AE_SIMD_HEADER names the vector type
 * and the tile sizes that fit its registers. A tile is a small matrix of accumulators; a lane's
 * chain of operations is that of the reference whatever the tile. */
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

/* A tap of a kernel: where its pixel lies from the output's place, and its weight's number. */
typedef struct tap {
    ptrdiff_t pixel; /* floats */
    int weight;
} tap;

/* One correlation of stride 1. */
typedef struct task {
    const ae_planes *out, *in;
    const float *weights, *bias;
    const ae_epilogue *epilogue;
    int shift;        /* Winograd's: the padding */
    int weight_count; /* a pair of channels' */
    int tap_count;
    const tap *taps; /* [tap_count], else */
} task;

/* A tile's accumulators: `ocs` channels from `oc` on by `vecs` vectors from `column` on. Both
 * numbers are constants where a tile's functions are inlined. */
typedef vec tile[TILE_OC][TILE_VECS];

INLINE void tile_multiply(tile sum, const float *weight, const vec pixels[TILE_VECS], int ocs,
                          int vecs) {
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o) {
        vec w = vec_set(weight[o]);
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[o][v] = vec_fma(w, pixels[v], sum[o][v]);
    }
}

INLINE void tile_begin(tile sum, const float *bias, int ocs, int vecs) {
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[o][v] = vec_set(bias ? bias[o] : 0);
}

INLINE void tile_gate(tile sum, const float *gate, ptrdiff_t stride, int ocs, int vecs) {
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o, gate += stride)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[o][v] = vec_gate(vec_load(gate + v * VEC), sum[o][v]);
}

INLINE void tile_leaky_gate(tile sum, const float *gate, ptrdiff_t stride, float slope, int ocs,
                            int vecs) {
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o, gate += stride)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v)
            sum[o][v] = vec_leaky_gate(vec_load(gate + v * VEC), sum[o][v], vec_set(slope));
}

INLINE void tile_relu(tile sum, int ocs, int vecs) {
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[o][v] = vec_relu(sum[o][v]);
}

INLINE void tile_leaky(tile sum, float slope, int ocs, int vecs) {
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[o][v] = vec_leaky(sum[o][v], vec_set(slope));
}

INLINE void tile_epilogue(const ae_epilogue *epilogue, tile sum, int oc, int oh, int column,
                          int ocs, int vecs) {
    if (epilogue->kind == AE_EPILOGUE_RELU) tile_relu(sum, ocs, vecs);
    if (epilogue->kind == AE_EPILOGUE_LEAKY) tile_leaky(sum, epilogue->slope, ocs, vecs);
    if (!epilogue->gate) return;
    const float *gate = ae_planes_row(epilogue->gate, oc, oh) + column;
    const ptrdiff_t stride = epilogue->gate->plane_stride;
    if (epilogue->kind == AE_EPILOGUE_GATE) tile_gate(sum, gate, stride, ocs, vecs);
    if (epilogue->kind == AE_EPILOGUE_LEAKY_GATE)
        tile_leaky_gate(sum, gate, stride, epilogue->slope, ocs, vecs);
}

/* Row oh of the output: all that follows the sums. */
INLINE void tile_finish(const task *t, tile sum, int oc, int oh, int column, int ocs, int vecs) {
    float *out = ae_planes_row(t->out, oc, oh) + column;
    const ptrdiff_t stride = t->out->plane_stride;
    tile_epilogue(t->epilogue, sum, oc, oh, column, ocs, vecs);
    const int last = t->out->width - column - (vecs - 1) * VEC; /* columns of the last vector */
    const vec_mask mask = vec_first(last < VEC ? last : VEC);
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o, out += stride) {
#pragma GCC unroll 8
        for (int v = 0; v < vecs - 1; ++v) vec_store(out + v * VEC, sum[o][v]);
        /* Columns beyond the width are zero, and stay so. */
        vec_store(out + (vecs - 1) * VEC, vec_keep(mask, sum[o][vecs - 1]));
    }
}

/* Row oh, tap by tap. */
INLINE void tile_direct(const task *t, int oc, int oh, int column, int ocs, int vecs) {
    const ptrdiff_t channels = t->out->channels;
    const float *weights = t->weights + oc, *row = ae_planes_row(t->in, 0, oh) + column;
    tile sum;
    tile_begin(sum, t->bias ? t->bias + oc : NULL, ocs, vecs);
    for (int ic = 0; ic < t->in->channels; ++ic) {
        for (int i = 0; i < t->tap_count; ++i) {
            vec pixels[TILE_VECS];
#pragma GCC unroll 8
            for (int v = 0; v < vecs; ++v) pixels[v] = vec_load(row + t->taps[i].pixel + v * VEC);
            tile_multiply(sum, weights + t->taps[i].weight * channels, pixels, ocs, vecs);
        }
        weights += t->weight_count * channels;
        row += t->in->plane_stride;
    }
    tile_finish(t, sum, oc, oh, column, ocs, vecs);
}

/* Adds a component's products, of all input channels. */
INLINE void tile_add(const task *t, tile sum, int component, int oc, int oh, int column, int ocs,
                     int vecs) {
    const ptrdiff_t channels = t->out->channels, stride = t->in->row_stride;
    const float *weight = t->weights + component * t->in->channels * 3 * channels + oc;
    const float *first = ae_planes_row(t->in, 0, oh - t->shift) + column - t->shift;
    const float *plus = first + winograd[component].plus * stride;
    const float *other = first + winograd[component].other * stride;
    for (int ic = 0; ic < t->in->channels; ++ic) {
#pragma GCC unroll 3
        for (int kw = 0; kw < 3; ++kw, weight += channels) {
            vec pixels[TILE_VECS];
#pragma GCC unroll 8
            for (int v = 0; v < vecs; ++v)
                pixels[v] = vec_component(component, plus + kw + v * VEC, other + kw + v * VEC);
            tile_multiply(sum, weight, pixels, ocs, vecs);
        }
#pragma GCC unroll 8
        for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; ++v) VEC_OPAQUE(sum[o][v]);
        plus += t->in->plane_stride;
        other += t->in->plane_stride;
    }
}

/* Rows oh and oh + 1 of a 3x3 kernel. */
INLINE void tile_winograd(const task *t, int oc, int oh, int column, int ocs, int vecs) {
    tile m1, m2, upper, lower;
    tile_begin(m1, t->bias ? t->bias + oc : NULL, ocs, vecs);
    tile_add(t, m1, 1, oc, oh, column, ocs, vecs);
    tile_begin(m2, NULL, ocs, vecs);
    tile_add(t, m2, 2, oc, oh, column, ocs, vecs);
#pragma GCC unroll 8
    for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) {
            upper[o][v] = vec_add(m1[o][v], m2[o][v]);
            lower[o][v] = vec_sub(m1[o][v], m2[o][v]);
        }
    tile_add(t, upper, 0, oc, oh, column, ocs, vecs);
    tile_finish(t, upper, oc, oh, column, ocs, vecs);
    if (oh + 1 == t->out->height) return;
    tile_add(t, lower, 3, oc, oh, column, ocs, vecs);
    tile_finish(t, lower, oc, oh + 1, column, ocs, vecs);
}

/* One function for each number of channels, so that its sums lie in registers. */
typedef void tile_function(const task *t, int oc, int oh, int column);

#define TILES(ocs)                                                                                 \
    static void direct_##ocs(const task *t, int oc, int oh, int column) {                          \
        if (t->out->width - column > VEC)                                                          \
            tile_direct(t, oc, oh, column, ocs, TILE_VECS);                                        \
        else                                                                                       \
            tile_direct(t, oc, oh, column, ocs, 1);                                                \
    }                                                                                              \
    static void winograd_##ocs(const task *t, int oc, int oh, int column) {                        \
        if (t->out->width - column > VEC)                                                          \
            tile_winograd(t, oc, oh, column, ocs, TILE_VECS);                                      \
        else                                                                                       \
            tile_winograd(t, oc, oh, column, ocs, 1);                                              \
    }
#if TILE_OC == 8
#define ALL_TILES(kind)                                                                            \
    { NULL, kind##_1, kind##_2, kind##_3, kind##_4, kind##_5, kind##_6, kind##_7, kind##_8 }
TILES(5)
TILES(6)
TILES(7)
TILES(8)
#else
#define ALL_TILES(kind)                                                                            \
    { NULL, kind##_1, kind##_2, kind##_3, kind##_4 }
#endif
TILES(1)
TILES(2)
TILES(3)
TILES(4)

/* All of a correlation's tiles. */
static void run(const task *t, bool is_winograd) {
    static tile_function *const direct[TILE_OC + 1] = ALL_TILES(direct);
    static tile_function *const winograd[TILE_OC + 1] = ALL_TILES(winograd);
    tile_function *const *tiles = is_winograd ? winograd : direct;
    const ae_planes *out = t->out;
    for (int oh = 0; oh < out->height; oh += is_winograd ? 2 : 1)
        for (int column = 0; column < out->width; column += TILE_VECS * VEC)
            for (int oc = 0; oc < out->channels; oc += TILE_OC) {
                int left = out->channels - oc;
                tiles[left < TILE_OC ? left : TILE_OC](t, oc, oh, column);
            }
}

enum { TAPS_MAX = AE_KERNEL_MAX * AE_KERNEL_MAX };

/* A correlation of stride 2 is one of stride 1 on the four phases of what it reads. */
static void correlate_phases(task *t, const ae_conv *conv, float *scratch) {
    const ae_planes phases = ae_phases_view(scratch, t->in->channels, t->in->height, t->in->width);
    tap taps[TAPS_MAX];
    ae_planes first = phases;
    first.channels = t->in->channels;
    first.plane_stride = 4 * phases.plane_stride;
    unshuffle(&phases, t->in);
    for (int i = 0; i < t->weight_count; ++i) {
        const int down = i / conv->kernel - conv->padding, right = i % conv->kernel - conv->padding;
        const ptrdiff_t phase = 2 * ae_phase_of(down) + ae_phase_of(right);
        taps[i] =
            (tap){phase * phases.plane_stride +
                      (ptrdiff_t)ae_phase_offset(down) * phases.row_stride + ae_phase_offset(right),
                  i};
    }
    t->in = &first;
    t->taps = taps;
    t->tap_count = t->weight_count;
    run(t, false);
}

/* The adjoint of one makes the phases of the output, each from its taps. */
static void spread_phases(task *t, const ae_conv *conv, float *scratch) {
    const ae_planes *out = t->out;
    const ae_planes phases = ae_phases_view(scratch, out->channels, out->height, out->width);
    const ae_epilogue *epilogue = t->epilogue, none = {.kind = AE_EPILOGUE_NONE};
    const int k = conv->kernel, p = conv->padding;
    for (int phase = 0; phase < 4; ++phase) {
        tap taps[TAPS_MAX];
        ae_planes part = phases;
        part.data += phase * (ptrdiff_t)phases.plane_stride;
        part.channels = out->channels;
        part.plane_stride = 4 * phases.plane_stride;
        t->tap_count = 0;
        for (int i = 0; i < t->weight_count; ++i) {
            const int down = phase / 2 - i / k + p, right = phase % 2 - i % k + p;
            if (down % 2 == 0 && right % 2 == 0)
                taps[t->tap_count++] =
                    (tap){(ptrdiff_t)(down / 2) * t->in->row_stride + right / 2, i};
        }
        t->out = &part;
        t->epilogue = &none;
        t->taps = taps;
        run(t, false);
    }
    shuffle(out, &phases);
    apply(out, epilogue);
}

static void convolve(const ae_planes *out, const ae_planes *in, const ae_conv *conv, bool backward,
                     const float *weights, const float *bias, const ae_epilogue *epilogue,
                     float *scratch) {
    const int k = conv->kernel;
    task t = {.out = out,
              .in = in,
              .weights = weights,
              .bias = bias,
              .epilogue = epilogue,
              .shift = ae_conv_shift(conv, backward),
              .weight_count = k * k};
    if (conv->stride > 1) {
        if (ae_conv_is_adjoint(conv, backward))
            spread_phases(&t, conv, scratch);
        else
            correlate_phases(&t, conv, scratch);
        return;
    }
    tap taps[TAPS_MAX];
    for (int i = 0; i < k * k; ++i)
        taps[i] = (tap){(ptrdiff_t)(i / k - t.shift) * in->row_stride + i % k - t.shift, i};
    t.taps = taps;
    t.tap_count = k * k;
    run(&t, ae_conv_is_winograd(conv));
}

static void conv_forward(const ae_planes *out, const ae_planes *in, const ae_conv *conv,
                         const float *weights, const float *bias, const ae_epilogue *epilogue,
                         float *scratch) {
    convolve(out, in, conv, false, weights, bias, epilogue, scratch);
}

static void conv_backward(const ae_planes *below, const ae_planes *gradient, const ae_conv *conv,
                          const float *weights, const ae_epilogue *epilogue, float *scratch) {
    convolve(below, gradient, conv, true, weights, NULL, epilogue, scratch);
}

/* Lanes l + lanes l + 8 of 16. */
INLINE __m256 fold(const float *lanes) {
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

/* Rows of floats that one product of the gradient runs over: of each channel, `count` rows of
 * `groups` * 16 floats. */
typedef struct strip {
    const float *data;                    /* channel 0, row 0 */
    ptrdiff_t channel_stride, row_stride; /* floats */
    int count, groups;
} strip;

typedef enum row_sum { ROW_ALONE, ROW_PLUS, ROW_MINUS } row_sum;

/* sums[i][j] = the sum over all pixels of channel a + i of `small` times the pixel of `large` at
 * the same place moved by j columns; i < as, j < kws. `large` is one channel; its pixel is row[x]
 * alone, or with other[x] added or subtracted. */
INLINE void gradient_tile(float *sums, const strip *small, int a, const float *row,
                          const float *other, ptrdiff_t large_stride, row_sum kind, int as,
                          int kws) {
    enum { ROOM = TILE_GRADIENT * TILE_KW + 7 };
    _Alignas(64) float lanes[ROOM / 8 * 8 * AE_LANES];
    const ptrdiff_t channel = small->channel_stride;
    for (int half = 0; half < AE_LANES; half += VEC) {
        const float *s = small->data + a * channel + half, *p = row + half, *q = other + half;
        vec sum[TILE_GRADIENT][TILE_KW];
#pragma GCC unroll 8
        for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
            for (int j = 0; j < kws; ++j) sum[i][j] = vec_set(0);
        for (int h = 0; h < small->count; ++h) {
            for (int w = 0; w < small->groups * AE_LANES; w += AE_LANES) {
                vec pixels[TILE_KW];
#pragma GCC unroll 8
                for (int j = 0; j < kws; ++j) {
                    pixels[j] = vec_load(p + w + j);
                    if (kind == ROW_PLUS) pixels[j] = vec_add(pixels[j], vec_load(q + w + j));
                    if (kind == ROW_MINUS) pixels[j] = vec_sub(pixels[j], vec_load(q + w + j));
                }
#pragma GCC unroll 8
                for (int i = 0; i < as; ++i) {
                    vec g = vec_load(s + w + i * channel);
                    VEC_OPAQUE(g); /* one load, not one for each use */
#pragma GCC unroll 8
                    for (int j = 0; j < kws; ++j) sum[i][j] = vec_fma(g, pixels[j], sum[i][j]);
                }
#pragma GCC unroll 8
                for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
                    for (int j = 0; j < kws; ++j) VEC_OPAQUE(sum[i][j]);
            }
            s += small->row_stride;
            p += large_stride;
            q += large_stride;
        }
#pragma GCC unroll 8
        for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
            for (int j = 0; j < kws; ++j)
                vec_store(lanes + (i * kws + j) * AE_LANES + half, sum[i][j]);
    }
    const int used = as * kws * AE_LANES, padded = (as * kws + 7) / 8 * 8 * AE_LANES;
    for (int l = used; l < padded; ++l) lanes[l] = 0;
    float padded_sums[ROOM / 8 * 8];
    sum_lanes(padded_sums, lanes, as * kws);
    for (int i = 0; i < as * kws; ++i) sums[i] = padded_sums[i];
}

/* The same for all channels of `small` in tiles of constant size: sums[a][b][j]. */
INLINE void gradient_channels(float *sums, const strip *small, int channels, const float *row,
                              const float *other, ptrdiff_t large_stride, row_sum kind, int kws) {
    int a = 0;
    for (; a + TILE_GRADIENT <= channels; a += TILE_GRADIENT)
        gradient_tile(sums + a * kws, small, a, row, other, large_stride, kind, TILE_GRADIENT, kws);
    for (; a + 3 <= channels; a += 3)
        gradient_tile(sums + a * kws, small, a, row, other, large_stride, kind, 3, kws);
    for (; a < channels; ++a)
        gradient_tile(sums + a * kws, small, a, row, other, large_stride, kind, 1, kws);
}

/* sums = upper + lower row of each pair, differences = upper - lower, dense in rows of whole lane
 * groups. */
static void pair_rows(float *sums, float *differences, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; h += 2) {
            const float *upper = ae_planes_row(planes, c, h);
            const float *lower = upper + planes->row_stride;
            for (int w = 0; w < planes->width; w += AE_LANES)
                for (int at = w; at < w + AE_LANES; at += VEC) {
                    vec_store(sums, vec_add(vec_load(upper + at), vec_load(lower + at)));
                    vec_store(differences, vec_sub(vec_load(upper + at), vec_load(lower + at)));
                    sums += VEC;
                    differences += VEC;
                }
        }
}

static void gradient_winograd(float *gradient, const ae_planes *small, const ae_planes *large,
                              int padding, float *scratch) {
    const int as = small->channels, bs = large->channels, count = (small->height + 1) / 2;
    const int groups = (small->width + AE_LANES - 1) / AE_LANES;
    const ptrdiff_t row = groups * AE_LANES, channel = row * count;
    const float *upper = ae_planes_row(small, 0, 0);
    float *sums = scratch + 2 * channel * as; /* [b][component][a][kw] */
    pair_rows(scratch, scratch + channel * as, small);
    const strip strips[AE_WINOGRAD_COMPONENTS] = {
        {upper, small->plane_stride, 2 * small->row_stride, count, groups},
        {scratch, channel, row, count, groups},
        {scratch + channel * as, channel, row, count, groups},
        {upper + small->row_stride, small->plane_stride, 2 * small->row_stride, count, groups}};
    for (int c = 0; c < AE_WINOGRAD_COMPONENTS; ++c)
        for (int b = 0; b < bs; ++b) {
            const float *plus = ae_planes_row(large, b, winograd[c].plus - padding) - padding;
            const float *other = ae_planes_row(large, b, winograd[c].other - padding) - padding;
            float *out = sums + (b * AE_WINOGRAD_COMPONENTS + c) * as * 3;
            if (c == 1)
                gradient_channels(out, &strips[c], as, plus, other, 2 * large->row_stride, ROW_PLUS,
                                  3);
            else
                gradient_channels(out, &strips[c], as, plus, other, 2 * large->row_stride,
                                  ROW_MINUS, 3);
        }
    for (int a = 0; a < as; ++a)
        for (int b = 0; b < bs; ++b, gradient += 9)
            for (int kw = 0; kw < 3; ++kw) {
                const float *s = sums + (b * AE_WINOGRAD_COMPONENTS * as + a) * 3 + kw;
                float both = 0.5f * (s[3 * as] + s[6 * as]);
                gradient[kw] += s[0] + both;
                gradient[3 + kw] += 0.5f * (s[3 * as] - s[6 * as]);
                gradient[6 + kw] += both + s[9 * as];
            }
}

/* Adds to the derivatives by `kws` neighbouring taps of row kh, from kw on, for channel b of the
 * larger image, whose pixels for the first of them begin at `row`. */
static void gradient_taps(float *gradient, const strip *strip, int as, int bs, int b,
                          const float *row, ptrdiff_t row_stride, int kernel, int kh, int kw,
                          int kws, float *scratch) {
    if (kws == TILE_KW)
        gradient_channels(scratch, strip, as, row, row, row_stride, ROW_ALONE, TILE_KW);
    else
        gradient_channels(scratch, strip, as, row, row, row_stride, ROW_ALONE, 1);
    for (int a = 0; a < as; ++a)
        for (int j = 0; j < kws; ++j)
            gradient[((a * bs + b) * kernel + kh) * kernel + kw + j] += scratch[a * kws + j];
}

static strip whole(const ae_planes *small) {
    return (strip){ae_planes_row(small, 0, 0), small->plane_stride, small->row_stride,
                   small->height, (small->width + AE_LANES - 1) / AE_LANES};
}

static void gradient_direct(float *gradient, const ae_planes *small, const ae_planes *large,
                            int kernel, int padding, float *scratch) {
    const strip strip = whole(small);
    for (int b = 0; b < large->channels; ++b)
        for (int kh = 0; kh < kernel; ++kh)
            for (int kw = 0, kws; kw < kernel; kw += kws) {
                const float *row = ae_planes_row(large, b, kh - padding) + kw - padding;
                kws = kernel - kw < TILE_KW ? 1 : TILE_KW;
                gradient_taps(gradient, &strip, small->channels, large->channels, b, row,
                              large->row_stride, kernel, kh, kw, kws, scratch);
            }
}

static void gradient_phases(float *gradient, const ae_planes *small, const ae_planes *large,
                            int kernel, int padding, float *scratch) {
    const strip strip = whole(small);
    const ae_planes phases = ae_phases_view(scratch, large->channels, large->height, large->width);
    scratch += ae_phases_floats(large->channels, large->height, large->width);
    unshuffle(&phases, large);
    for (int b = 0; b < large->channels; ++b)
        for (int kh = 0; kh < kernel; ++kh)
            for (int kw = 0; kw < kernel; ++kw) {
                const int down = kh - padding, right = kw - padding;
                const int plane = 4 * b + 2 * ae_phase_of(down) + ae_phase_of(right);
                const float *row =
                    ae_planes_row(&phases, plane, ae_phase_offset(down)) + ae_phase_offset(right);
                gradient_taps(gradient, &strip, small->channels, large->channels, b, row,
                              phases.row_stride, kernel, kh, kw, 1, scratch);
            }
}

static void conv_weights(float *sums, const ae_planes *in, const ae_planes *gradient,
                         const ae_conv *conv, float *scratch) {
    const ae_planes *small = conv->transposed ? in : gradient;
    const ae_planes *large = conv->transposed ? gradient : in;
    if (conv->stride > 1)
        gradient_phases(sums, small, large, conv->kernel, conv->padding, scratch);
    else if (ae_conv_is_winograd(conv))
        gradient_winograd(sums, small, large, conv->padding, scratch);
    else
        gradient_direct(sums, small, large, conv->kernel, conv->padding, scratch);
}

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
