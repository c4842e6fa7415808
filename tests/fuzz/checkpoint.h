/* A small run and its checkpoint, for the targets that damage it. */
#ifndef AE_TESTS_FUZZ_CHECKPOINT_H
#define AE_TESTS_FUZZ_CHECKPOINT_H

#include <hdf5.h>
#include <math.h>
#include "fuzz.h"
#include "base/file.h"
#include "io/checkpoint.h"

typedef struct stored_run {
    ae_config *config;
    ae_network *network;
    ae_state state;
    size_t size; /* floats of the parameters, and of a moment */
} stored_run;

/* The first layer's weights are compressed in the file, and the others aren't. */
static const char run_text[] = "[model]\nlayers = conv 16 5 relu, tconv 3 5 sigmoid\n"
                               "[train]\nepochs = 5\n";

/* A run with the values that a checkpoint of it has; `blank`: with none. */
static inline void run_make(stored_run *run, bool blank) {
    memset(run, 0, sizeof *run);
    ae_status status = ae_config_create(&run->config, "a.ini", run_text, strlen(run_text), NULL, 0);
    REQUIRE(status == AE_OK, "%s", ae_message());
    const ae_settings *settings = ae_config_settings(run->config);
    status = ae_network_create(&run->network, settings->model.layers, "layers",
                               (ae_shape){3, 32, 32}, AE_OUTPUT_DIRECT);
    REQUIRE(status == AE_OK, "%s", ae_message());
    run->size = ae_network_size(run->network);
    const ae_optimizer_options options = ae_optimizer_options_of(settings);
    status = ae_state_init(&run->state, run->network, &options);
    REQUIRE(status == AE_OK, "%s", ae_message());
    if (blank) return;
    for (size_t i = 0; i < run->size; ++i) {
        run->state.parameters[i] = sinf((float)i);
        for (int m = 0; m < run->state.optimizer.moments; ++m)
            run->state.optimizer.moment[m][i] = cosf((float)i) + (float)m;
    }
    run->state.optimizer.steps = 1234;
    run->state.position = (ae_position){3, 17, 5000000000000, 1700};
    strcpy(run->state.data_hash, "0123456789abcdef0123456789abcdef");
}

static inline void run_free(stored_run *run) {
    ae_state_release(&run->state);
    ae_network_destroy(&run->network);
    ae_config_destroy(&run->config);
}

/* The bytes of the run's checkpoint; never freed. */
static inline char *run_checkpoint(const stored_run *run, size_t *size) {
    char folder[] = "/tmp/ae_dist-fuzz-XXXXXX", path[64];
    void *bytes = NULL;
    REQUIRE(mkdtemp(folder), "no folder");
    snprintf(path, sizeof path, "%s/checkpoint.h5", folder);
    ae_status status = ae_checkpoint_write(path, &run->state, run->config, "ref");
    if (status == AE_OK) status = ae_file_read(path, SIZE_MAX, &bytes, size);
    unlink(path);
    rmdir(folder);
    REQUIRE(status == AE_OK, "%s", ae_message());
    return bytes;
}

/* Nothing of HDF5 is left open. */
static inline void require_all_closed(void) {
    ssize_t open = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
    REQUIRE(open == 0, "%zd handles are open", open);
}

#endif
