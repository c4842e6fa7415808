/* What a run will be, before it begins. */
#include <stdio.h>

#include "base/build.h"
#include "base/log.h"
#include "data/order.h"
#include "train/internal.h"

/* "1 rank", "2 ranks". */
static const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

/* Blocks of a full batch, or of the only one. */
static ae_shard full_batch(const ae_trainer *trainer, int rank) {
    const ae_settings *settings = trainer->settings;
    return ae_order_shard(trainer->train_count, settings->train.batch, settings->train.block, 0,
                          rank, ae_comm_size(trainer->comm));
}

/* Fewest and most blocks of a batch that a rank has. */
static void blocks_of_ranks(const ae_trainer *trainer, int64_t *fewest, int64_t *most) {
    *fewest = *most = full_batch(trainer, 0).blocks;
    for (int r = 1; r < ae_comm_size(trainer->comm); ++r) {
        int64_t blocks = full_batch(trainer, r).blocks;
        if (blocks < *fewest) *fewest = blocks;
        if (blocks > *most) *most = blocks;
    }
}

void ae_plan_print(const ae_trainer *trainer) {
    const ae_settings *settings = trainer->settings;
    const ae_placement *placement = &trainer->placement;
    const int ranks = ae_comm_size(trainer->comm);
    int64_t fewest, most;
    blocks_of_ranks(trainer, &fewest, &most);
    ae_say("ae_dist %s (%s)", ae_build_version(), ae_build_revision());
    ae_say("run      %s", settings->run.dir);
    ae_say("network  %s: %zu parameters", settings->model.layers,
           ae_network_size(trainer->model.network));
    char validation[64] = "";
    if (trainer->validation_count > 0)
        snprintf(validation, sizeof validation, ", %lld to validate with",
                 (long long)trainer->validation_count);
    ae_say("images   %s, %lld to train on%s and %lld to test on",
           settings->data.source == AE_SOURCE_CIFAR10 ? settings->data.dir : "dead leaves",
           (long long)trainer->train_count, validation, (long long)trainer->test_count);
    ae_say("steps    %lld epoch%s on clean images, then %lld with noise %g: %lld steps each, %lld "
           "images a step",
           (long long)settings->train.pretrain_epochs, plural(settings->train.pretrain_epochs),
           (long long)settings->train.epochs, settings->noise.sigma,
           (long long)trainer->steps_per_epoch, (long long)settings->train.batch);
    char range[64];
    snprintf(range, sizeof range, fewest == most ? "%lld" : "%lld to %lld", (long long)fewest,
             (long long)most);
    ae_say("workers  %d rank%s x %d thread%s (%d in all) on %d core%s of %d host%s (%s); %s blocks "
           "of a "
           "step a rank; kernels %s",
           ranks, plural(ranks), placement->threads, plural(placement->threads),
           placement->total_threads, placement->total_cores, plural(placement->total_cores),
           ae_comm_node_count(trainer->comm), plural(ae_comm_node_count(trainer->comm)),
           ae_comm_hosts(trainer->comm), range, trainer->model.kernels->name);
    if (placement->quota_cores > 0)
        ae_say("quota    the time of %.3g core%s, by the CPU quota of the ranks' control groups "
               "(cgroups)",
               placement->quota_cores, plural(placement->quota_cores == 1 ? 1 : 2));
}

void ae_plan_print_memory(const ae_trainer *trainer) {
    const double size = (double)ae_network_size(trainer->model.network);
    const double threads = trainer->placement.threads;
    double images =
        (double)(trainer->train_count + trainer->validation_count + trainer->test_count) *
        (double)ae_record_size(trainer->picture);
    double a_rank = threads * (double)ae_member_bytes(trainer->model.network, trainer->picture) +
                    size * sizeof(float) * (2 + trainer->state.optimizer.moments) +
                    (double)ae_network_packed_size(trainer->model.network) * sizeof(float) +
                    (double)trainer->message_size * (double)sizeof(int64_t) +
                    (double)trainer->train_count * (double)sizeof(uint32_t);
    double results = (double)trainer->test_count * 5 * sizeof(double);
    ae_say("memory   %.1f MB a rank and %.1f MB of images a node; %.1f MB of figures on rank 0",
           a_rank / 1e6, images / 1e6, results / 1e6);
    ae_say("message  %.1f kB a step", (double)trainer->message_size * sizeof(int64_t) / 1e3);
    ae_say("total    %lld steps", (long long)(trainer->steps_per_epoch * trainer->total_epochs));
}

void ae_plan_warn(const ae_trainer *trainer) {
    const ae_placement *placement = &trainer->placement;
    const int64_t blocks = full_batch(trainer, 0).batch_blocks;
    ae_placement_warn(placement);
    if (placement->total_threads > blocks)
        ae_warn("a step has %lld block%s of images for %d threads, the others wait; raise "
                "train.batch, lower train.block, or start fewer",
                (long long)blocks, plural(blocks), placement->total_threads);
}
