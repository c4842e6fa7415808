#include "data/deadleaves.h"

#include <math.h>
#include <stdlib.h>
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
    WORD = 64,                         /* sub-pixels of a row kept in one word */
    RADIUS_MIN = 1,                    /* pixels; the largest is the longer side */
    FULL = 255 * SCALE * SCALE,        /* a sub-pixel's colour for the value 1 */
    STEP = FULL * SCALE * SCALE / 255, /* of a pixel's sum, for one step of a byte */
    COLOURS = 3,
    PALETTE_DRAWS = 4,     /* blocks of random words the palette takes */
    DISKS_A_PIXEL = 1 << 5 /* one is needed; after so many, one covers everything */
};

typedef struct canvas {
    int height, width; /* sub-pixels */
    int channels;
    int words;       /* a row */
    uint64_t *open;  /* [height][words], bits: the sub-pixels that no disk covers yet */
    int64_t covered; /* sub-pixels */
    int *sums;       /* [row][column][channel] of pixels: of the covered sub-pixels */
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

static void palette_pick(int colour[COLOURS], const palette *p, const uint32_t w[4], int channels) {
    double light = p->contrast * bell(w[0], w[1]);
    double luma = p->luma + light;
    if (channels == 1) {
        colour[0] = quantise(luma);
        return;
    }
    double red_blue =
        p->red_blue + p->red_blue_slope * light + p->red_blue_spread * (2 * unit(w[2]) - 1);
    double green = p->green + p->green_slope * light + p->green_spread * (2 * unit(w[3]) - 1);
    colour[0] = quantise(luma + red_blue - green * (2.0 / 3.0));
    colour[1] = quantise(luma + green * (4.0 / 3.0));
    colour[2] = quantise(luma - red_blue - green * (2.0 / 3.0));
}

/* Draws a disk of radius density ~ r^-3 among those that may touch the picture: centres are uniform
 * in a rectangle `r` wider on each side than the picture's H x W pixels, so the radius has the
 * density r^-3 (H + 2r) (W + 2r). Up to the largest, R, that is at most r^-3 (a + b r) with a = H W
 * and b = 2 (H + W) + 4 R, whose distribution function in s = 1/r, a s^2 / 2 + b s, is solved for
 * s; accepted at the ratio of the two. Returns whether it was. */
static bool disk_draw(disk *d, const canvas *c, const uint32_t w[4]) {
    const double height = c->height / SCALE, width = c->width / SCALE;
    const double largest = height > width ? height : width;
    const double a = height * width, b = 2 * (height + width) + 4 * largest;
    const double low = a / 2 / (largest * largest) + b / largest;
    const double high = a / 2 / (RADIUS_MIN * RADIUS_MIN) + b / RADIUS_MIN;
    double level = low + (high - low) * unit(w[0]);
    double radius = a / b / (sqrt(1 + level * (2 * a / (b * b))) - 1);
    double tall = height + 2 * radius, wide = width + 2 * radius;
    if (unit(w[1]) * (a + b * radius) > tall * wide) return false;
    d->x = SCALE * (wide * unit(w[2]) - radius);
    d->y = SCALE * (tall * unit(w[3]) - radius);
    d->radius = SCALE * radius;
    return true;
}

/* The first of `count` sub-pixels whose centre is at `x` or beyond, or `count`. */
static int first_centre(double x, int count) {
    if (x <= 0.5) return 0;
    if (x > count - 0.5) return count;
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
    c->open[(size_t)row * (size_t)c->words + (size_t)word] &= ~fresh;
    const size_t first = (size_t)(row / SCALE) * (size_t)(c->width / SCALE);
    uint64_t counts = count_fours(fresh);
    while (counts) {
        int pixel = __builtin_ctzll(counts) / SCALE;
        int count = (int)(counts >> (pixel * SCALE) & 15);
        counts &= ~(UINT64_C(15) << (pixel * SCALE));
        const size_t column = (size_t)(word * (WORD / SCALE) + pixel);
        int *sum = c->sums + (first + column) * (size_t)c->channels;
        for (int channel = 0; channel < c->channels; ++channel)
            sum[channel] += count * colour[channel];
        c->covered += count;
    }
}

/* A disk's colour, drawn when some of it shows. */
typedef struct paint {
    const palette *palette;
    ae_stream stream;
    uint32_t draw;
    bool is_drawn;
    int colour[COLOURS];
} paint;

static const int *paint_colour(paint *p, int channels) {
    if (!p->is_drawn) {
        uint32_t words[4];
        ae_random_words(words, p->stream, p->draw);
        palette_pick(p->colour, p->palette, words, channels);
        p->is_drawn = true;
    }
    return p->colour;
}

/* Lays a disk behind those before it. */
static void canvas_lay(canvas *c, const disk *d, paint *p) {
    int end_row = first_centre(d->y + d->radius, c->height);
    for (int row = first_centre(d->y - d->radius, c->height); row < end_row; ++row) {
        const uint64_t *open = c->open + (size_t)row * (size_t)c->words;
        double dy = row + 0.5 - d->y;
        double half = d->radius * d->radius - dy * dy;
        if (half <= 0) continue;
        half = sqrt(half);
        int begin = first_centre(d->x - half, c->width);
        int end = first_centre(d->x + half, c->width);
        for (int word = begin / WORD; word * WORD < end; ++word) {
            uint64_t fresh = open[word] & span_bits(word, begin, end);
            if (fresh) canvas_fill(c, row, word, fresh, paint_colour(p, c->channels));
        }
    }
}

/* Nothing is covered. */
static bool canvas_create(canvas *c, ae_shape shape) {
    *c = (canvas){.height = shape.height * SCALE,
                  .width = shape.width * SCALE,
                  .channels = shape.channels,
                  .words = (shape.width * SCALE + WORD - 1) / WORD};
    const size_t words = (size_t)c->height * (size_t)c->words;
    c->open = malloc(words * sizeof *c->open);
    c->sums = calloc(ae_shape_values(shape), sizeof *c->sums);
    if (!c->open || !c->sums) return false;
    for (size_t w = 0; w < words; ++w)
        c->open[w] = span_bits((int)(w % (size_t)c->words), 0, c->width);
    return true;
}

static void canvas_release(canvas *c) {
    free(c->open);
    free(c->sums);
}

/* Disk i takes draw 2i for its place and 2i + 1 for its colour, after the palette's. */
static void canvas_cover(canvas *c, ae_stream stream) {
    const palette colours = palette_draw(stream);
    const int64_t all = (int64_t)c->height * c->width;
    const int64_t limit = all / (SCALE * SCALE) * DISKS_A_PIXEL;
    for (int64_t i = 0; c->covered < all && i <= limit; ++i) {
        const uint32_t draw = PALETTE_DRAWS + 2 * (uint32_t)i;
        disk d = {.radius = c->height + c->width};
        uint32_t words[4];
        ae_random_words(words, stream, draw);
        if (i < limit && !disk_draw(&d, c, words)) continue;
        paint p = {.palette = &colours, .stream = stream, .draw = draw + 1};
        canvas_lay(c, &d, &p);
    }
}

bool ae_deadleaves_make(uint8_t *samples, ae_shape shape, uint64_t seed, uint32_t index) {
    canvas c;
    const bool can = canvas_create(&c, shape);
    if (can) {
        canvas_cover(&c, (ae_stream){.seed = seed, .purpose = AE_RANDOM_PICTURE, .sample = index});
        const size_t pixels = (size_t)shape.height * (size_t)shape.width;
        for (int channel = 0; channel < shape.channels; ++channel)
            for (size_t pixel = 0; pixel < pixels; ++pixel) {
                const int sum = c.sums[pixel * (size_t)shape.channels + (size_t)channel];
                *samples++ = (uint8_t)((sum + STEP / 2) / STEP);
            }
    }
    canvas_release(&c);
    return can;
}

/* ---- the source ---- */

static int channels(const ae_settings *settings) {
    return settings->data.channels == AE_CHANNELS_GREY ? 1 : COLOURS;
}

static ae_status describe(ae_catalog *catalog, const ae_settings *settings) {
    const ae_shape shape = {channels(settings), (int)settings->data.size[0],
                            (int)settings->data.size[1]};
    catalog->info = (ae_data_info){.type = AE_SAMPLE_U8,
                                   .has_labels = true, /* 0 each */
                                   .high = UINT8_MAX,
                                   .train = {.count = AE_DEADLEAVES_TRAIN, .shape = shape},
                                   .test = {.count = AE_DEADLEAVES_TEST, .shape = shape}};
    catalog->has_test = true;
    catalog->is_bare = true;
    catalog->prefix = 1; /* the label, as in CIFAR's records */
    return AE_OK;
}

static ae_status fill(const ae_filling *filling) {
    const ae_shape shape = filling->catalog->info.train.shape;
    const uint64_t seed = (uint64_t)filling->settings->run.seed;
    bool can = true;
#pragma omp parallel for schedule(dynamic, 8)
    for (int64_t p = filling->begin; p < filling->end; ++p) {
        if (ae_stop_requested()) continue;
        uint8_t *samples = filling->samples + filling->places[p].offset;
        samples[-1] = 0;
        if (!ae_deadleaves_make(samples, shape, seed, filling->numbers[p])) {
#pragma omp atomic write
            can = false;
        }
        ae_watchdog_progress();
    }
    if (!can) return ae_fail_memory("a picture");
    if (!ae_stop_requested()) return AE_OK;
    return ae_fail(AE_STOPPED, "stopped while the pictures were being made");
}

const ae_source_row ae_source_deadleaves = {.cure = "it computes otherwise: leave it out",
                                            .channels = channels,
                                            .describe = describe,
                                            .fill = fill};
