/* The columns of results.h5: one line each in src/io/results_schema.c. */
#ifndef AE_IO_RESULTS_SCHEMA_H
#define AE_IO_RESULTS_SCHEMA_H

#include <stddef.h>
#include "h5/h5.h"
#include "io/results.h"

/* A dataset that gets a row at each epoch or start. Its dimensions are the table's scale and, with
 * `width` > 0, a second one of that many values. */
typedef struct ae_column {
    const char *name;
    ae_h5_type type;
    int width;
    size_t offset; /* of the value (text: of the pointer to it) in the table's record */
    const char *units, *long_name, *description;
} ae_column;

/* The columns of one group. */
typedef struct ae_table {
    const char *group, *description;
    const char *scale;  /* path of the scale of the rows: its first column */
    const char *second; /* path of the second dimension's scale, or NULL */
    const ae_column *columns;
    int count;
} ae_table;

/* A row of /epochs. */
typedef struct ae_epoch_record {
    ae_epoch_row row;
    const char *parameters_hash;
} ae_epoch_record;

/* A row of /provenance. */
typedef struct ae_start_record {
    int64_t start;
    ae_provenance given;
    const char *time, *version, *revision, *hdf5, *compiler, *flags;
} ae_start_record;

extern const ae_table ae_epochs_table;
extern const ae_table ae_provenance_table;

/* *count = how many of the first values of a scale of epochs are at most `epochs`. */
ae_status ae_scale_count(ae_h5 *file, const char *scale, int64_t epochs, int64_t *count);

/* Makes the group with its columns, which have no rows yet. */
ae_status ae_table_add(ae_h5 *file, const ae_table *table);

/* Checks the columns of a table that was loaded. *rows = how many all of them have. */
ae_status ae_table_check(ae_h5 *file, const ae_table *table, int64_t *rows);

/* Adds the first `rows` rows of the same table in another file, which was checked. */
ae_status ae_table_copy(ae_h5 *file, const ae_table *table, ae_h5 *from, int64_t rows);

/* Adds a row: `record` is the table's. */
ae_status ae_table_append(ae_h5 *file, const ae_table *table, const void *record);

#endif
