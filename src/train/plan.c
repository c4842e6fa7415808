/* What a run will be, before it begins. */
#include "train/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/build.h"
#include "base/log.h"
#include "base/text.h"

/* ---- made ---- */

static int least_side(const ae_image_set *set) {
    return set->least_height < set->least_width ? set->least_height : set->least_width;
}

/* AE_ERROR_USAGE: data.patch, as it was given, doesn't fit the training images. */
static ae_status refuse_patch(const ae_config *config, const char *fault,
                              const ae_image_set *train) {
    return ae_fail(AE_ERROR_USAGE,
                   "%s %s; the smallest training image has %d x %d pixels: set it to at most %d",
                   ae_config_where(config, AE_OPTION(data, patch)), fault, train->least_height,
                   train->least_width, least_side(train));
}

/* The shape of samples, which are all of one. Local, alike on all ranks. */
static ae_status choose_picture(ae_plan *plan, const ae_config *config) {
    const ae_image_set *train = &plan->images.train;
    const int patch = (int)plan->settings->data.patch;
    plan->picture = train->shape;
    if (patch > least_side(train))
        return refuse_patch(config, "is larger than a training image", train);
    if (patch == 0 && ae_image_set_is_mixed(train))
        return refuse_patch(config, "= 0 takes whole images, and these are of different sizes",
                            train);
    if (patch > 0) plan->picture.height = plan->picture.width = patch;
    if (plan->settings->data.augment != AE_AUGMENT_SYMMETRIES ||
        plan->picture.height == plan->picture.width)
        return AE_OK;
    return ae_fail(AE_ERROR_USAGE,
                   "%s = symmetries turns samples by quarter turns, and they have %d x %d pixels: "
                   "take squares of them (data.patch), or data.augment = flip",
                   ae_config_where(config, AE_OPTION(data, augment)), plan->picture.height,
                   plan->picture.width);
}

/* Has a masked pixel others to be filled in with? */
static ae_status check_mask(const ae_plan *plan, const ae_config *config) {
    if (plan->settings->train.target != AE_TARGET_MASKED ||
        plan->picture.height * plan->picture.width > 1)
        return AE_OK;
    return ae_fail(AE_ERROR_USAGE,
                   "%s = masked fills in a pixel from those around it, and samples have one each: "
                   "take larger ones",
                   ae_config_where(config, AE_OPTION(train, target)));
}

/* How many samples an epoch has. */
static ae_status count_samples(ae_plan *plan, const ae_config *config) {
    const int64_t crops = plan->settings->data.crops;
    plan->sampling = (ae_sampling){.seed = (uint64_t)plan->settings->run.seed,
                                   .crops = crops,
                                   .patch = (int)plan->settings->data.patch,
                                   .augment = (ae_augment)plan->settings->data.augment};
    plan->samples = plan->train_images * crops;
    if (plan->samples <= UINT32_MAX) return AE_OK;
    return ae_fail(
        AE_ERROR_USAGE,
        "%s = %lld of each of %lld training images are more samples than can be numbered "
        "(%lld); lower it",
        ae_config_where(config, AE_OPTION(data, crops)), (long long)crops,
        (long long)plan->train_images, (long long)UINT32_MAX);
}

/* Takes the validation images off the end of the training images. Local, alike on all ranks. */
static ae_status split_validation(ae_plan *plan, const ae_config *config) {
    const int64_t wanted = plan->settings->train.validation_images;
    if (wanted >= plan->train_images)
        return ae_fail(AE_ERROR_USAGE,
                       "%s = %lld leaves none of the %lld training images to train on; lower it",
                       ae_config_where(config, AE_OPTION(train, validation_images)),
                       (long long)wanted, (long long)plan->train_images);
    plan->validation_images = wanted;
    plan->train_images -= wanted;
    return AE_OK;
}

ae_status ae_plan_make(ae_plan *plan, ae_comm *comm, const ae_config *config,
                       const ae_data_info *images) {
    const ae_settings *settings = ae_config_settings(config);
    *plan = (ae_plan){.settings = settings,
                      .rank = ae_comm_rank(comm),
                      .ranks = ae_comm_size(comm),
                      .placement = ae_placement_find(comm),
                      .train_images = images->train.count,
                      .test_images = images->test.count,
                      .images = *images,
                      .total_epochs = settings->train.pretrain_epochs + settings->train.epochs};
    ae_status status = choose_picture(plan, config);
    if (status == AE_OK) status = check_mask(plan, config);
    if (status == AE_OK) status = split_validation(plan, config);
    if (status == AE_OK) status = count_samples(plan, config);
    if (status != AE_OK) return status;
    plan->steps_per_epoch = ae_order_steps(plan->samples, settings->train.batch);
    return AE_OK;
}

/* ---- asked ---- */

static bool is_pretraining(const ae_plan *plan, int64_t epoch) {
    return epoch < plan->settings->train.pretrain_epochs;
}

ae_noise ae_plan_train_noise(const ae_plan *plan, int64_t epoch) {
    if (is_pretraining(plan, epoch)) return (ae_noise){0};
    return ae_noise_of_training(plan->settings);
}

ae_noise ae_plan_test_noise(const ae_plan *plan, int64_t epoch, int level) {
    if (is_pretraining(plan, epoch)) return (ae_noise){0};
    return ae_noise_of_test(plan->settings, level);
}

ae_task ae_plan_train_task(const ae_plan *plan, const ae_dataset *dataset, int64_t epoch) {
    ae_task task = {.images = ae_dataset_train(dataset),
                    .others = ae_dataset_train_others(dataset),
                    .noise = ae_plan_train_noise(plan, epoch),
                    .mask = ae_mask_of(plan->settings)};
    if (plan->settings->train.target == AE_TARGET_OTHER && task.others.count == 0)
        task.target_noise = task.noise;
    return task;
}

int ae_plan_levels(const ae_plan *plan, int64_t epoch) {
    return is_pretraining(plan, epoch) ? 0 : ae_noise_levels(plan->settings);
}

bool ae_plan_test_fits(const ae_plan *plan) {
    const ae_shape *test = &plan->images.test.shape;
    return test->height == plan->picture.height && test->width == plan->picture.width;
}

bool ae_plan_ends(const ae_plan *plan, const ae_position *position, int64_t epoch) {
    const int64_t patience = plan->settings->train.patience;
    if (epoch >= plan->total_epochs) return true;
    return patience > 0 && epoch > plan->settings->train.pretrain_epochs &&
           epoch - position->best_epoch >= patience;
}

bool ae_plan_tests(const ae_plan *plan, const ae_position *position, int64_t epoch) {
    const int64_t every = plan->settings->output.test_epochs;
    return ae_plan_ends(plan, position, epoch) || (every > 0 && epoch % every == 0);
}

double ae_plan_lr(const ae_plan *plan, int64_t update) {
    return ae_schedule_lr(plan->settings, update, plan->steps_per_epoch,
                          plan->steps_per_epoch * plan->total_epochs);
}

/* Rank `rank`'s part of step `step` of an epoch. */
static ae_shard shard_of(const ae_plan *plan, int64_t step, int rank) {
    return ae_order_shard(plan->samples, plan->settings->train.batch, plan->block, step, rank,
                          plan->ranks);
}

ae_shard ae_plan_shard(const ae_plan *plan, const ae_position *position) {
    return shard_of(plan, position->step, plan->rank);
}

bool ae_plan_can_reach(const ae_plan *plan, const ae_position *position) {
    return position->epoch <= plan->total_epochs && position->step <= plan->steps_per_epoch &&
           position->images <= plan->samples &&
           position->skipped <= plan->settings->train.skip_steps &&
           (position->images > 0 || position->step <= position->skipped) &&
           position->best_epoch <= position->epoch;
}

ae_status ae_plan_fail_diverged(const ae_plan *plan, int64_t epoch, int64_t step,
                                const char *what) {
    char place[64] = "";
    if (step > 0) snprintf(place, sizeof place, ", step %lld", (long long)step);
    return ae_fail(AE_ERROR_NUMERIC,
                   "epoch %lld%s: %s; training diverges. Lower optimizer.lr (now %g), or set "
                   "optimizer.clip_norm%s, in a new run.dir",
                   (long long)epoch + 1, place, what, plan->settings->optimizer.lr,
                   step > 0 ? " or train.skip_steps" : "");
}

/* ---- told ---- */

/* Fewest and most blocks of a full batch, or of the only one, that a rank has. */
static void blocks_of_ranks(const ae_plan *plan, int64_t *fewest, int64_t *most) {
    *fewest = *most = shard_of(plan, 0, 0).blocks;
    for (int r = 1; r < plan->ranks; ++r) {
        int64_t blocks = shard_of(plan, 0, r).blocks;
        if (blocks < *fewest) *fewest = blocks;
        if (blocks > *most) *most = blocks;
    }
}

/* Its text, or where that is long the number of layers. */
static void print_network(const char *layers, const ae_network *network) {
    enum { SHOWN = 100 }; /* bytes of a text */
    char count[32];
    snprintf(count, sizeof count, "%d layers", ae_network_graph(network)->count);
    ae_say("network  %s: %zu parameters", strlen(layers) > SHOWN ? count : layers,
           ae_network_size(network));
}

/* Where the images come from. */
static const char *source_of(const ae_settings *settings) {
    switch ((ae_source)settings->data.source) {
    case AE_SOURCE_CIFAR10:
    case AE_SOURCE_CIFAR100:
        return settings->data.dir;
    case AE_SOURCE_DEADLEAVES:
        return "dead leaves";
    case AE_SOURCE_IDX:
    case AE_SOURCE_HDF5:
    case AE_SOURCE_PICTURES:
        break;
    }
    return settings->data.train;
}

static void print_others(const ae_settings *settings) {
    const bool has_test = settings->data.test[0];
    const char *inputs = has_test ? settings->data.test : settings->data.train;
    const char *targets = has_test ? settings->data.other_test : settings->data.other;
    ae_say("target   the images of %s, one by one; of test images those of %s",
           settings->data.other, targets);
    if (strcmp(targets, inputs) != 0)
        ae_say("test     against these: where they are noisy, PSNR and SSIM don't tell how clean "
               "outputs are");
}

/* What outputs are compared with, where that isn't clean images; and what figures then are. */
static void print_target(const ae_plan *plan) {
    const ae_settings *settings = plan->settings;
    const ae_mask mask = ae_mask_of(settings);
    const int64_t masked = ae_mask_count(&mask, plan->picture);
    const ae_noise noise = ae_noise_of_test(settings, 0);
    if (settings->train.target == AE_TARGET_CLEAN) return;
    if (settings->data.other[0]) {
        print_others(settings);
        return;
    }
    if (settings->train.target == AE_TARGET_OTHER) {
        ae_say("target   the same images with noise of their own");
        return;
    }
    ae_say("target   the noisy images themselves, at %lld masked value%s of each, filled in from "
           "%d x %d pixels around",
           (long long)masked, ae_plural(masked), mask.window, mask.window);
    if (plan->validation_images > 0)
        ae_say("validate against noisy pixels at fixed masks: which epoch is better, it tells; how "
               "far outputs are from clean images, it doesn't");
    if (ae_noise_is_none(&noise))
        ae_say(
            "test     against the test images as they are, without noise put on them: where they "
            "are noisy, PSNR and SSIM don't tell how clean outputs are");
}

void ae_plan_print(const ae_plan *plan, const ae_comm *comm, const ae_model *model) {
    const ae_settings *settings = plan->settings;
    const ae_placement *placement = &plan->placement;
    const int ranks = plan->ranks;
    int64_t fewest, most;
    blocks_of_ranks(plan, &fewest, &most);
    ae_say("ae_dist %s (%s)", ae_build_version(), ae_build_revision());
    ae_say("run      %s", settings->run.dir);
    print_network(settings->model.layers, model->network);
    char validation[64] = "";
    if (plan->validation_images > 0)
        snprintf(validation, sizeof validation, ", %lld to validate with",
                 (long long)plan->validation_images);
    ae_say("images   %s, %lld to train on%s and %lld to test on", source_of(settings),
           (long long)plan->train_images, validation, (long long)plan->test_images);
    char noise[AE_NOISE_TEXT_SIZE];
    const ae_noise training = ae_noise_of_training(settings);
    char clean[64] = "";
    if (settings->train.pretrain_epochs > 0)
        snprintf(clean, sizeof clean, "%lld epoch%s on clean images, then ",
                 (long long)settings->train.pretrain_epochs,
                 ae_plural(settings->train.pretrain_epochs));
    ae_say("steps    %s%lld epoch%s with %s, in blocks of %lld: %lld steps each, %lld images a "
           "step",
           clean, (long long)settings->train.epochs, ae_plural(settings->train.epochs),
           ae_noise_text(noise, &training), (long long)plan->block,
           (long long)plan->steps_per_epoch, (long long)settings->train.batch);
    print_target(plan);
    char range[64];
    snprintf(range, sizeof range, fewest == most ? "%lld" : "%lld to %lld", (long long)fewest,
             (long long)most);
    ae_say("workers  %d rank%s x %d thread%s (%d in all) on %d core%s of %d host%s (%s); %s blocks "
           "of a step a rank; kernels %s",
           ranks, ae_plural(ranks), placement->threads, ae_plural(placement->threads),
           placement->total_threads, placement->total_cores, ae_plural(placement->total_cores),
           ae_comm_node_count(comm), ae_plural(ae_comm_node_count(comm)), ae_comm_hosts(comm),
           range, model->kernels->name);
    if (placement->quota_cores > 0)
        ae_say("quota    the time of %.3g core%s, by the CPU quota of the ranks' control groups "
               "(cgroups)",
               placement->quota_cores, ae_plural(placement->quota_cores == 1 ? 1 : 2));
}

/* "3 x 32 x 32", "1 x different sizes". */
static const char *shape_text(char text[64], const ae_image_set *set) {
    char sides[48] = "different sizes";
    if (!ae_image_set_is_mixed(set))
        snprintf(sides, sizeof sides, "%d x %d", set->shape.height, set->shape.width);
    snprintf(text, 64, "%d x %s", set->shape.channels, sides);
    return text;
}

/* What the source told of the images. */
static void print_images(const ae_data_info *images) {
    char train[64], test[64];
    ae_say("pixels   %s to train on, %s to test on, of %s%s", shape_text(train, &images->train),
           shape_text(test, &images->test), ae_sample_name(images->type),
           images->has_labels ? "; with labels" : "");
}

void ae_plan_print_memory(const ae_plan *plan, const ae_model *model, int moments,
                          size_t message_bytes) {
    const double size = (double)ae_network_size(model->network);
    const double threads = plan->placement.threads;
    print_images(&plan->images);
    double a_rank = threads * (double)ae_member_bytes(model, plan->picture, plan->block) +
                    size * sizeof(float) * (2 + moments) +
                    (double)ae_network_packed_size(model->network, model->kernels) * sizeof(float) +
                    (double)message_bytes + (double)plan->samples * (double)sizeof(uint32_t);
    double results = (double)plan->test_images * 5 * sizeof(double);
    ae_say("memory   %.1f MB a rank and %.1f MB of images a node; %.1f MB of figures on rank 0",
           a_rank / 1e6, (double)(plan->images.bytes + plan->images.others_bytes) / 1e6,
           results / 1e6);
    ae_say("message  %.1f kB a step", (double)message_bytes / 1e3);
    ae_say("total    %lld steps", (long long)(plan->steps_per_epoch * plan->total_epochs));
}

void ae_plan_warn(const ae_plan *plan) {
    const ae_placement *placement = &plan->placement;
    if (least_side(&plan->images.test) < AE_SSIM_WINDOW)
        ae_warn("test images with a side below %d pixels have no SSIM: it is NaN for these, which "
                "are left out of its mean",
                AE_SSIM_WINDOW);
    const int64_t blocks = shard_of(plan, 0, 0).batch_blocks;
    ae_placement_warn(placement);
    if (placement->total_threads > blocks)
        ae_warn("a step has %lld block%s of images for %d threads, the others wait; raise "
                "train.batch, lower train.block, or start fewer",
                (long long)blocks, ae_plural(blocks), placement->total_threads);
}
