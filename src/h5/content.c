/* The hash of a file's content. */
#include "h5/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 }; /* of groups within groups: hard links can form rings */

/* The walk through the file. */
typedef struct file_walk {
    ae_h5 *file;
    ae_hash *hash;
    const char *skip; /* attribute of the root */
} file_walk;

/* Attributes that HDF5's dimension scales keep for themselves. */
static bool is_bookkeeping(const char *name) {
    static const char *const names[] = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST",
                                        "DIMENSION_LABELS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static herr_t read_values(hid_t id, hid_t type, void *values) {
    return H5Iget_type(id) == H5I_ATTR ? H5Aread(id, type, values)
                                       : H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
}

/* Adds the values: numbers as little-endian bytes, texts with their final NUL. */
static ae_status add_values(file_walk *walk, const char *name, hid_t id, ae_h5_type type,
                            hid_t space, size_t count) {
    ae_status status = AE_OK;
    hid_t text = ae_h5_text_type();
    hid_t memory_type = ae_h5_file_type(type, text);
    size_t bytes, value_size = memory_type < 0 ? 0 : H5Tget_size(memory_type);
    if (value_size == 0 || __builtin_mul_overflow(count, value_size, &bytes) ||
        bytes > walk->file->limit) {
        if (text >= 0) H5Tclose(text);
        return ae_fail(AE_ERROR_IO, "%s: %s is larger than the file could hold", walk->file->path,
                       name);
    }
    void *values = calloc(count ? count : 1, value_size);
    if (!values) {
        status = ae_fail_memory(name);
    } else if (read_values(id, memory_type, values) < 0) {
        status = ae_h5_fail(walk->file, "read", name);
    } else if (type == AE_H5_TEXT) {
        char **texts = values;
        for (size_t i = 0; i < count; ++i) ae_hash_add_text(walk->hash, texts[i] ? texts[i] : "");
        H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, values);
    } else {
        ae_hash_add(walk->hash, values, bytes);
    }
    free(values);
    if (text >= 0) H5Tclose(text);
    return status;
}

/* Does the dataset lie in this file, in chunks that can all be there? One whose chunks are declared
 * and not written would take any memory. */
static bool is_stored(const file_walk *walk, hid_t dataset, hid_t type, int rank,
                      const hsize_t *shape) {
    hid_t creation = H5Dget_create_plist(dataset);
    H5D_layout_t layout = creation < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(creation);
    bool stored =
        layout == H5D_COMPACT || (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation) == 0);
    hsize_t sides[H5S_MAX_RANK];
    if (layout == H5D_CHUNKED && H5Pget_chunk(creation, rank, sides) == rank) {
        size_t chunks = 1, bytes = H5Tget_size(type);
        for (int d = 0; d < rank; ++d) {
            hsize_t count = shape[d] / sides[d] + (shape[d] % sides[d] != 0);
            if (__builtin_mul_overflow(chunks, (size_t)count, &chunks)) chunks = SIZE_MAX;
            if (__builtin_mul_overflow(bytes, (size_t)sides[d], &bytes)) bytes = SIZE_MAX;
        }
        stored = chunks <= H5Dget_storage_size(dataset) && bytes <= walk->file->limit;
    }
    if (creation >= 0) H5Pclose(creation);
    return stored;
}

/* Adds type, shape and values of a dataset or attribute. */
static ae_status add_array(file_walk *walk, const char *name, hid_t id) {
    bool attribute = H5Iget_type(id) == H5I_ATTR;
    hid_t type = attribute ? H5Aget_type(id) : H5Dget_type(id);
    hid_t space = attribute ? H5Aget_space(id) : H5Dget_space(id);
    ae_status status;
    ae_h5_type found;
    hsize_t shape[H5S_MAX_RANK];
    int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, shape, NULL);
    if (type < 0 || rank < 0) {
        status = ae_h5_fail(walk->file, "read", name);
    } else if (!ae_h5_type_of(type, &found) || H5Sget_simple_extent_type(space) == H5S_NULL) {
        status = ae_fail(AE_ERROR_IO, "%s: %s has a type that ae_dist doesn't write",
                         walk->file->path, name);
    } else if (!attribute && !is_stored(walk, id, type, rank, shape)) {
        status = ae_fail(AE_ERROR_IO, "%s: %s is larger than the file could hold, or lies outside",
                         walk->file->path, name);
    } else {
        int64_t head[2] = {found, rank};
        ae_hash_add(walk->hash, head, sizeof head);
        size_t count = 1;
        for (int d = 0; d < rank; ++d) {
            int64_t extent = (int64_t)shape[d];
            ae_hash_add(walk->hash, &extent, sizeof extent);
            if (__builtin_mul_overflow(count, (size_t)shape[d], &count)) count = SIZE_MAX;
        }
        status = add_values(walk, name, id, found, space, count);
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

static ae_status add_attributes(file_walk *walk, const char *path, hid_t id) {
    int count = H5Aget_num_attrs(id);
    if (count < 0) return ae_h5_fail(walk->file, "count the attributes of", path);
    for (int i = 0; i < count; ++i) {
        char name[AE_H5_NAME_SIZE];
        hid_t attribute = H5Aopen_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, (hsize_t)i,
                                         H5P_DEFAULT, H5P_DEFAULT);
        if (attribute < 0 || H5Aget_name(attribute, sizeof name, name) < 0) {
            if (attribute >= 0) H5Aclose(attribute);
            return ae_h5_fail(walk->file, "read the attributes of", path);
        }
        ae_status status = AE_OK;
        bool skipped = strcmp(path, "/") == 0 && strcmp(name, walk->skip) == 0;
        if (!skipped && !is_bookkeeping(name)) {
            char label[2 * AE_H5_NAME_SIZE];
            snprintf(label, sizeof label, "attribute %s of %s", name, path);
            ae_hash_add_text(walk->hash, name);
            status = add_array(walk, label, attribute);
        }
        H5Aclose(attribute);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

static ae_status add_object(file_walk *walk, const char *path, hid_t id, int depth);

/* Adds the objects of a group, by name. */
static ae_status add_members(file_walk *walk, const char *path, hid_t group, int depth) {
    H5G_info_t info;
    if (H5Gget_info(group, &info) < 0) return ae_h5_fail(walk->file, "look into", path);
    for (hsize_t i = 0; i < info.nlinks; ++i) {
        char name[AE_H5_NAME_SIZE];
        H5L_info_t link;
        if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name,
                               H5P_DEFAULT) < 0 ||
            H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
            return ae_h5_fail(walk->file, "look into", path);
        char *inner;
        if (asprintf(&inner, "%s%s%s", path, depth == 0 ? "" : "/", name) < 0)
            return ae_fail_memory(path);
        ae_status status = AE_OK;
        hid_t id = link.type == H5L_TYPE_HARD ? H5Oopen(group, name, H5P_DEFAULT) : -1;
        if (link.type != H5L_TYPE_HARD)
            status = ae_fail(AE_ERROR_IO, "%s: %s is a link", walk->file->path, inner);
        else if (id < 0)
            status = ae_h5_fail(walk->file, "open", inner);
        else
            status = add_object(walk, inner, id, depth + 1);
        if (id >= 0) H5Oclose(id);
        free(inner);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

static ae_status add_object(file_walk *walk, const char *path, hid_t id, int depth) {
    H5I_type_t kind = H5Iget_type(id);
    if ((kind != H5I_GROUP && kind != H5I_DATASET) || depth > DEPTH_MAX)
        return ae_fail(AE_ERROR_IO, "%s: %s is an object that ae_dist doesn't write",
                       walk->file->path, path);
    ae_hash_add_text(walk->hash, kind == H5I_GROUP ? "group" : "dataset");
    ae_hash_add_text(walk->hash, path);
    ae_status status = add_attributes(walk, path, id);
    if (status != AE_OK) return status;
    return kind == H5I_GROUP ? add_members(walk, path, id, depth) : add_array(walk, path, id);
}

ae_status ae_h5_content_hash(ae_h5 *file, const char *skip, char text[AE_HASH_TEXT_SIZE]) {
    file_walk walk = {.file = file, .skip = skip};
    hid_t root = H5I_INVALID_HID;
    ae_status status = ae_hash_create(&walk.hash);
    if (status != AE_OK) return status;
    root = H5Gopen2(file->id, "/", H5P_DEFAULT);
    status = root < 0 ? ae_h5_fail(file, "open", "/") : add_object(&walk, "/", root, 0);
    if (status == AE_OK) ae_hash_text(walk.hash, text);
    if (root >= 0) H5Gclose(root);
    ae_hash_destroy(&walk.hash);
    return status;
}
