/* Replicas are compared by a hash of their state. */
#include "train/replicas.h"

#include <stdio.h>

#include "base/hash.h"

ae_status ae_replicas_compare(const ae_state *state, ae_comm *comm, char hash[AE_HASH_TEXT_SIZE]) {
    const size_t bytes = ae_network_size(state->network) * sizeof(float);
    ae_hash *sum = NULL;
    ae_status status = ae_hash_create(&sum);
    if (status == AE_OK) {
        ae_hash_add(sum, state->parameters, bytes);
        for (int m = 0; m < state->optimizer.moments; ++m)
            ae_hash_add(sum, state->optimizer.moment[m], bytes);
        ae_hash_text(sum, hash);
        ae_hash_destroy(&sum);
    }
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    int64_t differing = !ae_comm_equals_first(comm, hash, AE_HASH_TEXT_SIZE);
    const bool differs = differing > 0, is_first = ae_comm_rank(comm) == 0;
    const int size = ae_comm_size(comm);
    ae_comm_sum(comm, &differing, 1);
    if (differing == 0) return AE_OK;
    /* One alone against all others is wrong, rank 0 too; of two, nobody knows which. */
    const bool first_is_alone = size > 2 && differing == size - 1;
    char self[512] = ""; /* other ranks are named as the message is passed on */
    if (is_first) snprintf(self, sizeof self, "rank 0 on %s: ", ae_comm_host_of(comm, 0));
    if (first_is_alone ? is_first : differs)
        status = ae_fail(
            AE_ERROR_NUMERIC,
            "%safter epoch %lld its parameters (hash %s) differ from %s; %s memory or processor is "
            "at fault: leave the host out and start again, which goes on from the last checkpoint",
            self, (long long)state->position.epoch + 1, hash,
            is_first ? "those of all others" : "rank 0's", size > 2 ? "its" : "one of the two's");
    return ae_comm_agree(comm, status);
}
