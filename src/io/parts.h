/* Outputs that have left results.h5 while its run goes on, so that what an epoch writes doesn't
 * grow with the epochs behind it. Some megabytes of outputs at a time move into a file of their
 * own, in the folder parts/ beside results.h5, whose `output` then shows them where they are: it is
 * virtual. The newest outputs are in results.h5 itself: in /reconstructions while nothing has left
 * it, then in /recent. At the end all come back, and the folder goes. */
#ifndef AE_IO_PARTS_H
#define AE_IO_PARTS_H

#include "io/pictures.h"

#define AE_RECENT_GROUP "/recent"

typedef struct ae_parts {
    const ae_pictures *pictures; /* borrowed */
    const char *results;         /* path of results.h5, borrowed */
    ae_h5_source *sources;       /* [count], owned: a file each, and how many of its rows count */
    int count;
    int64_t recent;  /* rows in results.h5 itself */
    bool is_settled; /* `output` shows all rows */
    bool is_tidy;    /* there are no other files in the folder */
} ae_parts;

/* No outputs yet. Borrows what it is given. */
void ae_parts_init(ae_parts *parts, const ae_pictures *pictures, const char *results);
void ae_parts_release(ae_parts *parts);

/* Notes what a file that holds the galleries tells of its outputs. AE_ERROR_IO: it contradicts
 * itself. */
ae_status ae_parts_load(ae_parts *parts, ae_h5 *from);

/* Takes that file's outputs after the first `epochs` epochs into a new one, whose galleries have
 * none yet: parts stay where they are, and where it held many itself these become one. */
ae_status ae_parts_take(ae_parts *parts, ae_h5 *file, ae_h5 *from, int64_t epochs);

/* Adds each gallery's outputs after `epoch`: of all pictures, one after the other. */
ae_status ae_parts_add(ae_parts *parts, ae_h5 *file, int64_t epoch, const float *output);

/* Makes the file ready to be published: where it has many outputs they become a part. */
ae_status ae_parts_settle(ae_parts *parts, ae_h5 *file);

/* Brings all outputs back into the file. Those of a part that can't be read any more are warned of,
 * and become NaN. */
ae_status ae_parts_merge(ae_parts *parts, ae_h5 *file);

/* Deletes what is in the folder and isn't one of the parts, and the folder where it is empty; after
 * the file was published. */
ae_status ae_parts_tidy(ae_parts *parts);

#endif
