/* model.h5: a trained network by itself, with all that is needed to run it or to train on with it.
 * For rank 0 alone, but for ae_model_file_share(); the format is told in src/io/model_file.c. */
#ifndef AE_IO_MODEL_FILE_H
#define AE_IO_MODEL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"
#include "io/run_folder.h"
#include "nn/graph.h"
#include "nn/state.h"
#include "team/noise.h"

/* What a model.h5 or a checkpoint tells of its network. */
typedef struct ae_model_file {
    char path[AE_PATH_SIZE]; /* of the file, for messages */

    /* What ae_network_create() makes it from: */
    char layers[AE_GRAPH_TEXT_SIZE]; /* ready networks in full */
    ae_output output;
    int channels; /* of its pictures, in and out */

    /* What it was trained on: */
    double range[2];                   /* pixel values that became 0 and 1 */
    ae_noise noise;                    /* on the training images; sigma 0: none */
    char data_hash[AE_HASH_TEXT_SIZE]; /* of the images */
    int64_t epoch, updates;            /* whole epochs, and updates */

    int64_t contract; /* version of the contract, the network's (ae_network_contract) */
    char parameters_hash[AE_HASH_TEXT_SIZE]; /* XXH3-128 */
    size_t size;                             /* floats: ae_network_size() */
    float *parameters;                       /* [size], owned */
} ae_model_file;

/* Writes the state's parameters to `path`, as ae_checkpoint_write() does. Local. */
ae_status ae_model_file_write(const char *path, const ae_state *state, const ae_config *config,
                              const char *kernel_path);

/* *model = what `path` is or holds (ae_weights_find()): of any version of the contract. Local; to
 * be released whatever is returned. AE_ERROR_USAGE: there is none (the message tells what is there
 * instead), it isn't one of ours, or a later program's; AE_ERROR_IO: damaged. */
ae_status ae_model_file_read(ae_model_file *model, const char *path);
void ae_model_file_release(ae_model_file *model);

/* Rank 0's on all ranks, of which the others give an empty one ({0}). Collective; to be released
 * whatever is returned. AE_FAILED: memory. */
ae_status ae_model_file_share(ae_model_file *model, ae_comm *comm);

#endif
