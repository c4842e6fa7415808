/* Datasets whose rows lie in other datasets. */
#include "h5/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The values of a row. */
static hsize_t row_values(const ae_h5_dataset *dataset) {
    hsize_t values = 1;
    for (int d = 1; d < dataset->rank; ++d) values *= (hsize_t)dataset->shape[d];
    return values;
}

/* A dataspace of which the rows from `first` on are selected: `rows` of them, or all that there
 * will be. Negative: failed. */
static hid_t select_rows(const ae_h5_dataset *dataset, int64_t first, int64_t rows) {
    const bool all = rows == AE_H5_ALL_ROWS;
    hsize_t now[AE_H5_RANK_MAX], most[AE_H5_RANK_MAX], block[AE_H5_RANK_MAX];
    hsize_t start[AE_H5_RANK_MAX] = {(hsize_t)first}, count[AE_H5_RANK_MAX];
    for (int d = 0; d < dataset->rank; ++d) {
        now[d] = most[d] = block[d] = (hsize_t)dataset->shape[d];
        count[d] = 1;
    }
    now[0] = (hsize_t)(first + (all ? 0 : rows));
    most[0] = H5S_UNLIMITED;
    block[0] = all ? 1 : (hsize_t)rows;
    if (all) count[0] = H5S_UNLIMITED;
    hid_t space = H5Screate_simple(dataset->rank, now, most);
    if (space >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, block) < 0) {
        H5Sclose(space);
        space = H5I_INVALID_HID;
    }
    return space;
}

/* Maps the rows from `first` on to those of a source. */
static herr_t map_source(hid_t creation, const ae_h5_dataset *dataset, int64_t first,
                         const ae_h5_source *source) {
    herr_t result = -1;
    hid_t place = select_rows(dataset, first, source->rows);
    hid_t rows = select_rows(dataset, 0, source->rows);
    if (place >= 0 && rows >= 0)
        result = H5Pset_virtual(creation, place, source->file, source->path, rows);
    if (rows >= 0) H5Sclose(rows);
    if (place >= 0) H5Sclose(place);
    return result;
}

ae_status ae_h5_add_virtual(ae_h5 *file, const ae_h5_dataset *dataset, const ae_h5_source *sources,
                            int count) {
    const float lost = NAN;
    int64_t first = 0;
    hid_t creation = ae_h5_creation(H5P_DATASET_CREATE);
    herr_t result = creation < 0 ? -1 : H5Pset_fill_value(creation, H5T_NATIVE_FLOAT, &lost);
    for (int s = 0; s < count && result >= 0; first += sources[s++].rows)
        result = map_source(creation, dataset, first, &sources[s]);
    ae_status status = result < 0 ? ae_h5_fail(file, "make", dataset->path)
                                  : ae_h5_add_with(file, dataset, creation, NULL);
    if (creation >= 0) H5Pclose(creation);
    return status;
}

/* Takes source `s` of a virtual dataset whose row has so many values. */
static herr_t take_source(ae_h5_source *source, hid_t creation, size_t s, hsize_t values) {
    herr_t result = -1;
    hid_t place = H5Pget_virtual_vspace(creation, s);
    const hssize_t selected = place < 0 ? 0 : H5Sget_select_npoints(place); /* < 0: no limit */
    if (place >= 0 &&
        H5Pget_virtual_filename(creation, s, source->file, sizeof source->file) >= 0 &&
        H5Pget_virtual_dsetname(creation, s, source->path, sizeof source->path) >= 0) {
        source->rows = selected < 0 ? AE_H5_ALL_ROWS : (int64_t)((hsize_t)selected / values);
        result = 0;
    }
    if (place >= 0) H5Sclose(place);
    return result;
}

ae_status ae_h5_sources(ae_h5 *file, const ae_h5_dataset *dataset, ae_h5_source *sources, int room,
                        int *count) {
    herr_t result = -1;
    size_t found = 0;
    hid_t id = H5Dopen2(file->id, dataset->path, H5P_DEFAULT);
    hid_t creation = id < 0 ? -1 : H5Dget_create_plist(id);
    *count = 0;
    if (creation >= 0) result = 0;
    if (creation >= 0 && H5Pget_layout(creation) == H5D_VIRTUAL)
        result = H5Pget_virtual_count(creation, &found);
    for (size_t s = 0; s < found && (int)s < room && result >= 0; ++s)
        result = take_source(&sources[s], creation, s, row_values(dataset));
    if (creation >= 0) H5Pclose(creation);
    if (id >= 0) H5Dclose(id);
    *count = (int)found;
    return result < 0 ? ae_h5_fail(file, "look into", dataset->path) : AE_OK;
}
