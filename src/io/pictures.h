/* The pictures of results.h5: /reconstructions, or where they are of several sizes a group in it
 * for each, "/reconstructions/321x481" (rows x columns). Each epoch's outputs are a row of
 * `output`. */
#ifndef AE_IO_PICTURES_H
#define AE_IO_PICTURES_H

#include "h5/h5.h"
#include "io/results.h"

#define AE_PICTURES_GROUP "/reconstructions"

/* Pictures of one size. */
typedef struct ae_gallery {
    char name[48]; /* behind AE_PICTURES_GROUP: "", or "/321x481" */
    ae_shape shape;
    int64_t count;
    int64_t *index; /* [count], owned: their places in the test set, from 0 */
    size_t *offset; /* [count], owned: where each begins among the values of all pictures */
} ae_gallery;

typedef struct ae_pictures {
    ae_gallery *galleries; /* [gallery_count], owned */
    int gallery_count;     /* 0: there are no pictures */
} ae_pictures;

/* Sorts the setup's pictures into galleries. To be released whatever is returned. AE_FAILED:
 * memory. */
ae_status ae_pictures_init(ae_pictures *pictures, const ae_results_setup *setup);
void ae_pictures_release(ae_pictures *pictures);

/* Bytes of a row of a gallery's output. */
size_t ae_gallery_bytes(const ae_gallery *gallery);

/* path[AE_H5_NAME_SIZE] = that of a gallery's dataset `name` below `root`. */
void ae_gallery_path(char *path, const char *root, const ae_gallery *gallery, const char *name);

/* The description of a gallery's `output` below `root`, of `rows` rows. Its texts are in `paths`.
 */
typedef struct ae_gallery_paths {
    char output[AE_H5_NAME_SIZE], scales[5][AE_H5_NAME_SIZE];
} ae_gallery_paths;
ae_h5_dataset ae_gallery_output(ae_gallery_paths *paths, const char *root,
                                const ae_gallery *gallery, int64_t rows);

/* Makes the galleries anew, with no outputs yet. */
ae_status ae_pictures_write(const ae_pictures *pictures, ae_h5 *file,
                            const ae_results_setup *setup);

/* Makes galleries below `root` (described so) of outputs alone, none yet, with their scales. */
ae_status ae_pictures_write_outputs(const ae_pictures *pictures, ae_h5 *file, const char *root,
                                    const char *description);

/* Does the file hold these galleries? */
bool ae_pictures_are_held(const ae_pictures *pictures, ae_h5 *file);

/* values[count][channels][height][width] = a gallery's of all pictures, one after the other. */
void ae_gallery_gather(const ae_gallery *gallery, float *values, const float *all);

#endif
