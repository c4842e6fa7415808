/* model.h5 is an HDF5 file:
 *
 *     /                 attributes: title, format "ae_dist model", format_version 1, program,
 *                       content_hash (ae_h5_content_hash() of all the rest)
 *     /parameters, /images, /contract, /config, /origin, /out_channel_8 ...
 *                       as in a checkpoint (src/io/checkpoint.c)
 *     /provenance       attributes: epoch, updates (done when the parameters were taken), time,
 *                       run (its folder)
 *
 * There is no optimiser in it, and no position to go on from. */
#include "io/model_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/found.h"
#include "base/memory.h"
#include "base/timer.h"
#include "io/tensors.h"
#include "io/trained.h"
#include "io/weights.h"

/* ---- writing ---- */

static ae_status write_provenance(ae_h5 *file, const ae_state *state, const ae_settings *settings) {
    const char *group = "/provenance";
    char time[32];
    ae_time_text(time);
    ae_status status = ae_h5_add_group(
        file, group,
        "Where the parameters come from: whole epochs and updates done in their run, the time at "
        "which they were stored, and the run's folder");
    if (status == AE_OK) status = ae_h5_set_int64(file, group, "epoch", state->position.epoch);
    if (status == AE_OK) status = ae_h5_set_int64(file, group, "updates", state->optimizer.steps);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "time", time);
    if (status == AE_OK) status = ae_h5_set_text(file, group, "run", settings->run.dir);
    return status;
}

ae_status ae_model_file_write(const char *path, const ae_state *state, const ae_config *config,
                              const char *kernel_path) {
    ae_h5 *file = NULL;
    ae_status status = ae_trained_begin(&file, path, &ae_trained_model);
    if (status == AE_OK) status = ae_trained_write(file, state, config, kernel_path);
    if (status == AE_OK) status = write_provenance(file, state, ae_config_settings(config));
    if (status == AE_OK) status = ae_trained_end(file);
    ae_h5_close(&file);
    return status;
}

/* ---- reading ---- */

/* The tensors, whose names and shapes follow from the layers. */
static ae_status read_parameters(ae_model_file *model, ae_h5 *file) {
    char where[AE_PATH_SIZE + 32];
    ae_network *network = NULL;
    snprintf(where, sizeof where, "%s: layers of /parameters", model->path);
    ae_status status = ae_network_create(&network, model->layers, where,
                                         (ae_shape){.channels = model->channels}, model->output);
    if (status != AE_OK) return status;
    model->size = ae_network_size(network);
    model->parameters = ae_calloc(model->size, sizeof *model->parameters);
    status = model->parameters
                 ? ae_tensors_read(file, model->path, "/parameters", network, model->parameters)
                 : ae_fail_memory("the parameters");
    ae_network_destroy(&network);
    if (status == AE_OK)
        ae_hash_of(model->parameters, model->size * sizeof *model->parameters,
                   model->parameters_hash);
    return status;
}

static ae_status read_file(ae_model_file *model, ae_h5 *file) {
    const char *place = ae_h5_has(file, "/position") ? "/position" : "/provenance";
    ae_status status =
        ae_trained_read_network(file, model->path, model->layers, &model->output, &model->channels);
    if (status == AE_OK) status = read_parameters(model, file);
    if (status == AE_OK)
        status = ae_trained_read_images(file, model->path, model->range, &model->noise);
    if (status == AE_OK)
        status = ae_h5_get_text(file, "/contract", "data_hash", model->data_hash,
                                sizeof model->data_hash);
    if (status == AE_OK) status = ae_h5_get_int64(file, "/contract", "version", &model->contract);
    if (status == AE_OK) status = ae_h5_get_int64(file, place, "epoch", &model->epoch);
    if (status == AE_OK) status = ae_h5_get_int64(file, place, "updates", &model->updates);
    return status;
}

enum { KINDS = 2 };
static const ae_trained_kind *const kinds[KINDS] = {&ae_trained_model, &ae_trained_checkpoint};

/* Does the file's format say that it holds a network? */
static bool is_trained(ae_h5 *file) {
    char format[AE_H5_NAME_SIZE];
    if (ae_h5_get_text(file, "/", "format", format, sizeof format) != AE_OK) return false;
    for (int k = 0; k < KINDS; ++k)
        if (strcmp(format, kinds[k]->format) == 0) return true;
    return false;
}

/* *file is left open where it is HDF5. */
static ae_status open_file(ae_h5 **file, const char *path) {
    char found[AE_FOUND_SIZE];
    ae_status status = ae_trained_open(file, path, AE_TRAINED_LIMIT, kinds, KINDS);
    if (status != AE_ERROR_IO ||
        (*file ? is_trained(*file) : !ae_h5_is_foreign(path, AE_TRAINED_LIMIT)))
        return status;
    return ae_fail(AE_ERROR_USAGE,
                   "%s is no model of ae_dist, but %s; name a checkpoint, the folder of a run, or "
                   "its model.h5",
                   path, *file ? "an HDF5 file of another kind" : ae_found_at(found, path));
}

ae_status ae_model_file_read(ae_model_file *model, const char *path) {
    ae_h5 *file = NULL;
    *model = (ae_model_file){0};
    ae_status status = ae_weights_find(model->path, path);
    if (status == AE_OK) status = open_file(&file, model->path);
    if (status == AE_OK) status = read_file(model, file);
    ae_h5_close(&file);
    return status;
}

void ae_model_file_release(ae_model_file *model) {
    free(model->parameters);
    model->parameters = NULL;
}

/* ---- on all ranks ---- */

ae_status ae_model_file_share(ae_model_file *model, ae_comm *comm) {
    float *own = model->parameters;
    ae_status status = AE_OK;
    ae_comm_broadcast(comm, model, sizeof *model);
    model->parameters = own;
    if (!own && !(model->parameters = ae_calloc(model->size, sizeof(float))))
        status = ae_fail_memory("the parameters");
    status = ae_comm_agree(comm, status);
    if (status == AE_OK)
        ae_comm_broadcast(comm, model->parameters, model->size * sizeof *model->parameters);
    return status;
}
