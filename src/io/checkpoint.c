/* A checkpoint is an HDF5 file:
 *
 *     /                     attributes: title, format "ae_dist checkpoint", format_version 1,
 *                           program, content_hash (ae_h5_content_hash() of all the rest)
 *     /parameters           attributes: layers (the network's, ready ones in full), output
 *                           (model.output), channels (of its input and output), hash (of all
 *                           parameters)
 *     /parameters/NAME      float32, one dataset a parameter tensor, with PyTorch's names and
 *                           shapes: "encoder.0.weight" (out, in, row, column), for a transposed
 *                           layer (in, out, row, column); "encoder.0.bias" (out)
 *     /images               zero, one (pixel values that become 0 and 1), noise_sigma and
 *                           noise_sigma_min (highest and lowest), noise_level and noise_level_min
 *                           likewise, noise_clamp_min, noise_clamp_max: float64, one value each;
 *                           attribute: noise_kind
 *     /optimizer/MOMENT/NAME   float32, the optimiser's state for each tensor under PyTorch's
 *                           names: exp_avg, exp_avg_sq; momentum_buffer
 *     /position             attributes: epoch, step, updates, loss_sum, images, skipped,
 *                           best_epoch, best_sum (ae_position)
 *     /contract             attributes: version, block, fraction_bits, kernel_path, data_hash
 *     /config               attributes: every option as text, "section.key"
 *     /origin               (of a run begun with another's weights) attributes: init_from,
 *                           init_hash (ae_origin)
 *     /out_channel_8 ...    dimension scales: indices 0, 1, ..., shared by the tensors; named by
 *                           what is counted and how many there are
 *
 * A file is read in passes: its content must have the hash it names (it is whole). For its
 * parameters alone, those must be the network's. To go on, its configuration and contract must be
 * today's (it is of this run). Then values are taken, each into memory of the size expected. */
#include "io/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fixed.h"
#include "h5/h5.h"
#include "io/config_group.h"
#include "io/origin_group.h"
#include "io/tensors.h"
#include "io/trained.h"
#include "kernels/kernels.h"

/* One number of /position, as a field of a position_record. */
typedef struct position_record {
    ae_position position;
    int64_t updates;
} position_record;

static const struct {
    const char *name;
    size_t offset;
} position_fields[] = {
    {"epoch", offsetof(position_record, position.epoch)},
    {"step", offsetof(position_record, position.step)},
    {"updates", offsetof(position_record, updates)},
    {"loss_sum", offsetof(position_record, position.loss_sum)},
    {"images", offsetof(position_record, position.images)},
    {"skipped", offsetof(position_record, position.skipped)},
    {"best_epoch", offsetof(position_record, position.best_epoch)},
    {"best_sum", offsetof(position_record, position.best_sum)},
};
enum { POSITION_FIELDS = sizeof position_fields / sizeof *position_fields };

/* ---- writing ---- */

static ae_status write_optimizer(ae_h5 *file, const ae_state *state) {
    ae_status status = ae_h5_add_group(file, "/optimizer",
                                       "State of the optimiser: a group for each moment, in it a "
                                       "dataset for each parameter tensor");
    for (int m = 0; m < state->optimizer.moments && status == AE_OK; ++m) {
        const char *name = ae_optimizer_moment_name(&state->optimizer, m);
        char group[AE_H5_NAME_SIZE];
        snprintf(group, sizeof group, "/optimizer/%s", name);
        status = ae_h5_add_group(file, group, "One moment, under PyTorch's name");
        if (status == AE_OK)
            status =
                ae_tensors_write(file, group, state->network, state->optimizer.moment[m], name);
    }
    return status;
}

static ae_status write_position(ae_h5 *file, const ae_state *state) {
    position_record record = {state->position, state->optimizer.steps};
    ae_status status = ae_h5_add_group(
        file, "/position",
        "Where the run stands: whole epochs done; steps done of the next; updates in all; of the "
        "next epoch so far the sum of the images' losses * 2^fraction_bits, and their number; "
        "steps left out; and the phase's epoch with the lowest validation loss so far, with its "
        "sum of losses");
    for (int i = 0; i < POSITION_FIELDS && status == AE_OK; ++i)
        status = ae_h5_set_int64(
            file, "/position", position_fields[i].name,
            *(const int64_t *)(const void *)((const char *)&record + position_fields[i].offset));
    return status;
}

ae_status ae_checkpoint_write(const char *path, const ae_state *state, const ae_config *config,
                              const char *kernel_path) {
    ae_h5 *file = NULL;
    ae_status status = ae_trained_begin(&file, path, &ae_trained_checkpoint);
    if (status == AE_OK) status = ae_trained_write(file, state, config, kernel_path);
    if (status == AE_OK) status = write_optimizer(file, state);
    if (status == AE_OK) status = write_position(file, state);
    if (status == AE_OK) status = ae_trained_end(file);
    ae_h5_close(&file);
    return status;
}

/* ---- reading ---- */

/* No checkpoint of this state is larger, in bytes: its tensors, and room for all the rest. */
static size_t size_limit(const ae_state *state) {
    const size_t rest = (size_t)16 << 20;
    const size_t copies = 1 + (size_t)state->optimizer.moments;
    return rest + 2 * copies * ae_network_size(state->network) * sizeof(float);
}

/* Opens a checkpoint that is whole. */
static ae_status open_whole(ae_h5 **file, const char *path, size_t limit) {
    static const ae_trained_kind *const kinds[] = {&ae_trained_checkpoint};
    return ae_trained_open(file, path, limit, kinds, 1);
}

ae_status ae_checkpoint_verify(const char *path, const ae_state *state) {
    ae_h5 *file = NULL;
    ae_status status = open_whole(&file, path, size_limit(state));
    ae_h5_close(&file);
    return status;
}

static ae_status compare_contract(ae_h5 *file, ae_differences *list, const ae_state *state,
                                  const ae_config *config) {
    const struct {
        const char *name, *what;
        int64_t is;
    } numbers[] = {
        {"version", "contract.version (order of operations)", ae_network_contract(state->network)},
        {"fraction_bits", "contract.fraction_bits (of sums)", AE_FIXED_K},
        {"block", "contract.block (images)",
         ae_network_block(state->network, ae_config_settings(config))},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        int64_t was;
        ae_status status = ae_h5_get_int64(file, "/contract", numbers[i].name, &was);
        if (status != AE_OK) return status;
        if (was != numbers[i].is)
            ae_differ(list, "\n    %s was %lld, is %lld", numbers[i].what, (long long)was,
                      (long long)numbers[i].is);
    }
    return AE_OK;
}

/* Is it of this run? */
static ae_status check_same_run(ae_h5 *file, const char *path, const ae_state *state,
                                const ae_config *config) {
    ae_differences list = {.length = 0};
    ae_status status = ae_config_group_compare(&list, file, config, state->network);
    if (status == AE_OK) status = compare_contract(file, &list, state, config);
    if (status == AE_OK && list.length > 0)
        status = ae_fail(AE_ERROR_USAGE,
                         "can't go on from %s: the numbers would differ from what was begun:%s\n"
                         "set them back to go on, or choose another run.dir to begin anew",
                         path, list.text);
    return status;
}

static ae_status read_optimizer(ae_h5 *file, const char *path, ae_state *state) {
    ae_status status = AE_OK;
    for (int m = 0; m < state->optimizer.moments && status == AE_OK; ++m) {
        char group[AE_H5_NAME_SIZE];
        snprintf(group, sizeof group, "/optimizer/%s",
                 ae_optimizer_moment_name(&state->optimizer, m));
        status = ae_tensors_read(file, path, group, state->network, state->optimizer.moment[m]);
    }
    if (status == AE_OK)
        status = ae_tensors_check_members(file, path, "/optimizer", state->optimizer.moments);
    return status;
}

static ae_status read_position(ae_h5 *file, const char *path, ae_state *state) {
    position_record record;
    ae_status status = AE_OK;
    for (int i = 0; i < POSITION_FIELDS && status == AE_OK; ++i) {
        int64_t value = 0;
        status = ae_h5_get_int64(file, "/position", position_fields[i].name, &value);
        memcpy((char *)&record + position_fields[i].offset, &value, sizeof value);
        if (status == AE_OK && value < 0)
            status =
                ae_fail(AE_ERROR_IO, AE_DAMAGED "%s of /position is %lld, and can't be negative",
                        path, position_fields[i].name, (long long)value);
    }
    if (status != AE_OK) return status;
    state->position = record.position;
    state->optimizer.steps = record.updates;
    return AE_OK;
}

ae_status ae_checkpoint_read_parameters(const char *path, const ae_network *network,
                                        float *parameters) {
    static const ae_trained_kind *const kinds[] = {&ae_trained_checkpoint, &ae_trained_model};
    ae_h5 *file = NULL;
    ae_status status = ae_trained_open(&file, path, AE_TRAINED_LIMIT, kinds, 2);
    if (status == AE_OK) status = ae_tensors_match(file, path, "/parameters", network);
    if (status == AE_OK) status = ae_tensors_read(file, path, "/parameters", network, parameters);
    ae_h5_close(&file);
    return status;
}

ae_status ae_checkpoint_read(const char *path, ae_state *state, const ae_config *config) {
    ae_h5 *file = NULL;
    ae_status status = open_whole(&file, path, size_limit(state));
    if (status == AE_OK) status = check_same_run(file, path, state, config);
    if (status == AE_OK)
        status = ae_tensors_read(file, path, "/parameters", state->network, state->parameters);
    if (status == AE_OK) status = read_optimizer(file, path, state);
    if (status == AE_OK) status = read_position(file, path, state);
    if (status == AE_OK)
        status = ae_h5_get_text(file, "/contract", "data_hash", state->data_hash,
                                sizeof state->data_hash);
    if (status == AE_OK) status = ae_origin_group_read(&state->origin, file, "/origin");
    ae_h5_close(&file);
    return status;
}
