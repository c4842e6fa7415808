/* The one place where a network and its kernels are made. */
#include "team/model.h"

#include <stdlib.h>

#include "base/memory.h"

ae_status ae_model_make(ae_model *model, ae_comm *comm, const char *layers, const char *where,
                        ae_shape picture, ae_output output) {
    int path = 0;
    *model = (ae_model){0};
    ae_status status = ae_network_create(&model->network, layers, where, picture, output);
    if (status == AE_OK) status = ae_kernels_find(&path);
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    model->kernels = ae_kernels_at((int)ae_comm_min(comm, path));
    model->packed =
        ae_calloc(ae_network_packed_size(model->network, model->kernels), sizeof *model->packed);
    return ae_comm_agree(comm, model->packed ? AE_OK : ae_fail_memory("the parameters"));
}

ae_status ae_model_init(ae_model *model, ae_comm *comm, const ae_config *config, ae_shape picture) {
    const ae_settings *settings = ae_config_settings(config);
    return ae_model_make(model, comm, settings->model.layers,
                         ae_config_where(config, AE_OPTION(model, layers)), picture,
                         (ae_output)settings->model.output);
}

void ae_model_release(ae_model *model) {
    free(model->packed);
    model->packed = NULL;
    ae_network_destroy(&model->network);
}

void ae_model_take(ae_model *model, const float *parameters) {
    ae_network_pack(model->network, model->kernels, model->packed, parameters);
}
