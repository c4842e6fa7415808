/* The reader of datasets of images in HDF5 files, which are whole, made by HDF5's own calls, and of
 * any kind: type, shape, layout and filters, or a link, are what an input says. */
#include "forge.h"
#include "source.h"

static memory_file file;

/* A dataset of up to four dimensions with few indices: as images have them. */
static int take_small_shape(input *in, hsize_t shape[RANK_MAX], hsize_t most[RANK_MAX]) {
    const int rank = 2 + (int)(take(in, 1) % 4);
    for (int d = 0; d < rank; ++d) most[d] = shape[d] = take(in, 1) % 9;
    return rank;
}

/* A type that images have, or any. To be closed. */
static hid_t take_image_type(input *in) {
    const hid_t types[] = {H5T_STD_U8LE, H5T_STD_U16BE, H5T_STD_I16LE, H5T_IEEE_F64BE};
    const size_t kind = take(in, 1) % 8;
    hid_t type = kind < 4    ? H5Tcopy(types[kind])
                 : kind == 4 ? H5Tcopy(H5T_STD_U16LE)
                             : take_type(in);
    if (kind == 4) H5Tset_precision(type, 1 + take(in, 1) % 16);
    return type;
}

static void make_dataset(hid_t h5, const char *name, input *in) {
    hsize_t shape[RANK_MAX], most[RANK_MAX];
    hid_t type = take_image_type(in);
    const int rank =
        take(in, 1) % 4 ? take_small_shape(in, shape, most) : take_shape(in, shape, most);
    hid_t properties = take_properties(in, rank), space = H5Screate_simple(rank, shape, most);
    hid_t dataset = H5Dcreate2(h5, name, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (dataset >= 0 && take(in, 1) % 2 && H5Pget_external_count(properties) == 0)
        fill(dataset, in);
    if (dataset >= 0) H5Dclose(dataset);
    if (space >= 0) H5Sclose(space);
    H5Pclose(properties);
    H5Tclose(type);
}

/* What stands at /images. */
static void make_object(hid_t h5, input *in) {
    enum { DATASET, SOFT, OUTSIDE, GROUP, NAMED_TYPE, NOTHING, KINDS };
    const int kind = (int)(take(in, 1) % (3 * KINDS));
    if (kind == SOFT) {
        make_dataset(h5, "/other", in);
        H5Lcreate_soft(take(in, 1) % 2 ? "/other" : "/images", h5, "/images", H5P_DEFAULT,
                       H5P_DEFAULT);
    } else if (kind == OUTSIDE) {
        H5Lcreate_external("/dev/zero", "/images", h5, "/images", H5P_DEFAULT, H5P_DEFAULT);
    } else if (kind == GROUP) {
        H5Gclose(H5Gcreate2(h5, "/images", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    } else if (kind == NAMED_TYPE) {
        hid_t type = H5Tcopy(H5T_IEEE_F32LE);
        H5Tcommit2(h5, "/images", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Tclose(type);
    } else if (kind != NOTHING) {
        make_dataset(h5, "/images", in);
    }
}

/* Makes the file in memory, and then its bytes the content of `file`. */
static void make_file(input *in) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    REQUIRE(H5Pset_fapl_core(access, 1 << 16, false) >= 0, "no file in memory");
    hid_t h5 = H5Fcreate("/dev/null/fuzz", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    REQUIRE(h5 >= 0, "no file in memory");
    make_object(h5, in);
    H5Fflush(h5, H5F_SCOPE_LOCAL);
    const ssize_t size = H5Fget_file_image(h5, NULL, 0);
    REQUIRE(size > 0, "no image");
    char *bytes = malloc((size_t)size);
    REQUIRE(bytes && H5Fget_file_image(h5, bytes, (size_t)size) == size, "no image");
    memory_file_fill(&file, bytes, (size_t)size);
    free(bytes);
    H5Fclose(h5);
    H5Pclose(access);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (file.path[0] == '\0') {
        file = memory_file_make();
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    }
    input in = {data, data + size};
    ae_settings settings = {.data = {.source = AE_SOURCE_HDF5}};
    settings.data.axes = (int64_t)(take(&in, 1) % 3);
    settings.data.test_fraction = (double)take(&in, 1) / 256;
    make_file(&in);
    snprintf(settings.data.train, sizeof settings.data.train, "%s:/images", file.path);
    if (settings.data.test_fraction == 0)
        memcpy(settings.data.test, settings.data.train, sizeof settings.data.test);
    try_source(&ae_source_hdf5, &settings, file.path);
    const ssize_t open = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
    REQUIRE(open == 0, "%zd handles are open", open);
    return 0;
}
