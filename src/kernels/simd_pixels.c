/* Convolutions of many channels tap by tap, for simd.c: an output pixel's channels are the product
 * of an input pixel's with a matrix of weights for each tap. */

/* Rows of output, or of a smaller image, at a time. */
enum { BAND = 8 };

/* Rows of pixels of channels in memory. */
typedef struct pixel_rows {
    float *data;   /* of pixel (0, 0), which may lie within */
    int step;      /* floats from pixel to pixel */
    ptrdiff_t row; /* from row to row */
} pixel_rows;

static float *pixel_at(const pixel_rows *p, int h, int w) {
    return p->data + h * p->row + (ptrdiff_t)w * p->step;
}

/* Rows [row, row + count) and columns [column, column + columns) of the image, in `memory`, with
 * pixels `step` floats apart; behind them is the memory that is left. */
static pixel_rows rows_of(float **memory, int step, const ae_planes *in, int row, int count,
                          int column, int columns) {
    const ptrdiff_t pitch = (ptrdiff_t)columns_of(columns) * step;
    const pixel_rows made = {*memory - row * pitch - (ptrdiff_t)column * step, step, pitch};
    turn_to_pixels(*memory, step, in, row, count, column, columns);
    *memory += count * pitch;
    return made;
}

/* A convolution, forward or back. */
typedef struct tap_task {
    const ae_conv *conv;
    const float *weights;
    const float *begin; /* of each lane: what chains begin with */
    bool spreads;       /* is the adjoint of a correlation of stride 2 */
    int shift;
    int in_channels;
} tap_task;

/* Rows or columns of a kernel's taps. */
typedef struct tap_range {
    int first, count;
} tap_range;

/* Makes the output pixels (oh, ow + r * apart), r < count, of `units` of lanes from `lane` on, of
 * the products with these taps, which lie as far apart; the first of them reads input pixel (ih,
 * iw) for r = 0. */
static void make_pixels(const tap_task *t, const pixel_rows *out, int lane, int units, int oh,
                        int ow, int apart, int count, const pixel_rows *in, int ih, int iw,
                        tap_range rows, tap_range columns) {
    const int k = t->conv->kernel;
    const ptrdiff_t tap = (ptrdiff_t)t->in_channels * AE_LANES, step = in->step;
    const bool in_one = !t->spreads && step == t->in_channels; /* a row's taps lie side by side */
    const product p = {.sums = pixel_at(out, oh, ow),
                       .begin = t->begin,
                       .factors = pixel_at(in, ih, iw),
                       .vectors = t->weights + (rows.first * k + columns.first) * tap,
                       .sum_stride = (ptrdiff_t)apart * out->step,
                       .factor_stride = t->spreads ? step : t->conv->stride * step,
                       .block_stride = k * k * tap,
                       .factor_step = 1,
                       .vector_step = AE_LANES,
                       .factor_line = t->spreads ? -step : step,
                       .vector_line = apart * tap,
                       .factor_set = t->spreads ? -in->row : in->row,
                       .vector_set = apart * k * tap,
                       .sets = rows.count,
                       .lines = in_one ? 1 : columns.count,
                       .count = in_one ? columns.count * t->in_channels : t->in_channels};
    multiply_rows(&p, count, lane, units);
}

/* Row oh of a correlation. */
static void correlate_row(const tap_task *t, const pixel_rows *out, int lane, int units, int oh,
                          int width, const pixel_rows *in) {
    const int k = t->conv->kernel;
    make_pixels(t, out, lane, units, oh, 0, 1, width, in, t->conv->stride * oh - t->shift,
                -t->shift, (tap_range){0, k}, (tap_range){0, k});
}

/* The same of the adjoint of a correlation of stride 2: each pixel has every second tap. */
static void spread_row(const tap_task *t, const pixel_rows *out, int lane, int units, int oh,
                       int width, const pixel_rows *in) {
    const int k = t->conv->kernel, p = t->shift;
    for (int ow = 0; ow < 2; ++ow) {
        const int i = (oh + p) % 2, j = (ow + p) % 2; /* first taps */
        make_pixels(t, out, lane, units, oh, ow, 2, (width - ow + 1) / 2, in, (oh + p - i) / 2,
                    (ow + p - j) / 2, (tap_range){i, (k - i + 1) / 2},
                    (tap_range){j, (k - j + 1) / 2});
    }
}

/* Rows [row, row + rows), as many lanes at a time as are multiplied together: their weights serve
 * all rows in turn. */
static void make_rows(const tap_task *t, const pixel_rows *out, int channels, int row, int rows,
                      int width, const pixel_rows *in) {
    const int together = t->spreads ? (width + 1) / 2 : width;
    for (int lane = 0, units; lane < channels; lane += units * UNIT_LANES) {
        units = units_of(channels - lane, together);
        for (int oh = row; oh < row + rows; ++oh)
            if (t->spreads)
                spread_row(t, out, lane, units, oh, width, in);
            else
                correlate_row(t, out, lane, units, oh, width, in);
    }
}

/* Rows and columns of input that `n` of output from `at` on read. */
typedef struct extent {
    int begin, count;
} extent;

static extent read_by(const tap_task *t, int at, int n) {
    const int k = t->conv->kernel, s = t->conv->stride, p = t->shift;
    if (!t->spreads) return (extent){s * at - p, s * (n - 1) + k};
    const int begin = half_of(at + p - k + 1), end = half_of(at + n - 1 + p) + 1;
    return (extent){begin, end - begin};
}

static void convolve_pixels(const ae_planes *out, const ae_planes *in, const ae_conv *conv,
                            bool backward, const float *weights, const float *bias,
                            const ae_epilogue *epilogue, float *scratch) {
    const bool spreads = conv->stride > 1 && ae_conv_is_adjoint(conv, backward);
    const int lanes = lanes_of(out->channels);
    float *begin = scratch, *bands = scratch + lanes;
    const tap_task t = {.conv = conv,
                        .weights = weights,
                        .begin = begin,
                        .spreads = spreads,
                        .shift = spreads ? conv->padding : ae_conv_shift(conv, backward),
                        .in_channels = in->channels};
    const extent columns = read_by(&t, 0, out->width);
    memset(begin, 0, (size_t)lanes * sizeof *begin);
    if (bias) memcpy(begin, bias, (size_t)out->channels * sizeof *bias);
    for (int row = 0; row < out->height; row += BAND) {
        const int rows = at_most(out->height - row, BAND);
        const extent read = read_by(&t, row, rows);
        float *memory = bands;
        const pixel_rows from = rows_of(&memory, columns_of(in->channels), in, read.begin,
                                        read.count, columns.begin, columns.count);
        const ptrdiff_t pitch = (ptrdiff_t)columns_of(out->width) * lanes;
        const pixel_rows made = {memory - row * pitch, lanes, pitch};
        make_rows(&t, &made, out->channels, row, rows, out->width, &from);
        for (int oh = row; oh < row + rows; ++oh)
            turn_to_planes(out, pixel_at(&made, oh, 0), oh, 0, out->width, epilogue);
    }
}

/* ---- derivatives by the weights ---- */

/* Pairs of channels whose sums are made together: rows from a on, units of lanes from b on. */
typedef struct pair_group {
    int a, b, rows, units;
} pair_group;

/* Sums of one tap's products of a group's pairs. */
enum { GROUP_FLOATS = PRODUCT_ROWS * PRODUCT_LANES };

/* The first group for {0}; false after the last. */
static bool next_group(pair_group *g, int as, int bs) {
    g->a += g->rows;
    if (g->a == as) {
        g->a = 0;
        g->b += g->units * UNIT_LANES;
    }
    if (g->b >= bs) return false;
    g->units = units_of(bs - g->b, as);
    g->rows = at_most(as - g->a, rows_of_units(g->units));
    return true;
}

static size_t groups_of(int as, int bs) {
    size_t count = 0;
    for (pair_group g = {0}; next_group(&g, as, bs);) ++count;
    return count;
}

/* Adds the products of rows [row, row + rows) of the smaller image to the sums of all taps,
 * sums[group][tap][row][lane], or begins them. */
static void add_band(float *sums, bool begins, const pixel_rows *small, const pixel_rows *large,
                     const ae_conv *conv, int as, int bs, int row, int rows, int width) {
    const int k = conv->kernel, s = conv->stride;
    for (pair_group g = {0}; next_group(&g, as, bs);)
        for (int tap = 0; tap < k * k; ++tap, sums += GROUP_FLOATS) {
            const product p = {.sums = sums - g.b,
                               .factors = pixel_at(small, row, 0) + g.a,
                               .vectors = pixel_at(large, s * row + tap / k - conv->padding,
                                                   tap % k - conv->padding),
                               .sum_stride = g.units * UNIT_LANES,
                               .factor_stride = 1,
                               .block_stride = AE_LANES,
                               .factor_step = small->step,
                               .vector_step = (ptrdiff_t)s * large->step,
                               .factor_line = small->row,
                               .vector_line = s * large->row,
                               .sets = 1,
                               .lines = rows,
                               .count = width,
                               .goes_on = !begins};
            multiply_rows(&p, g.rows, g.b, g.units);
        }
}

/* kernels[lane][taps] = sums[tap * GROUP_FLOATS + lane] of VEC lanes; up to VEC - 1 floats behind
 * them are overwritten. Each vector of taps ends among those of the next lane, which is why the
 * last taps come first, and lanes in order. */
static void turn_taps(float *kernels, const float *sums, int taps) {
    for (int tap = (taps - 1) / VEC * VEC; tap >= 0; tap -= VEC) {
        vec v[VEC];
#pragma GCC unroll 16
        for (int k = 0; k < VEC; ++k)
            v[k] = tap + k < taps ? vec_load(sums + (tap + k) * GROUP_FLOATS) : vec_set(0);
        vec_transpose(v);
#pragma GCC unroll 16
        for (int k = 0; k < VEC; ++k) vec_store(kernels + k * taps + tap, v[k]);
    }
}

/* gradient[as][bs][taps] += the groups' sums. */
static void add_groups(float *gradient, const float *sums, int as, int bs, int taps) {
    float kernels[VEC * AE_KERNEL_MAX * AE_KERNEL_MAX + VEC];
    for (pair_group g = {0}; next_group(&g, as, bs); sums += taps * GROUP_FLOATS)
        for (int i = 0; i < g.rows; ++i)
            for (int lane = 0; lane < g.units * UNIT_LANES && g.b + lane < bs; lane += VEC) {
                const int count = taps * at_most(bs - g.b - lane, VEC);
                float *sum = gradient + ((g.a + i) * bs + g.b + lane) * taps;
                turn_taps(kernels, sums + i * g.units * UNIT_LANES + lane, taps);
                for (int n = 0; n < count; ++n) sum[n] += kernels[n];
            }
}

/* Floats from pixel to pixel where many are read for one channel: an odd number of a cache's lines,
 * so that they lie in different sets of it. */
static int spread_step(int channels) {
    return (lanes_of(channels) / AE_LANES | 1) * AE_LANES;
}

static void gradient_pixels(float *gradient, const ae_planes *small, const ae_planes *large,
                            int images, const ae_conv *conv, float *scratch) {
    const int as = small->channels, bs = large->channels, taps = conv->kernel * conv->kernel;
    const int s = conv->stride, p = conv->padding;
    const int columns = s * (small->width - 1) + conv->kernel;
    float *sums = scratch, *bands = sums + groups_of(as, bs) * (size_t)taps * GROUP_FLOATS;
    for (int i = 0; i < images; ++i)
        for (int row = 0; row < small->height; row += BAND) {
            const int rows = at_most(small->height - row, BAND);
            float *memory = bands;
            const pixel_rows of_small =
                rows_of(&memory, spread_step(as), &small[i], row, rows, 0, small->width);
            const pixel_rows of_large = rows_of(&memory, spread_step(bs), &large[i], s * row - p,
                                                s * (rows - 1) + conv->kernel, -p, columns);
            add_band(sums, i == 0 && row == 0, &of_small, &of_large, conv, as, bs, row, rows,
                     small->width);
        }
    add_groups(gradient, sums, as, bs, taps);
}

/* Floats of scratch of the kernels above for images of those widths, the smaller and the larger
 * one. */
static size_t pixels_scratch(const ae_conv *conv, int smaller, int larger) {
    const int k = conv->kernel, s = conv->stride;
    const int most = smaller * s > larger ? smaller * s : larger;
    const size_t lanes =
        (size_t)spread_step(conv->in_channels) + (size_t)spread_step(conv->out_channels);
    const size_t rows = (size_t)(s * BAND + k), columns = (size_t)columns_of(most + 2 * k);
    const size_t groups = groups_of(conv->in_channels, conv->out_channels) +
                          groups_of(conv->out_channels, conv->in_channels);
    return (1 + rows * columns) * lanes + groups * (size_t)(k * k) * GROUP_FLOATS;
}
