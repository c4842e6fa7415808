#include "data/sample.h"

/* ---- their type ---- */

size_t ae_sample_size(ae_sample_type type) {
    static const size_t sizes[] = {1, 2, 4};
    return sizes[type];
}

const char *ae_sample_name(ae_sample_type type) {
    static const char *const names[] = {"8 bits", "16 bits", "32-bit floats"};
    return names[type];
}

/* ---- which part ---- */

enum { MIRROR_COLUMNS = 1, MIRROR_ROWS = 2, TRANSPOSE = 4 };

static int symmetry_of(ae_augment augment, uint32_t word) {
    if (augment == AE_AUGMENT_FLIP) return (int)(word & MIRROR_COLUMNS);
    if (augment == AE_AUGMENT_SYMMETRIES)
        return (int)(word & (MIRROR_COLUMNS | MIRROR_ROWS | TRANSPOSE));
    return 0;
}

ae_cut ae_sample_draw(const ae_sampling *sampling, const ae_image_place *place, uint32_t epoch,
                      uint32_t sample) {
    ae_stream stream = {sampling->seed, AE_RANDOM_CROP, epoch, sample};
    ae_cut cut = {0};
    uint32_t words[4];
    if (sampling->patch > 0) {
        ae_random_words(words, stream, 0);
        const uint32_t rows = (uint32_t)(place->height - sampling->patch + 1);
        const uint32_t columns = (uint32_t)(place->width - sampling->patch + 1);
        cut.row = (int)ae_random_below(words[0], words[1], rows);
        cut.column = (int)ae_random_below(words[2], words[3], columns);
    }
    if (sampling->augment != AE_AUGMENT_NONE) {
        stream.purpose = AE_RANDOM_SYMMETRY;
        ae_random_words(words, stream, 0);
        cut.symmetry = symmetry_of(sampling->augment, words[0]);
    }
    return cut;
}

ae_cut ae_sample_middle(const ae_sampling *sampling, const ae_image_place *place) {
    if (sampling->patch == 0) return (ae_cut){0};
    return (ae_cut){.row = (place->height - sampling->patch) / 2,
                    .column = (place->width - sampling->patch) / 2};
}

/* ---- its samples ---- */

/* Where the cut's first sample lies in a plane, and how far it is from there to the next one along
 * a row and down a column, in samples. */
typedef struct steps {
    ptrdiff_t first, along, down;
} steps;

/* Of a plane of rows of `width` samples, for a cut of `rows` x `columns`. */
static steps steps_of(ae_cut cut, int width, int rows, int columns) {
    const bool transposed = cut.symmetry & TRANSPOSE;
    const int tall = transposed ? columns : rows, wide = transposed ? rows : columns;
    ptrdiff_t right = 1, below = width, first = (ptrdiff_t)cut.row * width + cut.column;
    if (cut.symmetry & MIRROR_COLUMNS) {
        first += wide - 1;
        right = -right;
    }
    if (cut.symmetry & MIRROR_ROWS) {
        first += (ptrdiff_t)(tall - 1) * width;
        below = -below;
    }
    return transposed ? (steps){first, below, right} : (steps){first, right, below};
}

#define CUT_PLANE(name, type)                                                                      \
    static void name(type *dense, const type *plane, steps s, int rows, int columns) {             \
        for (int h = 0; h < rows; ++h)                                                             \
            for (int w = 0; w < columns; ++w)                                                      \
                *dense++ = plane[s.first + h * s.down + w * s.along];                              \
    }
CUT_PLANE(cut_bytes, uint8_t)
CUT_PLANE(cut_words, uint16_t)
CUT_PLANE(cut_floats, float)

/* dense[channel][row][column] = the cut. */
static void take_cut(void *dense, const ae_planes *planes, const ae_images *images, int64_t index,
                     ae_cut cut) {
    const ae_image_place *place = ae_images_place(images, index);
    const steps s = steps_of(cut, place->width, planes->height, planes->width);
    const size_t plane = (size_t)place->height * (size_t)place->width;
    const size_t taken = (size_t)planes->height * (size_t)planes->width;
    const void *samples = ae_images_samples(images, index);
    for (size_t c = 0; c < (size_t)planes->channels; ++c) {
        const size_t from = c * plane, to = c * taken;
        if (images->type == AE_SAMPLE_U8)
            cut_bytes((uint8_t *)dense + to, (const uint8_t *)samples + from, s, planes->height,
                      planes->width);
        if (images->type == AE_SAMPLE_U16)
            cut_words((uint16_t *)dense + to, (const uint16_t *)samples + from, s, planes->height,
                      planes->width);
        if (images->type == AE_SAMPLE_F32)
            cut_floats((float *)dense + to, (const float *)samples + from, s, planes->height,
                       planes->width);
    }
}

/* ---- as pixels ---- */

/* The bytes' own range has a kernel; it rounds a quotient once, as this does. */
static bool is_plain(const ae_images *images) {
    return images->type == AE_SAMPLE_U8 && images->low == 0 && images->high == UINT8_MAX;
}

#define ROW_TO_PIXELS(name, type)                                                                  \
    static void name(float *row, const type *samples, int count, double low, double span) {        \
        for (int w = 0; w < count; ++w) row[w] = (float)(((double)samples[w] - low) / span);       \
    }
ROW_TO_PIXELS(bytes_to_pixels, uint8_t)
ROW_TO_PIXELS(words_to_pixels, uint16_t)
ROW_TO_PIXELS(floats_to_pixels, float)

static void row_to_pixels(float *row, const void *samples, int count, const ae_images *images) {
    const double low = images->low, span = images->high - images->low;
    if (images->type == AE_SAMPLE_U8) bytes_to_pixels(row, samples, count, low, span);
    if (images->type == AE_SAMPLE_U16) words_to_pixels(row, samples, count, low, span);
    if (images->type == AE_SAMPLE_F32) floats_to_pixels(row, samples, count, low, span);
}

/* planes = dense samples[channel][row][column] as pixels. */
static void to_planes(const ae_planes *planes, const void *samples, const ae_images *images,
                      const ae_kernels *kernels) {
    if (is_plain(images)) {
        kernels->from_bytes(planes, samples);
        return;
    }
    const uint8_t *next = samples;
    const size_t row_size = (size_t)planes->width * ae_sample_size(images->type);
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h, next += row_size)
            row_to_pixels(ae_planes_row(planes, c, h), next, planes->width, images);
}

void ae_sample_load(const ae_planes *planes, const ae_images *images, int64_t index, ae_cut cut,
                    const ae_kernels *kernels, void *room) {
    const ae_image_place *place = ae_images_place(images, index);
    const void *samples = ae_images_samples(images, index);
    const bool is_whole =
        place->height == planes->height && place->width == planes->width && cut.symmetry == 0;
    if (!is_whole) {
        take_cut(room, planes, images, index, cut);
        samples = room;
    }
    to_planes(planes, samples, images, kernels);
}
