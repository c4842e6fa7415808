#include "io/trained.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/build.h"
#include "base/fixed.h"
#include "io/config_group.h"
#include "io/origin_group.h"
#include "io/tensors.h"
#include "kernels/kernels.h"

const ae_trained_kind ae_trained_checkpoint = {
    "State of a training run of a convolutional autoencoder", "ae_dist checkpoint", 1};
const ae_trained_kind ae_trained_model = {"Trained convolutional autoencoder", "ae_dist model", 1};

/* ---- writing ---- */

ae_status ae_trained_begin(ae_h5 **file, const char *path, const ae_trained_kind *kind) {
    char program[AE_H5_NAME_SIZE];
    snprintf(program, sizeof program, "ae_dist %s (%s)", ae_build_version(), ae_build_revision());
    ae_status status = ae_h5_create(file, path);
    if (status == AE_OK) status = ae_h5_set_text(*file, "/", "title", kind->title);
    if (status == AE_OK) status = ae_h5_set_text(*file, "/", "format", kind->format);
    if (status == AE_OK) status = ae_h5_set_int64(*file, "/", "format_version", kind->version);
    if (status == AE_OK) status = ae_h5_set_text(*file, "/", "program", program);
    return status;
}

static ae_status write_parameters(ae_h5 *file, const ae_state *state, const ae_config *config) {
    const char *group = "/parameters";
    const ae_graph *graph = ae_network_graph(state->network);
    char layers[AE_GRAPH_TEXT_SIZE], output[AE_VALUE_SIZE], hash[AE_HASH_TEXT_SIZE];
    ae_graph_write(graph, layers);
    ae_config_value(config, AE_OPTION(model, output), output);
    ae_hash_of(state->parameters, ae_network_size(state->network) * sizeof(float), hash);
    ae_status status = ae_h5_add_group(
        file, group,
        "The network's weights and biases, under the names of PyTorch's state_dict; as attributes "
        "its layers in full, what its output is (direct, or residual: the input minus the last "
        "layer's image), the channels of its images, and the XXH3-128 of all parameters");
    if (status == AE_OK) status = ae_h5_set_text(file, group, "layers", layers);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "output", output);
    if (status == AE_OK) status = ae_h5_set_int64(file, group, "channels", graph->channels);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "hash", hash);
    if (status == AE_OK)
        status = ae_tensors_write(file, group, state->network, state->parameters, "Value");
    return status;
}

/* Was the last epoch that the state has seen one on clean images? */
static bool has_only_pretrained(const ae_position *position, int64_t pretrain_epochs) {
    return position->epoch + (position->step > 0) <= pretrain_epochs;
}

static ae_noise without_noise(const ae_noise *noise) {
    return (ae_noise){
        .kind = noise->kind, .clamp_min = noise->clamp_min, .clamp_max = noise->clamp_max};
}

static ae_status write_images(ae_h5 *file, const ae_state *state, const ae_config *config) {
    const ae_settings *settings = ae_config_settings(config);
    const bool clean = has_only_pretrained(&state->position, settings->train.pretrain_epochs);
    const ae_noise configured = ae_noise_of_training(settings);
    const ae_noise noise = clean ? without_noise(&configured) : configured;
    const struct {
        const char *path, *units, *long_name, *description;
        double value;
    } numbers[] = {
        {"/images/zero", "pixel value", "Black", "The pixel value that is 0 to the network",
         state->range[0]},
        {"/images/one", "pixel value", "White", "The pixel value that is 1 to the network",
         state->range[1]},
        {"/images/noise_sigma", "1", "Training noise",
         "Standard deviation of the Gaussian noise that the network was trained for, the highest "
         "of "
         "a range; 0: none",
         noise.sigma[1]},
        {"/images/noise_sigma_min", "1", "Least training noise",
         "The lowest of a range; else the same", noise.sigma[0]},
        {"/images/noise_level", "1", "Level of the noise's kind",
         "Of that kind, the highest of a range: photons at white; speckle's standard deviation; "
         "share of pixels that are salt or pepper; 0: none",
         noise.level[1]},
        {"/images/noise_level_min", "1", "Least level of the noise's kind",
         "The lowest of a range; else the same", noise.level[0]},
        {"/images/noise_clamp_min", "1", "Lowest noisy pixel",
         "To which noisy pixels below it were raised; -infinity: none were", noise.clamp_min},
        {"/images/noise_clamp_max", "1", "Highest noisy pixel",
         "To which noisy pixels above it were lowered; infinity: none were", noise.clamp_max},
    };
    ae_status status =
        ae_h5_add_group(file, "/images",
                        "What the network was trained on: how pixels became numbers, and noise, "
                        "whose kind the attribute tells");
    char kind[AE_VALUE_SIZE];
    ae_config_value(config, AE_OPTION(noise, kind), kind);
    if (status == AE_OK) status = ae_h5_set_text(file, "/images", "noise_kind", kind);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == AE_OK; ++i) {
        ae_h5_dataset dataset = {.path = numbers[i].path,
                                 .type = AE_H5_DOUBLE,
                                 .units = numbers[i].units,
                                 .long_name = numbers[i].long_name,
                                 .description = numbers[i].description};
        status = ae_h5_add(file, &dataset, &numbers[i].value);
    }
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

ae_status ae_trained_write(ae_h5 *file, const ae_state *state, const ae_config *config,
                           const char *kernel_path) {
    ae_status status = write_parameters(file, state, config);
    if (status == AE_OK) status = write_images(file, state, config);
    if (status == AE_OK) status = write_contract(file, state, config, kernel_path);
    if (status == AE_OK) status = ae_config_group_write(file, config);
    if (status == AE_OK) status = write_origin(file, &state->origin);
    return status;
}

ae_status ae_trained_end(ae_h5 *file) {
    char hash[AE_HASH_TEXT_SIZE];
    ae_status status = ae_h5_content_hash(file, "content_hash", hash);
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "content_hash", hash);
    return status == AE_OK ? ae_h5_publish(file) : status;
}

/* ---- reading ---- */

/* *kind = that of the file. AE_ERROR_IO: none of them. */
static ae_status find_kind(const ae_trained_kind **kind, ae_h5 *file, const char *path,
                           const ae_trained_kind *const kinds[], int count) {
    char text[AE_H5_NAME_SIZE], formats[2 * AE_H5_NAME_SIZE] = "";
    ae_status status = ae_h5_get_text(file, "/", "format", text, sizeof text);
    if (status != AE_OK) return status;
    for (int k = 0; k < count; ++k) {
        const size_t used = strlen(formats);
        snprintf(formats + used, sizeof formats - used, "%s\"%s\"", k > 0 ? " or " : "",
                 kinds[k]->format);
        *kind = kinds[k];
        if (strcmp(text, kinds[k]->format) == 0) return AE_OK;
    }
    return ae_fail(AE_ERROR_IO, AE_DAMAGED "its format is not %s", path, formats);
}

/* Is it of one of the kinds, and is it whole? */
static ae_status check_whole(ae_h5 *file, const char *path, const ae_trained_kind *const kinds[],
                             int count) {
    char stored[AE_HASH_TEXT_SIZE], found[AE_HASH_TEXT_SIZE];
    const ae_trained_kind *kind = NULL;
    int64_t version;
    ae_status status = find_kind(&kind, file, path, kinds, count);
    if (status == AE_OK) status = ae_h5_get_int64(file, "/", "format_version", &version);
    if (status == AE_OK && version != kind->version)
        return ae_fail(AE_ERROR_USAGE,
                       "%s has version %lld of the format and this program reads version %lld; use "
                       "the program that wrote it, or another file",
                       path, (long long)version, (long long)kind->version);
    if (status == AE_OK) status = ae_h5_get_text(file, "/", "content_hash", stored, sizeof stored);
    if (status == AE_OK) status = ae_h5_content_hash(file, "content_hash", found);
    if (status == AE_OK && strcmp(stored, found) != 0)
        status = ae_fail(AE_ERROR_IO, AE_DAMAGED "its content differs from its content_hash", path);
    return status;
}

ae_status ae_trained_open(ae_h5 **file, const char *path, size_t limit,
                          const ae_trained_kind *const kinds[], int count) {
    ae_status status = ae_h5_open(file, path, limit);
    return status == AE_OK ? check_whole(*file, path, kinds, count) : status;
}

ae_status ae_trained_read_network(ae_h5 *file, const char *path, char *layers, ae_output *output,
                                  int *channels) {
    const char *group = "/parameters";
    char word[AE_H5_NAME_SIZE] = "direct";
    int64_t count = 3;
    const bool is_told = ae_h5_has_attribute(file, group, "layers");
    ae_status status =
        ae_h5_get_text(file, is_told ? group : "/config", is_told ? "layers" : "model.layers",
                       layers, AE_GRAPH_TEXT_SIZE);
    if (status == AE_OK && is_told)
        status = ae_h5_get_text(file, group, "output", word, sizeof word);
    if (status == AE_OK && is_told) status = ae_h5_get_int64(file, group, "channels", &count);
    if (status != AE_OK) return status;
    *output = strcmp(word, "residual") == 0 ? AE_OUTPUT_RESIDUAL : AE_OUTPUT_DIRECT;
    *channels = (int)count;
    if (strcmp(word, "direct") != 0 && *output == AE_OUTPUT_DIRECT)
        return ae_fail(AE_ERROR_IO, AE_DAMAGED "output of %s is '%s'", path, group, word);
    if (count < 1 || count > AE_CHANNELS_MAX)
        return ae_fail(AE_ERROR_IO, AE_DAMAGED "channels of %s is %lld", path, group,
                       (long long)count);
    return AE_OK;
}

/* A number of /config. */
static ae_status read_option(ae_h5 *file, ae_option_index option, double *value) {
    char text[AE_H5_NAME_SIZE];
    ae_status status = ae_h5_get_text(file, "/config", ae_config_name(option), text, sizeof text);
    if (status == AE_OK) *value = strtod(text, NULL);
    return status;
}

/* The noise as configured for where the checkpoint is. */
static ae_status read_configured_noise(ae_h5 *file, ae_noise *noise) {
    ae_position position = {0};
    double pretrain_epochs = 0;
    ae_status status = ae_h5_get_int64(file, "/position", "epoch", &position.epoch);
    if (status == AE_OK) status = ae_h5_get_int64(file, "/position", "step", &position.step);
    const struct {
        ae_option_index option;
        double *value;
    } options[] = {{AE_OPTION(train, pretrain_epochs), &pretrain_epochs},
                   {AE_OPTION(noise, sigma), &noise->sigma[1]},
                   {AE_OPTION(noise, clamp_min), &noise->clamp_min},
                   {AE_OPTION(noise, clamp_max), &noise->clamp_max}};
    for (size_t i = 0; i < sizeof options / sizeof *options && status == AE_OK; ++i)
        status = read_option(file, options[i].option, options[i].value);
    if (status == AE_OK && has_only_pretrained(&position, (int64_t)pretrain_epochs))
        noise->sigma[1] = 0;
    noise->sigma[0] = noise->sigma[1];
    return status;
}

/* Gaussian in files that don't tell. */
static ae_status read_kind(ae_h5 *file, const char *path, ae_noise *noise) {
    char text[AE_H5_NAME_SIZE];
    if (!ae_h5_has_attribute(file, "/images", "noise_kind")) return AE_OK;
    ae_status status = ae_h5_get_text(file, "/images", "noise_kind", text, sizeof text);
    if (status != AE_OK) return status;
    for (noise->kind = 0; noise->kind < AE_NOISE_KINDS; ++noise->kind)
        if (strcmp(text, ae_config_word(AE_OPTION(noise, kind), noise->kind)) == 0) return AE_OK;
    return ae_fail(AE_ERROR_IO, AE_DAMAGED "noise_kind of /images is '%s'", path, text);
}

/* A number that the images of a file tell. */
typedef struct image_number {
    const char *name;
    double *value;
    const double *otherwise; /* in files without it; NULL: there are none */
    bool may_be_infinite;
} image_number;

static ae_status read_image_number(ae_h5 *file, const char *path, const image_number *number) {
    if (number->otherwise && !ae_h5_has(file, number->name)) {
        *number->value = *number->otherwise;
        return AE_OK;
    }
    ae_status status = ae_h5_read(file, number->name, AE_H5_DOUBLE, 0, NULL, number->value);
    if (status != AE_OK) return status;
    if (isnan(*number->value) || (isinf(*number->value) && !number->may_be_infinite))
        return ae_fail(AE_ERROR_IO, AE_DAMAGED "%s is not finite", path, number->name);
    return AE_OK;
}

ae_status ae_trained_read_images(ae_h5 *file, const char *path, double range[2], ae_noise *noise) {
    const double none = 0;
    *noise = (ae_noise){0};
    range[0] = 0;
    range[1] = 255;
    if (!ae_h5_has(file, "/images")) return read_configured_noise(file, noise);
    const image_number numbers[] = {
        {"/images/zero", &range[0], NULL, false},
        {"/images/one", &range[1], NULL, false},
        {"/images/noise_sigma", &noise->sigma[1], NULL, false},
        {"/images/noise_sigma_min", &noise->sigma[0], &noise->sigma[1], false},
        {"/images/noise_level", &noise->level[1], &none, false},
        {"/images/noise_level_min", &noise->level[0], &noise->level[1], false},
        {"/images/noise_clamp_min", &noise->clamp_min, NULL, true},
        {"/images/noise_clamp_max", &noise->clamp_max, NULL, true}};
    ae_status status = read_kind(file, path, noise);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == AE_OK; ++i)
        status = read_image_number(file, path, &numbers[i]);
    if (status == AE_OK && range[0] == range[1])
        status =
            ae_fail(AE_ERROR_IO, AE_DAMAGED "/images has %g for both zero and one", path, range[0]);
    return status;
}
