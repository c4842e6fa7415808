/* The command line of apply. */
#ifndef AE_APPLY_OPTIONS_H
#define AE_APPLY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

typedef enum ae_apply_format {
    AE_APPLY_AUTO, /* each picture's own, of JPEG PNG */
    AE_APPLY_SAME,
    AE_APPLY_PNG,
    AE_APPLY_TIFF,
    AE_APPLY_JPEG
} ae_apply_format;

/* Texts are borrowed from argv. */
typedef struct ae_apply_options {
    const char *model, *out;
    const char *reference; /* NULL: none */
    const char **inputs;   /* [input_count], owned */
    int input_count;
    ae_apply_format format;
    int quality; /* of JPEG */
    bool has_range;
    double range[2];  /* pixel values that become 0 and 1 */
    const char *axes; /* of HDF5 datasets, "NCHW"; NULL: as the shape tells */
    int tile;         /* side; 0: as suits the network */
    double sigma;     /* of the noise that is added; 0: none */
    size_t memory;    /* bytes a rank */
    bool force, quiet, help;
} ae_apply_options;

/* Reads argv[1 ..]. To be released whatever is returned. AE_ERROR_USAGE. */
ae_status ae_apply_options_parse(ae_apply_options *options, int argc, char **argv);
void ae_apply_options_release(ae_apply_options *options);

void ae_apply_print_help(void);

#endif
