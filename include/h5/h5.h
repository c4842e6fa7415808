/* HDF5 files that lie in memory: built or loaded there, and published to disk in one piece.
 *
 * Objects are named by their path in the file ("/epochs/ssim"), so that no HDF5 handle leaves this
 * module. Groups and attributes keep the order of their creation; strings are variable-length
 * UTF-8. Everything is local, and not for use inside parallel regions. Functions that return an
 * ae_status fail with AE_ERROR_IO and a message that names the file, the object and HDF5's own
 * reason; AE_FAILED is memory. */
#ifndef AE_H5_H5_H
#define AE_H5_H5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/status.h"

enum { AE_H5_RANK_MAX = 5, AE_H5_NAME_SIZE = 256 };

typedef enum ae_h5_type {
    AE_H5_INT64,  /* int64_t */
    AE_H5_FLOAT,  /* float */
    AE_H5_DOUBLE, /* double */
    AE_H5_TEXT    /* const char * */
} ae_h5_type;

/* A dataset to be made. Texts are borrowed for the call. */
typedef struct ae_h5_dataset {
    const char *path;
    ae_h5_type type;
    int rank; /* 0: one value */
    int64_t shape[AE_H5_RANK_MAX];
    bool grows; /* rows can be added and cut (along the first dimension) */
    const char *units, *long_name, *description;
    /* Path of each dimension's scale, whose last part is the dimension's name. The dataset's own
     * path makes it a scale itself. */
    const char *scales[AE_H5_RANK_MAX];
} ae_h5_dataset;

typedef struct ae_h5 ae_h5;

/* Version of the HDF5 library, "1.10.8". Owned by the module. */
const char *ae_h5_version(void);

/* An empty file in memory. `path` is where it is going to be published. The caller owns *file. */
ae_status ae_h5_create(ae_h5 **file, const char *path);

/* Loads the file at `path`, which may have `limit` bytes at most, and refuses one whose bytes are
 * not those that ae_h5_publish() or HDF5 wrote. Later changes stay in memory until published. The
 * caller owns *file. */
ae_status ae_h5_open(ae_h5 **file, const char *path, size_t limit);
void ae_h5_close(ae_h5 **file);

/* Can the file at `path`, which may have `limit` bytes at most, be read, and neither begins as
 * HDF5's do nor ends as ae_h5_publish()'s do? */
bool ae_h5_is_foreign(const char *path, size_t limit);

/* Makes the file at its path equal to the one in memory, whole or not at all (ae_file_replace()),
 * with a hash of its bytes after HDF5's last one. */
ae_status ae_h5_publish(ae_h5 *file);

/* Is there an object of that path? */
bool ae_h5_has(ae_h5 *file, const char *path);
ae_status ae_h5_delete(ae_h5 *file, const char *path);

/* A group, with its `description`. Its parent must be there. */
ae_status ae_h5_add_group(ae_h5 *file, const char *path, const char *description);

/* Number of objects in a group. */
ae_status ae_h5_members(ae_h5 *file, const char *path, int64_t *count);

/* Name of a group's object, 0 <= index < count, in alphabetical order. */
ae_status ae_h5_member_name(ae_h5 *file, const char *path, int64_t index,
                            char name[AE_H5_NAME_SIZE]);

/* A dataset with its attributes, and its scales attached (they must be there already). data: all
 * values, in C order; NULL leaves zeros. Arrays of 4 KiB and more, and those that grow, are
 * chunked, shuffled and deflated. */
ae_status ae_h5_add(ae_h5 *file, const ae_h5_dataset *dataset, const void *data);

/* Rows that a virtual dataset shows: the first ones of another dataset. */
enum { AE_H5_ALL_ROWS = -1 }; /* all that it has, however many it comes to have */
typedef struct ae_h5_source {
    char file[AE_H5_NAME_SIZE]; /* beside the file itself, "parts/a.h5"; ".": the file itself */
    char path[AE_H5_NAME_SIZE]; /* of the dataset in it */
    int64_t rows;               /* of the last source AE_H5_ALL_ROWS, if wanted */
} ae_h5_source;

/* The same of floats that grow, whose rows are those of the sources, one after the other; rows that
 * can't be found read as NaN. dataset->shape[0] is not looked at. */
ae_status ae_h5_add_virtual(ae_h5 *file, const ae_h5_dataset *dataset, const ae_h5_source *sources,
                            int count);

/* sources[room] = the first ones of the dataset at dataset->path, of those dimensions behind the
 * rows; *count = how many there are, 0 where it isn't virtual. */
ae_status ae_h5_sources(ae_h5 *file, const ae_h5_dataset *dataset, ae_h5_source *sources, int room,
                        int *count);

/* Adds a row to a dataset that grows. */
ae_status ae_h5_append(ae_h5 *file, const char *path, ae_h5_type type, const void *row);

/* Appends the first `rows` rows of a dataset (of AE_H5_TEXT: one text each) to one of the same type
 * and shape but for the rows, which may be in the same file: as they are stored, where both are
 * alike. */
ae_status ae_h5_append_rows(ae_h5 *to, const char *to_path, ae_h5 *from, const char *from_path,
                            ae_h5_type type, int64_t rows);

/* Cuts a dataset that grows back to its first `rows` rows, if it has more. */
ae_status ae_h5_cut(ae_h5 *file, const char *path, int64_t rows);

/* Is it a dataset of that type, rank and shape? A negative extent stands for any, and is replaced
 * by the one there. */
ae_status ae_h5_check(ae_h5 *file, const char *path, ae_h5_type type, int rank, int64_t *shape);

/* Reads all values of a dataset of exactly that type (not AE_H5_TEXT), rank and shape. */
ae_status ae_h5_read(ae_h5 *file, const char *path, ae_h5_type type, int rank, const int64_t *shape,
                     void *data);

/* Reads one row (along the first dimension) of a dataset that was checked; texts are HDF5's to
 * free.
 */
ae_status ae_h5_read_row(ae_h5 *file, const char *path, ae_h5_type type, int64_t row, void *data);

/* Replaces all values of such a dataset. */
ae_status ae_h5_write(ae_h5 *file, const char *path, ae_h5_type type, int rank,
                      const int64_t *shape, const void *data);

/* Attributes of one value; `object` is the path of a group or dataset. Set: makes or replaces. */
ae_status ae_h5_set_text(ae_h5 *file, const char *object, const char *name, const char *value);
ae_status ae_h5_set_int64(ae_h5 *file, const char *object, const char *name, int64_t value);

/* Get: AE_ERROR_IO also where a text doesn't fit into `size` bytes. */
ae_status ae_h5_get_text(ae_h5 *file, const char *object, const char *name, char *value,
                         size_t size);
ae_status ae_h5_get_int64(ae_h5 *file, const char *object, const char *name, int64_t *value);
bool ae_h5_has_attribute(ae_h5 *file, const char *object, const char *name);

/* Names of an object's attributes, 0 <= index < count, in alphabetical order. */
ae_status ae_h5_attributes(ae_h5 *file, const char *object, int64_t *count);
ae_status ae_h5_attribute_name(ae_h5 *file, const char *object, int64_t index,
                               char name[AE_H5_NAME_SIZE]);

/* Hash of the whole content: names, types, shapes and values of all groups, datasets and
 * attributes, but for the root's attribute `skip` and the bookkeeping of dimension scales. Doesn't
 * depend on the order of creation, chunks or compression. Fails on objects of kinds and types that
 * this module doesn't write. */
ae_status ae_h5_content_hash(ae_h5 *file, const char *skip, char text[AE_HASH_TEXT_SIZE]);

#endif
