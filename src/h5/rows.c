/* Rows copied from one dataset to another, as they lie in the file where that is possible. */
#include "h5/internal.h"

#include <stdlib.h>
#include <string.h>

/* A dataset that takes part. */
typedef struct rows_of {
    hid_t id, creation; /* negative: failed */
    int rank;
    hsize_t shape[AE_H5_RANK_MAX], chunk[AE_H5_RANK_MAX];
} rows_of;

static rows_of open_rows(ae_h5 *file, const char *path) {
    rows_of rows = {.creation = H5I_INVALID_HID};
    rows.id = ae_h5_open_dataset(file, path, &rows.rank, rows.shape);
    if (rows.id >= 0) rows.creation = H5Dget_create_plist(rows.id);
    return rows;
}

static void close_rows(rows_of *rows) {
    if (rows->creation >= 0) H5Pclose(rows->creation);
    if (rows->id >= 0) H5Dclose(rows->id);
}

/* Fills in the chunk's sides; false: the dataset has none, or several rows share one. */
static bool find_chunk(rows_of *rows) {
    return H5Pget_layout(rows->creation) == H5D_CHUNKED &&
           H5Pget_chunk(rows->creation, rows->rank, rows->chunk) == rows->rank &&
           rows->chunk[0] == 1;
}

/* Is filter `f` of both the same? */
static bool are_filters_alike(hid_t to, hid_t from, unsigned f) {
    enum { PARAMETERS = 8 };
    unsigned flags, values[2][PARAMETERS] = {{0}};
    size_t counts[2] = {PARAMETERS, PARAMETERS};
    H5Z_filter_t left = H5Pget_filter2(to, f, &flags, &counts[0], values[0], 0, NULL, NULL);
    H5Z_filter_t right = H5Pget_filter2(from, f, &flags, &counts[1], values[1], 0, NULL, NULL);
    return left >= 0 && left == right && counts[0] == counts[1] && counts[0] <= PARAMETERS &&
           memcmp(values[0], values[1], sizeof values[0]) == 0;
}

/* Are both stored in the same way, each row in chunks of its own? */
static bool are_alike(rows_of *to, rows_of *from) {
    if (to->rank != from->rank || !find_chunk(to) || !find_chunk(from)) return false;
    for (int d = 1; d < to->rank; ++d)
        if (to->chunk[d] != from->chunk[d] || to->shape[d] != from->shape[d]) return false;
    const int filters = H5Pget_nfilters(to->creation);
    if (filters < 0 || filters != H5Pget_nfilters(from->creation)) return false;
    for (int f = 0; f < filters; ++f)
        if (!are_filters_alike(to->creation, from->creation, (unsigned)f)) return false;
    return true;
}

/* The next chunk's place in a row; false: there is none. */
static bool next_chunk(hsize_t place[], const rows_of *rows) {
    for (int d = rows->rank - 1; d > 0; --d) {
        place[d] += rows->chunk[d];
        if (place[d] < rows->shape[d]) return true;
        place[d] = 0;
    }
    return false;
}

/* Copies a chunk, compressed as it is, to the same place in row `row`. *bytes has *room, and is
 * made larger where that is too little. */
static herr_t copy_chunk(const rows_of *to, const rows_of *from, const hsize_t place[], hsize_t row,
                         void **bytes, hsize_t *room) {
    hsize_t size, there[AE_H5_RANK_MAX] = {row};
    uint32_t filters;
    for (int d = 1; d < from->rank; ++d) there[d] = place[d];
    if (H5Dget_chunk_storage_size(from->id, place, &size) < 0) return -1;
    if (size > *room) {
        void *grown = realloc(*bytes, size);
        if (!grown) return -1;
        *bytes = grown;
        *room = size;
    }
    if (H5Dread_chunk(from->id, H5P_DEFAULT, place, &filters, *bytes) < 0) return -1;
    return H5Dwrite_chunk(to->id, H5P_DEFAULT, filters, there, size, *bytes);
}

/* Copies the first `count` rows to those from `first` on, chunk by chunk. */
static herr_t copy_chunks(const rows_of *to, const rows_of *from, hsize_t first, int64_t count) {
    void *bytes = NULL;
    hsize_t room = 0;
    herr_t result = 0;
    for (int64_t r = 0; r < count; ++r) {
        hsize_t place[AE_H5_RANK_MAX] = {(hsize_t)r};
        do result = copy_chunk(to, from, place, first + (hsize_t)r, &bytes, &room);
        while (result >= 0 && next_chunk(place, from));
        if (result < 0) break;
    }
    free(bytes);
    return result;
}

/* Appends the rows chunk by chunk, where both are stored alike. *done: were they? */
static ae_status append_chunks(ae_h5 *to, const char *to_path, ae_h5 *from, const char *from_path,
                               int64_t rows, bool *done) {
    rows_of source = open_rows(from, from_path), place = open_rows(to, to_path);
    herr_t result = source.creation < 0 || place.creation < 0 ? -1 : 0;
    *done = result >= 0 && are_alike(&place, &source);
    if (*done) {
        const hsize_t first = place.shape[0];
        place.shape[0] += (hsize_t)rows;
        result = H5Dset_extent(place.id, place.shape);
        if (result >= 0) result = copy_chunks(&place, &source, first, rows);
    }
    close_rows(&place);
    close_rows(&source);
    return result < 0 ? ae_h5_fail(to, "copy rows to", to_path) : AE_OK;
}

/* Bytes of a row; 0: can't tell. */
static size_t row_bytes(ae_h5 *file, const char *path) {
    rows_of rows = open_rows(file, path);
    hid_t type = rows.id < 0 ? H5I_INVALID_HID : H5Dget_type(rows.id);
    size_t bytes = type < 0 ? 0 : H5Tget_size(type);
    for (int d = 1; d < rows.rank; ++d) bytes *= (size_t)rows.shape[d];
    if (type >= 0) H5Tclose(type);
    close_rows(&rows);
    return bytes;
}

/* Appends the rows one by one. */
static ae_status append_values(ae_h5 *to, const char *to_path, ae_h5 *from, const char *from_path,
                               ae_h5_type type, int64_t rows) {
    ae_status status = AE_OK;
    void *row = malloc(row_bytes(from, from_path) + 1);
    if (!row) return ae_fail_memory(to_path);
    for (int64_t r = 0; r < rows && status == AE_OK; ++r) {
        status = ae_h5_read_row(from, from_path, type, r, row);
        if (status != AE_OK) break;
        status = ae_h5_append(to, to_path, type, row);
        if (type == AE_H5_TEXT) H5free_memory(*(char **)row);
    }
    free(row);
    return status;
}

ae_status ae_h5_append_rows(ae_h5 *to, const char *to_path, ae_h5 *from, const char *from_path,
                            ae_h5_type type, int64_t rows) {
    bool done = false;
    ae_status status = AE_OK;
    /* Texts lie elsewhere in the file, and chunks tell where. */
    if (type != AE_H5_TEXT) status = append_chunks(to, to_path, from, from_path, rows, &done);
    return status == AE_OK && !done ? append_values(to, to_path, from, from_path, type, rows)
                                    : status;
}
