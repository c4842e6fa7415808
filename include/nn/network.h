/* The network: a table of parameters in one flat buffer, and forward and backward passes for one
 * image at a time in a workspace that one thread owns. */
#ifndef AE_NN_NETWORK_H
#define AE_NN_NETWORK_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "nn/layers.h"

enum { AE_NAME_SIZE = 32 };

/* One parameter tensor: PyTorch's name, shape and layout. A convolution's weight is
 * [out][in][k][k], a transposed one's [in][out][k][k]. */
typedef struct ae_parameter {
    char name[AE_NAME_SIZE]; /* "encoder.0.weight" */
    int rank;                /* dimensions: 4, or 1 for a bias */
    int shape[4];
    size_t offset, count; /* floats in the flat buffer */
    int fan_in;           /* as PyTorch counts it: in_channels * k * k, or out_channels * k * k
                             for a transposed layer */
} ae_parameter;

typedef struct ae_network ae_network;

/* Lays out the parameters of `layers` (copied). The caller owns *network. */
ae_status ae_network_create(ae_network **network, const ae_layers *layers);
void ae_network_destroy(ae_network **network);

/* Borrowed: layer l's weight is entry 2 l, its bias 2 l + 1. */
const ae_parameter *ae_network_parameters(const ae_network *network, int *count);
const ae_layers *ae_network_layers(const ae_network *network);

/* Floats in the flat buffer of parameters, and of gradients. */
size_t ae_network_size(const ae_network *network);

/* parameters[size] = PyTorch's default: uniform within +-1/sqrt(fan_in), from (seed, tensor,
 * element). */
void ae_network_initialize(const ae_network *network, float *parameters, uint64_t seed);

/* Floats of the repacked weights that the passes read. */
size_t ae_network_packed_size(const ae_network *network);

/* packed[packed_size] = the weights and biases as the kernels want them. To be called after each
 * change of the parameters; shared by all workspaces. */
void ae_network_pack(const ae_network *network, float *packed, const float *parameters);

/* One thread's activations and gradients. */
typedef struct ae_workspace ae_workspace;

/* Memory is touched first by the calling thread. The caller owns *workspace and keeps network and
 * kernels alive. Doesn't record a message (it may run in a parallel region): AE_FAILED = memory. */
ae_status ae_workspace_create(ae_workspace **workspace, const ae_network *network,
                              const ae_kernels *kernels);
void ae_workspace_destroy(ae_workspace **workspace);

/* Bytes of one workspace. */
size_t ae_workspace_bytes(const ae_network *network);

/* The network's input and output images, and room for the clean image it is compared with.
 * Borrowed views. */
const ae_planes *ae_workspace_input(const ae_workspace *workspace);
const ae_planes *ae_workspace_output(const ae_workspace *workspace);
const ae_planes *ae_workspace_target(const ae_workspace *workspace);

/* Fills output from input. */
void ae_network_forward(ae_workspace *workspace, const float *packed);

/* Begins a block: the gradient sums are zero. */
void ae_network_begin_block(ae_workspace *workspace);

/* Loss of the output against the target (mean over the image), and its derivative added to the
 * block's sums. After ae_network_forward() on the same workspace and `packed`. */
double ae_network_backward(ae_workspace *workspace, const float *packed, ae_loss loss);

/* gradient[size] = the sum over the block's images of the derivatives of each one's loss.
 * Borrowed, valid until the next block. */
const float *ae_network_end_block(const ae_workspace *workspace);

/* The loss alone. */
double ae_network_loss(ae_workspace *workspace, ae_loss loss);

#endif
