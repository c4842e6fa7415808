/* The memory of a run's state. */
#include "nn/state.h"

#include <stdlib.h>

#include "base/memory.h"

ae_status ae_state_init(ae_state *state, const ae_network *network,
                        const ae_optimizer_options *options) {
    const size_t size = ae_network_size(network);
    *state = (ae_state){
        .network = network, .parameters = ae_calloc(size, sizeof(float)), .range = {0, UINT8_MAX}};
    if (!state->parameters) return ae_fail_memory("the parameters");
    return ae_optimizer_init(&state->optimizer, options, size);
}

void ae_state_release(ae_state *state) {
    free(state->parameters);
    state->parameters = NULL;
    ae_optimizer_release(&state->optimizer);
}
