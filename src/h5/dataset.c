/* Datasets of a file in memory. */
#include "h5/internal.h"

#include <hdf5_hl.h>
#include <stdio.h>
#include <string.h>

enum {
    CHUNK_ROWS = 64,         /* of a dataset that grows */
    CHUNK_BYTES = 64 * 1024, /* at most */
    CHUNK_FROM_BYTES = 4096, /* smaller arrays of fixed size lie in one piece */
    DEFLATE_LEVEL = 4
};

static hid_t native_type(ae_h5_type type, hid_t text) {
    switch (type) {
    case AE_H5_INT64:
        return H5T_NATIVE_INT64;
    case AE_H5_FLOAT:
        return H5T_NATIVE_FLOAT;
    case AE_H5_DOUBLE:
        return H5T_NATIVE_DOUBLE;
    default:
        return text;
    }
}

/* Chunks of at most CHUNK_BYTES, made by halving the leading dimensions. */
static void choose_chunk(hsize_t *chunk, const ae_h5_dataset *dataset, size_t value_size) {
    hsize_t bytes = value_size;
    for (int d = 0; d < dataset->rank; ++d) {
        chunk[d] = d == 0 && dataset->grows ? CHUNK_ROWS : (hsize_t)dataset->shape[d];
        bytes *= chunk[d];
    }
    for (int d = 0; d < dataset->rank; ++d) {
        while (bytes > CHUNK_BYTES && chunk[d] > 1) {
            bytes /= chunk[d];
            chunk[d] = (chunk[d] + 1) / 2;
            bytes *= chunk[d];
        }
    }
}

/* Creation properties; negative: failed. */
static hid_t creation_properties(const ae_h5_dataset *dataset, hid_t type) {
    hid_t creation = ae_h5_creation(H5P_DATASET_CREATE);
    if (creation < 0) goto failed;
    size_t bytes = H5Tget_size(type);
    for (int d = 0; d < dataset->rank; ++d) bytes *= (size_t)dataset->shape[d];
    if (dataset->rank > 0 && (dataset->grows || bytes >= CHUNK_FROM_BYTES)) {
        hsize_t chunk[AE_H5_RANK_MAX];
        choose_chunk(chunk, dataset, H5Tget_size(type));
        if (H5Pset_chunk(creation, dataset->rank, chunk) < 0 || H5Pset_shuffle(creation) < 0 ||
            H5Pset_deflate(creation, DEFLATE_LEVEL) < 0)
            goto failed;
    }
    return creation;
failed:
    if (creation >= 0) H5Pclose(creation);
    return H5I_INVALID_HID;
}

/* Makes the dataset, empty. Negative: failed. */
static hid_t make_dataset(ae_h5 *file, const ae_h5_dataset *dataset, hid_t type, hid_t creation) {
    hsize_t now[AE_H5_RANK_MAX], most[AE_H5_RANK_MAX];
    for (int d = 0; d < dataset->rank; ++d) {
        now[d] = (hsize_t)dataset->shape[d];
        most[d] = d == 0 && dataset->grows ? H5S_UNLIMITED : now[d];
    }
    hid_t id = H5I_INVALID_HID;
    hid_t space =
        dataset->rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(dataset->rank, now, most);
    if (space >= 0 && creation >= 0)
        id = H5Dcreate2(file->id, dataset->path, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    if (space >= 0) H5Sclose(space);
    return id;
}

/* Names the dimensions and attaches their scales. */
static herr_t attach_scales(ae_h5 *file, const ae_h5_dataset *dataset, hid_t id) {
    herr_t result = 0;
    for (int d = 0; d < dataset->rank && result >= 0; ++d) {
        const char *name = strrchr(dataset->scales[d], '/') + 1;
        if (strcmp(dataset->scales[d], dataset->path) == 0) {
            result = H5DSset_scale(id, name);
            continue;
        }
        hid_t scale = H5Dopen2(file->id, dataset->scales[d], H5P_DEFAULT);
        if (scale < 0) return -1;
        result = H5DSattach_scale(id, scale, (unsigned)d);
        H5Dclose(scale);
        if (result >= 0) result = H5DSset_label(id, (unsigned)d, name);
    }
    return result;
}

ae_status ae_h5_add_with(ae_h5 *file, const ae_h5_dataset *dataset, hid_t creation,
                         const void *data) {
    ae_status status = AE_OK;
    hid_t text = ae_h5_text_type(), id = H5I_INVALID_HID;
    if (text < 0 ||
        (id = make_dataset(file, dataset, ae_h5_file_type(dataset->type, text), creation)) < 0 ||
        (data &&
         H5Dwrite(id, native_type(dataset->type, text), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) ||
        attach_scales(file, dataset, id) < 0)
        status = ae_h5_fail(file, "make", dataset->path);
    if (id >= 0) H5Dclose(id);
    if (text >= 0) H5Tclose(text);

    const char *const attributes[][2] = {{"units", dataset->units},
                                         {"long_name", dataset->long_name},
                                         {"description", dataset->description}};
    for (int i = 0; i < 3 && status == AE_OK; ++i)
        status = ae_h5_set_text(file, dataset->path, attributes[i][0], attributes[i][1]);
    return status;
}

ae_status ae_h5_add(ae_h5 *file, const ae_h5_dataset *dataset, const void *data) {
    hid_t text = ae_h5_text_type();
    hid_t creation = creation_properties(dataset, ae_h5_file_type(dataset->type, text));
    ae_status status = ae_h5_add_with(file, dataset, creation, data);
    if (creation >= 0) H5Pclose(creation);
    if (text >= 0) H5Tclose(text);
    return status;
}

/* One row of a dataset, and memory for it. */
typedef struct row_place {
    hid_t place, memory; /* dataspaces; negative: failed */
} row_place;

static row_place select_row(hid_t id, int rank, const hsize_t *shape, hsize_t row) {
    hsize_t start[AE_H5_RANK_MAX] = {row}, count[AE_H5_RANK_MAX] = {1};
    for (int d = 1; d < rank; ++d) count[d] = shape[d];
    row_place selected = {H5Dget_space(id), H5Screate_simple(rank, count, NULL)};
    if (selected.place >= 0 &&
        H5Sselect_hyperslab(selected.place, H5S_SELECT_SET, start, NULL, count, NULL) < 0) {
        H5Sclose(selected.place);
        selected.place = H5I_INVALID_HID;
    }
    return selected;
}

static void close_row(row_place *row) {
    if (row->memory >= 0) H5Sclose(row->memory);
    if (row->place >= 0) H5Sclose(row->place);
}

/* Writes the last row. */
static herr_t write_row(hid_t id, int rank, const hsize_t *shape, hid_t type, const void *row) {
    row_place last = select_row(id, rank, shape, shape[0] - 1);
    herr_t result = -1;
    if (last.place >= 0 && last.memory >= 0)
        result = H5Dwrite(id, type, last.memory, last.place, H5P_DEFAULT, row);
    close_row(&last);
    return result;
}

hid_t ae_h5_open_dataset(ae_h5 *file, const char *path, int *rank, hsize_t shape[AE_H5_RANK_MAX]) {
    hid_t id = H5Dopen2(file->id, path, H5P_DEFAULT);
    if (id < 0) return id;
    hid_t space = H5Dget_space(id);
    *rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    if (*rank > AE_H5_RANK_MAX) *rank = -1;
    if (*rank >= 0 && H5Sget_simple_extent_dims(space, shape, NULL) < 0) *rank = -1;
    if (space >= 0) H5Sclose(space);
    if (*rank >= 0) return id;
    H5Dclose(id);
    return H5I_INVALID_HID;
}

ae_status ae_h5_append(ae_h5 *file, const char *path, ae_h5_type type, const void *row) {
    ae_status status = AE_OK;
    int rank = 0;
    hsize_t shape[AE_H5_RANK_MAX] = {0};
    hid_t text = ae_h5_text_type(), id = ae_h5_open_dataset(file, path, &rank, shape);
    ++shape[0];
    if (text < 0 || id < 0 || rank < 1 || H5Dset_extent(id, shape) < 0 ||
        write_row(id, rank, shape, native_type(type, text), row) < 0)
        status = ae_h5_fail(file, "add a row to", path);
    if (id >= 0) H5Dclose(id);
    if (text >= 0) H5Tclose(text);
    return status;
}

ae_status ae_h5_cut(ae_h5 *file, const char *path, int64_t rows) {
    ae_status status = AE_OK;
    int rank = 0;
    hsize_t shape[AE_H5_RANK_MAX] = {0};
    hid_t id = ae_h5_open_dataset(file, path, &rank, shape);
    bool cut = shape[0] > (hsize_t)rows;
    shape[0] = (hsize_t)rows;
    if (id < 0 || rank < 1 || (cut && H5Dset_extent(id, shape) < 0))
        status = ae_h5_fail(file, "cut", path);
    if (id >= 0) H5Dclose(id);
    return status;
}

/* Opens a dataset that must have that type, rank and shape. */
static ae_status open_checked(hid_t *id, ae_h5 *file, const char *path, ae_h5_type type, int rank,
                              int64_t *shape) {
    int found_rank = 0;
    hsize_t found[AE_H5_RANK_MAX] = {0};
    *id = ae_h5_open_dataset(file, path, &found_rank, found);
    if (*id < 0) return ae_h5_fail(file, "open", path);

    hid_t type_id = H5Dget_type(*id);
    ae_h5_type found_type;
    bool right = type_id >= 0 && ae_h5_type_of(type_id, &found_type) && found_type == type;
    if (type_id >= 0) H5Tclose(type_id);
    const char *fault = right ? NULL : "type";
    if (found_rank != rank) fault = "number of dimensions";
    for (int d = 0; d < rank && !fault; ++d) {
        if (shape[d] < 0) shape[d] = (int64_t)found[d];
        if ((hsize_t)shape[d] != found[d]) fault = "shape";
    }
    if (!fault) return AE_OK;
    H5Dclose(*id);
    *id = H5I_INVALID_HID;
    return ae_fail(AE_ERROR_IO, "%s: %s has the wrong %s", file->path, path, fault);
}

ae_status ae_h5_check(ae_h5 *file, const char *path, ae_h5_type type, int rank, int64_t *shape) {
    hid_t id;
    ae_status status = open_checked(&id, file, path, type, rank, shape);
    if (status == AE_OK) H5Dclose(id);
    return status;
}

/* The same where the whole shape is known. */
static ae_status open_exactly(hid_t *id, ae_h5 *file, const char *path, ae_h5_type type, int rank,
                              const int64_t *shape) {
    int64_t exact[AE_H5_RANK_MAX];
    for (int d = 0; d < rank; ++d) exact[d] = shape[d];
    return open_checked(id, file, path, type, rank, exact);
}

ae_status ae_h5_read(ae_h5 *file, const char *path, ae_h5_type type, int rank, const int64_t *shape,
                     void *data) {
    hid_t id;
    ae_status status = open_exactly(&id, file, path, type, rank, shape);
    if (status != AE_OK) return status;
    if (H5Dread(id, native_type(type, H5I_INVALID_HID), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = ae_h5_fail(file, "read", path);
    H5Dclose(id);
    return status;
}

ae_status ae_h5_write(ae_h5 *file, const char *path, ae_h5_type type, int rank,
                      const int64_t *shape, const void *data) {
    hid_t id;
    ae_status status = open_exactly(&id, file, path, type, rank, shape);
    if (status != AE_OK) return status;
    if (H5Dwrite(id, native_type(type, H5I_INVALID_HID), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = ae_h5_fail(file, "write", path);
    H5Dclose(id);
    return status;
}

ae_status ae_h5_read_row(ae_h5 *file, const char *path, ae_h5_type type, int64_t row, void *data) {
    ae_status status = AE_OK;
    int rank = 0;
    hsize_t shape[AE_H5_RANK_MAX] = {0};
    hid_t text = ae_h5_text_type(), id = ae_h5_open_dataset(file, path, &rank, shape);
    row_place one = {H5I_INVALID_HID, H5I_INVALID_HID};
    if (id >= 0) one = select_row(id, rank, shape, (hsize_t)row);
    if (text < 0 || one.place < 0 || one.memory < 0 ||
        H5Dread(id, native_type(type, text), one.memory, one.place, H5P_DEFAULT, data) < 0)
        status = ae_h5_fail(file, "read", path);
    close_row(&one);
    if (id >= 0) H5Dclose(id);
    if (text >= 0) H5Tclose(text);
    return status;
}
