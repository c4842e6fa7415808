/* Samples as files pack them, and as callers have them. */
#include "samples.h"

#include <math.h>
#include <string.h>

/* ---- palettes ---- */

static bool is_grey(const ae_picture_palette *palette) {
    for (int i = 0; i < palette->count; ++i) {
        const uint8_t *colour = palette->colours[i];
        if (colour[0] != colour[1] || colour[1] != colour[2]) return false;
    }
    return true;
}

void ae_picture_palette_describe(ae_picture_info *info, const ae_picture_palette *palette,
                                 bool has_alpha) {
    info->channels = is_grey(palette) ? 1 : 3;
    info->alpha = has_alpha ? AE_PICTURE_STRAIGHT : AE_PICTURE_OPAQUE;
    info->type = AE_PICTURE_U8;
    info->bits = 8;
}

bool ae_picture_palette_expand(uint8_t *pixels, const uint8_t *indices, int64_t width,
                               const ae_picture_palette *palette, const ae_picture_info *info) {
    for (int64_t x = 0; x < width; ++x) {
        if (indices[x] >= palette->count) return false;
        const uint8_t *colour = palette->colours[indices[x]];
        for (int c = 0; c < info->channels; ++c) *pixels++ = colour[c];
        if (info->alpha != AE_PICTURE_OPAQUE) *pixels++ = colour[3];
    }
    return true;
}

/* ---- integers ---- */

void ae_picture_unpack(void *samples, const uint8_t *packed, int64_t count, int bits) {
    uint8_t *bytes = samples;
    uint16_t *words = samples;
    const uint32_t mask = (1u << bits) - 1;
    uint32_t window = 0; /* its low `held` bits are still to be taken */
    int held = 0;
    for (int64_t i = 0; i < count; ++i) {
        for (; held < bits; held += 8) window = window << 8 | *packed++;
        held -= bits;
        if (bits > 8)
            words[i] = (uint16_t)(window >> held & mask);
        else
            bytes[i] = (uint8_t)(window >> held & mask);
    }
}

void ae_picture_pack(uint8_t *packed, const void *samples, int64_t count, int bits) {
    const uint8_t *bytes = samples;
    const uint16_t *words = samples;
    uint32_t window = 0; /* its low `held` bits are still to be put */
    int held = 0;
    for (int64_t i = 0; i < count; ++i) {
        window = window << bits | (bits > 8 ? words[i] : bytes[i]);
        for (held += bits; held >= 8; held -= 8) *packed++ = (uint8_t)(window >> (held - 8));
    }
    if (held > 0) *packed = (uint8_t)(window << (8 - held));
}

/* round(value to / from) */
static uint32_t rescale(uint32_t value, uint32_t to, uint32_t from) {
    return (value * to + from / 2) / from;
}

/* Samples whose white is `from` get the white `to`. */
static void scale(void *samples, int64_t count, int bits, bool up) {
    const uint32_t own = (1u << bits) - 1, white = bits > 8 ? UINT16_MAX : UINT8_MAX;
    const uint32_t from = up ? own : white, to = up ? white : own;
    uint8_t *bytes = samples;
    uint16_t *words = samples;
    if (own == white) return;
    for (int64_t i = 0; i < count; ++i)
        if (bits > 8)
            words[i] = (uint16_t)rescale(words[i], to, from);
        else
            bytes[i] = (uint8_t)rescale(bytes[i], to, from);
}

void ae_picture_scale_up(void *samples, int64_t count, int bits) {
    scale(samples, count, bits, true);
}

void ae_picture_scale_down(void *samples, int64_t count, int bits) {
    scale(samples, count, bits, false);
}

void ae_picture_invert(void *samples, int64_t count, int step, ae_picture_type type) {
    uint8_t *bytes = samples;
    uint16_t *words = samples;
    for (int64_t i = 0; i < count; i += step) {
        if (type == AE_PICTURE_U8) bytes[i] = (uint8_t)(UINT8_MAX - bytes[i]);
        if (type == AE_PICTURE_U16) words[i] = (uint16_t)(UINT16_MAX - words[i]);
    }
}

/* ---- half precision: a sign, 5 bits of exponent, 10 of fraction ---- */

static float widen(uint16_t half) {
    const int exponent = half >> 10 & 31;
    const float fraction = (float)(half & 1023);
    float value = exponent == 0 ? ldexpf(fraction, -24) : ldexpf(fraction + 1024, exponent - 25);
    if (exponent == 31) value = fraction == 0 ? INFINITY : NAN;
    return half & 0x8000 ? -value : value;
}

static uint16_t narrow(float value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    if (isnan(value)) return sign | 0x7E00;
    value = fabsf(value);
    if (value >= 65520) return sign | 0x7C00; /* rounds to infinity */
    frexpf(value, &exponent);
    if (value < 0x1p-14f) return sign | (uint16_t)lrintf(value * 0x1p24f);
    /* A fraction that rounds up to 2048 carries into the exponent, as it should. */
    return sign | (uint16_t)(((exponent + 13) << 10) + lrintf(ldexpf(value, 11 - exponent)));
}

void ae_picture_halves_widen(float *numbers, int64_t count) {
    for (int64_t i = count - 1; i >= 0; --i) { /* from the end: a float covers two halves */
        uint16_t half;
        memcpy(&half, (char *)numbers + i * 2, sizeof half);
        numbers[i] = widen(half);
    }
}

void ae_picture_halves_narrow(float *numbers, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        const uint16_t half = narrow(numbers[i]);
        memcpy((char *)numbers + i * 2, &half, sizeof half);
    }
}
