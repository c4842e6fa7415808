/* HDF5 datasets of any kind, as an input says. */
#ifndef AE_TESTS_FUZZ_FORGE_H
#define AE_TESTS_FUZZ_FORGE_H

#include <hdf5.h>
#include <math.h>
#include "fuzz.h"

enum {
    RANK_MAX = 6,
    WRITTEN_MAX = 1 << 16, /* bytes of a dataset that is written, not only declared */
    CHUNK_MAX = 1 << 20    /* values of its chunks */
};

/* A type, to be closed. */
static inline hid_t take_type(input *in) {
    const hid_t plain[] = {H5T_IEEE_F32LE,  H5T_IEEE_F64LE,      H5T_STD_I64LE, H5T_STD_I32LE,
                           H5T_STD_U64LE,   H5T_IEEE_F32BE,      H5T_STD_I64BE, H5T_STD_B64LE,
                           H5T_STD_REF_OBJ, H5T_STD_REF_DSETREG, H5T_STD_I8LE,  H5T_UNIX_D64LE};
    enum { PLAIN = sizeof plain / sizeof *plain };
    hsize_t three = 3;
    int64_t member = 7;
    hid_t type;
    size_t kind = take(in, 1) % (PLAIN + 9);
    switch (kind) {
    case PLAIN:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, H5T_VARIABLE);
        H5Tset_cset(type, H5T_CSET_UTF8);
        return type;
    case PLAIN + 1:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, 1 + take(in, 1));
        return type;
    case PLAIN + 2:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, H5T_VARIABLE);
        return type;
    case PLAIN + 3:
        return H5Tcreate(H5T_OPAQUE, 8);
    case PLAIN + 4:
        type = H5Tcreate(H5T_COMPOUND, 8);
        H5Tinsert(type, "value", 0, H5T_STD_I64LE);
        return type;
    case PLAIN + 5:
        type = H5Tenum_create(H5T_STD_I64LE);
        H5Tenum_insert(type, "seven", &member);
        return type;
    case PLAIN + 6:
        return H5Tarray_create2(H5T_IEEE_F32LE, 1, &three);
    case PLAIN + 7:
        return H5Tvlen_create(H5T_IEEE_F32LE);
    case PLAIN + 8:
        type = H5Tcopy(take(in, 1) % 2 ? H5T_IEEE_F32LE : H5T_STD_I64LE);
        H5Tset_precision(type, 1 + take(in, 1) % 64);
        return type;
    default:
        return H5Tcopy(plain[kind]);
    }
}

/* A shape; `most`: as large as it may become. Returns its rank. */
static inline int take_shape(input *in, hsize_t shape[RANK_MAX], hsize_t most[RANK_MAX]) {
    static const hsize_t extents[] = {
        1, 3, 5, 8, 16, 0, 2, 1200, 1 << 20, 1ULL << 31, 1ULL << 32, 1ULL << 40, 1ULL << 62};
    int rank = (int)(take(in, 1) % (RANK_MAX + 1));
    bool unlimited = take(in, 1) % 2;
    for (int d = 0; d < rank; ++d) {
        shape[d] = extents[take(in, 1) % (sizeof extents / sizeof *extents)];
        most[d] = unlimited ? H5S_UNLIMITED : shape[d];
    }
    return rank;
}

/* Layout, filters and fill value. */
static inline hid_t take_properties(input *in, int rank) {
    enum { COMPACT, CHUNKED, DEFLATED, CHECKED, REDUCED, EXTERNAL, CONTIGUOUS, KINDS };
    static const hsize_t sides[] = {1, 2, 16, 1024, 1 << 20, 1ULL << 31};
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    int kind = (int)(take(in, 1) % KINDS);
    if (kind == COMPACT) H5Pset_layout(properties, H5D_COMPACT);
    if (kind >= CHUNKED && kind <= REDUCED && rank > 0) {
        hsize_t chunk[RANK_MAX];
        for (int d = 0; d < rank; ++d)
            chunk[d] = sides[take(in, 1) % (sizeof sides / sizeof *sides)];
        H5Pset_chunk(properties, rank, chunk);
        if (kind == DEFLATED) H5Pset_deflate(properties, 9);
        if (kind == CHECKED) H5Pset_fletcher32(properties);
        if (kind == REDUCED) H5Pset_nbit(properties);
    }
    if (kind == EXTERNAL) H5Pset_external(properties, "/dev/zero", 0, H5F_UNLIMITED);
    float fill = NAN;
    if (take(in, 1) % 2) H5Pset_fill_value(properties, H5T_NATIVE_FLOAT, &fill);
    return properties;
}

/* Writes a dataset full of one value, where it isn't too large. */
static inline void fill(hid_t dataset, input *in) {
    static const float values[] = {0, 1, -1, NAN, INFINITY, -INFINITY, 1e-45f, 3e38f};
    static float block[WRITTEN_MAX / sizeof(float)];
    float value = values[take(in, 1) % (sizeof values / sizeof *values)];
    hid_t space = H5Dget_space(dataset), properties = H5Dget_create_plist(dataset);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    hsize_t chunk[RANK_MAX], chunk_size = 1;
    int rank =
        H5Pget_layout(properties) == H5D_CHUNKED ? H5Pget_chunk(properties, RANK_MAX, chunk) : 0;
    for (int d = 0; d < rank; ++d)
        if (__builtin_mul_overflow(chunk_size, chunk[d], &chunk_size)) chunk_size = UINT64_MAX;
    H5Pclose(properties);
    H5Sclose(space);
    if (count < 0 || count > (hssize_t)(sizeof block / sizeof *block) || chunk_size > CHUNK_MAX)
        return;
    for (hssize_t i = 0; i < count; ++i) block[i] = value;
    H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, block);
}

#endif
