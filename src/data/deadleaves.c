#include "data/deadleaves.h"

#include <math.h>
#include "base/random.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "data/source.h"

/* Opaque disks are laid from the front to the back until nothing shows between them. A sub-pixel
 * takes the colour of the first disk that covers its centre; a pixel is the mean of its 4x4
 * sub-pixels. Colours are whole numbers, so the mean doesn't depend on any order, and all else is
 * made of + - * / and sqrt alone: the bytes are the same everywhere. */
enum {
    SCALE = 4,                         /* sub-pixels a pixel, each way */
    SIDE = AE_DEADLEAVES_SIDE * SCALE, /* of the canvas, sub-pixels */
    WORD = 64,                         /* sub-pixels of a row kept in one word */
    WORDS = SIDE / WORD,               /* words a row */
    RADIUS_MIN = 1,
    RADIUS_MAX = 32,                   /* pixels */
    FULL = 255 * SCALE * SCALE,        /* a sub-pixel's colour for the value 1 */
    STEP = FULL * SCALE * SCALE / 255, /* of a pixel's sum, for one step of a byte */
    PALETTE_DRAWS = 4,                 /* blocks of random words the palette takes */
    DISK_LIMIT = 1 << 15               /* some 1,000 are needed; the last one covers everything */
};
_Static_assert(SIDE % WORD == 0 && SIDE == AE_DEADLEAVES_SIDE * SCALE,
               "whole words, square picture");

typedef struct canvas {
    uint64_t open[SIDE][WORDS]; /* bits: the sub-pixels that no disk covers yet */
    int open_count;
    int sums[AE_DEADLEAVES_SIDE][AE_DEADLEAVES_SIDE]
            [AE_DEADLEAVES_CHANNELS]; /* of the covered sub-pixels */
} canvas;

/* Centre and radius; sub-pixels. */
typedef struct disk {
    double x, y, radius;
} disk;

/* Colours of one picture: luma = (R + G + B) / 3, and the chroma axes red-blue = (R - B) / 2 and
 * green = (2G - R - B) / 4, each a line in luma and a small part of its own. */
typedef struct palette {
    double luma, contrast;
    double red_blue, red_blue_slope, red_blue_spread;
    double green, green_slope, green_spread;
} palette;

/* Uniform in (0, 1). */
static double unit(uint32_t word) {
    return ((double)word + 0.5) * 0x1p-32;
}

/* In (-1, 1) with the triangular density 1 - |x|. */
static double bell(uint32_t first, uint32_t second) {
    return unit(first) + unit(second) - 1;
}

/* In (-1, 1), of either sign, most often near 0. */
static double peaked(uint32_t first, uint32_t second) {
    double x = bell(first, second);
    return x * fabs(x);
}

/* The constants give natural photographs' spread of these statistics from picture to picture. */
static palette palette_draw(ae_stream stream) {
    uint32_t w[PALETTE_DRAWS][4];
    for (uint32_t i = 0; i < PALETTE_DRAWS; ++i) ae_random_words(w[i], stream, i);
    double spread = unit(w[3][0]) * unit(w[3][0]);
    return (palette){
        .luma = 0.48 + 0.31 * bell(w[0][0], w[0][1]),
        .contrast = 0.20 + 0.56 * unit(w[3][1]),
        .red_blue = 0.02 + 0.24 * peaked(w[0][2], w[0][3]),
        .red_blue_slope = 0.50 * peaked(w[1][0], w[1][1]),
        .red_blue_spread = 0.20 * spread,
        .green = 0.09 * peaked(w[1][2], w[1][3]),
        .green_slope = 0.19 * peaked(w[2][0], w[2][1]),
        .green_spread = 0.08 * spread,
    };
}

/* A value in [0, 1] as a sub-pixel's whole number; others are clamped. */
static int quantise(double value) {
    if (value <= 0) return 0;
    if (value >= 1) return FULL;
    return (int)(value * FULL + 0.5);
}

static void palette_pick(int colour[AE_DEADLEAVES_CHANNELS], const palette *p,
                         const uint32_t w[4]) {
    double light = p->contrast * bell(w[0], w[1]);
    double luma = p->luma + light;
    double red_blue =
        p->red_blue + p->red_blue_slope * light + p->red_blue_spread * (2 * unit(w[2]) - 1);
    double green = p->green + p->green_slope * light + p->green_spread * (2 * unit(w[3]) - 1);
    colour[0] = quantise(luma + red_blue - green * (2.0 / 3.0));
    colour[1] = quantise(luma + green * (4.0 / 3.0));
    colour[2] = quantise(luma - red_blue - green * (2.0 / 3.0));
}

/* Draws a disk of radius density ~ r^-3 among those that may touch the picture: centres are uniform
 * in a square `r` wider on each side than the picture's 32 pixels, so the radius has the density
 * r^-3 (32 + 2r)^2. Proposed from r^-3 (1024 + 256 r), whose distribution function in s = 1/r,
 * 512 s^2 + 256 s, is solved for s; accepted at the ratio of the two. Returns whether it was. */
static bool disk_draw(disk *d, const uint32_t w[4]) {
    const double low = 512.0 / (RADIUS_MAX * RADIUS_MAX) + 256.0 / RADIUS_MAX;
    const double high = 512.0 / (RADIUS_MIN * RADIUS_MIN) + 256.0 / RADIUS_MIN;
    double level = low + (high - low) * unit(w[0]);
    double radius = 4 / (sqrt(1 + level / 32) - 1);
    double side = AE_DEADLEAVES_SIDE + 2 * radius;
    if (unit(w[1]) * (1024 + 256 * radius) > side * side) return false;
    d->x = SCALE * (side * unit(w[2]) - radius);
    d->y = SCALE * (side * unit(w[3]) - radius);
    d->radius = SCALE * radius;
    return true;
}

/* The first sub-pixel whose centre is at `x` or beyond, within [0, SIDE]. */
static int first_centre(double x) {
    if (x <= 0.5) return 0;
    if (x > SIDE - 0.5) return SIDE;
    int below = (int)(x - 0.5);
    return below + (below + 0.5 < x);
}

/* The lowest `count` bits, 0 <= count <= 64. */
static uint64_t low_bits(int count) {
    return count < WORD ? (UINT64_C(1) << count) - 1 : ~UINT64_C(0);
}

/* Bits of the row's word `word` that lie in the sub-pixels [begin, end), 0 <= begin <= end. */
static uint64_t span_bits(int word, int begin, int end) {
    begin -= word * WORD;
    end -= word * WORD;
    return low_bits(end < 0 ? 0 : end) & ~low_bits(begin < 0 ? 0 : begin);
}

/* Each group of four bits becomes the number of ones in it. */
static uint64_t count_fours(uint64_t bits) {
    bits -= (bits >> 1) & UINT64_C(0x5555555555555555);
    return (bits & UINT64_C(0x3333333333333333)) + ((bits >> 2) & UINT64_C(0x3333333333333333));
}

/* Gives the open sub-pixels `fresh` of a word of row `row` the colour. */
static void canvas_fill(canvas *c, int row, int word, uint64_t fresh, const int *colour) {
    _Static_assert(SCALE == 4, "count_fours() counts a pixel's sub-pixels in a row");
    c->open[row][word] &= ~fresh;
    uint64_t counts = count_fours(fresh);
    while (counts) {
        int pixel = __builtin_ctzll(counts) / SCALE;
        int count = (int)(counts >> (pixel * SCALE) & 15);
        counts &= ~(UINT64_C(15) << (pixel * SCALE));
        int *sum = c->sums[row / SCALE][word * (WORD / SCALE) + pixel];
        for (int channel = 0; channel < AE_DEADLEAVES_CHANNELS; ++channel)
            sum[channel] += count * colour[channel];
        c->open_count -= count;
    }
}

/* Lays a disk behind those before it; its colour is drawn when some of it shows. */
static void canvas_lay(canvas *c, const disk *d, const palette *p, ae_stream stream,
                       uint32_t draw) {
    int colour[AE_DEADLEAVES_CHANNELS];
    bool has_colour = false;
    int end_row = first_centre(d->y + d->radius);
    for (int row = first_centre(d->y - d->radius); row < end_row; ++row) {
        uint64_t *open = c->open[row];
        if (!(open[0] | open[1])) continue;
        double dy = row + 0.5 - d->y;
        double half = d->radius * d->radius - dy * dy;
        if (half <= 0) continue;
        half = sqrt(half);
        int begin = first_centre(d->x - half), end = first_centre(d->x + half);
        for (int word = 0; word < WORDS; ++word) {
            uint64_t fresh = open[word] & span_bits(word, begin, end);
            if (!fresh) continue;
            if (!has_colour) {
                uint32_t words[4];
                ae_random_words(words, stream, draw);
                palette_pick(colour, p, words);
                has_colour = true;
            }
            canvas_fill(c, row, word, fresh, colour);
        }
    }
}

void ae_deadleaves_make(uint8_t *record, uint64_t seed, uint32_t index) {
    ae_stream stream = {.seed = seed, .purpose = AE_RANDOM_PICTURE, .sample = index};
    palette colours = palette_draw(stream);
    canvas c = {.open_count = SIDE * SIDE};
    for (int row = 0; row < SIDE; ++row)
        for (int word = 0; word < WORDS; ++word) c.open[row][word] = ~UINT64_C(0);
    /* Disk i takes draw 2i for its place and 2i + 1 for its colour, after the palette's. */
    for (uint32_t i = 0; c.open_count > 0 && i <= DISK_LIMIT; ++i) {
        uint32_t words[4], draw = PALETTE_DRAWS + 2 * i;
        disk d = {.radius = 2 * SIDE};
        if (i < DISK_LIMIT) {
            ae_random_words(words, stream, draw);
            if (!disk_draw(&d, words)) continue;
        }
        canvas_lay(&c, &d, &colours, stream, draw + 1);
    }
    record[0] = 0;
    uint8_t *out = record + 1;
    for (int channel = 0; channel < AE_DEADLEAVES_CHANNELS; ++channel) {
        for (int row = 0; row < AE_DEADLEAVES_SIDE; ++row) {
            for (int column = 0; column < AE_DEADLEAVES_SIDE; ++column) {
                int sum = c.sums[row][column][channel];
                *out++ = (uint8_t)((sum + STEP / 2) / STEP);
            }
        }
    }
}

/* ---- the source ---- */

static ae_status describe(ae_data_info *info, const ae_settings *settings) {
    (void)settings;
    *info = (ae_data_info){{AE_DEADLEAVES_CHANNELS, AE_DEADLEAVES_SIDE, AE_DEADLEAVES_SIDE},
                           AE_DEADLEAVES_TRAIN,
                           AE_DEADLEAVES_TEST};
    return AE_OK;
}

static ae_status fill(uint8_t *records, const ae_settings *settings, int64_t train, int64_t begin,
                      int64_t end) {
#pragma omp parallel for schedule(dynamic, 32)
    for (int64_t i = begin; i < end; ++i) {
        if (ae_stop_requested()) continue;
        int64_t index = i < train ? i : AE_DEADLEAVES_TRAIN + (i - train);
        ae_deadleaves_make(records + (i - begin) * AE_DEADLEAVES_RECORD,
                           (uint64_t)settings->run.seed, (uint32_t)index);
        ae_watchdog_progress();
    }
    if (!ae_stop_requested()) return AE_OK;
    return ae_fail(AE_STOPPED, "stopped while the pictures were being made");
}

const ae_source_row ae_source_deadleaves = {
    .channels = AE_DEADLEAVES_CHANNELS, .describe = describe, .fill = fill};
