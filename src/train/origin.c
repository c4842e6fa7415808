/* Whose weights a run begins with: the seed's, or another run's (train.init_from). */
#include "train/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "io/weights.h"

/* parameters[] of the network and their origin as train.init_from says; the file they came from is
 * told. */
static ae_status read_origin(ae_origin *origin, float *parameters, const ae_network *network,
                             const char *init_from) {
    char file[AE_PATH_SIZE];
    ae_status status = ae_weights_read(file, parameters, init_from, network);
    if (status != AE_OK) return status;
    memcpy(origin->init_from, init_from, sizeof origin->init_from);
    ae_hash_of(parameters, ae_network_size(network) * sizeof *parameters, origin->parameters_hash);
    ae_say("weights  those of %s (hash %s)", file, origin->parameters_hash);
    return AE_OK;
}

ae_status ae_origin_begin(ae_state *state, const ae_settings *settings) {
    if (!settings->train.init_from[0]) return AE_OK;
    return read_origin(&state->origin, state->parameters, state->network,
                       settings->train.init_from);
}

static const char *hash_or_none(const ae_origin *origin) {
    return origin->parameters_hash[0] ? origin->parameters_hash : "none";
}

/* Another path may hold the same weights, having moved. */
static ae_status check_moved(ae_state *state, const ae_settings *settings) {
    ae_origin *was = &state->origin, is = {"", ""};
    float *parameters = ae_calloc(ae_network_size(state->network), sizeof *parameters);
    if (!parameters) return ae_fail_memory("the weights of train.init_from");
    ae_status status = AE_OK;
    if (settings->train.init_from[0])
        status = read_origin(&is, parameters, state->network, settings->train.init_from);
    free(parameters);
    if (status != AE_OK) return status;
    if (strcmp(was->parameters_hash, is.parameters_hash) != 0)
        return ae_fail(AE_ERROR_USAGE,
                       "can't go on with the run in %s: train.init_from was '%s' (hash %s), is "
                       "'%s' (hash %s); set it back to go on (it isn't read again), or choose "
                       "another run.dir to begin anew",
                       settings->run.dir, was->init_from, hash_or_none(was), is.init_from,
                       hash_or_none(&is));
    *was = is;
    return AE_OK;
}

ae_status ae_origin_check(ae_state *state, const ae_settings *settings) {
    const bool same = strcmp(state->origin.init_from, settings->train.init_from) == 0;
    return same ? AE_OK : check_moved(state, settings);
}
