/* Images turned from planes to pixels of channels, and products of small matrices, for simd.c: what
 * is done with many channels has them in the lanes of a vector. */

static int at_most(int n, int most) {
    return n < most ? n : most;
}

/* The first part of n, in as few parts of at most `most` as may be, which are as equal as may be.
 */
static int share_of(int n, int most) {
    const int parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}

/* Channels rounded up to whole blocks of lanes. */
static int lanes_of(int channels) {
    return (int)ae_lane_channels(channels);
}

/* Columns rounded up to whole vectors. */
static int columns_of(int columns) {
    return (columns + VEC - 1) / VEC * VEC;
}

/* ---- planes to pixels, and back ---- */

/* Planes are too many for the processor to see which of their lines it needs next: it is asked for
 * those of a row that comes so much later that they are there then. */
enum { ROWS_AHEAD = 4 };

INLINE void ask_for_row(const float *row, const ae_planes *planes) {
    __builtin_prefetch(row + ROWS_AHEAD * (ptrdiff_t)planes->row_stride);
}

/* pixels[k][0..VEC-1] = column x + k of row h of channels [c, c + VEC), k < count; zeros in lanes
 * that are no channels. */
INLINE void turn_block(float *pixels, int step, const ae_planes *in, int c, int h, int x,
                       int count) {
    const float *row = ae_planes_row(in, c, h) + x;
    const ptrdiff_t plane = in->plane_stride;
    const int channels = in->channels - c;
    vec v[VEC];
    if (count >= VEC && channels >= VEC) {
#pragma GCC unroll 16
        for (int k = 0; k < VEC; ++k) {
            v[k] = vec_load(row + k * plane);
            ask_for_row(row + k * plane, in);
        }
        vec_transpose(v);
#pragma GCC unroll 16
        for (int k = 0; k < VEC; ++k) vec_store(pixels + k * step, v[k]);
        return;
    }
#pragma GCC unroll 16
    for (int k = 0; k < VEC; ++k) v[k] = k < channels ? vec_load(row + k * plane) : vec_set(0);
    vec_transpose(v);
#pragma GCC unroll 16
    for (int k = 0; k < VEC; ++k)
        if (k < count) vec_store(pixels + k * step, v[k]);
}

/* pixels[row][x][lanes] = rows [row, row + count) and columns [column, column + columns) of the
 * image, zeros outside of it and in lanes that are no channels; rows are columns_of(columns) pixels
 * apart, and pixels `step` floats, which are fewer lanes or more. The zeros around the image in
 * memory aren't read, and rows from their beginning on, where vectors don't cross a cache's lines.
 */
static void turn_to_pixels(float *pixels, int step, const ae_planes *in, int row, int count,
                           int column, int columns) {
    const int lanes = at_most(lanes_of(in->channels), step);
    const ptrdiff_t pitch = (ptrdiff_t)columns_of(columns) * step;
    const int left = at_most(column < 0 ? -column : 0, columns), first = column + left;
    const int inside = at_most(in->width - first, columns - left);
    for (int h = row; h < row + count; ++h, pixels += pitch) {
        const bool is_outside = h < 0 || h >= in->height || inside <= 0;
        float *at = pixels + (ptrdiff_t)(is_outside ? columns : left) * step;
        memset(pixels, 0, (size_t)(at - pixels) * sizeof *pixels);
        if (is_outside) continue;
        for (int c = 0; c < lanes; c += VEC)
            for (int x = 0; x < inside; x += VEC)
                turn_block(at + (ptrdiff_t)x * step + c, step, in, c, h, first + x,
                           at_most(inside - x, VEC));
        at += (ptrdiff_t)inside * step;
        memset(at, 0, (size_t)(columns - left - inside) * (size_t)step * sizeof *pixels);
    }
}

INLINE vec vec_epilogue(ae_epilogue_kind kind, vec slope, vec v, const float *gate) {
    switch (kind) {
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

/* Columns [x, x + VEC) of row h of channels [c, c + VEC) = epilogue(pixels[column][lane]). */
INLINE void turn_block_back(const ae_planes *out, const float *pixels, int step, int c, int h,
                            int x, const ae_epilogue *epilogue, ae_epilogue_kind kind) {
    const bool has_gate = kind == AE_EPILOGUE_GATE || kind == AE_EPILOGUE_LEAKY_GATE;
    const float *gate = has_gate ? ae_planes_row(epilogue->gate, c, h) + x : NULL;
    const vec slope = vec_set(epilogue->slope);
    const int left = out->width - x;
    const vec_mask mask = vec_first(left < VEC ? left : VEC);
    float *row = ae_planes_row(out, c, h) + x;
    vec v[VEC];
#pragma GCC unroll 16
    for (int k = 0; k < VEC; ++k) v[k] = vec_load(pixels + k * step);
    vec_transpose(v);
#pragma GCC unroll 16
    for (int k = 0; k < VEC; ++k) {
        if (c + k >= out->channels) return;
        ask_for_row(row, out);
        if (has_gate) ask_for_row(gate, epilogue->gate);
        vec_store(row, vec_keep(mask, vec_epilogue(kind, slope, v[k], gate)));
        row += out->plane_stride;
        if (has_gate) gate += epilogue->gate->plane_stride;
    }
}

INLINE void turn_row_back(const ae_planes *out, const float *pixels, int h, int column, int columns,
                          const ae_epilogue *epilogue, ae_epilogue_kind kind) {
    const int step = lanes_of(out->channels), end = at_most(column + columns, out->width);
    for (int c = 0; c < out->channels; c += VEC)
        for (int x = column; x < end; x += VEC)
            turn_block_back(out, pixels + (ptrdiff_t)(x - column) * step + c, step, c, h, x,
                            epilogue, kind);
}

/* Row h of the image from `column` on = epilogue(pixels[x][lanes]), `columns` of them or up to the
 * image's end; columns beyond the width stay zero. */
static void turn_to_planes(const ae_planes *out, const float *pixels, int h, int column,
                           int columns, const ae_epilogue *epilogue) {
    switch (epilogue->kind) {
#define TURN_ROW_BACK(kind)                                                                        \
    case kind:                                                                                     \
        turn_row_back(out, pixels, h, column, columns, epilogue, kind);                            \
        break;
        TURN_ROW_BACK(AE_EPILOGUE_NONE)
        TURN_ROW_BACK(AE_EPILOGUE_RELU)
        TURN_ROW_BACK(AE_EPILOGUE_LEAKY)
        TURN_ROW_BACK(AE_EPILOGUE_GATE)
        TURN_ROW_BACK(AE_EPILOGUE_LEAKY_GATE)
    }
}

/* ---- products ---- */

/* sums[r][lane] = factors[r] * vectors[lane], summed over `sets` sets of `lines` lines of `count`
 * pairs of them in one chain of multiply-adds, which begins with begin[lane] (NULL: 0) or goes on
 * from the sums that there are. Vectors come in blocks of AE_LANES lanes. Strides are in floats. */
typedef struct product {
    float *sums;
    const float *begin, *factors, *vectors;
    ptrdiff_t sum_stride, factor_stride; /* from row to row */
    ptrdiff_t block_stride;              /* from a block of vectors' lanes to the next */
    ptrdiff_t factor_step, vector_step;  /* from pair to pair */
    ptrdiff_t factor_line, vector_line;  /* from line to line */
    ptrdiff_t factor_set, vector_set;    /* from set to set */
    int sets, lines, count;
    bool goes_on;
} product;

enum { PRODUCT_LANES = PRODUCT_VECS * VEC };

/* Lanes are made in one, two or three units; in three, of fewer rows, which are as many sums. */
enum {
    UNIT_VECS = PRODUCT_VECS / 2,
    UNIT_LANES = UNIT_VECS * VEC,
    UNITS = 3,
    WIDE_ROWS = 2 * PRODUCT_ROWS / 3,
    VECS_MAX = UNITS * UNIT_VECS
};

typedef vec product_sums[PRODUCT_ROWS][VECS_MAX];

/* Where the vectors' lanes from `lane` on are. */
INLINE ptrdiff_t lane_offset(int lane, ptrdiff_t block_stride) {
    return lane / AE_LANES * block_stride + lane % AE_LANES;
}

/* sum[r][v] += *factors[r] * x[v] */
INLINE void add_products(product_sums sum, const float *const factors[PRODUCT_ROWS],
                         const vec x[VECS_MAX], int rows, int vecs) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
        const vec f = vec_set(*factors[r]);
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) sum[r][v] = vec_fma(f, x[v], sum[r][v]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) VEC_OPAQUE(sum[r][v]);
}

INLINE void multiply_pair(product_sums sum, const float *factor, ptrdiff_t factor_stride,
                          const float *vector, const ptrdiff_t offsets[VECS_MAX], int rows,
                          int vecs) {
    const float *factors[PRODUCT_ROWS];
    vec x[VECS_MAX];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) factors[r] = factor + r * factor_stride;
#pragma GCC unroll 8
    for (int v = 0; v < vecs; ++v) x[v] = vec_load(vector + offsets[v]);
    add_products(sum, factors, x, rows, vecs);
}

INLINE void load_sums(product_sums sum, const float *sums, ptrdiff_t stride, int rows, int vecs) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v)
            sum[r][v] = sums ? vec_load(sums + r * stride + v * VEC) : vec_set(0);
}

INLINE void store_sums(float *sums, ptrdiff_t stride, product_sums sum, int rows, int vecs) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < vecs; ++v) vec_store(sums + r * stride + v * VEC, sum[r][v]);
}

/* offsets[v] = where vector v is from the one at `lane`. */
INLINE void find_offsets(ptrdiff_t offsets[VECS_MAX], int lane, ptrdiff_t block_stride, int vecs) {
#pragma GCC unroll 8
    for (int v = 0; v < vecs; ++v)
        offsets[v] = lane_offset(lane + v * VEC, block_stride) - lane_offset(lane, block_stride);
}

/* Rows [row, row + rows) of the lanes from `lane` on. */
INLINE void multiply(const product *p, int row, int lane, int rows, int vecs) {
    const float *f_set = p->factors + row * p->factor_stride;
    float *sums = p->sums + row * p->sum_stride + lane;
    const float *x_set = p->vectors + lane_offset(lane, p->block_stride);
    ptrdiff_t offsets[VECS_MAX];
    product_sums sum;
    find_offsets(offsets, lane, p->block_stride, vecs);
    if (p->goes_on)
        load_sums(sum, sums, p->sum_stride, rows, vecs);
    else
        load_sums(sum, p->begin ? p->begin + lane : NULL, 0, rows, vecs);
    for (int set = p->sets; set > 0; --set, f_set += p->factor_set, x_set += p->vector_set) {
        const float *f_line = f_set, *x_line = x_set;
        for (int line = p->lines; line > 0; --line) {
            const float *f = f_line, *x = x_line;
            for (int i = p->count; i > 0; --i) {
                multiply_pair(sum, f, p->factor_stride, x, offsets, rows, vecs);
                f += p->factor_step;
                x += p->vector_step;
            }
            f_line += p->factor_line;
            x_line += p->vector_line;
        }
    }
    store_sums(sums, p->sum_stride, sum, rows, vecs);
}

typedef void product_function(const product *p, int row, int lane);

#define PRODUCT(rows, units)                                                                       \
    static void multiply_##rows##_##units(const product *p, int row, int lane) {                   \
        multiply(p, row, lane, rows, (units)*UNIT_VECS);                                           \
    }
#define PRODUCTS(rows) PRODUCT(rows, 1) PRODUCT(rows, 2)
#define WIDE_PRODUCTS(rows) PRODUCT(rows, 3)
EACH_PRODUCT(PRODUCTS)
EACH_WIDE_PRODUCT(WIDE_PRODUCTS)

/* Units of lanes to make together of those that are left, in rows of so many. */
static int units_of(int lanes, int rows) {
    const int left = (lanes + UNIT_LANES - 1) / UNIT_LANES;
    if (left == UNITS || (rows <= WIDE_ROWS && left > UNITS + 1)) return UNITS;
    return at_most(left, 2);
}

/* Rows that so many units are made in at most. */
static int rows_of_units(int units) {
    return units == UNITS ? WIDE_ROWS : PRODUCT_ROWS;
}

/* `rows` rows of `units` units of lanes from `lane` on. */
static void multiply_rows(const product *p, int rows, int lane, int units) {
#define PRODUCT_ENTRY(rows) {multiply_##rows##_1, multiply_##rows##_2},
#define WIDE_ENTRY(rows) [rows - 1][UNITS - 1] = multiply_##rows##_3,
    static product_function *const functions[PRODUCT_ROWS][UNITS] = {
        EACH_PRODUCT(PRODUCT_ENTRY) EACH_WIDE_PRODUCT(WIDE_ENTRY)};
    const int most = rows_of_units(units);
    for (int row = 0, count; row < rows; row += count) {
        count = share_of(rows - row, most);
        functions[count - 1][units - 1](p, row, lane);
    }
}

/* ---- products in chains ---- */

/* sums[r][lane] = factors[r][i] * vectors[i][lane], summed over i < count in chains of `chain`
 * multiply-adds, which begin with 0 and are then added. Vectors come in blocks of AE_LANES lanes.
 * Strides are in floats. */
typedef struct chained_product {
    float *sums;
    const float *factors, *vectors;
    ptrdiff_t sum_stride, factor_stride; /* from row to row */
    ptrdiff_t block_stride;              /* from a block of vectors' lanes to the next */
    int count, chain;
} chained_product;

/* Sums and totals both keep to registers: some processors multiply nothing while they store. */
enum { CHAINED_ROWS = PRODUCT_ROWS / 2, CHAINED_VECS = PRODUCT_VECS };

/* Goes on with the sums' chains by `count` pairs. */
INLINE void chain_pairs(product_sums sum, const float *const factors[CHAINED_ROWS],
                        const float *vectors, ptrdiff_t block_stride, int count, int rows,
                        int vecs) {
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) {
        const float *at[PRODUCT_ROWS];
        vec x[VECS_MAX];
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) at[r] = factors[r] + i;
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v)
            x[v] = vec_load(vectors + i * AE_LANES + lane_offset(v * VEC, block_stride));
        add_products(sum, at, x, rows, vecs);
    }
}

INLINE void set_sums(product_sums sum, float x, int rows, int vecs) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) sum[r][v] = vec_set(x);
}

/* Rows [row, row + rows). */
INLINE void multiply_in_chains(const chained_product *p, int row, int rows, int vecs) {
    enum { AT_ONCE = 8 };
    const float *x = p->vectors, *f[CHAINED_ROWS];
    float *sums = p->sums + row * p->sum_stride;
    product_sums sum, total;
    set_sums(total, -0.0f, rows, vecs); /* plus a sum it is the sum */
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) f[r] = p->factors + (row + r) * p->factor_stride;
    for (int left = p->count; left > 0; left -= p->chain) {
        int pairs = at_most(left, p->chain);
        set_sums(sum, 0, rows, vecs);
        for (int count; pairs > 0; pairs -= count, x += count * AE_LANES) {
            count = pairs < AT_ONCE ? 1 : AT_ONCE;
            if (pairs >= AT_ONCE)
                chain_pairs(sum, f, x, p->block_stride, AT_ONCE, rows, vecs);
            else
                chain_pairs(sum, f, x, p->block_stride, 1, rows, vecs);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) f[r] += count;
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < vecs; ++v) total[r][v] = vec_add(total[r][v], sum[r][v]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) vec_store(sums + r * p->sum_stride + v * VEC, total[r][v]);
}

typedef void chained_function(const chained_product *p, int first, int last);

/* Rows [first, last), a multiple of so many. */
#define CHAINED(rows, units)                                                                       \
    static void multiply_in_chains_##rows##_##units(const chained_product *p, int first,           \
                                                    int last) {                                    \
        for (int row = first; row < last; row += rows)                                             \
            multiply_in_chains(p, row, rows, (units)*UNIT_VECS);                                   \
    }
#define CHAINED_PRODUCTS(rows) CHAINED(rows, 1) CHAINED(rows, 2)
EACH_CHAINED_PRODUCT(CHAINED_PRODUCTS)

/* `rows` rows of `lanes` lanes, PRODUCT_LANES at most, in groups as equal as may be: larger ones,
 * then those of a row less. */
static void multiply_rows_in_chains(const chained_product *p, int rows, int lanes) {
#define CHAINED_ENTRY(rows) {multiply_in_chains_##rows##_1, multiply_in_chains_##rows##_2},
    static chained_function *const functions[CHAINED_ROWS][2] = {
        EACH_CHAINED_PRODUCT(CHAINED_ENTRY)};
    const int units = lanes / UNIT_LANES, groups = (rows + CHAINED_ROWS - 1) / CHAINED_ROWS;
    const int larger = (rows + groups - 1) / groups, smaller = larger - 1;
    const int split = smaller > 0 ? (rows - smaller * groups) * larger : rows;
    functions[larger - 1][units - 1](p, 0, split);
    if (split < rows) functions[smaller - 1][units - 1](p, split, rows);
}
