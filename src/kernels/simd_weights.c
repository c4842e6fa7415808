/* Derivatives by weights in vectors, for simd.c. */

/* Rows of floats that one product of the gradient runs over: of each channel, `count` rows of
 * `groups` * 16 floats. */
typedef struct strip {
    const float *data;                    /* channel 0, row 0 */
    ptrdiff_t channel_stride, row_stride; /* floats */
    int count, groups;
} strip;

typedef enum row_sum { ROW_ALONE, ROW_PLUS, ROW_MINUS } row_sum;

/* lanes[i][j] = the lanes' sums over all pixels of channel a + i of `small` times the pixels of tap
 * j; i < as, j < taps. The taps' pixels are those of one channel of the larger image at row[x + j *
 * step] each, alone, or with other[x + j * step] added or subtracted: neighbouring columns (step
 * 1), or channels.
 */
INLINE void gradient_tile(float *lanes, const strip *small, int a, const float *row,
                          const float *other, ptrdiff_t large_stride, ptrdiff_t step, row_sum kind,
                          int as, int taps) {
    const ptrdiff_t channel = small->channel_stride;
    for (int half = 0; half < AE_LANES; half += VEC) {
        const float *s = small->data + a * channel + half, *p = row + half, *q = other + half;
        vec sum[TILE_GRADIENT][TILE_TAPS];
#pragma GCC unroll 8
        for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
            for (int j = 0; j < taps; ++j) sum[i][j] = vec_set(0);
        for (int h = 0; h < small->count; ++h) {
            for (int w = 0; w < small->groups * AE_LANES; w += AE_LANES) {
                vec pixels[TILE_TAPS];
#pragma GCC unroll 8
                for (int j = 0; j < taps; ++j) {
                    pixels[j] = vec_load(p + w + j * step);
                    if (kind == ROW_PLUS)
                        pixels[j] = vec_add(pixels[j], vec_load(q + w + j * step));
                    if (kind == ROW_MINUS)
                        pixels[j] = vec_sub(pixels[j], vec_load(q + w + j * step));
                }
#pragma GCC unroll 8
                for (int i = 0; i < as; ++i) {
                    vec g = vec_load(s + w + i * channel);
                    VEC_OPAQUE(g); /* one load, not one for each use */
#pragma GCC unroll 8
                    for (int j = 0; j < taps; ++j) sum[i][j] = vec_fma(g, pixels[j], sum[i][j]);
                }
#pragma GCC unroll 8
                for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
                    for (int j = 0; j < taps; ++j) VEC_OPAQUE(sum[i][j]);
            }
            s += small->row_stride;
            p += large_stride;
            q += large_stride;
        }
#pragma GCC unroll 8
        for (int i = 0; i < as; ++i)
#pragma GCC unroll 8
            for (int j = 0; j < taps; ++j)
                vec_store(lanes + (i * taps + j) * AE_LANES + half, sum[i][j]);
    }
}

/* Sums of `channels` channels of TILE_TAPS taps at most, with what rounds them up for sum_lanes. */
static int tap_sums(int channels) {
    return (channels * TILE_TAPS + 7) / 8 * 8;
}

/* sums[a][j] = the same, the lanes' sums added, for all channels of `small` in tiles of constant
 * size; lanes[tap_sums(channels)][AE_LANES] are aligned, and needed no more then. */
INLINE void gradient_channels(float *sums, float *lanes, const strip *small, int channels,
                              const float *row, const float *other, ptrdiff_t large_stride,
                              ptrdiff_t step, row_sum kind, int taps) {
    const ptrdiff_t channel = taps * AE_LANES;
    int a = 0;
    for (; a + TILE_GRADIENT <= channels; a += TILE_GRADIENT)
        gradient_tile(lanes + a * channel, small, a, row, other, large_stride, step, kind,
                      TILE_GRADIENT, taps);
    for (; a + 3 <= channels; a += 3)
        gradient_tile(lanes + a * channel, small, a, row, other, large_stride, step, kind, 3, taps);
    for (; a < channels; ++a)
        gradient_tile(lanes + a * channel, small, a, row, other, large_stride, step, kind, 1, taps);
    sum_lanes(sums, lanes, channels * taps);
}

/* sums = upper + lower row of each pair, differences = upper - lower, dense in rows of whole lane
 * groups. */
static void pair_rows(float *sums, float *differences, const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; h += 2) {
            const float *upper = ae_planes_row(planes, c, h);
            const float *lower = upper + planes->row_stride;
            for (int w = 0; w < planes->width; w += AE_LANES)
                for (int at = w; at < w + AE_LANES; at += VEC) {
                    vec_store(sums, vec_add(vec_load(upper + at), vec_load(lower + at)));
                    vec_store(differences, vec_sub(vec_load(upper + at), vec_load(lower + at)));
                    sums += VEC;
                    differences += VEC;
                }
        }
}

static void gradient_pairs(float *gradient, const ae_planes *small, const ae_planes *large,
                           int padding, float *scratch) {
    const int as = small->channels, bs = large->channels, count = (small->height + 1) / 2;
    const int groups = (small->width + AE_LANES - 1) / AE_LANES;
    const ptrdiff_t row = groups * AE_LANES, channel = row * count;
    const float *upper = ae_planes_row(small, 0, 0);
    const int component = tap_sums(as);
    float *lanes = scratch + 2 * channel * as;
    float *sums = lanes + component * AE_LANES; /* [b][component][a][kw] */
    pair_rows(scratch, scratch + channel * as, small);
    const strip strips[AE_WINOGRAD_COMPONENTS] = {
        {upper, small->plane_stride, 2 * small->row_stride, count, groups},
        {scratch, channel, row, count, groups},
        {scratch + channel * as, channel, row, count, groups},
        {upper + small->row_stride, small->plane_stride, 2 * small->row_stride, count, groups}};
    for (int c = 0; c < AE_WINOGRAD_COMPONENTS; ++c)
        for (int b = 0; b < bs; ++b) {
            const float *plus = ae_planes_row(large, b, winograd[c].plus - padding) - padding;
            const float *other = ae_planes_row(large, b, winograd[c].other - padding) - padding;
            float *out = sums + (b * AE_WINOGRAD_COMPONENTS + c) * component;
            if (c == 1)
                gradient_channels(out, lanes, &strips[c], as, plus, other, 2 * large->row_stride, 1,
                                  ROW_PLUS, 3);
            else
                gradient_channels(out, lanes, &strips[c], as, plus, other, 2 * large->row_stride, 1,
                                  ROW_MINUS, 3);
        }
    for (int a = 0; a < as; ++a)
        for (int b = 0; b < bs; ++b, gradient += 9)
            for (int kw = 0; kw < 3; ++kw) {
                const float *s = sums + b * AE_WINOGRAD_COMPONENTS * component + a * 3 + kw;
                float both = 0.5f * (s[component] + s[2 * component]);
                gradient[kw] += s[0] + both;
                gradient[3 + kw] += 0.5f * (s[component] - s[2 * component]);
                gradient[6 + kw] += both + s[3 * component];
            }
}

/* The channels of the larger image as one tap of the kernel meets them: its pixel for the smaller
 * one's first, of channel 0. */
typedef struct tap_pixels {
    const float *first;
    ptrdiff_t channel_stride, row_stride; /* floats */
} tap_pixels;

static strip whole(const ae_planes *small) {
    return (strip){ae_planes_row(small, 0, 0), small->plane_stride, small->row_stride,
                   small->height, (small->width + AE_LANES - 1) / AE_LANES};
}

/* Adds to the derivatives by tap `index` of `taps`, for all bs channels of the larger image;
 * gradient is [as][bs][taps]. */
static void gradient_tap(float *gradient, const strip *small, int as, int bs,
                         const tap_pixels *pixels, int index, int taps, float *scratch) {
    float *sums = scratch + tap_sums(as) * AE_LANES;
    for (int b = 0, count; b < bs; b += count) {
        const float *row = pixels->first + b * pixels->channel_stride;
        count = bs - b < TILE_TAPS ? 1 : TILE_TAPS;
        if (count == TILE_TAPS)
            gradient_channels(sums, scratch, small, as, row, row, pixels->row_stride,
                              pixels->channel_stride, ROW_ALONE, TILE_TAPS);
        else
            gradient_channels(sums, scratch, small, as, row, row, pixels->row_stride, 0, ROW_ALONE,
                              1);
        for (int a = 0; a < as; ++a)
            for (int j = 0; j < count; ++j)
                gradient[(a * bs + b + j) * taps + index] += sums[a * count + j];
    }
}

/* The same by the TILE_TAPS taps from `index` on that are neighbours in a row. */
static void gradient_columns(float *gradient, const strip *small, int as, int bs,
                             const tap_pixels *pixels, int index, int taps, float *scratch) {
    float *sums = scratch + tap_sums(as) * AE_LANES;
    for (int b = 0; b < bs; ++b) {
        const float *row = pixels->first + b * pixels->channel_stride;
        gradient_channels(sums, scratch, small, as, row, row, pixels->row_stride, 1, ROW_ALONE,
                          TILE_TAPS);
        for (int a = 0; a < as; ++a)
            for (int j = 0; j < TILE_TAPS; ++j)
                gradient[(a * bs + b) * taps + index + j] += sums[a * TILE_TAPS + j];
    }
}

static void gradient_direct(float *gradient, const ae_planes *small, const ae_planes *large,
                            int kernel, int padding, float *scratch) {
    const strip all = whole(small);
    const int as = small->channels, bs = large->channels, taps = kernel * kernel;
    const int side_by_side = kernel - kernel % TILE_TAPS;
    for (int kh = 0; kh < kernel; ++kh) {
        tap_pixels pixels = {ae_planes_row(large, 0, kh - padding) - padding, large->plane_stride,
                             large->row_stride};
        for (int kw = 0; kw < side_by_side; kw += TILE_TAPS, pixels.first += TILE_TAPS)
            gradient_columns(gradient, &all, as, bs, &pixels, kh * kernel + kw, taps, scratch);
        for (int kw = side_by_side; kw < kernel; ++kw, ++pixels.first)
            gradient_tap(gradient, &all, as, bs, &pixels, kh * kernel + kw, taps, scratch);
    }
}

static void gradient_strided(float *gradient, const ae_planes *small, const ae_planes *large,
                             int kernel, int padding, float *scratch) {
    const strip all = whole(small);
    const ae_planes parts = unshuffled(scratch, large);
    scratch += unshuffled_floats(large->channels, large->height, large->width);
    for (int index = 0; index < kernel * kernel; ++index) {
        const int down = index / kernel - padding, right = index % kernel - padding;
        const int part = 2 * parity_of(down) + parity_of(right);
        const tap_pixels pixels = {ae_planes_row(&parts, part, half_of(down)) + half_of(right),
                                   4 * (ptrdiff_t)parts.plane_stride, parts.row_stride};
        gradient_tap(gradient, &all, small->channels, large->channels, &pixels, index,
                     kernel * kernel, scratch);
    }
}

/* Floats of scratch of the kernels above and of those forward and back, for an input of height x
 * width. */
static size_t conv_scratch(const ae_conv *conv, int height, int width) {
    const int out_height = ae_conv_side(conv, height), out_width = ae_conv_side(conv, width);
    const bool t = conv->transposed;
    const int smalls = t ? conv->in_channels : conv->out_channels;
    const int larges = t ? conv->out_channels : conv->in_channels;
    const int small_height = t ? height : out_height, small_width = t ? width : out_width;
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    const size_t sums = (size_t)tap_sums(smalls);
    size_t floats = sums * (AE_LANES + 1); /* the lanes', and of them */
    if (algorithm == AE_CONV_TILES) return tiles_scratch(conv, width, out_width);
    if (algorithm == AE_CONV_PIXELS)
        return pixels_scratch(conv, small_width, t ? out_width : width);
    if (algorithm == AE_CONV_PAIRS) {
        const size_t pairs = ((size_t)small_height + 1) / 2;
        const size_t row = ((size_t)small_width + AE_LANES - 1) / AE_LANES * AE_LANES;
        floats = 2 * (size_t)smalls * pairs * row +
                 sums * (AE_LANES + AE_WINOGRAD_COMPONENTS * (size_t)larges);
    }
    if (conv->stride > 1)
        floats += unshuffled_floats(larges, t ? out_height : height, t ? out_width : width);
    return floats;
}

/* By planes in the lanes of vectors. */
static void gradient_planes(float *sums, const ae_planes *small, const ae_planes *large,
                            const ae_conv *conv, float *scratch) {
    if (conv->stride > 1)
        gradient_strided(sums, small, large, conv->kernel, conv->padding, scratch);
    else if (ae_conv_algorithm_of(conv) == AE_CONV_PAIRS)
        gradient_pairs(sums, small, large, conv->padding, scratch);
    else
        gradient_direct(sums, small, large, conv->kernel, conv->padding, scratch);
}

static void conv_weights(float *sums, const ae_planes *in, const ae_planes *gradient, int images,
                         const ae_conv *conv, float *scratch) {
    const ae_planes *small = conv->transposed ? in : gradient;
    const ae_planes *large = conv->transposed ? gradient : in;
    const ae_conv_algorithm algorithm = ae_conv_algorithm_of(conv);
    if (algorithm == AE_CONV_PIXELS)
        gradient_pixels(sums, small, large, images, conv, scratch);
    else if (algorithm == AE_CONV_TILES)
        gradient_tiles(sums, small, large, images, conv->kernel, conv->padding, scratch);
    else
        for (int i = 0; i < images; ++i) gradient_planes(sums, &small[i], &large[i], conv, scratch);
}
