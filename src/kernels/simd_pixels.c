/* Convolutions of many channels tap by tap, for simd.c: an output pixel's channels are the product
 * of an input pixel's with a matrix of weights for each tap. */

/* Rows of output, or of a smaller image, at a time. */
enum { BAND = 8 };

/* Rows of pixels of channels in memory. */
typedef struct pixel_rows {
    float *data;     /* of pixel (0, 0), which may lie within */
    int lanes, step; /* of a pixel: channels rounded up, floats to the next */
    ptrdiff_t row;   /* floats */
} pixel_rows;

static float *pixel_at(const pixel_rows *p, int h, int w) {
    return p->data + h * p->row + (ptrdiff_t)w * p->step;
}

/* Rows [row, row + count) and columns [column, column + columns) of the image, in `memory`, with
 * pixels `step` floats apart; behind them is the memory that is left. */
static pixel_rows rows_of(float **memory, int step, const ae_planes *in, int row, int count,
                          int column, int columns) {
    const ptrdiff_t pitch = (ptrdiff_t)columns_of(columns) * step;
    const pixel_rows made = {*memory - row * pitch - (ptrdiff_t)column * step,
                             lanes_of(in->channels), step, pitch};
    turn_to_pixels(*memory, step, in, row, count, column, columns);
    *memory += count * pitch;
    return made;
}

/* Columns of a row of output that are made together: as equal as may be. */
static int share_of(int left) {
    const int groups = (left + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
    return (left + groups - 1) / groups;
}

/* A convolution, forward or back. */
typedef struct tap_task {
    const ae_conv *conv;
    const float *weights;
    bool spreads; /* is the adjoint of a correlation of stride 2 */
    int shift;
    int in_channels;
} tap_task;

/* Adds to output pixels (oh, ow + r * apart), r < count, of the lanes from `lane` on the products
 * with `taps` neighbouring taps from tap number `index` on, of which the first reads input pixel
 * (ih, iw) for r = 0. */
static void add_taps(const tap_task *t, const pixel_rows *out, int lane, int oh, int ow, int apart,
                     int count, const pixel_rows *in, int ih, int iw, int index, int taps,
                     int tap_step) {
    const ptrdiff_t component = (ptrdiff_t)t->in_channels * out->lanes;
    const int in_apart = t->spreads ? 1 : t->conv->stride;
    const product p = {.sums = pixel_at(out, oh, ow),
                       .factors = pixel_at(in, ih, iw),
                       .vectors = t->weights + index * component,
                       .sum_stride = (ptrdiff_t)apart * out->step,
                       .factor_stride = (ptrdiff_t)in_apart * in->step,
                       .block_stride = (ptrdiff_t)t->in_channels * AE_LANES,
                       .factor_step = 1,
                       .vector_step = AE_LANES,
                       .factor_line = t->spreads ? -in->step : in->step,
                       .vector_line = tap_step * component,
                       .lines = taps,
                       .count = t->in_channels,
                       .last = t->in_channels,
                       .chain = CHAIN_GOES_ON};
    multiply_some(&p, 0, lane, count, at_most(out->lanes - lane, PRODUCT_LANES));
}

/* Adds row i of the kernel's taps to row oh of a correlation. */
static void correlate_row(const tap_task *t, const pixel_rows *out, int lane, int oh, int width,
                          const pixel_rows *in, int i) {
    const int k = t->conv->kernel, s = t->conv->stride;
    for (int ow = 0, count; ow < width; ow += count) {
        count = share_of(width - ow);
        add_taps(t, out, lane, oh, ow, 1, count, in, s * oh + i - t->shift, s * ow - t->shift,
                 i * k, k, 1);
    }
}

/* The same of the adjoint of a correlation of stride 2: each pixel has every second tap. */
static void spread_row(const tap_task *t, const pixel_rows *out, int lane, int oh, int width,
                       const pixel_rows *in, int i) {
    const int k = t->conv->kernel, p = t->shift;
    if ((oh + p - i) % 2 != 0) return;
    for (int parity = 0; parity < 2; ++parity)
        for (int ow = parity, count; ow < width; ow += 2 * count) {
            const int first = (parity + p) % 2; /* tap */
            count = share_of((width - ow + 1) / 2);
            if (first < k)
                add_taps(t, out, lane, oh, ow, 2, count, in, (oh + p - i) / 2, (ow + p - first) / 2,
                         i * k + first, (k - first + 1) / 2, 2);
        }
}

/* Adds all taps to rows [row, row + rows): those weights that a first-level cache holds to all of
 * them in turn. */
static void add_all_taps(const tap_task *t, const pixel_rows *out, int row, int rows, int width,
                         const pixel_rows *in) {
    for (int lane = 0; lane < out->lanes; lane += PRODUCT_LANES)
        for (int i = 0; i < t->conv->kernel; ++i)
            for (int oh = row; oh < row + rows; ++oh)
                if (t->spreads)
                    spread_row(t, out, lane, oh, width, in, i);
                else
                    correlate_row(t, out, lane, oh, width, in, i);
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

static void begin_with(const pixel_rows *out, int oh, int width, const float *bias, int channels) {
    for (int ow = 0; ow < width; ++ow) {
        float *pixel = pixel_at(out, oh, ow);
        memset(pixel, 0, (size_t)out->lanes * sizeof *pixel);
        if (bias) memcpy(pixel, bias, (size_t)channels * sizeof *pixel);
    }
}

static void convolve_pixels(const ae_planes *out, const ae_planes *in, const ae_conv *conv,
                            bool backward, const float *weights, const float *bias,
                            const ae_epilogue *epilogue, float *scratch) {
    const bool spreads = conv->stride > 1 && ae_conv_is_adjoint(conv, backward);
    const tap_task t = {.conv = conv,
                        .weights = weights,
                        .spreads = spreads,
                        .shift = spreads ? conv->padding : ae_conv_shift(conv, backward),
                        .in_channels = in->channels};
    const extent columns = read_by(&t, 0, out->width);
    for (int row = 0; row < out->height; row += BAND) {
        const int rows = at_most(out->height - row, BAND), lanes = lanes_of(out->channels);
        const extent read = read_by(&t, row, rows);
        float *memory = scratch;
        const pixel_rows from = rows_of(&memory, lanes_of(in->channels), in, read.begin, read.count,
                                        columns.begin, columns.count);
        const ptrdiff_t pitch = (ptrdiff_t)columns_of(out->width) * lanes;
        const pixel_rows made = {memory - row * pitch, lanes, lanes, pitch};
        for (int oh = row; oh < row + rows; ++oh)
            begin_with(&made, oh, out->width, bias, out->channels);
        add_all_taps(&t, &made, row, rows, out->width, &from);
        for (int oh = row; oh < row + rows; ++oh)
            turn_to_planes(out, pixel_at(&made, oh, 0), oh, 0, out->width, epilogue);
    }
}

/* ---- derivatives by the weights ---- */

/* Sums of one tap's products, of all pairs of channels, in groups. */
enum { TAP_GROUP = PRODUCT_ROWS * PRODUCT_LANES };

static int groups_of(int as, int bs) {
    return (as + PRODUCT_ROWS - 1) / PRODUCT_ROWS * ((bs + PRODUCT_LANES - 1) / PRODUCT_LANES);
}

/* Adds the products of rows [row, row + rows) of the smaller image to the sums of all taps,
 * groups[group][tap][row][lane], or begins them. */
static void add_band(float *group, bool begins, const pixel_rows *small, const pixel_rows *large,
                     const ae_conv *conv, int as, int bs, int row, int rows, int width) {
    const int k = conv->kernel, s = conv->stride;
    for (int a = 0; a < as; a += PRODUCT_ROWS)
        for (int b = 0; b < bs; b += PRODUCT_LANES)
            for (int tap = 0; tap < k * k; ++tap, group += TAP_GROUP) {
                const product p = {.sums = group - a * PRODUCT_LANES - b,
                                   .factors = pixel_at(small, row, 0),
                                   .vectors = pixel_at(large, s * row + tap / k - conv->padding,
                                                       tap % k - conv->padding),
                                   .sum_stride = PRODUCT_LANES,
                                   .factor_stride = 1,
                                   .block_stride = AE_LANES,
                                   .factor_step = small->step,
                                   .vector_step = (ptrdiff_t)s * large->step,
                                   .factor_line = small->row,
                                   .vector_line = s * large->row,
                                   .lines = rows,
                                   .count = width,
                                   .last = width,
                                   .chain = begins ? CHAIN_BEGINS : CHAIN_GOES_ON};
                multiply_some(&p, a, b, at_most(as - a, PRODUCT_ROWS),
                              at_most(bs - b, PRODUCT_LANES));
            }
}

/* gradient[as][bs][taps] += the groups' sums. */
static void add_groups(float *gradient, const float *group, int as, int bs, int taps) {
    for (int a = 0; a < as; a += PRODUCT_ROWS)
        for (int b = 0; b < bs; b += PRODUCT_LANES, group += taps * TAP_GROUP)
            for (int i = 0; i < at_most(as - a, PRODUCT_ROWS); ++i)
                for (int j = 0; j < at_most(bs - b, PRODUCT_LANES); ++j)
                    for (int tap = 0; tap < taps; ++tap)
                        gradient[((a + i) * bs + b + j) * taps + tap] +=
                            group[tap * TAP_GROUP + i * PRODUCT_LANES + j];
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
    float *groups = scratch, *pixels_memory = groups + groups_of(as, bs) * taps * TAP_GROUP;
    for (int i = 0; i < images; ++i)
        for (int row = 0; row < small->height; row += BAND) {
            const int rows = at_most(small->height - row, BAND);
            float *memory = pixels_memory;
            const pixel_rows of_small =
                rows_of(&memory, spread_step(as), &small[i], row, rows, 0, small->width);
            const pixel_rows of_large = rows_of(&memory, spread_step(bs), &large[i], s * row - p,
                                                s * (rows - 1) + conv->kernel, -p, columns);
            add_band(groups, i == 0 && row == 0, &of_small, &of_large, conv, as, bs, row, rows,
                     small->width);
        }
    add_groups(gradient, groups, as, bs, taps);
}

/* Floats of scratch of the kernels above for images of height x width, the larger and the smaller
 * one. */
static size_t pixels_scratch(const ae_conv *conv, int smaller, int larger) {
    const int k = conv->kernel, s = conv->stride;
    const int most = smaller * s > larger ? smaller * s : larger;
    const size_t lanes =
        (size_t)spread_step(conv->in_channels) + (size_t)spread_step(conv->out_channels);
    const size_t rows = (size_t)(s * BAND + k), columns = (size_t)columns_of(most + 2 * k);
    const size_t groups = (size_t)groups_of(conv->in_channels, conv->out_channels) +
                          (size_t)groups_of(conv->out_channels, conv->in_channels);
    return rows * columns * lanes + groups * (size_t)(k * k) * TAP_GROUP;
}
