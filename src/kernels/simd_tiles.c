/* Winograd's F(4x4, 3x3) in vectors, for simd.c: a component of all tiles of a block is a product
 * of two small matrices. The chains of operations are the reference's. */

enum {
    TILE = AE_TILE,
    SIDE = AE_TILE_SIDE,
    COMPONENTS = AE_TILE_COMPONENTS,
    BLOCK_TILES = 24, /* so many at a time, or a row of tiles where that is more */
    BLOCK_COLUMNS = BLOCK_TILES * TILE
};

/* A block of tiles: of each of `images` images from `image` on, `rows` rows of tiles of `columns`
 * each, from tile (row, column) on. */
typedef struct block {
    int image, row, column, images, rows, columns;
} block;

static int tiles_across(int n) {
    return (n + TILE - 1) / TILE;
}

/* The block behind `b` of images of height x width, in the order of images and of their rows of
 * tiles: of several images where they are whole. False at the end; begins with {0}. */
static bool next_block(block *b, int images, int height, int width) {
    const int across = tiles_across(width), down = tiles_across(height);
    const int columns = at_most(across, BLOCK_TILES);
    const int rows = at_most(down, BLOCK_TILES / columns);
    const bool is_whole = columns == across && rows == down;
    b->column += b->columns;
    if (b->rows > 0 && b->column >= across) {
        b->column = 0;
        b->row += b->rows;
    }
    if (b->row >= down) {
        b->row = 0;
        b->image += b->images;
    }
    if (b->image >= images) return false;
    b->images = is_whole ? at_most(images - b->image, BLOCK_TILES / (rows * columns)) : 1;
    b->columns = at_most(across - b->column, columns);
    b->rows = at_most(down - b->row, rows);
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

/* ---- transforms of one line, for VEC channels at a time ---- */

INLINE void transform_input(vec r[SIDE], const vec d[SIDE]) {
    const vec a = vec_set(AE_TILE_A), minus_a = vec_set(-AE_TILE_A), a2 = vec_set(-AE_TILE_A2);
    const vec b = vec_set(AE_TILE_B), minus_b = vec_set(-AE_TILE_B), b2 = vec_set(-AE_TILE_B2);
    const vec sum = vec_set(-AE_TILE_SUM), scale = vec_set(AE_TILE_PRODUCT);
    const vec even_a = vec_fma(b2, d[2], d[4]), odd_a = vec_fma(b2, d[1], d[3]);
    const vec even_b = vec_fma(a2, d[2], d[4]), odd_b = vec_fma(a2, d[1], d[3]);
    r[0] = vec_fma(scale, d[0], vec_fma(sum, d[2], d[4]));
    r[1] = vec_fma(a, odd_a, even_a);
    r[2] = vec_fma(minus_a, odd_a, even_a);
    r[3] = vec_fma(b, odd_b, even_b);
    r[4] = vec_fma(minus_b, odd_b, even_b);
    r[5] = vec_fma(scale, d[1], vec_fma(sum, d[3], d[5]));
}

INLINE void transform_output(vec y[TILE], const vec m[SIDE]) {
    const vec even_a = vec_add(m[1], m[2]), odd_a = vec_sub(m[1], m[2]);
    const vec even_b = vec_add(m[3], m[4]), odd_b = vec_sub(m[3], m[4]);
    y[0] = vec_add(vec_add(m[0], even_a), even_b);
    y[1] = vec_fma(vec_set(AE_TILE_B), odd_b, vec_mul(vec_set(AE_TILE_A), odd_a));
    y[2] = vec_fma(vec_set(AE_TILE_B2), even_b, vec_mul(vec_set(AE_TILE_A2), even_a));
    y[3] = vec_fma(vec_set(AE_TILE_B3), odd_b, vec_fma(vec_set(AE_TILE_A3), odd_a, m[5]));
}

INLINE void transform_gradient(vec q[SIDE], const vec y[TILE]) {
    const vec a2 = vec_set(AE_TILE_A2), b2 = vec_set(AE_TILE_B2);
    const vec even_a = vec_fma(a2, y[2], y[0]), odd_a = vec_fma(a2, y[3], y[1]);
    const vec even_b = vec_fma(b2, y[2], y[0]), odd_b = vec_fma(b2, y[3], y[1]);
    q[0] = y[0];
    q[1] = vec_fma(vec_set(AE_TILE_A), odd_a, even_a);
    q[2] = vec_fma(vec_set(-AE_TILE_A), odd_a, even_a);
    q[3] = vec_fma(vec_set(AE_TILE_B), odd_b, even_b);
    q[4] = vec_fma(vec_set(-AE_TILE_B), odd_b, even_b);
    q[5] = y[3];
}

INLINE void transform_weights(vec g[3], const vec s[SIDE]) {
    const vec even_a = vec_mul(vec_set(AE_TILE_CA), vec_add(s[1], s[2]));
    const vec odd_a = vec_mul(vec_set(AE_TILE_ACA), vec_sub(s[1], s[2]));
    const vec even_b = vec_mul(vec_set(AE_TILE_CB), vec_add(s[3], s[4]));
    const vec odd_b = vec_mul(vec_set(AE_TILE_BCB), vec_sub(s[3], s[4]));
    g[0] = vec_add(vec_fma(vec_set(AE_TILE_C0), s[0], even_a), even_b);
    g[1] = vec_add(odd_a, odd_b);
    g[2] = vec_fma(vec_set(AE_TILE_B2), even_b, vec_fma(vec_set(AE_TILE_A2), even_a, s[5]));
}

/* ---- tiles ---- */

/* components[k][lanes], `stride` floats apart, of the tile of `side` x `side` pixels at
 * pixels[y][x][lanes], rows `row` floats apart: down the columns, then along the rows. */
INLINE void tile_components(float *components, ptrdiff_t stride, const float *pixels, ptrdiff_t row,
                            int lanes, int side, void (*transform)(vec r[SIDE], const vec *d)) {
    for (int c = 0; c < lanes; c += VEC) {
        vec down[SIDE][SIDE]; /* [component][column] */
#pragma GCC unroll 6
        for (int x = 0; x < side; ++x) {
            vec d[SIDE], r[SIDE];
#pragma GCC unroll 6
            for (int y = 0; y < side; ++y) d[y] = vec_load(pixels + y * row + x * lanes + c);
            transform(r, d);
#pragma GCC unroll 6
            for (int k = 0; k < SIDE; ++k) down[k][x] = r[k];
        }
#pragma GCC unroll 6
        for (int k = 0; k < SIDE; ++k) {
            vec r[SIDE];
            transform(r, down[k]);
#pragma GCC unroll 6
            for (int x = 0; x < SIDE; ++x)
                vec_store(components + (k * SIDE + x) * stride + c, r[x]);
        }
    }
}

/* The components of all tiles of the block, [k][tile][lanes], each from `side` x `side` pixels that
 * begin `shift` before the tile's own. */
INLINE void block_components(float *components, const ae_planes *in, const block *b, int side,
                             int shift, void (*transform)(vec r[SIDE], const vec *d),
                             float *pixels) {
    const int lanes = lanes_of(in->channels), columns = b->columns * TILE + side - TILE;
    const ptrdiff_t row = (ptrdiff_t)columns_of(columns) * lanes;
    const ptrdiff_t stride = component_floats(tiles_of(b), lanes);
    for (int i = b->image; i < b->image + b->images; ++i)
        for (int r = b->row; r < b->row + b->rows; ++r) {
            turn_to_pixels(pixels, lanes, &in[i], r * TILE - shift, side, b->column * TILE - shift,
                           columns);
            for (int t = 0; t < b->columns; ++t, components += lanes)
                tile_components(components, stride, pixels + (ptrdiff_t)t * TILE * lanes, row,
                                lanes, side, transform);
        }
}

static void input_components(float *components, const ae_planes *in, const block *b, int shift,
                             float *pixels) {
    block_components(components, in, b, SIDE, shift, transform_input, pixels);
}

static void gradient_components(float *components, const ae_planes *in, const block *b,
                                float *pixels) {
    block_components(components, in, b, TILE, 0, transform_gradient, pixels);
}

/* pixels[y][x][lanes], rows `row` floats apart = the tile of output of products[k][lanes]. */
INLINE void tile_output(float *pixels, ptrdiff_t row, const float *products, ptrdiff_t stride,
                        int lanes, const float *bias, int channels) {
    for (int c = 0; c < channels; c += VEC) {
        vec down[TILE][SIDE];
        const vec_mask mask = vec_first(channels - c < VEC ? channels - c : VEC);
        const vec offset = bias ? vec_keep(mask, vec_load(bias + c)) : vec_set(0);
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; ++x) {
            vec m[SIDE], y[TILE];
#pragma GCC unroll 6
            for (int k = 0; k < SIDE; ++k) m[k] = vec_load(products + (k * SIDE + x) * stride + c);
            transform_output(y, m);
#pragma GCC unroll 4
            for (int k = 0; k < TILE; ++k) down[k][x] = y[k];
        }
#pragma GCC unroll 4
        for (int k = 0; k < TILE; ++k) {
            vec y[TILE];
            transform_output(y, down[k]);
#pragma GCC unroll 4
            for (int x = 0; x < TILE; ++x)
                vec_store(pixels + k * row + x * lanes + c, vec_add(y[x], offset));
        }
    }
}

static void output_tiles(const ae_planes *out, const block *b, const float *products,
                         const float *bias, const ae_epilogue *epilogue, float *pixels) {
    const int lanes = lanes_of(out->channels), columns = b->columns * TILE;
    const ptrdiff_t row = (ptrdiff_t)columns_of(columns) * lanes;
    const ptrdiff_t stride = component_floats(tiles_of(b), lanes);
    for (int i = b->image; i < b->image + b->images; ++i) {
        const ae_epilogue its = ae_epilogue_of(epilogue, i);
        for (int r = b->row; r < b->row + b->rows; ++r) {
            for (int t = 0; t < b->columns; ++t, products += lanes)
                tile_output(pixels + (ptrdiff_t)t * TILE * lanes, row, products, stride, lanes,
                            bias, out->channels);
            for (int h = r * TILE; h < (r + 1) * TILE && h < out->height; ++h)
                turn_to_planes(&out[i], pixels + (h - r * TILE) * row, h, b->column * TILE, columns,
                               &its);
        }
    }
}

/* ---- the kernels ---- */

static size_t pixels_floats(int lanes, int width) {
    const int columns = tiles_across(width) * TILE;
    const int most = columns < BLOCK_COLUMNS ? columns : BLOCK_COLUMNS;
    return (size_t)(SIDE * columns_of(most + SIDE - TILE)) * (size_t)lanes;
}

/* The products of up to PRODUCT_ROWS channels of the smaller image with up to PRODUCT_LANES of the
 * larger one: [component][row][lane]. */
enum { GROUP_COMPONENT = PRODUCT_ROWS * PRODUCT_LANES, GROUP = COMPONENTS * GROUP_COMPONENT };

/* Sums of products of all pairs of channels, in groups. */
static size_t groups_floats(int as, int bs) {
    const int rows = (as + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
    return (size_t)rows * (size_t)((bs + PRODUCT_LANES - 1) / PRODUCT_LANES) * GROUP;
}

/* Pixels of a block's rows, components of what is read and of what is made, and groups, for images
 * of that width that are made, or whose gradient is read. */
static size_t tiles_scratch(int in_channels, int out_channels, int width) {
    const int in = lanes_of(in_channels), out = lanes_of(out_channels);
    const size_t components = COMPONENTS * (size_t)(component_floats(BLOCK_TILES, in) +
                                                    component_floats(BLOCK_TILES, out));
    /* Of a plain convolution, and a transposed one. */
    const size_t groups = groups_floats(out_channels, in_channels);
    const size_t turned = groups_floats(in_channels, out_channels);
    return pixels_floats(in > out ? in : out, width) + components +
           (groups > turned ? groups : turned);
}

static void multiply_tiles(const product *p, int tiles, int lanes) {
    for (int lane = 0; lane < lanes; lane += PRODUCT_LANES)
        for (int tile = 0; tile < tiles; tile += PRODUCT_ROWS)
            multiply_some(p, tile, lane, at_most(tiles - tile, PRODUCT_ROWS),
                          at_most(lanes - lane, PRODUCT_LANES));
}

static void convolve_tiles(const ae_planes *out, const ae_planes *in, int images,
                           const float *weights, const float *bias, const ae_epilogue *epilogue,
                           int shift, float *scratch) {
    const int in_lanes = lanes_of(in->channels), out_lanes = lanes_of(out->channels);
    const int lines = (in->channels + AE_TILE_CHAIN - 1) / AE_TILE_CHAIN;
    float *pixels = scratch;
    float *components =
        pixels + pixels_floats(in_lanes > out_lanes ? in_lanes : out_lanes, out->width);
    for (block b = {0}; next_block(&b, images, out->height, out->width);) {
        const int tiles = tiles_of(&b);
        const ptrdiff_t in_stride = component_floats(tiles, in_lanes);
        const ptrdiff_t out_stride = component_floats(tiles, out_lanes);
        float *products = components + COMPONENTS * in_stride;
        input_components(components, in, &b, shift, pixels);
        for (int k = 0; k < COMPONENTS; ++k) {
            const product p = {.sums = products + k * out_stride,
                               .factors = components + k * in_stride,
                               .vectors = weights + (ptrdiff_t)k * in->channels * out_lanes,
                               .sum_stride = out_lanes,
                               .factor_stride = in_lanes,
                               .block_stride = (ptrdiff_t)in->channels * AE_LANES,
                               .factor_step = 1,
                               .vector_step = AE_LANES,
                               .factor_line = AE_TILE_CHAIN,
                               .vector_line = AE_TILE_CHAIN * AE_LANES,
                               .lines = lines,
                               .count = AE_TILE_CHAIN,
                               .last = in->channels - (lines - 1) * AE_TILE_CHAIN,
                               .chain = CHAIN_A_LINE};
            multiply_tiles(&p, tiles, out_lanes);
        }
        output_tiles(out, &b, products, bias, epilogue, pixels);
    }
}

/* sums[row][lane][9] += G' s G; rows of sums are `stride` floats apart. */
static void add_kernels(float *sums, ptrdiff_t stride, const float *group, int rows, int lanes) {
    for (int r = 0; r < rows; ++r)
        for (int b = 0; b < lanes; b += VEC) {
            const float *products = group + r * PRODUCT_LANES + b;
            float *kernels = sums + r * stride + 9 * b;
            float kernel[9][VEC];
            vec down[3][SIDE];
#pragma GCC unroll 6
            for (int x = 0; x < SIDE; ++x) {
                vec s[SIDE], g[3];
#pragma GCC unroll 6
                for (int k = 0; k < SIDE; ++k)
                    s[k] = vec_load(products + (k * SIDE + x) * GROUP_COMPONENT);
                transform_weights(g, s);
#pragma GCC unroll 3
                for (int i = 0; i < 3; ++i) down[i][x] = g[i];
            }
#pragma GCC unroll 3
            for (int i = 0; i < 3; ++i) {
                vec g[3];
                transform_weights(g, down[i]);
#pragma GCC unroll 3
                for (int j = 0; j < 3; ++j) vec_store(kernel[3 * i + j], g[j]);
            }
            for (int l = 0; l < at_most(lanes - b, VEC); ++l)
                for (int j = 0; j < 9; ++j) kernels[9 * l + j] += kernel[j][l];
        }
}

static void gradient_tiles(float *sums, const ae_planes *small, const ae_planes *large, int images,
                           int padding, float *scratch) {
    const int as = small->channels, bs = large->channels;
    const int a_lanes = lanes_of(as), b_lanes = lanes_of(bs);
    const int all = images * tiles_across(small->height) * tiles_across(small->width);
    float *pixels = scratch;
    float *groups = pixels + pixels_floats(a_lanes > b_lanes ? a_lanes : b_lanes, small->width);
    float *components = groups + groups_floats(as, bs);
    int done = 0;
    for (block b = {0}; next_block(&b, images, small->height, small->width);) {
        const int tiles = tiles_of(&b);
        const ptrdiff_t a_stride = component_floats(tiles, a_lanes);
        const ptrdiff_t b_stride = component_floats(tiles, b_lanes);
        float *of_large = components + COMPONENTS * a_stride, *group = groups;
        gradient_components(components, small, &b, pixels);
        input_components(of_large, large, &b, padding, pixels);
        done += tiles;
        for (int row = 0; row < as; row += PRODUCT_ROWS)
            for (int lane = 0; lane < bs; lane += PRODUCT_LANES) {
                const int rows = at_most(as - row, PRODUCT_ROWS);
                const int lanes = at_most(bs - lane, PRODUCT_LANES);
                for (int k = 0; k < COMPONENTS; ++k) {
                    const product p = {.sums =
                                           group + k * GROUP_COMPONENT - row * PRODUCT_LANES - lane,
                                       .factors = components + k * a_stride,
                                       .vectors = of_large + k * b_stride,
                                       .sum_stride = PRODUCT_LANES,
                                       .factor_stride = 1,
                                       .block_stride = AE_LANES,
                                       .factor_step = a_lanes,
                                       .vector_step = b_lanes,
                                       .lines = 1,
                                       .count = tiles,
                                       .last = tiles,
                                       .chain = done > tiles ? CHAIN_GOES_ON : CHAIN_BEGINS};
                    multiply_some(&p, row, lane, rows, lanes);
                }
                if (done == all)
                    add_kernels(sums + ((ptrdiff_t)row * bs + lane) * 9, (ptrdiff_t)bs * 9, group,
                                rows, lanes);
                if (tiles < all) group += GROUP; /* to be gone on with */
            }
    }
}
