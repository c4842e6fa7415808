/* What a checkpoint and a model.h5 have in common: a head with the hash of all the rest, and the
 * groups that tell of the network and what it was trained on. `path` is the file's, for messages.
 */
#ifndef AE_IO_TRAINED_H
#define AE_IO_TRAINED_H

#include "config/config.h"
#include "h5/h5.h"
#include "nn/state.h"
#include "team/noise.h"

/* One of the two kinds of file. */
typedef struct ae_trained_kind {
    const char *title, *format; /* the root's attributes */
    int64_t version;            /* format_version */
} ae_trained_kind;

extern const ae_trained_kind ae_trained_checkpoint, ae_trained_model;

/* ---- writing ---- */

/* Begins the file, to be published at `path`. The caller owns *file. */
ae_status ae_trained_begin(ae_h5 **file, const char *path, const ae_trained_kind *kind);

/* Adds /parameters, /images, /contract, /config and, where there is one, /origin. */
ae_status ae_trained_write(ae_h5 *file, const ae_state *state, const ae_config *config,
                           const char *kernel_path);

/* Adds the content's hash and publishes the file. */
ae_status ae_trained_end(ae_h5 *file);

/* ---- reading ---- */

/* No such file of a network that can be made is larger, in bytes, nor is a larger one read where
 * the network isn't known yet. */
#define AE_TRAINED_LIMIT ((size_t)1 << 30)

/* Opens a file of one of `count` kinds, which is whole and has `limit` bytes at most. The caller
 * owns *file. AE_ERROR_IO: damaged, or of no such kind; AE_ERROR_USAGE: of a later version. */
ae_status ae_trained_open(ae_h5 **file, const char *path, size_t limit,
                          const ae_trained_kind *const kinds[], int count);

/* What the network is; of the oldest checkpoints, which had but one kind, as configured. layers:
 * [AE_GRAPH_TEXT_SIZE]. */
ae_status ae_trained_read_network(ae_h5 *file, const char *path, char *layers, ae_output *output,
                                  int *channels);

/* range[2] = pixel values that became 0 and 1; *noise = that of the training images. Where older
 * checkpoints don't tell: bytes, and as configured for the epoch that they are of. */
ae_status ae_trained_read_images(ae_h5 *file, const char *path, double range[2], ae_noise *noise);

#endif
