#include "team/mask.h"

#include <math.h>
#include <stddef.h>

ae_mask ae_mask_of(const ae_settings *settings) {
    if (settings->train.target != AE_TARGET_MASKED) return (ae_mask){0};
    return (ae_mask){.share = settings->mask.percent / 100,
                     .window = (int)settings->mask.window,
                     .fill = (ae_mask_fill)settings->mask.fill};
}

/* ---- where ---- */

/* Rows, or columns. */
typedef struct span {
    int begin, end;
} span;

static int length_of(span s) {
    return s.end - s.begin;
}

/* How many boxes a side is divided into. */
static int boxes_along(int side, double share) {
    return (int)ceil(side * sqrt(share));
}

static span box_span(int side, int boxes, int box) {
    return (span){(int)((int64_t)side * box / boxes), (int)((int64_t)side * (box + 1) / boxes)};
}

int64_t ae_mask_count(const ae_mask *mask, ae_shape picture) {
    return (int64_t)picture.channels * boxes_along(picture.height, mask->share) *
           boxes_along(picture.width, mask->share);
}

/* ---- with what ---- */

/* What is around a masked value, within the picture. */
typedef struct surroundings {
    const float *plane;
    int width; /* of the plane */
    span rows, columns;
    int self; /* the masked value's own place, by rows */
} surroundings;

static span span_around(int place, int window, int side) {
    const int begin = place - window / 2, end = begin + window;
    return (span){begin < 0 ? 0 : begin, end > side ? side : end};
}

static surroundings look_around(const float *plane, int height, int width, int row, int column,
                                int window) {
    surroundings s = {plane, width, span_around(row, window, height),
                      span_around(column, window, width), 0};
    s.self = (row - s.rows.begin) * length_of(s.columns) + column - s.columns.begin;
    return s;
}

/* Without the masked value itself. */
static int count_others(const surroundings *s) {
    return length_of(s->rows) * length_of(s->columns) - 1;
}

static float other_at(const surroundings *s, int index) {
    const int place = index + (index >= s->self), columns = length_of(s->columns);
    return s->plane[(ptrdiff_t)(s->rows.begin + place / columns) * s->width + s->columns.begin +
                    place % columns];
}

/* Moves the k-th of values[count] in their order to place k, and none above it before that (Hoare,
 * "Algorithm 65: FIND", 1961). */
static void find(float *values, int count, int k) {
    for (int low = 0, high = count - 1; low < high;) {
        const float pivot = values[k];
        int i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) ++i;
            while (pivot < values[j]) --j;
            if (i > j) break;
            const float moved = values[i];
            values[i++] = values[j];
            values[j--] = moved;
        }
        if (j < k) low = i;
        if (k < i) high = j;
    }
}

/* Of an even number the mean of the two in the middle. */
static float median_of(const surroundings *s) {
    float values[AE_MASK_WINDOW_MAX * AE_MASK_WINDOW_MAX];
    const int count = count_others(s), middle = count / 2;
    for (int i = 0; i < count; ++i) values[i] = other_at(s, i);
    find(values, count, middle);
    if (count % 2 == 1) return values[middle];
    float below = -INFINITY;
    for (int i = 0; i < middle; ++i) below = values[i] > below ? values[i] : below;
    return (float)(((double)below + (double)values[middle]) / 2);
}

/* ---- put on ---- */

static void clear_target(const ae_planes *target) {
    for (int c = 0; c < target->channels; ++c)
        for (int h = 0; h < target->height; ++h)
            for (int w = 0; w < target->width; ++w) ae_planes_row(target, c, h)[w] = NAN;
}

/* Masks one value of a box of a channel, whose noisy values are `plane`. */
static void mask_box(const ae_planes *input, const ae_planes *target, int channel,
                     const float *plane, span rows, span columns, const ae_mask *mask,
                     const uint32_t words[4]) {
    const int wide = length_of(columns);
    const int place = (int)ae_random_below(words[0], words[1], (uint32_t)(length_of(rows) * wide));
    const int row = rows.begin + place / wide, column = columns.begin + place % wide;
    const surroundings around =
        look_around(plane, input->height, input->width, row, column, mask->window);
    const uint32_t others = (uint32_t)count_others(&around);
    ae_planes_row(target, channel, row)[column] = ae_planes_row(input, channel, row)[column];
    ae_planes_row(input, channel, row)[column] =
        mask->fill == AE_MASK_FILL_MEDIAN
            ? median_of(&around)
            : other_at(&around, (int)ae_random_below(words[2], words[3], others));
}

void ae_mask_put(const ae_planes *input, const ae_planes *target, const ae_mask *mask,
                 ae_stream stream, float *noisy) {
    const int height = input->height, width = input->width;
    const int down = boxes_along(height, mask->share), across = boxes_along(width, mask->share);
    uint32_t words[4], box = 0;
    stream.purpose += AE_RANDOM_MASK;
    ae_planes_to_dense(noisy, input);
    clear_target(target);
    for (int c = 0; c < input->channels; ++c, noisy += (ptrdiff_t)height * width)
        for (int y = 0; y < down; ++y)
            for (int x = 0; x < across; ++x) {
                ae_random_words(words, stream, box++);
                mask_box(input, target, c, noisy, box_span(height, down, y),
                         box_span(width, across, x), mask, words);
            }
}
