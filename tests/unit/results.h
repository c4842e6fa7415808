/* What the tests of results.h5 share: a run that keeps it. */
#ifndef AE_TESTS_RESULTS_H
#define AE_TESTS_RESULTS_H

#include "files.h"

#include "io/results.h"

/* At `path`, with `setup`'s images; whose run it is of is the same in all tests but for the
 * configuration. */
static inline ae_status create_results_of(ae_results **results, const ae_config *config,
                                          ae_results_setup setup, int64_t epochs_kept) {
    ae_network *network;
    check_ok(ae_network_create(&network, ae_config_settings(config)->model.layers, "layers",
                               (ae_shape){.channels = 3}, AE_OUTPUT_DIRECT));
    setup.config = config;
    setup.network = network;
    setup.provenance = (ae_provenance){.hosts = "n1:2",
                                       .ranks = 2,
                                       .threads = 4,
                                       .mpi = "an MPI",
                                       .kernel_path = "ref",
                                       .job_id = "",
                                       .data_hash = "00",
                                       .from_epoch = epochs_kept};
    ae_status status = ae_results_create(results, path, &setup, epochs_kept);
    ae_network_destroy(&network);
    return status;
}

#endif
