#include "h5/array.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/found.h"

enum { CHUNKS_MAX = 1 << 30 /* bytes of a row of chunks that are kept */ };

struct ae_h5_array {
    char *path;    /* owned: "FILE:/DATASET" */
    char *file;    /* owned: "FILE" */
    char *dataset; /* in path: "/DATASET" */
    hid_t file_id, id;
    ae_h5_array_info info;
};

static herr_t take_first(unsigned n, const H5E_error2_t *error, void *data) {
    char *text = data;
    if (n == 0 && error->desc) snprintf(text, 256, "%s", error->desc);
    return 0;
}

/* "cannot WHAT PATH: HDF5's innermost reason" */
static ae_status fail(const ae_h5_array *array, const char *what) {
    char reason[256] = "HDF5 gives no reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, reason);
    return ae_fail(AE_ERROR_DATA, "cannot %s '%s': %s", what, array->path, reason);
}

/* ---- what it is ---- */

/* "PATH is WHAT; it can be an array of ..." */
static ae_status refuse_type(const ae_h5_array *array, const char *what) {
    return ae_fail(AE_ERROR_DATA,
                   "'%s' holds %s, where integers of 8 or 16 bits or floating point of 16, 32 or "
                   "64 bits are read; convert it",
                   array->path, what);
}

/* Integers of `size` bytes. */
static ae_status take_integers(ae_h5_array *array, hid_t type, size_t size) {
    ae_h5_array_info *info = &array->info;
    char what[64];
    const size_t bits = H5Tget_precision(type);
    const bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
    if (size > 2 || bits < 1 || bits > 16) {
        snprintf(what, sizeof what, "integers of %zu bits", 8 * size);
        return refuse_type(array, what);
    }
    const double steps = (double)(1 << bits);
    info->number = is_signed ? AE_H5_REAL : size == 1 ? AE_H5_U8 : AE_H5_U16;
    info->low = is_signed ? -steps / 2 : 0;
    info->high = is_signed ? steps / 2 - 1 : steps - 1;
    return AE_OK;
}

static ae_status take_type(ae_h5_array *array, hid_t type) {
    const H5T_class_t kind = H5Tget_class(type);
    const size_t size = H5Tget_size(type);
    if (kind == H5T_INTEGER) return take_integers(array, type, size);
    if (kind != H5T_FLOAT) return refuse_type(array, "neither integers nor floating point");
    if (size != 2 && size != 4 && size != 8)
        return refuse_type(array, "floating point of another size");
    array->info.number = AE_H5_REAL;
    return AE_OK;
}

static ae_status take_shape(ae_h5_array *array, hid_t space) {
    hsize_t dims[H5S_MAX_RANK];
    ae_h5_array_info *info = &array->info;
    info->rank = H5Sget_simple_extent_dims(space, dims, NULL);
    if (info->rank < 0) return fail(array, "read the shape of");
    if (info->rank < 1 || info->rank > AE_H5_ARRAY_RANK_MAX)
        return ae_fail(AE_ERROR_DATA, "'%s' has %d dimensions, where 1 to %d are read", array->path,
                       info->rank, AE_H5_ARRAY_RANK_MAX);
    for (int d = 0; d < info->rank; ++d)
        info->dims[d] = dims[d] > INT64_MAX ? INT64_MAX : (int64_t)dims[d];
    return AE_OK;
}

/* Has the library what reads the values? */
static ae_status check_filters(const ae_h5_array *array, hid_t creation) {
    const int count = H5Pget_nfilters(creation);
    for (int f = 0; f < count; ++f) {
        unsigned flags, config;
        size_t values = 0;
        char name[64] = "";
        const H5Z_filter_t filter = H5Pget_filter2(creation, (unsigned)f, &flags, &values, NULL,
                                                   sizeof name, name, &config);
        if (filter < 0) return fail(array, "read the filters of");
        if (H5Zfilter_avail(filter) <= 0)
            return ae_fail(AE_ERROR_DATA,
                           "'%s' was written with the filter %d (%s), which this HDF5 library "
                           "lacks; set HDF5_PLUGIN_PATH to where it is, or write the dataset anew "
                           "(h5repack)",
                           array->path, (int)filter, name[0] ? name : "without a name");
    }
    return AE_OK;
}

/* Bytes of a row of chunks, of `side` indices of the first dimension. */
static double row_bytes(const ae_h5_array_info *info, hsize_t side, size_t size) {
    double bytes = (double)side * (double)size;
    for (int d = 1; d < info->rank; ++d) bytes *= (double)info->dims[d];
    return bytes;
}

/* Layout and filters; *keep = bytes of chunks to keep. */
static ae_status take_layout(ae_h5_array *array, hid_t creation, size_t size, size_t *keep) {
    hsize_t sides[H5S_MAX_RANK];
    ae_h5_array_info *info = &array->info;
    const H5D_layout_t layout = H5Pget_layout(creation);
    *keep = 0;
    info->chunk = 1;
    if (layout < 0) return fail(array, "read the layout of");
    if (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation) != 0)
        return ae_fail(AE_ERROR_DATA,
                       "'%s' keeps its values in files that aren't HDF5's; copy it "
                       "into a file of its own (h5repack)",
                       array->path);
    if (layout != H5D_CHUNKED) return AE_OK;
    if (H5Pget_chunk(creation, info->rank, sides) != info->rank)
        return fail(array, "read the chunks of");
    const double bytes = row_bytes(info, sides[0], size);
    info->chunk = (int64_t)sides[0];
    *keep = bytes < CHUNKS_MAX ? (size_t)bytes : CHUNKS_MAX;
    return check_filters(array, creation);
}

/* Opens it once more, with room for a row of chunks. */
static ae_status keep_chunks(ae_h5_array *array, size_t keep) {
    const size_t slots = 100003; /* a prime, larger than a row has chunks as a rule */
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS), id = H5I_INVALID_HID;
    if (access >= 0 && H5Pset_chunk_cache(access, slots, keep, 1) >= 0)
        id = H5Dopen2(array->file_id, array->dataset, access);
    if (access >= 0) H5Pclose(access);
    if (id < 0) return fail(array, "open");
    H5Dclose(array->id);
    array->id = id;
    return AE_OK;
}

static ae_status take_all(ae_h5_array *array) {
    hid_t type = H5Dget_type(array->id), space = H5Dget_space(array->id);
    hid_t creation = H5Dget_create_plist(array->id);
    size_t keep = 0;
    ae_status status =
        type < 0 || space < 0 || creation < 0 ? fail(array, "read the type of") : AE_OK;
    if (status == AE_OK) status = take_type(array, type);
    if (status == AE_OK) status = take_shape(array, space);
    if (status == AE_OK) status = take_layout(array, creation, H5Tget_size(type), &keep);
    if (status == AE_OK && keep > 0) status = keep_chunks(array, keep);
    if (creation >= 0) H5Pclose(creation);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

/* ---- opened ---- */

/* Takes the path apart. */
static ae_status split_path(ae_h5_array *array, const char *path) {
    array->path = strdup(path);
    array->file = strdup(path);
    if (!array->path || !array->file) return ae_fail_memory(path);
    char *colon = NULL;
    for (char *at = array->file; (at = strstr(at, ":/")); ++at) colon = at;
    if (!colon || colon == array->file || !colon[2])
        return ae_fail(AE_ERROR_DATA,
                       "'%s' names no dataset of an HDF5 file; write FILE.h5:/DATASET", path);
    *colon = '\0';
    array->dataset = array->path + (colon - array->file) + 1;
    return AE_OK;
}

static ae_status open_file(ae_h5_array *array) {
    char found[AE_FOUND_SIZE];
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 11, 0) || H5_VERSION_GE(1, 12, 1)
    if (access >= 0)
        H5Pset_file_locking(access, true, true); /* where a disk can't, none is needed */
#endif
    array->file_id = H5Fopen(array->file, H5F_ACC_RDONLY, access < 0 ? H5P_DEFAULT : access);
    if (access >= 0) H5Pclose(access);
    if (array->file_id >= 0) return AE_OK;
    if (H5Fis_hdf5(array->file) > 0) return fail(array, "open");
    return ae_fail(AE_ERROR_DATA, "cannot open '%s': there is %s, where an HDF5 file was expected",
                   array->file, ae_found_at(found, array->file));
}

static ae_status open_dataset(ae_h5_array *array) {
    hid_t object = H5Oopen(array->file_id, array->dataset, H5P_DEFAULT);
    if (object < 0)
        return ae_fail(AE_ERROR_DATA, "'%s' has no dataset %s; h5ls -r tells what there is",
                       array->file, array->dataset);
    const bool is_dataset = H5Iget_type(object) == H5I_DATASET;
    H5Oclose(object);
    if (!is_dataset)
        return ae_fail(AE_ERROR_DATA,
                       "'%s' is a group or a type, where a dataset was expected; "
                       "h5ls -r tells what there is",
                       array->path);
    array->id = H5Dopen2(array->file_id, array->dataset, H5P_DEFAULT);
    return array->id < 0 ? fail(array, "open") : AE_OK;
}

ae_status ae_h5_array_open(ae_h5_array **array, const char *path) {
    ae_h5_array *made = calloc(1, sizeof *made);
    *array = NULL;
    if (!made) return ae_fail_memory(path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    made->file_id = made->id = H5I_INVALID_HID;
    ae_status status = split_path(made, path);
    if (status == AE_OK) status = open_file(made);
    if (status == AE_OK) status = open_dataset(made);
    if (status == AE_OK) status = take_all(made);
    if (status != AE_OK) ae_h5_array_close(&made);
    *array = made;
    return status;
}

void ae_h5_array_close(ae_h5_array **array) {
    if (!*array) return;
    if ((*array)->id >= 0) H5Dclose((*array)->id);
    if ((*array)->file_id >= 0) H5Fclose((*array)->file_id);
    free((*array)->path);
    free((*array)->file);
    free(*array);
    *array = NULL;
}

const ae_h5_array_info *ae_h5_array_describe(const ae_h5_array *array) {
    return &array->info;
}

/* ---- read ---- */

static hid_t memory_type(ae_h5_number number) {
    if (number == AE_H5_U8) return H5T_NATIVE_UINT8;
    return number == AE_H5_U16 ? H5T_NATIVE_UINT16 : H5T_NATIVE_FLOAT;
}

ae_status ae_h5_array_read(ae_h5_array *array, int64_t begin, int64_t count, void *values) {
    hsize_t start[AE_H5_ARRAY_RANK_MAX] = {(hsize_t)begin};
    hsize_t size[AE_H5_ARRAY_RANK_MAX] = {(hsize_t)count};
    for (int d = 1; d < array->info.rank; ++d) size[d] = (hsize_t)array->info.dims[d];
    hid_t place = H5Dget_space(array->id);
    hid_t memory = H5Screate_simple(array->info.rank, size, NULL);
    ae_status status = AE_OK;
    if (place < 0 || memory < 0 ||
        H5Sselect_hyperslab(place, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
        H5Dread(array->id, memory_type(array->info.number), memory, place, H5P_DEFAULT, values) < 0)
        status = fail(array, "read");
    if (memory >= 0) H5Sclose(memory);
    if (place >= 0) H5Sclose(place);
    return status;
}
