/* Convolutions forward and back in vectors, for simd.c: tiles of accumulators, which are the same
 * chains of operations as the reference's whatever the tile. */

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
    int shift;        /* of pairs: the padding */
    int weight_count; /* a pair of channels' */
    int tap_count;
    const tap *taps; /* [tap_count], else */
} task;

/* A tile's accumulators: `ocs` channels from `oc` on by `vecs` vectors from `column` on. Both
 * numbers are constants where a tile's functions are inlined. */
typedef vec tile[NARROW_OC][TILE_VECS];

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

/* Adds the products of a kernel's only tap. */
INLINE void tile_point(tile sum, const float *weight, ptrdiff_t weight_step, const float *row,
                       ptrdiff_t plane, int channels, int ocs, int vecs) {
    for (int ic = 0; ic < channels; ++ic, weight += weight_step, row += plane) {
        vec pixels[TILE_VECS];
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) pixels[v] = vec_load(row + v * VEC);
        tile_multiply(sum, weight, pixels, ocs, vecs);
#pragma GCC unroll 8
        for (int o = 0; o < ocs; ++o)
#pragma GCC unroll 8
            for (int v = 0; v < vecs; ++v) VEC_OPAQUE(sum[o][v]);
    }
}

/* Row oh, tap by tap. */
INLINE void tile_direct(const task *t, int oc, int oh, int column, int ocs, int vecs) {
    const ptrdiff_t channels = t->out->channels;
    const float *weights = t->weights + oc, *row = ae_planes_row(t->in, 0, oh) + column;
    tile sum;
    tile_begin(sum, t->bias ? t->bias + oc : NULL, ocs, vecs);
    const ptrdiff_t plane = t->in->plane_stride;
    if (t->tap_count == 1)
        tile_point(sum, weights + t->taps->weight * channels, t->weight_count * channels,
                   row + t->taps->pixel, plane, t->in->channels, ocs, vecs);
    for (int ic = 0; ic < t->in->channels && t->tap_count > 1; ++ic) {
        for (int i = 0; i < t->tap_count; ++i) {
            vec pixels[TILE_VECS];
#pragma GCC unroll 8
            for (int v = 0; v < vecs; ++v) pixels[v] = vec_load(row + t->taps[i].pixel + v * VEC);
            tile_multiply(sum, weights + t->taps[i].weight * channels, pixels, ocs, vecs);
        }
        weights += t->weight_count * channels;
        row += plane;
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
INLINE void tile_pairs(const task *t, int oc, int oh, int column, int ocs, int vecs) {
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

/* One function for each number of channels, so that its sums lie in registers: wide ones of
 * TILE_VECS vectors, narrow ones of the one vector that a row may end in, which need more channels
 * for as many chains. */
typedef void tile_function(const task *t, int oc, int oh, int column);

#define TILES(kind, shape, ocs, vecs)                                                              \
    static void kind##_##shape##_##ocs(const task *t, int oc, int oh, int column) {                \
        tile_##kind(t, oc, oh, column, ocs, vecs);                                                 \
    }
#define DIRECT_WIDE_TILES(ocs) TILES(direct, wide, ocs, TILE_VECS)
#define DIRECT_NARROW_TILES(ocs) TILES(direct, narrow, ocs, 1)
#define PAIRS_WIDE_TILES(ocs) TILES(pairs, wide, ocs, TILE_VECS)
#define PAIRS_NARROW_TILES(ocs) TILES(pairs, narrow, ocs, 1)
EACH_DIRECT_TILE(DIRECT_WIDE_TILES)
EACH_NARROW_TILE(DIRECT_NARROW_TILES)
EACH_WIDE_TILE(PAIRS_WIDE_TILES)
EACH_NARROW_TILE(PAIRS_NARROW_TILES)

/* All channels of one tile's rows and columns. */
static void run_channels(const task *t, tile_function *const *tiles, int largest, int oh,
                         int column) {
    for (int oc = 0; oc < t->out->channels; oc += largest) {
        const int left = t->out->channels - oc;
        tiles[left < largest ? left : largest](t, oc, oh, column);
    }
}

/* All of a correlation's tiles. */
static void run(const task *t, bool in_pairs) {
#define DIRECT_WIDE(ocs) [ocs] = direct_wide_##ocs,
#define DIRECT_NARROW(ocs) [ocs] = direct_narrow_##ocs,
#define PAIRS_WIDE(ocs) [ocs] = pairs_wide_##ocs,
#define PAIRS_NARROW(ocs) [ocs] = pairs_narrow_##ocs,
    static tile_function *const wide[2][DIRECT_OC + 1] = {{EACH_DIRECT_TILE(DIRECT_WIDE)},
                                                          {EACH_WIDE_TILE(PAIRS_WIDE)}};
    static tile_function *const narrow[2][NARROW_OC + 1] = {{EACH_NARROW_TILE(DIRECT_NARROW)},
                                                            {EACH_NARROW_TILE(PAIRS_NARROW)}};
    const ae_planes *out = t->out;
    for (int oh = 0; oh < out->height; oh += in_pairs ? 2 : 1)
        for (int column = 0; column < out->width; column += TILE_VECS * VEC)
            if (out->width - column > VEC)
                run_channels(t, wide[in_pairs], in_pairs ? TILE_OC : DIRECT_OC, oh, column);
            else
                run_channels(t, narrow[in_pairs], NARROW_OC, oh, column);
}

enum { TAPS_MAX = AE_KERNEL_MAX * AE_KERNEL_MAX };

/* ---- stride 2 ---- */

/* An image of height x width unshuffled, [4 c + 2 i + j][y][x] = [c][2 y + i][2 x + j], in scratch:
 * so a stride of 2 becomes one of 1. */
static size_t unshuffled_floats(int channels, int height, int width) {
    return ae_planes_floats(4 * channels, (height + 1) / 2, (width + 1) / 2, 1);
}

static ae_planes unshuffled_view(float *scratch, int channels, int height, int width) {
    return ae_planes_view(scratch, 4 * channels, (height + 1) / 2, (width + 1) / 2, 1);
}

/* That of an image, with zeros around. */
static ae_planes unshuffled(float *scratch, const ae_planes *in) {
    const ae_planes parts = unshuffled_view(scratch, in->channels, in->height, in->width);
    memset(scratch, 0, unshuffled_floats(in->channels, in->height, in->width) * sizeof *scratch);
    unshuffle(&parts, in);
    return parts;
}

/* A correlation of stride 2 is one of stride 1 on what it reads, unshuffled. */
static void correlate_strided(task *t, const ae_conv *conv, float *scratch) {
    const ae_planes parts = unshuffled(scratch, t->in);
    tap taps[TAPS_MAX];
    ae_planes first = parts;
    first.channels = t->in->channels;
    first.plane_stride = 4 * parts.plane_stride;
    for (int i = 0; i < t->weight_count; ++i) {
        const int down = i / conv->kernel - conv->padding, right = i % conv->kernel - conv->padding;
        const ptrdiff_t part = 2 * parity_of(down) + parity_of(right);
        taps[i] = (tap){part * parts.plane_stride + (ptrdiff_t)half_of(down) * parts.row_stride +
                            half_of(right),
                        i};
    }
    t->in = &first;
    t->taps = taps;
    t->tap_count = t->weight_count;
    run(t, false);
}

/* The adjoint of one makes the output unshuffled, each of the four parts from its taps. */
static void spread_strided(task *t, const ae_conv *conv, float *scratch) {
    const ae_planes *out = t->out;
    const ae_planes parts = unshuffled_view(scratch, out->channels, out->height, out->width);
    const ae_epilogue *epilogue = t->epilogue, none = {.kind = AE_EPILOGUE_NONE};
    const int k = conv->kernel, p = conv->padding;
    for (int number = 0; number < 4; ++number) {
        tap taps[TAPS_MAX];
        ae_planes part = parts;
        part.data += number * (ptrdiff_t)parts.plane_stride;
        part.channels = out->channels;
        part.plane_stride = 4 * parts.plane_stride;
        t->tap_count = 0;
        for (int i = 0; i < t->weight_count; ++i) {
            const int down = number / 2 - i / k + p, right = number % 2 - i % k + p;
            if (down % 2 == 0 && right % 2 == 0)
                taps[t->tap_count++] =
                    (tap){(ptrdiff_t)(down / 2) * t->in->row_stride + right / 2, i};
        }
        t->out = &part;
        t->epilogue = &none;
        t->taps = taps;
        run(t, false);
    }
    for (int c = 0; c < out->channels; ++c)
        for (int h = 0; h < out->height; ++h) {
            shuffle_row(out, &parts, c, h);
            apply_to_row(out, c, h, epilogue);
        }
}

/* By planes in the lanes of vectors. */
static void convolve_planes(const ae_planes *out, const ae_planes *in, const ae_conv *conv,
                            bool backward, const float *weights, const float *bias,
                            const ae_epilogue *epilogue, float *scratch) {
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
            spread_strided(&t, conv, scratch);
        else
            correlate_strided(&t, conv, scratch);
        return;
    }
    tap taps[TAPS_MAX];
    for (int i = 0; i < k * k; ++i)
        taps[i] = (tap){(ptrdiff_t)(i / k - t.shift) * in->row_stride + i % k - t.shift, i};
    t.taps = taps;
    t.tap_count = k * k;
    run(&t, ae_conv_algorithm_of(conv) == AE_CONV_PAIRS);
}

static void convolve(const ae_planes *out, const ae_planes *in, int images, const ae_conv *conv,
                     bool backward, const float *weights, const float *bias,
                     const ae_epilogue *epilogue, float *scratch) {
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    if (algorithm == AE_CONV_TILES) {
        convolve_tiles(out, in, images, weights, bias, epilogue, conv->kernel,
                       ae_conv_shift(conv, backward), scratch);
        return;
    }
    for (int i = 0; i < images; ++i) {
        const ae_epilogue its = ae_epilogue_of(epilogue, i);
        if (algorithm == AE_CONV_PIXELS)
            convolve_pixels(&out[i], &in[i], conv, backward, weights, bias, &its, scratch);
        else
            convolve_planes(&out[i], &in[i], conv, backward, weights, bias, &its, scratch);
    }
}

static void conv_forward(const ae_planes *out, const ae_planes *in, int images, const ae_conv *conv,
                         const float *weights, const float *bias, const ae_epilogue *epilogue,
                         float *scratch) {
    convolve(out, in, images, conv, false, weights, bias, epilogue, scratch);
}

static void conv_backward(const ae_planes *below, const ae_planes *gradient, int images,
                          const ae_conv *conv, const float *weights, const ae_epilogue *epilogue,
                          float *scratch) {
    convolve(below, gradient, images, conv, true, weights, NULL, epilogue, scratch);
}
