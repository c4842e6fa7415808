/* A network that can be run: with the kernels that run it, and room for its parameters as they want
 * them. */
#ifndef AE_TEAM_MODEL_H
#define AE_TEAM_MODEL_H

#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "nn/network.h"

typedef struct ae_model {
    ae_network *network;
    const ae_kernels *kernels; /* the fastest that every rank has, or what AE_KERNELS names */
    float *packed;             /* [ae_network_packed_size(network, kernels)], owned */
} ae_model;

/* The network of the configuration, for pictures of that shape. Collective; to be released whatever
 * is returned. AE_ERROR_USAGE; AE_FAILED: memory. */
ae_status ae_model_init(ae_model *model, ae_comm *comm, const ae_config *config, ae_shape picture);

/* The network that `layers` says, of pictures of that shape and its multiples; `where` begins
 * messages. The same otherwise. */
ae_status ae_model_make(ae_model *model, ae_comm *comm, const char *layers, const char *where,
                        ae_shape picture, ae_output output);
void ae_model_release(ae_model *model);

/* Takes parameters[ae_network_size]; to be called after each change of them. Local. */
void ae_model_take(ae_model *model, const float *parameters);

#endif
