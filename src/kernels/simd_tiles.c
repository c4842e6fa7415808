/* Winograd's F(4x4, 3x3) in vectors, for simd.c. Lanes are channels here: images are turned from
 * planes to pixels of channels, tile by tile of rows; a component of all tiles of a block is then a
 * product of two small matrices. The chains of operations are the reference's. */

enum {
    TILE = AE_TILE,
    SIDE = AE_TILE_SIDE,
    COMPONENTS = AE_TILE_COMPONENTS,
    BLOCK_TILES = 24, /* so many at a time, or a row of tiles where that is more */
    BLOCK_COLUMNS = BLOCK_TILES * TILE,
    PRODUCT_LANES = PRODUCT_VECS * VEC
};

/* Channels rounded up to whole blocks of lanes. */
static int lanes_of(int channels) {
    return (channels + AE_LANES - 1) / AE_LANES * AE_LANES;
}

/* Columns rounded up to whole vectors. */
static int columns_of(int columns) {
    return (columns + VEC - 1) / VEC * VEC;
}

/* A block of tiles: `rows` rows of tiles of `columns` each, from tile (row, column) on. */
typedef struct block {
    int row, column, rows, columns;
} block;

static int tiles_across(int n) {
    return (n + TILE - 1) / TILE;
}

/* The block behind `b` of an image of height x width, in the order of rows of tiles; false at its
 * end. Begins with {0}. */
static bool next_block(block *b, int height, int width) {
    const int across = tiles_across(width), down = tiles_across(height);
    const bool is_first = b->rows == 0;
    const int columns = across < BLOCK_TILES ? across : BLOCK_TILES;
    const int rows = BLOCK_TILES / columns;
    b->column += b->columns;
    if (!is_first && b->column >= across) {
        b->column = 0;
        b->row += b->rows;
    }
    if (b->row >= down) return false;
    b->columns = across - b->column < columns ? across - b->column : columns;
    b->rows = down - b->row < rows ? down - b->row : rows;
    return true;
}

/* ---- planes to pixels, and back ---- */

/* pixels[row][x][lanes] = rows [row, row + count) and columns [column, column + columns) of the
 * image, zeros outside of it and in lanes that are no channels; columns are rounded up to whole
 * vectors. */
static void turn_to_pixels(float *pixels, const ae_planes *in, int row, int count, int column,
                           int columns) {
    const int lanes = lanes_of(in->channels);
    for (int h = row; h < row + count; ++h)
        for (int x = column; x < column + columns; x += VEC, pixels += VEC * lanes) {
            const int left = in->width - x; /* columns of the image */
            const bool is_empty = h < 0 || h >= in->height || left <= 0;
            const vec_mask mask = vec_first(is_empty ? 1 : left < VEC ? left : VEC);
            for (int c = 0; c < lanes; c += VEC) {
                vec v[VEC];
#pragma GCC unroll 16
                for (int k = 0; k < VEC; ++k)
                    v[k] = is_empty || c + k >= in->channels
                               ? vec_set(0)
                               : vec_keep(mask, vec_load(ae_planes_row(in, c + k, h) + x));
                vec_transpose(v);
#pragma GCC unroll 16
                for (int k = 0; k < VEC; ++k) vec_store(pixels + k * lanes + c, v[k]);
            }
        }
}

INLINE vec vec_epilogue(const ae_epilogue *epilogue, vec v, const float *gate) {
    const vec slope = vec_set(epilogue->slope);
    switch (epilogue->kind) {
    case AE_EPILOGUE_RELU:
        return vec_relu(v);
    case AE_EPILOGUE_LEAKY:
        return vec_leaky(v, slope);
    case AE_EPILOGUE_GATE:
        return vec_gate(vec_load(gate), v);
    case AE_EPILOGUE_LEAKY_GATE:
        return vec_leaky_gate(vec_load(gate), v, slope);
    case AE_EPILOGUE_NONE:
        break;
    }
    return v;
}

/* Row h of the image from `column` on = epilogue(pixels[x][lanes]), `columns` of them or up to the
 * image's end; columns beyond the width stay zero. */
static void turn_to_planes(const ae_planes *out, const float *pixels, int h, int column,
                           int columns, const ae_epilogue *epilogue) {
    const int lanes = lanes_of(out->channels);
    for (int x = column; x < column + columns && x < out->width; x += VEC, pixels += VEC * lanes) {
        const int left = out->width - x;
        const vec_mask mask = vec_first(left < VEC ? left : VEC);
        for (int c = 0; c < out->channels; c += VEC) {
            vec v[VEC];
#pragma GCC unroll 16
            for (int k = 0; k < VEC; ++k) v[k] = vec_load(pixels + k * lanes + c);
            vec_transpose(v);
            for (int k = 0; k < VEC && c + k < out->channels; ++k) {
                const float *gate =
                    epilogue->gate ? ae_planes_row(epilogue->gate, c + k, h) + x : NULL;
                vec_store(ae_planes_row(out, c + k, h) + x,
                          vec_keep(mask, vec_epilogue(epilogue, v[k], gate)));
            }
        }
    }
}

/* ---- transforms of one line, for VEC channels at a time ---- */

INLINE void transform_input(vec r[SIDE], const vec d[SIDE]) {
    const vec p = vec_sub(d[4], d[2]), q = vec_sub(d[3], d[1]);
    const vec s = vec_fma(vec_set(0.5f), d[2], vec_fma(vec_set(1.5f), d[3], d[4]));
    r[0] = vec_fma(vec_set(1.5f), q, vec_add(vec_sub(d[0], d[2]), p));
    r[1] = vec_add(s, q);
    r[2] = vec_fma(vec_set(-3), d[2], vec_sub(s, q));
    r[3] = vec_fma(vec_set(2), q, p);
    r[4] = vec_fma(vec_set(-0.5f), q, p);
    r[5] = vec_fma(vec_set(1.5f), p, vec_sub(vec_sub(d[5], d[3]), q));
}

INLINE void transform_output(vec y[TILE], const vec m[SIDE]) {
    const vec a = vec_add(m[1], m[2]), b = vec_sub(m[1], m[2]);
    y[0] = vec_add(vec_add(vec_add(m[0], a), m[3]), m[4]);
    y[1] = vec_fma(vec_set(-2), m[4], vec_fma(vec_set(0.5f), m[3], b));
    y[2] = vec_fma(vec_set(4), m[4], vec_fma(vec_set(0.25f), m[3], a));
    y[3] = vec_add(vec_fma(vec_set(-8), m[4], vec_fma(vec_set(0.125f), m[3], b)), m[5]);
}

INLINE void transform_gradient(vec q[SIDE], const vec y[TILE]) {
    const vec even = vec_add(y[0], y[2]), odd = vec_add(y[1], y[3]);
    q[0] = y[0];
    q[1] = vec_add(even, odd);
    q[2] = vec_sub(even, odd);
    q[3] = vec_fma(vec_set(0.5f), vec_fma(vec_set(0.25f), y[3], y[1]),
                   vec_fma(vec_set(0.25f), y[2], y[0]));
    q[4] = vec_fma(vec_set(-2), vec_fma(vec_set(4), y[3], y[1]), vec_fma(vec_set(4), y[2], y[0]));
    q[5] = y[3];
}

INLINE void transform_weights(vec g[3], const vec s[SIDE]) {
    const float third = 1 / 3.0f, fifteenth = 1 / 15.0f;
    const vec sum = vec_add(s[1], s[2]), difference = vec_sub(s[1], s[2]);
    const vec b = vec_mul(vec_set(fifteenth), s[4]), a = vec_mul(vec_set(-4 * fifteenth), s[3]);
    g[0] = vec_add(vec_fma(vec_set(4), a, vec_fma(vec_set(third), difference, s[0])), b);
    g[1] = vec_fma(vec_set(-2), b, vec_fma(vec_set(2), a, vec_mul(vec_set(third), sum)));
    g[2] = vec_fma(vec_set(4), b, vec_add(vec_fma(vec_set(third), difference, s[5]), a));
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

/* The components of all tiles of the block, [k][tile][lanes]; pixels that they read begin `shift`
 * before each tile's own. */
static void input_components(float *components, const ae_planes *in, const block *b, int shift,
                             float *pixels) {
    const int lanes = lanes_of(in->channels), columns = b->columns * TILE + SIDE - TILE;
    const ptrdiff_t row = (ptrdiff_t)columns_of(columns) * lanes;
    const ptrdiff_t stride = (ptrdiff_t)b->rows * b->columns * lanes;
    for (int r = b->row; r < b->row + b->rows; ++r) {
        turn_to_pixels(pixels, in, r * TILE - shift, SIDE, b->column * TILE - shift, columns);
        for (int t = 0; t < b->columns; ++t, components += lanes)
            tile_components(components, stride, pixels + (ptrdiff_t)t * TILE * lanes, row, lanes,
                            SIDE, transform_input);
    }
}

static void gradient_components(float *components, const ae_planes *in, const block *b,
                                float *pixels) {
    const int lanes = lanes_of(in->channels), columns = b->columns * TILE;
    const ptrdiff_t row = (ptrdiff_t)columns_of(columns) * lanes;
    const ptrdiff_t stride = (ptrdiff_t)b->rows * b->columns * lanes;
    for (int r = b->row; r < b->row + b->rows; ++r) {
        turn_to_pixels(pixels, in, r * TILE, TILE, b->column * TILE, columns);
        for (int t = 0; t < b->columns; ++t, components += lanes)
            tile_components(components, stride, pixels + (ptrdiff_t)t * TILE * lanes, row, lanes,
                            TILE, transform_gradient);
    }
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
    const ptrdiff_t stride = (ptrdiff_t)b->rows * b->columns * lanes;
    for (int r = b->row; r < b->row + b->rows; ++r) {
        for (int t = 0; t < b->columns; ++t, products += lanes)
            tile_output(pixels + (ptrdiff_t)t * TILE * lanes, row, products, stride, lanes, bias,
                        out->channels);
        for (int h = r * TILE; h < (r + 1) * TILE && h < out->height; ++h)
            turn_to_planes(out, pixels + (h - r * TILE) * row, h, b->column * TILE, columns,
                           epilogue);
    }
}

/* ---- products ---- */

/* sums[r][lane] (+)= factors[r] * vectors[lane], summed over `count` pairs of them. Vectors come in
 * blocks of AE_LANES lanes. Strides are in floats. */
typedef struct product {
    float *sums;
    const float *factors, *vectors;
    ptrdiff_t sum_stride, factor_stride; /* from row to row */
    ptrdiff_t block_stride;              /* from a block of vectors' lanes to the next */
    ptrdiff_t factor_step, vector_step;  /* from pair to pair */
    int count;
    bool adds; /* to the sums that there are */
} product;

/* Where vector v from a block's beginning on is. */
INLINE ptrdiff_t block_offset(int v, ptrdiff_t block_stride) {
    return v * VEC / AE_LANES * block_stride + v * VEC % AE_LANES;
}

INLINE void multiply(const product *p, const float *factor, const float *vector, float *sums,
                     int rows, int vecs) {
    vec sum[PRODUCT_ROWS][PRODUCT_VECS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v)
            sum[r][v] = p->adds ? vec_load(sums + r * p->sum_stride + v * VEC) : vec_set(0);
    for (int i = 0; i < p->count; ++i, factor += p->factor_step, vector += p->vector_step) {
        vec x[PRODUCT_VECS];
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) x[v] = vec_load(vector + block_offset(v, p->block_stride));
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r) {
            const vec f = vec_set(factor[r * p->factor_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < vecs; ++v) sum[r][v] = vec_fma(f, x[v], sum[r][v]);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < vecs; ++v) VEC_OPAQUE(sum[r][v]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) vec_store(sums + r * p->sum_stride + v * VEC, sum[r][v]);
}

typedef void product_function(const product *p, const float *factor, const float *vector,
                              float *sums);

#define PRODUCTS(rows)                                                                             \
    static void multiply_narrow_##rows(const product *p, const float *factor, const float *vector, \
                                       float *sums) {                                              \
        multiply(p, factor, vector, sums, rows, AE_LANES / VEC);                                   \
    }                                                                                              \
    static void multiply_wide_##rows(const product *p, const float *factor, const float *vector,   \
                                     float *sums) {                                                \
        multiply(p, factor, vector, sums, rows, PRODUCT_VECS);                                     \
    }
EACH_PRODUCT(PRODUCTS)

/* `rows` rows of `lanes` lanes, at most PRODUCT_ROWS of PRODUCT_LANES. */
static void multiply_some(const product *p, int row, int lane, int rows, int lanes) {
#define PRODUCT_ENTRY(rows) [rows] = {multiply_narrow_##rows, multiply_wide_##rows},
    static product_function *const functions[PRODUCT_ROWS + 1][2] = {EACH_PRODUCT(PRODUCT_ENTRY)};
    functions[rows][lanes > AE_LANES](p, p->factors + row * p->factor_stride,
                                      p->vectors + lane / AE_LANES * p->block_stride,
                                      p->sums + row * p->sum_stride + lane);
}

static int at_most(int n, int most) {
    return n < most ? n : most;
}

/* ---- the kernels ---- */

/* Scratch of a block: pixels of its rows, components of what is read and of what is made. */
static size_t block_tiles(int height, int width) {
    block b = {0};
    next_block(&b, height, width);
    return (size_t)b.rows * (size_t)b.columns;
}

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

/* Of an image of height x width that is made, or whose gradient is read. */
static size_t tiles_scratch(int in_channels, int out_channels, int height, int width) {
    const int in = lanes_of(in_channels), out = lanes_of(out_channels);
    const size_t components = COMPONENTS * block_tiles(height, width) * (size_t)(in + out);
    return pixels_floats(in > out ? in : out, width) + components +
           groups_floats(in_channels, out_channels);
}

static void multiply_tiles(const product *p, int tiles, int lanes) {
    for (int lane = 0; lane < lanes; lane += PRODUCT_LANES)
        for (int tile = 0; tile < tiles; tile += PRODUCT_ROWS)
            multiply_some(p, tile, lane, at_most(tiles - tile, PRODUCT_ROWS),
                          at_most(lanes - lane, PRODUCT_LANES));
}

static void convolve_tiles(const ae_planes *out, const ae_planes *in, const float *weights,
                           const float *bias, const ae_epilogue *epilogue, int shift,
                           float *scratch) {
    const int in_lanes = lanes_of(in->channels), out_lanes = lanes_of(out->channels);
    float *pixels = scratch;
    float *components =
        pixels + pixels_floats(in_lanes > out_lanes ? in_lanes : out_lanes, out->width);
    for (block b = {0}; next_block(&b, out->height, out->width);) {
        const int tiles = b.rows * b.columns;
        float *products = components + (ptrdiff_t)COMPONENTS * tiles * in_lanes;
        input_components(components, in, &b, shift, pixels);
        for (int k = 0; k < COMPONENTS; ++k) {
            const product p = {.sums = products + (ptrdiff_t)k * tiles * out_lanes,
                               .factors = components + (ptrdiff_t)k * tiles * in_lanes,
                               .vectors = weights + (ptrdiff_t)k * in->channels * out_lanes,
                               .sum_stride = out_lanes,
                               .factor_stride = in_lanes,
                               .block_stride = (ptrdiff_t)in->channels * AE_LANES,
                               .factor_step = 1,
                               .vector_step = AE_LANES,
                               .count = in->channels};
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

static void gradient_tiles(float *sums, const ae_planes *small, const ae_planes *large, int padding,
                           float *scratch) {
    const int as = small->channels, bs = large->channels;
    const int a_lanes = lanes_of(as), b_lanes = lanes_of(bs);
    const int all = tiles_across(small->height) * tiles_across(small->width);
    float *pixels = scratch;
    float *groups = pixels + pixels_floats(a_lanes > b_lanes ? a_lanes : b_lanes, small->width);
    float *components = groups + groups_floats(as, bs);
    int done = 0;
    for (block b = {0}; next_block(&b, small->height, small->width);) {
        const int tiles = b.rows * b.columns;
        float *of_large = components + (ptrdiff_t)COMPONENTS * tiles * a_lanes, *group = groups;
        gradient_components(components, small, &b, pixels);
        input_components(of_large, large, &b, padding, pixels);
        done += tiles;
        for (int row = 0; row < as; row += PRODUCT_ROWS)
            for (int lane = 0; lane < bs; lane += PRODUCT_LANES, group += GROUP) {
                const int rows = at_most(as - row, PRODUCT_ROWS);
                const int lanes = at_most(bs - lane, PRODUCT_LANES);
                for (int k = 0; k < COMPONENTS; ++k) {
                    const product p = {.sums =
                                           group + k * GROUP_COMPONENT - row * PRODUCT_LANES - lane,
                                       .factors = components + (ptrdiff_t)k * tiles * a_lanes,
                                       .vectors = of_large + (ptrdiff_t)k * tiles * b_lanes,
                                       .sum_stride = PRODUCT_LANES,
                                       .factor_stride = 1,
                                       .block_stride = AE_LANES,
                                       .factor_step = a_lanes,
                                       .vector_step = b_lanes,
                                       .count = tiles,
                                       .adds = done > tiles};
                    multiply_some(&p, row, lane, rows, lanes);
                }
                if (done == all)
                    add_kernels(sums + ((ptrdiff_t)row * bs + lane) * 9, (ptrdiff_t)bs * 9, group,
                                rows, lanes);
            }
    }
}
