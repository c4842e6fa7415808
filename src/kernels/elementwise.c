/* The element-by-element work, written once in plain C and compiled for each kind of processor
 * (the compiler makes vectors of the loops), and the kernel table of that kind. Elements are
 * independent and every operation is an IEEE one, so all builds give the same bits. */
#include "base/fixed.h"
#include "kernels/conv.h"
#include "kernels/tables.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 }; /* blocks of random words made at a time */

static inline void apply_kind(float *restrict x, const float *restrict gate, ae_epilogue_kind kind,
                              float slope, int count) {
    const ae_epilogue epilogue = {.kind = kind, .slope = slope};
    for (int l = 0; l < count; ++l) x[l] = ae_epilogue_value(x[l], &epilogue, gate ? gate[l] : 0);
}

/* x[count] = epilogue(x); the gate's are those beside them. */
static void apply_row(float *x, const float *gate, const ae_epilogue *epilogue, int count) {
    switch (epilogue->kind) {
#define APPLY_KIND(kind)                                                                           \
    case kind:                                                                                     \
        apply_kind(x, gate, kind, epilogue->slope, count);                                         \
        break;
        APPLY_KIND(AE_EPILOGUE_RELU)
        APPLY_KIND(AE_EPILOGUE_LEAKY)
        APPLY_KIND(AE_EPILOGUE_GATE)
        APPLY_KIND(AE_EPILOGUE_LEAKY_GATE)
    case AE_EPILOGUE_NONE:
        break;
    }
}

/* Row h of channel c, of planes that have their values but for the epilogue. */
static void apply_to_row(const ae_planes *planes, int c, int h, const ae_epilogue *epilogue) {
    apply_row(ae_planes_row(planes, c, h),
              epilogue->gate ? ae_planes_row(epilogue->gate, c, h) : NULL, epilogue, planes->width);
}

static void apply(const ae_planes *planes, const ae_epilogue *epilogue) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) apply_to_row(planes, c, h, epilogue);
}

static void add(const ae_planes *out, const ae_planes *a, const ae_planes *b, float sign) {
    for (int c = 0; c < out->channels; ++c)
        for (int h = 0; h < out->height; ++h) {
            float *sum = ae_planes_row(out, c, h);
            const float *x = ae_planes_row(a, c, h), *y = ae_planes_row(b, c, h);
#pragma omp simd
            for (int w = 0; w < out->width; ++w) sum[w] = x[w] + sign * y[w];
        }
}

/* even[i] = row[2 i], odd[i] = row[2 i + 1]; what the row of `count` doesn't have is left alone. */
static inline void split_row(float *restrict even, float *restrict odd, const float *restrict row,
                             int count) {
    for (int i = 0; i < count / 2; ++i) {
        even[i] = row[2 * i];
        odd[i] = row[2 * i + 1];
    }
    if (count % 2) even[count / 2] = row[count - 1];
}

static inline void join_rows(float *restrict row, const float *restrict even,
                             const float *restrict odd, int count) {
    for (int i = 0; i < count / 2; ++i) {
        row[2 * i] = even[i];
        row[2 * i + 1] = odd[i];
    }
    if (count % 2) row[count - 1] = even[count / 2];
}

static void unshuffle(const ae_planes *out, const ae_planes *in) {
    for (int c = 0; c < in->channels; ++c)
        for (int h = 0; h < in->height; ++h) {
            const int even = 4 * c + h % 2 * 2;
            split_row(ae_planes_row(out, even, h / 2), ae_planes_row(out, even + 1, h / 2),
                      ae_planes_row(in, c, h), in->width);
        }
}

/* Row h of channel c. */
static void shuffle_row(const ae_planes *out, const ae_planes *in, int c, int h) {
    const int even = 4 * c + h % 2 * 2;
    join_rows(ae_planes_row(out, c, h), ae_planes_row(in, even, h / 2),
              ae_planes_row(in, even + 1, h / 2), out->width);
}

static void shuffle(const ae_planes *out, const ae_planes *in) {
    for (int c = 0; c < out->channels; ++c)
        for (int h = 0; h < out->height; ++h) shuffle_row(out, in, c, h);
}

/* Does max_pool take `next` rather than the largest so far? Pixels come in the order (i, j). */
static inline bool is_taken(float next, float largest) {
    return (next > largest) | (next != next);
}

static inline float take(float largest, float next) {
    return is_taken(next, largest) ? next : largest;
}

static inline void pool_rows(float *restrict row, const float *restrict upper,
                             const float *restrict lower, int count) {
    for (int w = 0; w < count; ++w)
        row[w] = take(take(take(upper[2 * w], upper[2 * w + 1]), lower[2 * w]), lower[2 * w + 1]);
}

static void max_pool(const ae_planes *out, const ae_planes *in) {
    for (int c = 0; c < out->channels; ++c)
        for (int h = 0; h < out->height; ++h)
            pool_rows(ae_planes_row(out, c, h), ae_planes_row(in, c, 2 * h),
                      ae_planes_row(in, c, 2 * h + 1), out->width);
}

/* Two rows below = row[w] at the pixel of four that max_pool took, 0 at the others. Which it is,
 * each store asks anew, of values that are there already: so the loop has no branches. */
static inline void unpool_rows(float *restrict below_upper, float *restrict below_lower,
                               const float *restrict row, const float *restrict upper,
                               const float *restrict lower, int count) {
    for (int w = 0; w < count; ++w) {
        const float g = row[w], a = upper[2 * w], b = upper[2 * w + 1];
        const float c = lower[2 * w], d = lower[2 * w + 1];
        const float of_two = take(a, b), of_three = take(of_two, c);
        const float if_three = is_taken(d, of_three) ? 0 : g;
        const float if_two = is_taken(c, of_two) ? 0 : if_three;
        below_upper[2 * w] = is_taken(b, a) ? 0 : if_two;
        below_upper[2 * w + 1] = is_taken(b, a) ? if_two : 0;
        below_lower[2 * w] = is_taken(c, of_two) ? if_three : 0;
        below_lower[2 * w + 1] = is_taken(d, of_three) ? g : 0;
    }
}

static void max_pool_gradient(const ae_planes *below, const ae_planes *gradient,
                              const ae_planes *in) {
    ae_planes_clear(below);
    for (int c = 0; c < below->channels; ++c)
        for (int h = 0; h < gradient->height; ++h)
            unpool_rows(ae_planes_row(below, c, 2 * h), ae_planes_row(below, c, 2 * h + 1),
                        ae_planes_row(gradient, c, h), ae_planes_row(in, c, 2 * h),
                        ae_planes_row(in, c, 2 * h + 1), gradient->width);
}

#ifdef AE_SIMD_HEADER
#include "kernels/simd.c"
#else
#include "kernels/reference.h"

/* sums[0..7] += values[0..7] * scale, rounded. */
static inline void add_rounded(int64_t *sums, const float *values, double scale) {
    for (int i = 0; i < 8; ++i) sums[i] += llrint((double)values[i] * scale);
}

/* words[w][i] = word w of block first + i of the stream. */
static void random_words(uint32_t words[4][CHUNK], ae_stream stream, uint32_t first) {
    for (int i = 0; i < CHUNK; ++i) {
        uint32_t block[4];
        ae_random_words(block, stream, first + (uint32_t)i);
        for (int w = 0; w < 4; ++w) words[w][i] = block[w];
    }
}
#endif

/* exp(x) for x clamped to [-87, 87]: 2^n e^r with n = round(x / ln 2) and |r| <= ln 2 / 2, e^r by
 * its Taylor polynomial to r^7 (remainder 5e-9). */
static inline float exp_clamped(float x) {
    x = x > 87.0f ? 87.0f : x;
    x = x < -87.0f ? -87.0f : x; /* a NaN passes both */
    /* Adding and subtracting 1.5 * 2^23 rounds to an integer, ties to even. */
    float shifted = fmaf(x, 0x1.715476p0f, 0x1.8p23f);
    float n = shifted - 0x1.8p23f;
    float r = fmaf(n, -0x1.62e400p-1f, x); /* ln 2 in two parts, the first exact in n * part */
    r = fmaf(n, -0x1.7f7d1cp-20f, r);
    float p = 1.0f / 5040;
    p = fmaf(p, r, 1.0f / 720);
    p = fmaf(p, r, 1.0f / 120);
    p = fmaf(p, r, 1.0f / 24);
    p = fmaf(p, r, 1.0f / 6);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u; /* 2^n: the low bits of `shifted` are n */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static inline void sigmoid_group(float *restrict x, int count) {
    for (int l = 0; l < count; ++l) x[l] = 1.0f / (1.0f + exp_clamped(-x[l]));
}

static void sigmoid(const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            float *row = ae_planes_row(planes, c, h);
            int w = 0;
            for (; w + AE_LANES <= planes->width; w += AE_LANES) sigmoid_group(row + w, AE_LANES);
            sigmoid_group(row + w, planes->width - w);
        }
}

/* Columns beyond the width are zero in `gradient`, and stay so. */
static void sigmoid_gradient(const ae_planes *gradient, const ae_planes *output) {
    for (int c = 0; c < output->channels; ++c)
        for (int h = 0; h < output->height; ++h) {
            const float *restrict y = ae_planes_row(output, c, h);
            float *restrict g = ae_planes_row(gradient, c, h);
            for (int w = 0; w < output->width; w += AE_LANES)
                for (int l = 0; l < AE_LANES; ++l) g[w + l] *= y[w + l] * (1.0f - y[w + l]);
        }
}

/* 16 numbers each, as gcc and clang understand them for any processor. */
typedef float floats __attribute__((vector_size(AE_LANES * sizeof(float)), aligned(4)));
typedef int32_t ints __attribute__((vector_size(AE_LANES * sizeof(int32_t))));
typedef double doubles __attribute__((vector_size(AE_LANES * sizeof(double))));

static inline double sum_doubles(const doubles *lanes) {
    doubles sum = *lanes;
    for (int half = AE_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) sum[l] += sum[l + half];
    return sum[0];
}

/* Columns beyond the width are zero in output and target: their loss and gradient is zero too. */
static inline double loss(const ae_planes *gradient, const ae_planes *output,
                          const ae_planes *target, bool squared) {
    doubles sum = {0};
    const double pixels = (double)output->channels * output->height * output->width;
    const float scale = (float)(1 / pixels), twice = 2 * scale;
    for (int c = 0; c < output->channels; ++c)
        for (int h = 0; h < output->height; ++h) {
            const floats *y = (const floats *)ae_planes_row(output, c, h);
            const floats *t = (const floats *)ae_planes_row(target, c, h);
            floats *g = (floats *)ae_planes_row(gradient, c, h);
            for (int w = 0; w < output->width; w += AE_LANES, ++y, ++t, ++g) {
                const floats difference = *y - *t;
                const doubles wide = __builtin_convertvector(difference, doubles);
                if (squared) {
                    sum += wide * wide; /* the product is exact */
                    *g = twice * difference;
                } else {
                    const ints sign = (difference < 0) - (difference > 0);
                    sum += wide * __builtin_convertvector(sign, doubles);
                    /* A NaN stays. */
                    *g = scale * (__builtin_convertvector(sign, floats) + 0 * difference);
                }
            }
        }
    return sum_doubles(&sum) / pixels;
}

static double mean_squared_error(const ae_planes *a, const ae_planes *b) {
    doubles sum = {0};
    for (int c = 0; c < a->channels; ++c)
        for (int h = 0; h < a->height; ++h) {
            const floats *x = (const floats *)ae_planes_row(a, c, h);
            const floats *y = (const floats *)ae_planes_row(b, c, h);
            for (int w = 0; w < a->width; w += AE_LANES, ++x, ++y) {
                const doubles difference =
                    __builtin_convertvector(*x, doubles) - __builtin_convertvector(*y, doubles);
                sum += difference * difference;
            }
        }
    return sum_doubles(&sum) / ((double)a->channels * a->height * a->width);
}

static double loss_mse(const ae_planes *gradient, const ae_planes *output,
                       const ae_planes *target) {
    return loss(gradient, output, target, true);
}

static double loss_l1(const ae_planes *gradient, const ae_planes *output, const ae_planes *target) {
    return loss(gradient, output, target, false);
}

static inline void bytes_group(float *restrict x, const uint8_t *restrict bytes, int count) {
    for (int l = 0; l < count; ++l) x[l] = (float)bytes[l] / 255.0f;
}

static void from_bytes(const ae_planes *planes, const uint8_t *bytes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h, bytes += planes->width) {
            float *row = ae_planes_row(planes, c, h);
            int w = 0;
            for (; w + AE_LANES <= planes->width; w += AE_LANES)
                bytes_group(row + w, bytes + w, AE_LANES);
            bytes_group(row + w, bytes + w, planes->width - w);
        }
}

/* y may be x. */
static inline void noise_group(float *y, const float *x, const float *z, float sigma, float low,
                               float high, int count) {
    float noisy[AE_LANES];
    for (int l = 0; l < count; ++l) {
        float value = fmaf(sigma, z[l], x[l]);
        value = value < low ? low : value;
        noisy[l] = value > high ? high : value;
    }
    for (int l = 0; l < count; ++l) y[l] = noisy[l];
}

static void add_noise(const ae_planes *noisy, const ae_planes *clean, const float *normals,
                      float sigma, float low, float high) {
    for (int c = 0; c < clean->channels; ++c)
        for (int h = 0; h < clean->height; ++h, normals += clean->width) {
            const float *x = ae_planes_row(clean, c, h);
            float *y = ae_planes_row(noisy, c, h);
            int w = 0;
            for (; w + AE_LANES <= clean->width; w += AE_LANES)
                noise_group(y + w, x + w, normals + w, sigma, low, high, AE_LANES);
            noise_group(y + w, x + w, normals + w, sigma, low, high, clean->width - w);
        }
}

/* ln(u) for u in [2^-24, 1): u = 2^n m with m in [sqrt(1/2), sqrt(2)), ln m = 2 artanh(s) with
 * s = (m - 1) / (m + 1), |s| <= 0.1716, as a series to s^9 (remainder 3e-10). */
static inline float log_unit(float u) {
    uint32_t bits;
    memcpy(&bits, &u, sizeof bits);
    uint32_t offset = bits - 0x3f3504f3u; /* sqrt(1/2) */
    int32_t n = (int32_t)offset >> 23;
    bits -= (uint32_t)n << 23;
    float m;
    memcpy(&m, &bits, sizeof m);
    float f = m - 1.0f;
    float s = f / (m + 1.0f);
    float s2 = s * s;
    float p = 1.0f / 9;
    p = fmaf(p, s2, 1.0f / 7);
    p = fmaf(p, s2, 1.0f / 5);
    p = fmaf(p, s2, 1.0f / 3);
    p *= s2;
    /* 2 s = f - s f exactly. */
    float tail = fmaf(s, fmaf(2.0f, p, -f), (float)n * 0x1.7f7d1cp-20f);
    return fmaf((float)n, 0x1.62e400p-1f, f + tail);
}

/* cos and sin of 2 pi u for u in [0, 1): u = q / 4 + v with |v| <= 1/8; Taylor series of sine and
 * cosine of 2 pi v, |2 pi v| <= pi / 4 (remainders 4e-9), then turned by q quarters. */
static inline void cos_sin_turn(float *cosine, float *sine, float u) {
    float shifted = fmaf(u, 4.0f, 0x1.8p23f);
    float q = shifted - 0x1.8p23f;
    float v = fmaf(q, -0.25f, u); /* exact */
    float t = v * 0x1.921fb6p2f;
    float t2 = t * t;
    float s = 1.0f / 362880;
    s = fmaf(s, t2, -1.0f / 5040);
    s = fmaf(s, t2, 1.0f / 120);
    s = fmaf(s, t2, -1.0f / 6);
    s = fmaf(s * t2, t, t);
    float c = 1.0f / 40320;
    c = fmaf(c, t2, -1.0f / 720);
    c = fmaf(c, t2, 1.0f / 24);
    c = fmaf(c, t2, -0.5f);
    c = fmaf(c, t2, 1.0f);
    uint32_t quarter;
    memcpy(&quarter, &shifted, sizeof quarter);
    float a = quarter & 1 ? s : c; /* |cosine| */
    float b = quarter & 1 ? c : s;
    *cosine = (quarter + 1) & 2 ? -a : a;
    *sine = quarter & 2 ? -b : b;
}

/* A word's upper 23 bits as the middle of one of 2^23 equal parts of (0, 1). */
static inline float open_unit(uint32_t word) {
    return ((float)(int32_t)(word >> 9) + 0.5f) * 0x1p-23f;
}

static inline void box_muller(float *first, float *second, uint32_t word0, uint32_t word1) {
    float radius = sqrtf(-2.0f * log_unit(open_unit(word0)));
    float cosine, sine;
    cos_sin_turn(&cosine, &sine, open_unit(word1));
    *first = radius * cosine;
    *second = radius * sine;
}

static void normals(float *restrict out, size_t quarter, ae_stream stream) {
    for (size_t begin = 0; begin < quarter; begin += CHUNK) {
        uint32_t words[4][CHUNK];
        float normal[4][CHUNK];
        random_words(words, stream, (uint32_t)begin);
        for (int pair = 0; pair < 4; pair += 2)
            for (int i = 0; i < CHUNK; ++i)
                box_muller(&normal[pair][i], &normal[pair + 1][i], words[pair][i],
                           words[pair + 1][i]);
        size_t count = quarter - begin < CHUNK ? quarter - begin : CHUNK;
        for (size_t part = 0; part < 4; ++part)
            memcpy(out + part * quarter + begin, normal[part], count * sizeof *out);
    }
}

static int add_fixed(int64_t *restrict sums, const float *restrict values, size_t count, int k,
                     double bound) {
    /* The bits of a float without its sign order magnitudes as integers do. */
    uint32_t largest_bits = 0;
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= 0x7fffffffu;
        largest_bits = bits > largest_bits ? bits : largest_bits;
    }
    float largest;
    memcpy(&largest, &largest_bits, sizeof largest);
    if (!isfinite(largest)) return AE_FIXED_NONFINITE;
    if (largest > bound) return AE_FIXED_OVERFLOW;
    const double scale = ldexp(1.0, k);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) add_rounded(sums + i, values + i, scale);
    for (; i < count; ++i) sums[i] += llrint((double)values[i] * scale);
    return 0;
}

const ae_kernels AE_KERNELS_TABLE = {
    .name = AE_KERNELS_NAME,
    .conv_packed = ae_conv_packed,
    .conv_pack = AE_KERNELS_PACK,
#ifdef AE_SIMD_HEADER
    .conv_forward = conv_forward,
    .conv_backward = conv_backward,
    .conv_weights = conv_weights,
    .conv_scratch = conv_scratch,
    .sum_pixels = sum_pixels,
    .multiply_adds = multiply_adds,
#else
    .conv_forward = ae_reference_conv_forward,
    .conv_backward = ae_reference_conv_backward,
    .conv_weights = ae_reference_conv_weights,
    .conv_scratch = ae_reference_conv_scratch,
    .sum_pixels = ae_reference_sum_pixels,
    .multiply_adds = ae_reference_multiply_adds,
#endif
    .apply = apply,
    .add = add,
    .unshuffle = unshuffle,
    .shuffle = shuffle,
    .max_pool = max_pool,
    .max_pool_gradient = max_pool_gradient,
    .sigmoid = sigmoid,
    .sigmoid_gradient = sigmoid_gradient,
    .loss_mse = loss_mse,
    .loss_l1 = loss_l1,
    .from_bytes = from_bytes,
    .add_noise = add_noise,
    .normals = normals,
    .add_fixed = add_fixed,
    .mean_squared_error = mean_squared_error,
    .ssim = AE_KERNELS_SSIM,
};
