/* Winograd's F(4x4, 3x3) and F(2x2, 5x5) in vectors, for simd.c: a component of all tiles of a
 * block is a product of two small matrices. The chains of operations are the reference's. */

enum {
    COMPONENTS = AE_TILE_COMPONENTS,
    TILE_MAX = 4,    /* side of a tile's output, at most */
    KERNEL_MAX = 5,  /* of a kernel */
    BLOCK_TILES = 48 /* at a time, at most */
};

/* An image that is made, or whose gradient is read, in tiles. */
typedef struct tiling {
    int kernel, tile; /* sides of the kernel, and of a tile's output */
    int images, down, across;
} tiling;

static int tiles_across(int n, int tile) {
    return (n + tile - 1) / tile;
}

static tiling tiling_of(const ae_planes *image, int images, int kernel) {
    const int tile = ae_tile_outputs(kernel);
    return (tiling){kernel, tile, images, tiles_across(image->height, tile),
                    tiles_across(image->width, tile)};
}

/* A block of tiles: of each of `images` images from `image` on, `rows` rows of tiles of `columns`
 * each, from tile (row, column) on. */
typedef struct block {
    int image, row, column, images, rows, columns;
} block;

/* The block behind `b`, in the order of images and of their rows of tiles: of several images where
 * they are whole. False at the end; begins with {0}. */
static bool next_block(block *b, const tiling *t) {
    const int columns = at_most(t->across, BLOCK_TILES);
    const int rows = at_most(t->down, BLOCK_TILES / columns);
    const bool is_whole = columns == t->across && rows == t->down;
    b->column += b->columns;
    if (b->rows > 0 && b->column >= t->across) {
        b->column = 0;
        b->row += b->rows;
    }
    if (b->row >= t->down) {
        b->row = 0;
        b->image += b->images;
    }
    if (b->image >= t->images) return false;
    b->images = is_whole ? at_most(t->images - b->image, BLOCK_TILES / (rows * columns)) : 1;
    b->columns = at_most(t->across - b->column, columns);
    b->rows = at_most(t->down - b->row, rows);
    return true;
}

static int tiles_of(const block *b) {
    return b->images * b->rows * b->columns;
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

/* The components of all tiles of the block, [k][tile][lanes], each from `side` x `side` pixels that
 * begin `shift` before the tile's own. */
INLINE void block_components(float *components, const ae_planes *in, const tiling *t,
                             const block *b, int side, int shift, transform_function *transform,
                             float *pixels, float *columns) {
    const int lanes = lanes_of(in->channels), count = columns_read(b->columns, t->tile, side);
    const ptrdiff_t stride = component_floats(tiles_of(b), lanes);
    for (int i = b->image; i < b->image + b->images; ++i)
        for (int r = b->row; r < b->row + b->rows; ++r, components += b->columns * lanes) {
            pixel_ring ring = ring_at(pixels, t, side);
            for (int c = 0; c < lanes; c += AE_LANES, ring.data += side * ring.row) {
                const ae_planes channels =
                    ae_planes_channels(&in[i], c, at_most(in->channels - c, AE_LANES));
                const float *rows[SIDE];
                if (b->column == 0) turn_ring(&ring, &channels, r, t->across, shift);
                for (int y = 0; y < side; ++y)
                    rows[y] = ring_row(&ring, r, y) + b->column * t->tile * AE_LANES;
                column_components(columns, count * AE_LANES, rows, count, side, transform);
                for (int k = 0; k < SIDE; ++k)
                    row_components(components + k * SIDE * stride + c, stride, lanes,
                                   columns + k * count * AE_LANES, b->columns, t->tile, side,
                                   transform);
            }
        }
}

static void input_components(float *components, const ae_planes *in, const tiling *t,
                             const block *b, int shift, float *pixels, float *columns) {
    block_components(components, in, t, b, SIDE, shift, transform_input, pixels, columns);
}

static void gradient_components(float *components, const ae_planes *in, const tiling *t,
                                const block *b, float *pixels, float *columns) {
    if (t->tile == 2)
        block_components(components, in, t, b, 2, 0, transform_gradient, pixels, columns);
    else
        block_components(components, in, t, b, 4, 0, transform_gradient, pixels, columns);
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

/* Of row r of the block's tiles, up to AE_LANES channels of an image. */
static void output_row(const ae_planes *out, int tile, const block *b, int r, const float *products,
                       ptrdiff_t stride, int lanes, const float *bias, const ae_epilogue *epilogue,
                       float *pixels) {
    const int columns = b->columns * tile;
    const ptrdiff_t row = (ptrdiff_t)columns_of(columns) * AE_LANES;
    if (tile == 2)
        row_output(pixels, row, products, stride, lanes, bias, out->channels, b->columns, 2);
    else
        row_output(pixels, row, products, stride, lanes, bias, out->channels, b->columns, 4);
    for (int h = r * tile; h < (r + 1) * tile && h < out->height; ++h)
        turn_to_planes(out, pixels + (h - r * tile) * row, h, b->column * tile, columns, epilogue);
}

static void output_tiles(const ae_planes *out, int tile, const block *b, const float *products,
                         const float *bias, const ae_epilogue *epilogue, float *pixels) {
    const int lanes = lanes_of(out->channels);
    const ptrdiff_t stride = component_floats(tiles_of(b), lanes);
    for (int i = b->image; i < b->image + b->images; ++i)
        for (int r = b->row; r < b->row + b->rows; ++r, products += b->columns * lanes)
            for (int c = 0; c < lanes; c += AE_LANES) {
                const int count = at_most(out->channels - c, AE_LANES);
                const ae_planes channels = ae_planes_channels(&out[i], c, count);
                ae_epilogue its = ae_epilogue_of(epilogue, i);
                ae_planes gate;
                if (its.gate) {
                    gate = ae_planes_channels(its.gate, c, count);
                    its.gate = &gate;
                }
                output_row(&channels, tile, b, r, products + c, stride, lanes,
                           bias ? bias + c : NULL, &its, pixels);
            }
}

/* ---- the kernels ---- */

/* Rings for an image of so many lanes. */
static ptrdiff_t rings_floats(int lanes, const tiling *t) {
    return SIDE * ring_at(NULL, t, SIDE).row / AE_LANES * lanes;
}

/* Components down the columns of what a row of a block reads, or pixels of what it makes. */
static ptrdiff_t columns_floats(void) {
    return (ptrdiff_t)SIDE * columns_of(columns_read(BLOCK_TILES, TILE_MAX, SIDE)) * AE_LANES;
}

/* Sums of products of all channels of the smaller image with PRODUCT_LANES of the larger one,
 * [component][a][lane], components so far apart. */
static ptrdiff_t strip_component(int as) {
    return component_floats(as, PRODUCT_LANES);
}

static size_t strips_floats(int as, int bs) {
    const int strips = (bs + PRODUCT_LANES - 1) / PRODUCT_LANES;
    return (size_t)(COMPONENTS * strip_component(as)) * (size_t)strips;
}

/* Rings of what is read, or of both images, a row's columns, components of what is read and of what
 * made, and groups, for images of that width that are made, or whose gradient is read. */
static size_t tiles_scratch(int in_channels, int out_channels, int width, int kernel) {
    const tiling t = tiling_of(&(ae_planes){.width = width}, 1, kernel);
    const int in = lanes_of(in_channels), out = lanes_of(out_channels);
    const ptrdiff_t components =
        COMPONENTS * (component_floats(BLOCK_TILES, in) + component_floats(BLOCK_TILES, out));
    /* Of a plain convolution, and a transposed one. */
    const size_t strips = strips_floats(out_channels, in_channels);
    const size_t turned = strips_floats(in_channels, out_channels);
    return (size_t)(rings_floats(in + out, &t) + columns_floats() + components) +
           (strips > turned ? strips : turned);
}

static void multiply_tiles(const product *p, int tiles, int lanes) {
    for (int lane = 0; lane < lanes; lane += PRODUCT_LANES)
        multiply_rows(p, tiles, lane, at_most(lanes - lane, PRODUCT_LANES) / UNIT_LANES);
}

static void convolve_tiles(const ae_planes *out, const ae_planes *in, int images,
                           const float *weights, const float *bias, const ae_epilogue *epilogue,
                           int kernel, int shift, float *scratch) {
    const int in_lanes = lanes_of(in->channels), out_lanes = lanes_of(out->channels);
    const int chain = at_most(ae_tile_chain(kernel), in->channels);
    const int lines = (in->channels + chain - 1) / chain;
    const tiling t = tiling_of(out, images, kernel);
    float *columns = scratch + rings_floats(in_lanes, &t);
    float *components = columns + columns_floats();
    for (block b = {0}; next_block(&b, &t);) {
        const int tiles = tiles_of(&b);
        const ptrdiff_t in_stride = component_floats(tiles, in_lanes);
        const ptrdiff_t out_stride = component_floats(tiles, out_lanes);
        float *products = components + COMPONENTS * in_stride;
        input_components(components, in, &t, &b, shift, scratch, columns);
        for (int k = 0; k < COMPONENTS; ++k) {
            const product p = {.sums = products + k * out_stride,
                               .factors = components + k * in_stride,
                               .vectors = weights + (ptrdiff_t)k * in->channels * out_lanes,
                               .sum_stride = out_lanes,
                               .factor_stride = in_lanes,
                               .block_stride = (ptrdiff_t)in->channels * AE_LANES,
                               .factor_step = 1,
                               .vector_step = AE_LANES,
                               .factor_line = chain,
                               .vector_line = chain * AE_LANES,
                               .sets = 1,
                               .lines = lines,
                               .count = chain,
                               .last = in->channels - (lines - 1) * chain,
                               .chain = CHAIN_A_LINE};
            multiply_tiles(&p, tiles, out_lanes);
        }
        output_tiles(out, t.tile, &b, products, bias, epilogue, columns);
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

/* Of a block's tiles, the components of as and bs channels, [component][tile][lanes]. */
typedef struct tile_components {
    const float *factors, *vectors;
    int tiles, as, bs;
} tile_components;

/* The strip of the lanes from `lane` on has the products of the tiles, which go on from what it
 * has, or begin. */
static void add_tiles(float *strip, const tile_components *pairs, int lane, bool goes_on) {
    const int a_lanes = lanes_of(pairs->as), b_lanes = lanes_of(pairs->bs);
    for (int k = 0; k < COMPONENTS; ++k) {
        const product p = {.sums = strip + k * strip_component(pairs->as) - lane,
                           .factors = pairs->factors + k * component_floats(pairs->tiles, a_lanes),
                           .vectors = pairs->vectors + k * component_floats(pairs->tiles, b_lanes),
                           .sum_stride = PRODUCT_LANES,
                           .factor_stride = 1,
                           .block_stride = AE_LANES,
                           .factor_step = a_lanes,
                           .vector_step = b_lanes,
                           .sets = 1,
                           .lines = 1,
                           .count = pairs->tiles,
                           .last = pairs->tiles,
                           .chain = goes_on ? CHAIN_GOES_ON : CHAIN_BEGINS};
        multiply_rows(&p, pairs->as, lane, units_of(at_most(pairs->bs - lane, PRODUCT_LANES), 1));
    }
}

static void gradient_tiles(float *sums, const ae_planes *small, const ae_planes *large, int images,
                           int kernel, int padding, float *scratch) {
    const int as = small->channels, bs = large->channels, taps = kernel * kernel;
    const tiling t = tiling_of(small, images, kernel);
    const int all = t.images * t.down * t.across;
    float *of_small = scratch, *of_large = of_small + rings_floats(lanes_of(as), &t);
    float *columns = of_large + rings_floats(lanes_of(bs), &t);
    float *strips = columns + columns_floats(), *factors = strips + strips_floats(as, bs);
    int done = 0;
    for (block b = {0}; next_block(&b, &t);) {
        const int tiles = tiles_of(&b);
        float *vectors = factors + COMPONENTS * component_floats(tiles, lanes_of(as));
        const tile_components pairs = {factors, vectors, tiles, as, bs};
        float *strip = strips;
        gradient_components(factors, small, &t, &b, of_small, columns);
        input_components(vectors, large, &t, &b, padding, of_large, columns);
        done += tiles;
        for (int lane = 0; lane < bs; lane += PRODUCT_LANES) {
            const int lanes = at_most(bs - lane, PRODUCT_LANES);
            add_tiles(strip, &pairs, lane, done > tiles);
            if (done == all && kernel == 3)
                add_kernels(sums + lane * taps, (ptrdiff_t)bs * taps, strip, as, lanes, 3);
            if (done == all && kernel == 5)
                add_kernels(sums + lane * taps, (ptrdiff_t)bs * taps, strip, as, lanes, 5);
            if (tiles < all) strip += COMPONENTS * strip_component(as); /* to be gone on with */
        }
    }
}
