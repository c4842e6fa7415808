/* Images turned from planes to pixels of channels, and products of small matrices, for simd.c: what
 * is done with many channels has them in the lanes of a vector. */

enum { PRODUCT_LANES = PRODUCT_VECS * VEC };

static int at_most(int n, int most) {
    return n < most ? n : most;
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

/* pixels[k][0..VEC-1] = column x + k of row h of channels [c, c + VEC), k < VEC; zeros outside of
 * the image and in lanes that are no channels. Planes are too many for the processor to see which
 * line it needs next: the next row's are asked for. */
INLINE void turn_block(float *pixels, int step, const ae_planes *in, int c, int h, int x) {
    const float *row = ae_planes_row(in, c, h) + x;
    const int left = in->width - x, channels = in->channels - c;
    vec v[VEC];
    if (left >= VEC && channels >= VEC) {
#pragma GCC unroll 16
        for (int k = 0; k < VEC; ++k) {
            v[k] = vec_load(row + k * (ptrdiff_t)in->plane_stride);
            __builtin_prefetch(row + k * (ptrdiff_t)in->plane_stride + in->row_stride);
        }
    } else {
        const vec_mask mask = vec_first(left <= 0 ? 1 : left < VEC ? left : VEC);
#pragma GCC unroll 16
        for (int k = 0; k < VEC; ++k)
            v[k] = left <= 0 || k >= channels
                       ? vec_set(0)
                       : vec_keep(mask, vec_load(row + k * (ptrdiff_t)in->plane_stride));
    }
    vec_transpose(v);
#pragma GCC unroll 16
    for (int k = 0; k < VEC; ++k) vec_store(pixels + k * step, v[k]);
}

/* pixels[row][x][lanes] = rows [row, row + count) and columns [column, column + columns) of the
 * image, zeros outside of it and in lanes that are no channels; columns are rounded up to whole
 * vectors, and pixels lie `step` floats apart. */
static void turn_to_pixels(float *pixels, int step, const ae_planes *in, int row, int count,
                           int column, int columns) {
    const int lanes = lanes_of(in->channels);
    const ptrdiff_t pitch = (ptrdiff_t)columns_of(columns) * step;
    for (int h = row; h < row + count; ++h, pixels += pitch) {
        if (h < 0 || h >= in->height) {
            memset(pixels, 0, (size_t)pitch * sizeof *pixels);
            continue;
        }
        for (int c = 0; c < lanes; c += VEC)
            for (int x = 0; x < columns; x += VEC)
                turn_block(pixels + (ptrdiff_t)x * step + c, step, in, c, h, column + x);
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
    const ptrdiff_t gate_stride = has_gate ? epilogue->gate->plane_stride : 0;
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
        vec_store(row, vec_keep(mask, vec_epilogue(kind, slope, v[k], gate)));
        row += out->plane_stride;
        gate += gate_stride;
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

/* sums[r][lane] = factors[r] * vectors[lane], summed over `lines` lines of `count` pairs of them,
 * and `last` in the last line, in one chain of multiply-adds, which may go on from the sums that
 * there are; or in a chain a line, which are then added. Vectors come in blocks of AE_LANES lanes.
 * Strides are in floats. */
typedef struct product {
    float *sums;
    const float *factors, *vectors;
    ptrdiff_t sum_stride, factor_stride; /* from row to row */
    ptrdiff_t block_stride;              /* from a block of vectors' lanes to the next */
    ptrdiff_t factor_step, vector_step;  /* from pair to pair */
    ptrdiff_t factor_line, vector_line;  /* from line to line */
    int lines, count, last;
    enum { CHAIN_BEGINS, CHAIN_GOES_ON, CHAIN_A_LINE } chain;
} product;

/* Where vector v from a block's beginning on is. */
INLINE ptrdiff_t block_offset(int v, ptrdiff_t block_stride) {
    return v * VEC / AE_LANES * block_stride + v * VEC % AE_LANES;
}

typedef vec product_sums[PRODUCT_ROWS][PRODUCT_VECS];

INLINE void multiply_pair(product_sums sum, const float *factor, ptrdiff_t factor_stride,
                          const float *vector, ptrdiff_t block_stride, int rows, int vecs) {
    vec x[PRODUCT_VECS];
#pragma GCC unroll 4
    for (int v = 0; v < vecs; ++v) x[v] = vec_load(vector + block_offset(v, block_stride));
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
        const vec f = vec_set(factor[r * factor_stride]);
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) sum[r][v] = vec_fma(f, x[v], sum[r][v]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) VEC_OPAQUE(sum[r][v]);
}

INLINE void load_sums(product_sums sum, const float *sums, ptrdiff_t stride, int rows, int vecs) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v)
            sum[r][v] = sums ? vec_load(sums + r * stride + v * VEC) : vec_set(0);
}

/* The sums that there are are added, or aren't. */
INLINE void store_sums(float *sums, ptrdiff_t stride, product_sums sum, bool adds, int rows,
                       int vecs) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < vecs; ++v) {
            float *at = sums + r * stride + v * VEC;
            vec_store(at, adds ? vec_add(vec_load(at), sum[r][v]) : sum[r][v]);
        }
}

INLINE void multiply(const product *p, const float *factor, const float *vector, float *sums,
                     int rows, int vecs) {
    product_sums sum;
    load_sums(sum, p->chain == CHAIN_GOES_ON ? sums : NULL, p->sum_stride, rows, vecs);
    for (int line = 0; line < p->lines; ++line) {
        const float *f = factor + line * p->factor_line, *x = vector + line * p->vector_line;
        const int count = line < p->lines - 1 ? p->count : p->last;
        for (int i = 0; i < count; ++i, f += p->factor_step, x += p->vector_step)
            multiply_pair(sum, f, p->factor_stride, x, p->block_stride, rows, vecs);
        if (p->chain != CHAIN_A_LINE) continue;
        store_sums(sums, p->sum_stride, sum, line > 0, rows, vecs);
        load_sums(sum, NULL, 0, rows, vecs);
    }
    if (p->chain != CHAIN_A_LINE) store_sums(sums, p->sum_stride, sum, false, rows, vecs);
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
