/* ae_simulate: the training step on a simulated cluster, run by SimGrid's smpirun.
 *
 * Real are the ranks, their shards, and the reduction with its messages and sums. Simulated are the
 * network, and the seconds that images and the update take, which are given. */
#include <smpi/smpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "comm/comm.h"
#include "data/order.h"

enum { BLOCK = 1 }; /* images: the default of train.block */

/* Of the hosts in the platform, so that a second of work is a second of theirs. */
static const double FLOPS_PER_S = 1e9;

/* What a rank's step took, in seconds. */
enum { STEP, COMPUTE, UPDATE, TIMES };

/* The command line. */
typedef struct command {
    double image_s, update_s;
    int message_size; /* int64 values */
} command;

static void work_for(double seconds) {
    smpi_execute_flops(seconds * FLOPS_PER_S);
}

/* One step on a batch of `batch` images; prints what it took: nothing varies from one to the next.
 * AE_FAILED: a sum isn't that of all shards. Collective. */
static ae_status simulate(ae_comm *comm, const command *cmd, int64_t *message, int64_t batch) {
    const ae_shard shard =
        ae_order_shard(batch, batch, BLOCK, 0, ae_comm_rank(comm), ae_comm_size(comm));
    const int64_t images = shard.end - shard.begin;
    double lowest[TIMES], mean[TIMES], highest[TIMES];

    ae_comm_min(comm, 0); /* waits for all */
    const double begin_s = ae_now_s();
    work_for((double)images * cmd->image_s);
    const double computed_s = ae_now_s();
    for (int i = 0; i < cmd->message_size; ++i) message[i] = images;
    ae_comm_sum(comm, message, cmd->message_size);
    const double reduced_s = ae_now_s();
    work_for(cmd->update_s);
    const double end_s = ae_now_s();

    const double times[TIMES] = {
        [STEP] = end_s - begin_s, [COMPUTE] = computed_s - begin_s, [UPDATE] = end_s - reduced_s};
    int wrong = 0;
    for (int i = 0; i < cmd->message_size; ++i) wrong += message[i] != batch;
    ae_comm_spread(comm, times, TIMES, lowest, mean, highest);
    if (wrong > 0) return ae_fail(AE_FAILED, "a sum isn't that of all shards");
    if (ae_log_is_speaker())
        printf("{\"ranks\": %d, \"batch\": %lld, \"step_s\": %.9f, \"compute_s\": %.9f, "
               "\"update_s\": %.9f}\n",
               ae_comm_size(comm), (long long)batch, highest[STEP], highest[COMPUTE],
               highest[UPDATE]);
    return AE_OK;
}

int main(int argc, char **argv) {
    ae_comm *comm = NULL;
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(ae_comm_rank(comm) == 0, true);
    ae_status status = AE_OK;
    command cmd = {0};
    if (argc > 4) cmd = (command){atof(argv[1]), atof(argv[2]), atoi(argv[3])};
    if (cmd.image_s <= 0 || cmd.update_s < 0 || cmd.message_size < 1)
        status = ae_fail(AE_ERROR_USAGE,
                         "usage: smpirun ... ae_simulate IMAGE_S UPDATE_S MESSAGE_SIZE BATCH...");
    int64_t *message = status ? NULL : ae_calloc((size_t)cmd.message_size, sizeof *message);
    if (status == AE_OK && !message) status = ae_fail_memory("the message");
    for (int a = 4; a < argc && status == AE_OK; ++a) {
        const int64_t batch = atoll(argv[a]);
        status = batch > 0 ? simulate(comm, &cmd, message, batch)
                           : ae_fail(AE_ERROR_USAGE, "batch %s: not a number from 1", argv[a]);
    }
    free(message);
    if (status) ae_report_error();
    ae_comm_destroy(&comm);
    return status;
}
