/* What all ranks must have been given alike, or they would part ways. */
#include <stdio.h>
#include <string.h>

#include "base/build.h"
#include "base/hash.h"
#include "comm/comm.h"

/* Are they the same program? The first thing that ranks say to one another, so that any two
 * versions understand it. Collective. */
static ae_status check_program(ae_comm *comm, int contract) {
    char mine[256], first[256];
    memset(mine, 0, sizeof mine);
    snprintf(mine, sizeof mine, "%s (%s), contract %d", ae_build_version(), ae_build_revision(),
             contract);
    memcpy(first, mine, sizeof first);
    ae_comm_broadcast(comm, first, sizeof first);
    ae_status status = AE_OK;
    if (memcmp(mine, first, sizeof mine) != 0)
        status = ae_fail(AE_ERROR_USAGE,
                         "its program is of version %s, and rank 0's of %s; install one build "
                         "everywhere",
                         mine, first);
    return ae_comm_agree(comm, status);
}

/* Were they given the same arguments? Collective. */
static ae_status check_arguments(ae_comm *comm, int argc, char **argv) {
    char hash[AE_HASH_TEXT_SIZE] = "";
    ae_hash *sum = NULL;
    ae_status status = ae_hash_create(&sum);
    for (int i = 1; status == AE_OK && i < argc; ++i) ae_hash_add_text(sum, argv[i]);
    if (status == AE_OK) ae_hash_text(sum, hash);
    ae_hash_destroy(&sum);
    if (!ae_comm_equals_first(comm, hash, sizeof hash))
        status = ae_fail(AE_ERROR_USAGE,
                         "its arguments are not those of rank 0; give all ranks the same");
    return ae_comm_agree(comm, status);
}

ae_status ae_comm_check_alike(ae_comm *comm, int contract, int argc, char **argv) {
    ae_status status = check_program(comm, contract);
    return status == AE_OK ? check_arguments(comm, argc, argv) : status;
}
