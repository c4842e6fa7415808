/* What the files of this room share. */
#ifndef AE_H5_INTERNAL_H
#define AE_H5_INTERNAL_H

#include <hdf5.h>
#include "h5/h5.h"

struct ae_h5 {
    hid_t id;
    char *path;   /* owned */
    size_t limit; /* bytes an array may have, from the size of the file it was loaded from */
};

/* "PATH: can't WHAT OBJECT: HDF5's innermost reason". Returns AE_ERROR_IO. */
ae_status ae_h5_fail(const ae_h5 *file, const char *what, const char *object);

/* To be called first: HDF5 prints nothing, and leaves alone at the process's end what it couldn't
 * close, as on a full disk, where it would crash. */
void ae_h5_begin(void);

/* Properties of a new file, group or dataset, by their class: attributes and links keep the order
 * of their creation, and no times are kept, so that equal content makes equal files. To be closed;
 * negative: failed. */
hid_t ae_h5_creation(hid_t class);

/* The type in the file, of which `text` is that of strings. Not to be closed. */
hid_t ae_h5_file_type(ae_h5_type type, hid_t text);

/* A new variable-length UTF-8 string type. */
hid_t ae_h5_text_type(void);

/* Opens a dataset and gives its rank and shape; negative (and a closed dataset): failed. */
hid_t ae_h5_open_dataset(ae_h5 *file, const char *path, int *rank, hsize_t shape[AE_H5_RANK_MAX]);

/* ae_h5_add() with those creation properties; negative: they couldn't be made. */
ae_status ae_h5_add_with(ae_h5 *file, const ae_h5_dataset *dataset, hid_t creation,
                         const void *data);

/* Which of our types this is; false: none. */
bool ae_h5_type_of(hid_t type, ae_h5_type *found);

#endif
