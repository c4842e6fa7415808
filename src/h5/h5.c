/* HDF5 files as a whole: in memory, sealed, written and read at once; groups and attributes. */
#include "h5/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/found.h"

enum { GROWTH = 1 << 20 }; /* bytes by which a file in memory grows */

/* A dataset's chunks are found by a B-tree, whose nodes take as much room when they are empty.
 * HDF5's 64 a node are 3.6 kB for each of a network's tensors, most of which have one chunk. */
enum { CHUNKS_A_NODE = 16 };

/* Deflate makes data at most this much smaller, so that an array of a loaded file can't be larger
 * than this times the file. */
enum { DEFLATE_RATIO = 1032 };

/* A published file ends in a seal, after HDF5's last byte: a mark and the hash of all bytes before.
 * HDF5 can crash on a file that was damaged on disk; the seal tells before it is asked. HDF5 passes
 * it over when reading and cuts it off when writing, so a file without one was changed with HDF5's
 * means, and ends where its superblock says that it does. */
static const char seal_mark[] = "\nae_dist seal: ";
enum { MARK_SIZE = sizeof seal_mark - 1, SEAL_SIZE = MARK_SIZE + AE_HASH_TEXT_SIZE };

const char *ae_h5_version(void) {
    static char text[32];
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "%u.%u.%u", major, minor, release);
    return text;
}

void ae_h5_begin(void) {
    H5dont_atexit(); /* heeded before any other call alone */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static herr_t take_first(unsigned n, const H5E_error2_t *error, void *data) {
    char *text = data;
    if (n == 0 && error->desc) snprintf(text, AE_H5_NAME_SIZE, "%s", error->desc);
    return 0;
}

ae_status ae_h5_fail(const ae_h5 *file, const char *what, const char *object) {
    char reason[AE_H5_NAME_SIZE] = "HDF5 gives no reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, reason);
    return ae_fail(AE_ERROR_IO, "%s: can't %s %s: %s", file->path, what, object, reason);
}

/* Makes the handle and the properties of a file in memory. */
static ae_status prepare(ae_h5 **file, const char *path, hid_t *access) {
    ae_h5_begin();
    *access = H5I_INVALID_HID;
    ae_h5 *made = *file = calloc(1, sizeof *made);
    if (!made) return ae_fail_memory(path);
    made->id = H5I_INVALID_HID;
    made->limit = SIZE_MAX;
    made->path = strdup(path);
    if (!made->path) return ae_fail_memory(path);
    *access = H5Pcreate(H5P_FILE_ACCESS);
    if (*access < 0 || H5Pset_fapl_core(*access, GROWTH, false) < 0)
        return ae_h5_fail(made, "prepare", "a file in memory");
    return AE_OK;
}

/* HDF5 takes two files in memory for one if they have the same name, and looks for the name on
 * disk: this one is new each time, and can't be there. */
static void memory_name(char name[AE_H5_NAME_SIZE]) {
    static unsigned long count;
    snprintf(name, AE_H5_NAME_SIZE, "/dev/null/ae_dist-%lu", ++count);
}

hid_t ae_h5_creation(hid_t class) {
    const unsigned order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    hid_t made = H5Pcreate(class);
    if (made < 0) return made;
    if (H5Pset_obj_track_times(made, false) >= 0 && H5Pset_attr_creation_order(made, order) >= 0 &&
        (class == H5P_DATASET_CREATE || H5Pset_link_creation_order(made, order) >= 0))
        return made;
    H5Pclose(made);
    return H5I_INVALID_HID;
}

ae_status ae_h5_create(ae_h5 **file, const char *path) {
    hid_t access, creation = H5I_INVALID_HID;
    ae_status status = prepare(file, path, &access);
    if (status != AE_OK) goto done;
    char name[AE_H5_NAME_SIZE];
    memory_name(name);
    creation = ae_h5_creation(H5P_FILE_CREATE);
    if (creation < 0 || H5Pset_istore_k(creation, CHUNKS_A_NODE / 2) < 0 ||
        ((*file)->id = H5Fcreate(name, H5F_ACC_TRUNC, creation, access)) < 0)
        status = ae_h5_fail(*file, "create", "a file in memory");
done:
    if (creation >= 0) H5Pclose(creation);
    if (access >= 0) H5Pclose(access);
    if (status != AE_OK) ae_h5_close(file);
    return status;
}

static void make_seal(char *seal, const char *bytes, size_t size) {
    memcpy(seal, seal_mark, MARK_SIZE);
    ae_hash_of(bytes, size, seal + MARK_SIZE);
    seal[SEAL_SIZE - 1] = '\n';
}

static const char signature[] = "\x89HDF\r\n\x1a\n";

static bool begins_well(const char *bytes, size_t size) {
    return size >= sizeof signature - 1 && memcmp(bytes, signature, sizeof signature - 1) == 0;
}

/* Are the bytes an HDF5 file up to the end that its superblock names? */
static bool ends_well(const char *bytes, size_t size) {
    static const size_t places[] = {40, 44, 28, 28}; /* of the end, by the superblock's version */
    size_t version = size < 64 ? SIZE_MAX : (unsigned char)bytes[sizeof signature - 1];
    if (version >= sizeof places / sizeof *places) return false;
    uint64_t end = 0;
    for (size_t i = 0; i < 8; ++i)
        end |= (uint64_t)(unsigned char)bytes[places[version] + i] << 8 * i;
    return begins_well(bytes, size) && end == size;
}

static bool has_seal(const char *bytes, size_t size) {
    return size > SEAL_SIZE && memcmp(bytes + size - SEAL_SIZE, seal_mark, MARK_SIZE) == 0;
}

/* Are the bytes those that were written? Told by the seal, or else by the end. */
static ae_status check_bytes(const ae_h5 *file, const char *bytes, size_t size) {
    char seal[SEAL_SIZE];
    if (!has_seal(bytes, size)) {
        if (ends_well(bytes, size)) return AE_OK;
        const char *kind = ae_found_kind(bytes, size);
        if (kind && !begins_well(bytes, size))
            return ae_fail(AE_ERROR_IO, "%s is not an HDF5 file, but %s", file->path, kind);
        return ae_fail(AE_ERROR_IO, "%s is damaged: its end is not that of an HDF5 file",
                       file->path);
    }
    make_seal(seal, bytes, size - SEAL_SIZE);
    if (memcmp(bytes + size - SEAL_SIZE, seal, SEAL_SIZE) == 0) return AE_OK;
    return ae_fail(AE_ERROR_IO, "%s is damaged: its bytes are not those that were written",
                   file->path);
}

bool ae_h5_is_foreign(const char *path, size_t limit) {
    void *bytes;
    size_t size;
    if (ae_file_read(path, limit, &bytes, &size) != AE_OK) return false;
    const bool is_foreign = !begins_well(bytes, size) && !has_seal(bytes, size);
    free(bytes);
    return is_foreign;
}

ae_status ae_h5_open(ae_h5 **file, const char *path, size_t limit) {
    void *bytes = NULL;
    size_t size = 0;
    hid_t access;
    ae_status status = prepare(file, path, &access);
    if (status == AE_OK) status = ae_file_read(path, limit, &bytes, &size);
    if (status == AE_OK) status = check_bytes(*file, bytes, size);
    if (status != AE_OK) goto done;
    char name[AE_H5_NAME_SIZE];
    memory_name(name);
    (*file)->limit = size > limit / DEFLATE_RATIO ? limit : size * DEFLATE_RATIO;
    if (H5Pset_file_image(access, bytes, size) < 0 ||
        ((*file)->id = H5Fopen(name, H5F_ACC_RDWR, access)) < 0)
        status = ae_h5_fail(*file, "open it as", "an HDF5 file");
done:
    free(bytes);
    if (access >= 0) H5Pclose(access);
    if (status != AE_OK) ae_h5_close(file);
    return status;
}

void ae_h5_close(ae_h5 **file) {
    if (!*file) return;
    if ((*file)->id >= 0) H5Fclose((*file)->id);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

ae_status ae_h5_publish(ae_h5 *file) {
    if (H5Fflush(file->id, H5F_SCOPE_LOCAL) < 0) return ae_h5_fail(file, "complete", "the file");
    ssize_t size = H5Fget_file_image(file->id, NULL, 0);
    if (size <= 0) return ae_h5_fail(file, "copy", "the file from memory");
    char *bytes = malloc((size_t)size + SEAL_SIZE);
    if (!bytes) return ae_fail_memory(file->path);
    ae_status status = AE_OK;
    if (H5Fget_file_image(file->id, bytes, (size_t)size) == size) {
        make_seal(bytes + size, bytes, (size_t)size);
        status = ae_file_replace(file->path, bytes, (size_t)size + SEAL_SIZE);
    } else {
        status = ae_h5_fail(file, "copy", "the file from memory");
    }
    free(bytes);
    return status;
}

bool ae_h5_has(ae_h5 *file, const char *path) {
    return H5Lexists(file->id, path, H5P_DEFAULT) > 0;
}

ae_status ae_h5_delete(ae_h5 *file, const char *path) {
    return H5Ldelete(file->id, path, H5P_DEFAULT) < 0 ? ae_h5_fail(file, "delete", path) : AE_OK;
}

ae_status ae_h5_add_group(ae_h5 *file, const char *path, const char *description) {
    ae_status status = AE_OK;
    hid_t group = H5I_INVALID_HID;
    hid_t creation = ae_h5_creation(H5P_GROUP_CREATE);
    if (creation < 0 ||
        (group = H5Gcreate2(file->id, path, H5P_DEFAULT, creation, H5P_DEFAULT)) < 0)
        status = ae_h5_fail(file, "make group", path);
    if (group >= 0) H5Gclose(group);
    if (creation >= 0) H5Pclose(creation);
    if (status == AE_OK) status = ae_h5_set_text(file, path, "description", description);
    return status;
}

ae_status ae_h5_members(ae_h5 *file, const char *path, int64_t *count) {
    H5G_info_t info;
    if (H5Gget_info_by_name(file->id, path, &info, H5P_DEFAULT) < 0)
        return ae_h5_fail(file, "look into group", path);
    *count = (int64_t)info.nlinks;
    return AE_OK;
}

ae_status ae_h5_member_name(ae_h5 *file, const char *path, int64_t index,
                            char name[AE_H5_NAME_SIZE]) {
    if (H5Lget_name_by_idx(file->id, path, H5_INDEX_NAME, H5_ITER_INC, (hsize_t)index, name,
                           AE_H5_NAME_SIZE, H5P_DEFAULT) < 0)
        return ae_h5_fail(file, "name the objects in group", path);
    return AE_OK;
}

/* Makes or replaces an attribute of one value; `value` as for H5Awrite(). */
static ae_status set(ae_h5 *file, const char *object, const char *name, hid_t type,
                     const void *value) {
    ae_status status = AE_OK;
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;
    if (space < 0 || type < 0 ||
        (ae_h5_has_attribute(file, object, name) &&
         H5Adelete_by_name(file->id, object, name, H5P_DEFAULT) < 0) ||
        (attribute = H5Acreate_by_name(file->id, object, name, type, space, H5P_DEFAULT,
                                       H5P_DEFAULT, H5P_DEFAULT)) < 0 ||
        H5Awrite(attribute, type, value) < 0)
        status = ae_h5_fail(file, "make an attribute of", object);
    if (attribute >= 0) H5Aclose(attribute);
    if (space >= 0) H5Sclose(space);
    return status;
}

ae_status ae_h5_set_text(ae_h5 *file, const char *object, const char *name, const char *value) {
    hid_t type = ae_h5_text_type();
    ae_status status = set(file, object, name, type, &value);
    if (type >= 0) H5Tclose(type);
    return status;
}

ae_status ae_h5_set_int64(ae_h5 *file, const char *object, const char *name, int64_t value) {
    return set(file, object, name, H5T_STD_I64LE, &value);
}

/* Opens an attribute that must hold one value of type `wanted`. */
static ae_status open_attribute(hid_t *attribute, ae_h5 *file, const char *object, const char *name,
                                ae_h5_type wanted) {
    ae_status status = AE_OK;
    hid_t type = H5I_INVALID_HID, space = H5I_INVALID_HID;
    ae_h5_type found;
    *attribute = H5Aopen_by_name(file->id, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (*attribute < 0 || (type = H5Aget_type(*attribute)) < 0 ||
        (space = H5Aget_space(*attribute)) < 0) {
        char what[AE_H5_NAME_SIZE];
        snprintf(what, sizeof what, "read attribute %s of", name);
        status = ae_h5_fail(file, what, object);
    } else if (!ae_h5_type_of(type, &found) || found != wanted ||
               H5Sget_simple_extent_npoints(space) != 1) {
        status = ae_fail(AE_ERROR_IO, "%s: attribute %s of %s is not one %s", file->path, name,
                         object, wanted == AE_H5_TEXT ? "text" : "whole number");
    }
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (status != AE_OK && *attribute >= 0) {
        H5Aclose(*attribute);
        *attribute = H5I_INVALID_HID;
    }
    return status;
}

ae_status ae_h5_get_text(ae_h5 *file, const char *object, const char *name, char *value,
                         size_t size) {
    hid_t attribute;
    ae_status status = open_attribute(&attribute, file, object, name, AE_H5_TEXT);
    if (status != AE_OK) return status;
    char *text = NULL;
    hid_t type = ae_h5_text_type();
    if (type < 0 || H5Aread(attribute, type, &text) < 0) {
        status = ae_h5_fail(file, "read an attribute of", object);
    } else if (text && strlen(text) >= size) {
        status =
            ae_fail(AE_ERROR_IO, "%s: attribute %s of %s is too long", file->path, name, object);
    } else {
        snprintf(value, size, "%s", text ? text : "");
    }
    H5free_memory(text);
    if (type >= 0) H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

ae_status ae_h5_get_int64(ae_h5 *file, const char *object, const char *name, int64_t *value) {
    hid_t attribute;
    ae_status status = open_attribute(&attribute, file, object, name, AE_H5_INT64);
    if (status != AE_OK) return status;
    if (H5Aread(attribute, H5T_NATIVE_INT64, value) < 0)
        status = ae_h5_fail(file, "read an attribute of", object);
    H5Aclose(attribute);
    return status;
}

bool ae_h5_has_attribute(ae_h5 *file, const char *object, const char *name) {
    return H5Aexists_by_name(file->id, object, name, H5P_DEFAULT) > 0;
}

ae_status ae_h5_attributes(ae_h5 *file, const char *object, int64_t *count) {
    hid_t id = H5Oopen(file->id, object, H5P_DEFAULT);
    int number = id < 0 ? -1 : H5Aget_num_attrs(id);
    ae_status status = number < 0 ? ae_h5_fail(file, "count the attributes of", object) : AE_OK;
    if (id >= 0) H5Oclose(id);
    *count = number;
    return status;
}

ae_status ae_h5_attribute_name(ae_h5 *file, const char *object, int64_t index,
                               char name[AE_H5_NAME_SIZE]) {
    if (H5Aget_name_by_idx(file->id, object, H5_INDEX_NAME, H5_ITER_INC, (hsize_t)index, name,
                           AE_H5_NAME_SIZE, H5P_DEFAULT) < 0)
        return ae_h5_fail(file, "name the attributes of", object);
    return AE_OK;
}
