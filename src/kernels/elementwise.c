/* The element-by-element work, written once in plain C and compiled for each kind of processor
 * (the compiler makes vectors of the loops), and the kernel table of that kind. Elements are
 * independent and every operation is an IEEE one, so all builds give the same bits. */
#include "base/fixed.h"
#include "kernels/tables.h"

#include <math.h>
#include <string.h>

#ifdef AE_SIMD_HEADER
#include "kernels/simd.c"
#else
#include "kernels/reference.h"
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

static void sigmoid(const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            float *row = ae_planes_row(planes, c, h);
            for (int w = 0; w < planes->width; ++w) row[w] = 1.0f / (1.0f + exp_clamped(-row[w]));
        }
}

static void sigmoid_gradient(const ae_planes *gradient, const ae_planes *output) {
    for (int c = 0; c < output->channels; ++c)
        for (int h = 0; h < output->height; ++h) {
            const float *restrict y = ae_planes_row(output, c, h);
            float *restrict g = ae_planes_row(gradient, c, h);
            for (int w = 0; w < output->width; ++w) g[w] *= y[w] * (1.0f - y[w]);
        }
}

/* One pixel's loss added to *lane; returns its derivative times the number of pixels. */
static inline float pixel_loss(double *lane, float output, float target, bool squared) {
    float difference = output - target;
    if (squared) {
        *lane = fma(difference, difference, *lane);
        return 2 * difference;
    }
    *lane += fabs((double)difference);
    return difference > 0 ? 1.0f : difference < 0 ? -1.0f : 0 * difference; /* a NaN stays */
}

static inline double loss(const ae_planes *gradient, const ae_planes *output,
                          const ae_planes *target, bool squared) {
    double lanes[AE_LANES] = {0};
    const double pixels = (double)output->channels * output->height * output->width;
    const float scale = (float)(1 / pixels);
    for (int c = 0; c < output->channels; ++c)
        for (int h = 0; h < output->height; ++h) {
            const float *restrict y = ae_planes_row(output, c, h);
            const float *restrict t = ae_planes_row(target, c, h);
            float *restrict g = ae_planes_row(gradient, c, h);
            int w = 0;
            for (; w + AE_LANES <= output->width; w += AE_LANES)
                for (int l = 0; l < AE_LANES; ++l)
                    g[w + l] = scale * pixel_loss(&lanes[l], y[w + l], t[w + l], squared);
            for (int l = 0; w + l < output->width; ++l)
                g[w + l] = scale * pixel_loss(&lanes[l], y[w + l], t[w + l], squared);
        }
    for (int half = AE_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    return lanes[0] / pixels;
}

static double loss_mse(const ae_planes *gradient, const ae_planes *output,
                       const ae_planes *target) {
    return loss(gradient, output, target, true);
}

static double loss_l1(const ae_planes *gradient, const ae_planes *output, const ae_planes *target) {
    return loss(gradient, output, target, false);
}

static void from_bytes(const ae_planes *planes, const uint8_t *restrict bytes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            float *restrict row = ae_planes_row(planes, c, h);
            for (int w = 0; w < planes->width; ++w) row[w] = (float)bytes[w] / 255.0f;
            bytes += planes->width;
        }
}

static void add_noise(const ae_planes *noisy, const ae_planes *clean, const float *normals,
                      float sigma, float low, float high) {
    for (int c = 0; c < clean->channels; ++c)
        for (int h = 0; h < clean->height; ++h) {
            const float *restrict x = ae_planes_row(clean, c, h);
            const float *restrict z = normals;
            float *restrict y = ae_planes_row(noisy, c, h);
            for (int w = 0; w < clean->width; ++w) {
                float value = fmaf(sigma, z[w], x[w]);
                value = value < low ? low : value;
                y[w] = value > high ? high : value;
            }
            normals += clean->width;
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

enum { CHUNK = 64 }; /* Philox blocks made at a time */

static void normals(float *restrict out, size_t quarter, ae_stream stream) {
    for (size_t begin = 0; begin < quarter; begin += CHUNK) {
        float normal[4][CHUNK];
        for (int i = 0; i < CHUNK; ++i) {
            uint32_t word[4];
            ae_random_words(word, stream, (uint32_t)begin + (uint32_t)i);
            box_muller(&normal[0][i], &normal[1][i], word[0], word[1]);
            box_muller(&normal[2][i], &normal[3][i], word[2], word[3]);
        }
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
    for (size_t i = 0; i < count; ++i) sums[i] += llrint((double)values[i] * scale);
    return 0;
}

const ae_kernels AE_KERNELS_TABLE = {
    .name = AE_KERNELS_NAME,
#ifdef AE_SIMD_HEADER
    .correlate = correlate,
    .correlate_gradient = correlate_gradient,
    .sum_pixels = sum_pixels,
    .multiply_adds = multiply_adds,
#else
    .correlate = ae_reference_correlate,
    .correlate_gradient = ae_reference_correlate_gradient,
    .sum_pixels = ae_reference_sum_pixels,
    .multiply_adds = ae_reference_multiply_adds,
#endif
    .sigmoid = sigmoid,
    .sigmoid_gradient = sigmoid_gradient,
    .loss_mse = loss_mse,
    .loss_l1 = loss_l1,
    .from_bytes = from_bytes,
    .add_noise = add_noise,
    .normals = normals,
    .add_fixed = add_fixed,
};
