/* The pictures that the command line means. */
#ifndef AE_APPLY_INPUTS_H
#define AE_APPLY_INPUTS_H

#include <stdint.h>
#include "apply/options.h"
#include "comm/comm.h"
#include "io/run_folder.h"

/* A file of pictures, or a dataset of them. */
typedef struct ae_input {
    const char *path;        /* of the file */
    const char *dataset;     /* in an HDF5 file; "": it is a picture */
    const char *relative;    /* its own name below what was given; of a dataset both names */
    const char *name;        /* of the output below OUT */
    int64_t bytes, mtime_ns; /* of the file */
} ae_input;

typedef struct ae_inputs {
    ae_input *all; /* [count], owned */
    int64_t count;
    char *texts; /* owned: what the inputs' texts point into */
} ae_inputs;

/* Rank 0 looks for them and tells the others, in the order of the command line. Collective; to be
 * released whatever is returned. AE_ERROR_DATA: nothing is there, or a folder can't be read;
 * AE_ERROR_USAGE: two of them would go to one file, or one over itself, or the reference isn't
 * there or is one for several. */
ae_status ae_inputs_find(ae_inputs *inputs, ae_comm *comm, const ae_apply_options *options);
void ae_inputs_release(ae_inputs *inputs);

/* label = what messages call it: a file, or FILE.h5:/dataset. */
enum { AE_INPUT_LABEL_SIZE = 2 * AE_PATH_SIZE };
void ae_input_label(char label[AE_INPUT_LABEL_SIZE], const ae_input *input);

/* Splits "FILE.h5:/dataset": the length of the file's path, or 0 where `text` isn't such a one. */
size_t ae_input_split(const char *text);

#endif
