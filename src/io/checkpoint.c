/* A checkpoint is an HDF5 file:
 *
 *     /                     attributes: title, format "ae_dist checkpoint", format_version 1,
 *                           program, content_hash (ae_h5_content_hash() of all the rest)
 *     /parameters           attributes: layers (the network's, ready ones in full), output
 *                           (model.output), channels (of its input and output)
 *     /parameters/NAME      float32, one dataset a parameter tensor, with PyTorch's names and
 *                           shapes: "encoder.0.weight" (out, in, row, column), for a transposed
 *                           layer (in, out, row, column); "encoder.0.bias" (out)
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
#include "base/build.h"
#include "base/fixed.h"
#include "h5/h5.h"
#include "io/config_group.h"
#include "io/origin_group.h"
#include "io/tensors.h"
#include "kernels/kernels.h"

static const char format[] = "ae_dist checkpoint";
enum { FORMAT_VERSION = 1 };

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

static ae_status write_parameters(ae_h5 *file, const ae_state *state, const ae_config *config) {
    const char *group = "/parameters";
    const ae_graph *graph = ae_network_graph(state->network);
    char layers[AE_GRAPH_TEXT_SIZE], output[AE_VALUE_SIZE];
    ae_graph_write(graph, layers);
    ae_config_value(config, AE_OPTION(model, output), output);
    ae_status status = ae_h5_add_group(
        file, group,
        "The network's weights and biases, under the names of PyTorch's state_dict; as attributes "
        "its layers in full, what its output is (direct, or residual: the input minus the last "
        "layer's image), and the channels of its images");
    if (status == AE_OK) status = ae_h5_set_text(file, group, "layers", layers);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "output", output);
    if (status == AE_OK) status = ae_h5_set_int64(file, group, "channels", graph->channels);
    if (status == AE_OK)
        status = ae_tensors_write(file, group, state->network, state->parameters, "Value");
    return status;
}

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

static ae_status write_contract(ae_h5 *file, const ae_state *state, const ae_config *config,
                                const char *kernel_path) {
    const char *group = "/contract";
    ae_status status = ae_h5_add_group(file, group,
                                       "What equal bits rest on: version of the order of "
                                       "operations; images a block; fraction bits of fixed-point "
                                       "sums; hash of the images; for information the kernels");
    if (status == AE_OK)
        status = ae_h5_set_int64(file, group, "version", ae_network_contract(state->network));
    if (status == AE_OK)
        status = ae_h5_set_int64(file, group, "block",
                                 ae_network_block(state->network, ae_config_settings(config)));
    if (status == AE_OK) status = ae_h5_set_int64(file, group, "fraction_bits", AE_FIXED_K);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "kernel_path", kernel_path);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "data_hash", state->data_hash);
    return status;
}

static ae_status write_origin(ae_h5 *file, const ae_origin *origin) {
    if (!origin->parameters_hash[0]) return AE_OK;
    ae_status status = ae_h5_add_group(file, "/origin",
                                       "Whose weights the run was begun with: train.init_from, and "
                                       "the XXH3-128 of the parameters that were read");
    return status == AE_OK ? ae_origin_group_write(file, "/origin", origin) : status;
}

static ae_status write_head(ae_h5 *file) {
    char program[AE_H5_NAME_SIZE];
    snprintf(program, sizeof program, "ae_dist %s (%s)", ae_build_version(), ae_build_revision());
    ae_status status = ae_h5_set_text(file, "/", "title",
                                      "State of a training run of a convolutional autoencoder");
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "format", format);
    if (status == AE_OK) status = ae_h5_set_int64(file, "/", "format_version", FORMAT_VERSION);
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "program", program);
    return status;
}

ae_status ae_checkpoint_write(const char *path, const ae_state *state, const ae_config *config,
                              const char *kernel_path) {
    ae_h5 *file = NULL;
    char hash[AE_HASH_TEXT_SIZE];
    ae_status status = ae_h5_create(&file, path);
    if (status == AE_OK) status = write_head(file);
    if (status == AE_OK) status = write_parameters(file, state, config);
    if (status == AE_OK) status = write_optimizer(file, state);
    if (status == AE_OK) status = write_position(file, state);
    if (status == AE_OK) status = write_contract(file, state, config, kernel_path);
    if (status == AE_OK) status = ae_config_group_write(file, config);
    if (status == AE_OK) status = write_origin(file, &state->origin);
    if (status == AE_OK) status = ae_h5_content_hash(file, "content_hash", hash);
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "content_hash", hash);
    if (status == AE_OK) status = ae_h5_publish(file);
    ae_h5_close(&file);
    return status;
}

/* ---- reading ---- */

/* Is it a checkpoint, and is it whole? */
static ae_status check_whole(ae_h5 *file, const char *path) {
    char text[AE_H5_NAME_SIZE], stored[AE_HASH_TEXT_SIZE], found[AE_HASH_TEXT_SIZE];
    int64_t version;
    ae_status status = ae_h5_get_text(file, "/", "format", text, sizeof text);
    if (status == AE_OK && strcmp(text, format) != 0)
        status = ae_fail(AE_ERROR_IO, AE_DAMAGED "its format is not \"%s\"", path, format);
    if (status == AE_OK) status = ae_h5_get_int64(file, "/", "format_version", &version);
    if (status == AE_OK && version != FORMAT_VERSION)
        return ae_fail(AE_ERROR_USAGE,
                       "%s has version %lld of the format and this program reads version %d; use "
                       "the program that wrote it, or choose another run.dir",
                       path, (long long)version, FORMAT_VERSION);
    if (status == AE_OK) status = ae_h5_get_text(file, "/", "content_hash", stored, sizeof stored);
    if (status == AE_OK) status = ae_h5_content_hash(file, "content_hash", found);
    if (status == AE_OK && strcmp(stored, found) != 0)
        status = ae_fail(AE_ERROR_IO, AE_DAMAGED "its content differs from its content_hash", path);
    return status;
}

/* No checkpoint of this state is larger, in bytes: its tensors, and room for all the rest. */
static size_t size_limit(const ae_state *state) {
    const size_t rest = (size_t)16 << 20;
    const size_t copies = 1 + (size_t)state->optimizer.moments;
    return rest + 2 * copies * ae_network_size(state->network) * sizeof(float);
}

/* Opens a checkpoint that is whole. */
static ae_status open_whole(ae_h5 **file, const char *path, size_t limit) {
    ae_status status = ae_h5_open(file, path, limit);
    if (status == AE_OK) status = check_whole(*file, path);
    return status;
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
    const size_t limit = (size_t)1 << 30; /* of any network, which is then refused by its shapes */
    ae_h5 *file = NULL;
    ae_status status = open_whole(&file, path, limit);
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
