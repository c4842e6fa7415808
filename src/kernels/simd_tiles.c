/* Winograd's F(4x4, 3x3) and F(2x2, 5x5) in vectors, for simd.c: a component of all tiles of a
 * block is a product of two small matrices. The chains of operations are the reference's. */

enum {
    COMPONENTS = AE_TILE_COMPONENTS,
    TILE_MAX = 4,   /* side of a tile's output, at most */
    KERNEL_MAX = 5, /* of a kernel */
    /* Components and products that a block's tiles have in memory at a time, so that most of it
     * stays in a core's second-level cache: with fewer tiles, weights come from behind it more
     * often. */
    BLOCK_FLOATS = 108 * 1024
};

/* Images that are made, or whose gradient is read, in tiles. */
typedef struct tiling {
    int kernel, tile; /* sides of the kernel, and of a tile's output */
    int images, down, across;
    int most; /* tiles at a time */
} tiling;

static int tiles_across(int n, int tile) {
    return (n + tile - 1) / tile;
}

/* Tiles of a block, of so many lanes each: whole rows of products. */
static int block_tiles(int lanes) {
    const int groups = BLOCK_FLOATS / (COMPONENTS * PRODUCT_ROWS) / lanes;
    return (groups > 0 ? groups : 1) * PRODUCT_ROWS;
}

static tiling tiling_of(const ae_planes *image, int images, int kernel, int lanes) {
    const int tile = ae_tile_outputs(kernel);
    return (tiling){kernel,
                    tile,
                    images,
                    tiles_across(image->height, tile),
                    tiles_across(image->width, tile),
                    block_tiles(lanes)};
}

/* A block of tiles: `rows` rows of tiles, numbered from image to image, of `columns` each. */
typedef struct block {
    int row, column, rows, columns;
} block;

/* The block behind `b`. False at the end; begins with {0}. */
static bool next_block(block *b, const tiling *t) {
    b->column += b->columns;
    if (b->column == t->across) {
        b->column = 0;
        b->row += b->rows;
    }
    const int left = t->images * t->down - b->row;
    if (left == 0) return false;
    b->columns = share_of(t->across - b->column, t->most);
    b->rows = b->columns < t->across ? 1 : share_of(left, t->most / t->across);
    return true;
}

static int tiles_of(const block *b) {
    return b->rows * b->columns;
}

/* Floats from one component of so many tiles to the next: an odd number of a cache's lines, so that
 * those of a tile's components lie in different sets of it. */
static ptrdiff_t component_floats(int tiles, int lanes) {
    return ((ptrdiff_t)tiles * lanes / AE_LANES | 1) * AE_LANES;
}

/* ---- tiles ---- */

typedef void transform_function(vec r[SIDE], const vec *d, int count);

/* columns[k][x][AE_LANES], `stride` floats apart = the components down column x of the pixels at
 * rows[y][x][AE_LANES], of `side` rows. */
INLINE void column_components(float *columns, ptrdiff_t stride, const float *const rows[SIDE],
                              int count, int side, transform_function *transform) {
    for (ptrdiff_t at = 0; at < (ptrdiff_t)count * AE_LANES; at += VEC) {
        vec d[SIDE], r[SIDE];
#pragma GCC unroll 6
        for (int y = 0; y < side; ++y) d[y] = vec_load(rows[y] + at);
        transform(r, d, side);
#pragma GCC unroll 6
        for (int k = 0; k < SIDE; ++k) vec_store(columns + k * stride + at, r[k]);
    }
}

/* components[x] = those along `side` columns of each of a row of tiles, whose columns begin `step`
 * apart; each of the components `stride` floats from the one before, tiles `lanes` apart. */
INLINE void row_components(float *components, ptrdiff_t stride, int lanes, const float *columns,
                           int tiles, int step, int side, transform_function *transform) {
    for (int t = 0; t < tiles; ++t, components += lanes, columns += step * AE_LANES)
        for (int at = 0; at < AE_LANES; at += VEC) {
            vec d[SIDE], r[SIDE];
#pragma GCC unroll 6
            for (int x = 0; x < side; ++x) d[x] = vec_load(columns + x * AE_LANES + at);
            transform(r, d, side);
#pragma GCC unroll 6
            for (int x = 0; x < SIDE; ++x) vec_store(components + x * stride + at, r[x]);
        }
}

/* Columns of what a row of tiles reads, each of them `side` of it. */
static int columns_read(int tiles, int tile, int side) {
    return tiles * tile + side - tile;
}

/* Rows of pixels, AE_LANES channels of each, of what the tiles of a row read, `side` rows, from one
 * row of tiles to the next: row y of those of row r is at (tile * r + y) mod side. */
typedef struct pixel_ring {
    float *data;
    ptrdiff_t row; /* floats */
    int tile, side;
} pixel_ring;

static pixel_ring ring_at(float *data, const tiling *t, int side) {
    const int columns = columns_of(columns_read(t->across, t->tile, side));
    return (pixel_ring){data, (ptrdiff_t)columns * AE_LANES, t->tile, side};
}

static float *ring_row(const pixel_ring *ring, int r, int y) {
    return ring->data + (r * ring->tile + y) % ring->side * ring->row;
}

/* The ring has what row r of tiles reads, where it had what the one before did. */
static void turn_ring(const pixel_ring *ring, const ae_planes *in, int r, int across, int shift) {
    for (int y = r > 0 ? ring->side - ring->tile : 0; y < ring->side; ++y)
        turn_to_pixels(ring_row(ring, r, y), AE_LANES, in, r * ring->tile + y - shift, 1, -shift,
                       columns_read(across, ring->tile, ring->side));
}

/* The components of `lanes` channels from c on of all tiles of the block, [k][tile][lanes], each
 * from `side` x `side` pixels that begin `shift` before the tile's own. */
INLINE void block_components(float *components, const ae_planes *in, int c, int lanes,
                             const tiling *t, const block *b, int side, int shift,
                             transform_function *transform, float *pixels, float *columns) {
    const int count = columns_read(b->columns, t->tile, side);
    const ptrdiff_t stride = component_floats(tiles_of(b), lanes);
    for (int row = b->row; row < b->row + b->rows; ++row, components += b->columns * lanes)
        for (int lane = 0; lane < lanes; lane += AE_LANES) {
            const ae_planes *image = &in[row / t->down];
            const ae_planes channels =
                ae_planes_channels(image, c + lane, at_most(image->channels - c - lane, AE_LANES));
            const int r = row % t->down;
            pixel_ring ring = ring_at(pixels, t, side);
            const float *rows[SIDE];
            ring.data += (c + lane) / AE_LANES * side * ring.row;
            if (b->column == 0) turn_ring(&ring, &channels, r, t->across, shift);
            for (int y = 0; y < side; ++y)
                rows[y] = ring_row(&ring, r, y) + b->column * t->tile * AE_LANES;
            column_components(columns, count * AE_LANES, rows, count, side, transform);
            for (int k = 0; k < SIDE; ++k)
                row_components(components + k * SIDE * stride + lane, stride, lanes,
                               columns + k * count * AE_LANES, b->columns, t->tile, side,
                               transform);
        }
}

static void input_components(float *components, const ae_planes *in, int c, int lanes,
                             const tiling *t, const block *b, int shift, float *pixels,
                             float *columns) {
    block_components(components, in, c, lanes, t, b, SIDE, shift, transform_input, pixels, columns);
}

static void gradient_components(float *components, const ae_planes *in, const tiling *t,
                                const block *b, float *pixels, float *columns) {
    const int lanes = lanes_of(in->channels);
    if (t->tile == 2)
        block_components(components, in, 0, lanes, t, b, 2, 0, transform_gradient, pixels, columns);
    else
        block_components(components, in, 0, lanes, t, b, 4, 0, transform_gradient, pixels, columns);
}

/* pixels[y][x][AE_LANES], rows `row` floats apart = the tile of output of products[k] of up to
 * AE_LANES channels. */
INLINE void tile_output(float *pixels, ptrdiff_t row, const float *products, ptrdiff_t stride,
                        const float *bias, int channels, int tile) {
    for (int c = 0; c < channels; c += VEC) {
        vec down[TILE_MAX][SIDE];
        const vec_mask mask = vec_first(channels - c < VEC ? channels - c : VEC);
        const vec offset = bias ? vec_keep(mask, vec_load(bias + c)) : vec_set(0);
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; ++x) {
            vec m[SIDE], y[TILE_MAX];
#pragma GCC unroll 6
            for (int k = 0; k < SIDE; ++k) m[k] = vec_load(products + (k * SIDE + x) * stride + c);
            transform_output(y, m, tile);
#pragma GCC unroll 4
            for (int k = 0; k < tile; ++k) down[k][x] = y[k];
        }
#pragma GCC unroll 4
        for (int k = 0; k < tile; ++k) {
            vec y[TILE_MAX];
            transform_output(y, down[k], tile);
#pragma GCC unroll 4
            for (int x = 0; x < tile; ++x)
                vec_store(pixels + k * row + x * AE_LANES + c, vec_add(y[x], offset));
        }
    }
}

INLINE void row_output(float *pixels, ptrdiff_t row, const float *products, ptrdiff_t stride,
                       int lanes, const float *bias, int channels, int tiles, int tile) {
    for (int t = 0; t < tiles; ++t, pixels += tile * AE_LANES, products += lanes)
        tile_output(pixels, row, products, stride, bias, channels, tile);
}

/* Asks for the memory of row r of the block's tiles, which lies in a piece a row and channel. */
static void fetch_row(const ae_planes *image, int tile, const block *b, int r) {
    const int first = b->column * tile, end = at_most(first + b->columns * tile, image->width);
    for (int h = r * tile; h < at_most((r + 1) * tile, image->height); ++h)
        for (int c = 0; c < image->channels; ++c)
            for (int x = first; x < end; x += AE_LANES)
                __builtin_prefetch(ae_planes_row(image, c, h) + x);
}

/* Of row r of the block's tiles, up to AE_LANES channels of an image. */
static void output_row(const ae_planes *out, int tile, const block *b, int r, const float *products,
                       ptrdiff_t stride, int lanes, const float *bias, const ae_epilogue *epilogue,
                       float *pixels) {
    const int columns = b->columns * tile;
    const ptrdiff_t row = (ptrdiff_t)columns_of(columns) * AE_LANES;
    fetch_row(out, tile, b, r);
    if (epilogue->gate) fetch_row(epilogue->gate, tile, b, r);
    if (tile == 2)
        row_output(pixels, row, products, stride, lanes, bias, out->channels, b->columns, 2);
    else
        row_output(pixels, row, products, stride, lanes, bias, out->channels, b->columns, 4);
    for (int h = r * tile; h < (r + 1) * tile && h < out->height; ++h)
        turn_to_planes(out, pixels + (h - r * tile) * row, h, b->column * tile, columns, epilogue);
}

/* Of channels [c, c + lanes). */
static void output_tiles(const ae_planes *out, int c, int lanes, const tiling *t, const block *b,
                         const float *products, const float *bias, const ae_epilogue *epilogue,
                         float *pixels) {
    const ptrdiff_t stride = component_floats(tiles_of(b), lanes);
    for (int row = b->row; row < b->row + b->rows; ++row, products += b->columns * lanes)
        for (int lane = 0; lane < lanes; lane += AE_LANES) {
            const int image = row / t->down, first = c + lane;
            const int count = at_most(out->channels - first, AE_LANES);
            const ae_planes channels = ae_planes_channels(&out[image], first, count);
            ae_epilogue its = ae_epilogue_of(epilogue, image);
            ae_planes gate;
            if (its.gate) {
                gate = ae_planes_channels(its.gate, first, count);
                its.gate = &gate;
            }
            output_row(&channels, t->tile, b, row % t->down, products + lane, stride, lanes,
                       bias ? bias + first : NULL, &its, pixels);
        }
}

/* ---- the kernels ---- */

/* Rings for an image of so many lanes. */
static ptrdiff_t rings_floats(int lanes, const tiling *t) {
    return SIDE * ring_at(NULL, t, SIDE).row / AE_LANES * lanes;
}

/* Components down the columns of what a row of a block reads, or pixels of what it makes. */
static ptrdiff_t columns_floats(const tiling *t) {
    const int tiles = at_most(t->across, t->most);
    return (ptrdiff_t)SIDE * columns_of(columns_read(tiles, TILE_MAX, SIDE)) * AE_LANES;
}

/* Sums of products of all channels of the smaller image with PRODUCT_LANES of the larger one,
 * [component][a][lane], components so far apart. */
static ptrdiff_t strip_component(int as) {
    return component_floats(as, PRODUCT_LANES);
}

static ptrdiff_t strips_floats(int as, int bs) {
    const int strips = (bs + PRODUCT_LANES - 1) / PRODUCT_LANES;
    return COMPONENTS * strip_component(as) * strips;
}

/* Lanes of a tile that a block has at a time: those of all channels of the image that is read, or
 * of the smaller one, and of the other's PRODUCT_LANES. */
static int lanes_at_once(int channels) {
    return lanes_of(channels) + PRODUCT_LANES;
}

static ptrdiff_t components_floats(int channels, const tiling *t) {
    return COMPONENTS * (component_floats(t->most, lanes_of(channels)) +
                         component_floats(t->most, PRODUCT_LANES));
}

/* Rings of what is read, a row's columns, components of what is read and products, for images of
 * that width that are made. */
static ptrdiff_t convolution_floats(int channels, int width, int kernel) {
    const ae_planes made = {.width = width};
    const tiling t = tiling_of(&made, 1, kernel, lanes_at_once(channels));
    return rings_floats(lanes_of(channels), &t) + columns_floats(&t) +
           components_floats(channels, &t);
}

/* Rings of both images, a row's columns, strips, and components of both, for smaller images of that
 * width with `as` channels. */
static ptrdiff_t gradient_floats(int as, int bs, int width, int kernel) {
    const ae_planes small = {.width = width};
    const tiling t = tiling_of(&small, 1, kernel, lanes_at_once(as));
    return rings_floats(lanes_of(as) + lanes_of(bs), &t) + columns_floats(&t) +
           strips_floats(as, bs) + components_floats(as, &t);
}

/* Floats of all kernels of a convolution of images of `width`, which makes such of `out_width`. */
static size_t tiles_scratch(const ae_conv *conv, int width, int out_width) {
    const int in = conv->in_channels, out = conv->out_channels;
    const ptrdiff_t floats[] = {convolution_floats(in, out_width, conv->kernel),
                                convolution_floats(out, width, conv->kernel),
                                conv->transposed
                                    ? gradient_floats(in, out, width, conv->kernel)
                                    : gradient_floats(out, in, out_width, conv->kernel)};
    ptrdiff_t most = 0;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; ++i)
        if (most < floats[i]) most = floats[i];
    return (size_t)most;
}

/* A convolution, forward or back. */
typedef struct tile_task {
    const ae_planes *out, *in;
    const float *weights, *bias;
    const ae_epilogue *epilogue;
    int shift, chain;
    tiling t;
} tile_task;

/* products[k][tile][lanes] of a component of so many tiles and the weights of lanes [lane, lane +
 * lanes). */
static void multiply_component(float *products, const float *components, const tile_task *task,
                               int k, int tiles, int lane, int lanes) {
    const int channels = task->in->channels;
    const ptrdiff_t component = (ptrdiff_t)channels * lanes_of(task->out->channels);
    const chained_product p = {
        .sums = products + k * component_floats(tiles, lanes),
        .factors = components + k * component_floats(tiles, lanes_of(channels)),
        .vectors = task->weights + k * component + (ptrdiff_t)lane * channels,
        .sum_stride = lanes,
        .factor_stride = lanes_of(channels),
        .block_stride = (ptrdiff_t)channels * AE_LANES,
        .count = channels,
        .chain = task->chain};
    multiply_rows_in_chains(&p, tiles, lanes);
}

/* Makes channels [lane, lane + lanes) of a block. */
static void make_lanes(const tile_task *task, const block *b, const float *components,
                       float *products, int lane, int lanes, float *pixels) {
    for (int k = 0; k < COMPONENTS; ++k)
        multiply_component(products, components, task, k, tiles_of(b), lane, lanes);
    output_tiles(task->out, lane, lanes, &task->t, b, products, task->bias, task->epilogue, pixels);
}

static void convolve_tiles(const ae_planes *out, const ae_planes *in, int images,
                           const float *weights, const float *bias, const ae_epilogue *epilogue,
                           int kernel, int shift, float *scratch) {
    const int in_lanes = lanes_of(in->channels), out_lanes = lanes_of(out->channels);
    const tile_task task = {out,
                            in,
                            weights,
                            bias,
                            epilogue,
                            shift,
                            ae_tile_chain(kernel),
                            tiling_of(out, images, kernel, lanes_at_once(in->channels))};
    float *columns = scratch + rings_floats(in_lanes, &task.t);
    float *components = columns + columns_floats(&task.t);
    for (block b = {0}; next_block(&b, &task.t);) {
        float *products = components + COMPONENTS * component_floats(tiles_of(&b), in_lanes);
        input_components(components, in, 0, in_lanes, &task.t, &b, shift, scratch, columns);
        for (int lane = 0, lanes; lane < out_lanes; lane += lanes) {
            lanes = at_most(out_lanes - lane, PRODUCT_LANES);
            make_lanes(&task, &b, components, products, lane, lanes, columns);
        }
    }
}

/* sums[a][lane][kernel * kernel] += G' s G of a strip; `stride` floats from one a to the next. */
INLINE void add_kernels(float *sums, ptrdiff_t stride, const float *strip, int as, int lanes,
                        int kernel) {
    const int taps = kernel * kernel;
    for (int a = 0; a < as; ++a)
        for (int b = 0; b < lanes; b += VEC) {
            const float *products = strip + a * PRODUCT_LANES + b;
            float *kernels = sums + a * stride + taps * b;
            float derivative[KERNEL_MAX * KERNEL_MAX][VEC];
            vec down[KERNEL_MAX][SIDE];
#pragma GCC unroll 6
            for (int x = 0; x < SIDE; ++x) {
                vec s[SIDE], g[KERNEL_MAX];
#pragma GCC unroll 6
                for (int k = 0; k < SIDE; ++k)
                    s[k] = vec_load(products + (k * SIDE + x) * strip_component(as));
                transform_weights(g, s, kernel);
#pragma GCC unroll 5
                for (int i = 0; i < kernel; ++i) down[i][x] = g[i];
            }
#pragma GCC unroll 5
            for (int i = 0; i < kernel; ++i) {
                vec g[KERNEL_MAX];
                transform_weights(g, down[i], kernel);
#pragma GCC unroll 5
                for (int j = 0; j < kernel; ++j) vec_store(derivative[kernel * i + j], g[j]);
            }
            for (int l = 0; l < at_most(lanes - b, VEC); ++l)
                for (int j = 0; j < taps; ++j) kernels[taps * l + j] += derivative[j][l];
        }
}

/* The strip of the `lanes` lanes of a block's vectors has the products of its tiles' factors, of
 * `as` channels, and of these, which go on from what it has, or begin. */
static void add_tiles(float *strip, const float *factors, int as, const float *vectors, int lanes,
                      int tiles, bool goes_on) {
    const int a_lanes = lanes_of(as);
    for (int k = 0; k < COMPONENTS; ++k) {
        const product p = {.sums = strip + k * strip_component(as),
                           .factors = factors + k * component_floats(tiles, a_lanes),
                           .vectors = vectors + k * component_floats(tiles, lanes),
                           .sum_stride = PRODUCT_LANES,
                           .factor_stride = 1,
                           .block_stride = AE_LANES,
                           .factor_step = a_lanes,
                           .vector_step = lanes,
                           .sets = 1,
                           .lines = 1,
                           .count = tiles,
                           .goes_on = goes_on};
        multiply_rows(&p, as, 0, units_of(lanes, PRODUCT_ROWS));
    }
}

static void gradient_tiles(float *sums, const ae_planes *small, const ae_planes *large, int images,
                           int kernel, int padding, float *scratch) {
    const int as = small->channels, bs = large->channels, taps = kernel * kernel;
    const tiling t = tiling_of(small, images, kernel, lanes_at_once(as));
    const int all = t.images * t.down * t.across;
    float *of_small = scratch, *of_large = of_small + rings_floats(lanes_of(as), &t);
    float *columns = of_large + rings_floats(lanes_of(bs), &t);
    float *strips = columns + columns_floats(&t), *factors = strips + strips_floats(as, bs);
    int done = 0;
    for (block b = {0}; next_block(&b, &t);) {
        const int tiles = tiles_of(&b);
        float *vectors = factors + COMPONENTS * component_floats(tiles, lanes_of(as));
        float *strip = strips;
        gradient_components(factors, small, &t, &b, of_small, columns);
        done += tiles;
        for (int lane = 0; lane < bs; lane += PRODUCT_LANES) {
            const int count = at_most(bs - lane, PRODUCT_LANES);
            input_components(vectors, large, lane, lanes_of(count), &t, &b, padding, of_large,
                             columns);
            add_tiles(strip, factors, as, vectors, lanes_of(count), tiles, done > tiles);
            if (done == all && kernel == 3)
                add_kernels(sums + lane * taps, (ptrdiff_t)bs * taps, strip, as, count, 3);
            if (done == all && kernel == 5)
                add_kernels(sums + lane * taps, (ptrdiff_t)bs * taps, strip, as, count, 5);
            if (tiles < all) strip += COMPONENTS * strip_component(as); /* to be gone on with */
        }
    }
}
