/* What the tests of checkpoints share: a run to store. */
#ifndef AE_TESTS_RUN_H
#define AE_TESTS_RUN_H

#include "files.h"

#include "io/checkpoint.h"

typedef struct stored_run {
    ae_config *config;
    ae_network *network;
    ae_state state;
} stored_run;

/* A run whose numbers follow from `first`. */
static inline stored_run *make_run(const char *override, float first) {
    stored_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->config = make_config(override);
    const ae_settings *settings = ae_config_settings(run->config);
    check_ok(ae_network_create(&run->network, settings->model.layers, "layers",
                               (ae_shape){3, 32, 32}, AE_OUTPUT_DIRECT));
    size_t size = ae_network_size(run->network);
    const ae_optimizer_options options = ae_optimizer_options_of(settings);
    check_ok(ae_state_init(&run->state, run->network, &options));
    for (size_t i = 0; i < size; ++i) {
        run->state.parameters[i] = first + (float)i;
        for (int m = 0; m < run->state.optimizer.moments; ++m)
            run->state.optimizer.moment[m][i] = first * (float)(m + 2) - (float)i;
    }
    run->state.optimizer.steps = 1234;
    run->state.position = (ae_position){3, 17, 5000000000000, 1700, 2, 3, 99};
    strcpy(run->state.data_hash, "0123456789abcdef0123456789abcdef");
    return run;
}

static inline void free_run(stored_run *run) {
    ae_state_release(&run->state);
    ae_network_destroy(&run->network);
    ae_config_destroy(&run->config);
    free(run);
}

static inline void write_checkpoint(void) {
    stored_run *run = make_run(NULL, 1.5f);
    check_ok(ae_checkpoint_write(path, &run->state, run->config, "avx2"));
    free_run(run);
}

/* Reads the checkpoint into a run made with `override`. */
static inline ae_status read_checkpoint(const char *override) {
    stored_run *run = make_run(override, 0);
    ae_status status = ae_checkpoint_read(path, &run->state, run->config);
    free_run(run);
    return status;
}

typedef void file_change(ae_h5 *file);

/* Changes the file at `path` with HDF5; `rehash` makes its content hash fit. */
static inline void change_file(file_change *change, bool rehash) {
    ae_h5 *file;
    char hash[AE_HASH_TEXT_SIZE];
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    change(file);
    if (rehash) {
        check_ok(ae_h5_content_hash(file, "content_hash", hash));
        check_ok(ae_h5_set_text(file, "/", "content_hash", hash));
    }
    check_ok(ae_h5_publish(file));
    ae_h5_close(&file);
}

/* Reads a checkpoint so changed. */
static inline ae_status read_changed(file_change *change, bool rehash) {
    write_checkpoint();
    change_file(change, rehash);
    return read_checkpoint(NULL);
}

#endif
