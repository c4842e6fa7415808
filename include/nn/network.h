/* The network: a table of parameters in one flat buffer, and forward and backward passes for a few
 * pictures at a time in a workspace that one thread owns. Shapes belong to the workspace: one
 * network serves images of any size. */
#ifndef AE_NN_NETWORK_H
#define AE_NN_NETWORK_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "nn/graph.h"

enum { AE_NAME_SIZE = 32 };

/* With so many parameters and more, work on each of them is shared by the threads; with fewer, that
 * costs more than it gains. */
enum { AE_SHARED_FROM = 65536 };

/* One parameter tensor: PyTorch's name, shape and layout. A convolution's weight is
 * [out][in][k][k], a transposed one's [in][out][k][k]. */
typedef struct ae_parameter {
    char name[AE_NAME_SIZE]; /* "encoder.0.weight" */
    int node;                /* of the graph */
    bool transposed;         /* a transposed convolution's */
    int rank;                /* dimensions: 4, or 1 for a bias */
    int shape[4];
    size_t offset, count; /* floats in the flat buffer */
    int fan_in;           /* as PyTorch counts it: in_channels * k * k, or out_channels * k * k
                             for a transposed layer */
} ae_parameter;

typedef struct ae_network ae_network;

/* Makes the network that `text` (ae_graph_parse) says for pictures of that shape, or with a height
 * of 0 for whatever it fits (ae_graph_fit), which is then not asked; `where` begins messages. With
 * `output` AE_OUTPUT_RESIDUAL the network's picture is its input minus the last node's. The caller
 * owns *network, NULL on failure. AE_ERROR_USAGE. Local. */
ae_status ae_network_create(ae_network **network, const char *text, const char *where,
                            ae_shape picture, ae_output output);
void ae_network_destroy(ae_network **network);

/* Borrowed: the tensors in the order of the nodes, each one's weight before its bias. */
const ae_parameter *ae_network_parameters(const ae_network *network, int *count);
const ae_graph *ae_network_graph(const ae_network *network);

/* Floats in the flat buffer of parameters, and of gradients. */
size_t ae_network_size(const ae_network *network);

/* The version of the contract since which the network's numbers are as they are. */
int ae_network_contract(const ae_network *network);

/* Images a block: train.block, or where it is auto the largest power of two that is at most
 * parameters / 16384 and batch / 16, and at least 1. Converting a block's gradient to integers and
 * adding it moves 20 bytes a parameter. Up to some 16384 of them these stay in a core's own cache,
 * and take a hundredth of an image's time; beyond, cores share the memory's bandwidth for it, and
 * networks whose many parameters work on few pixels gain from one conversion for several images.
 * Sixteen blocks a batch are left, for as many threads. It depends on nothing else, so that the
 * numbers don't either. */
int64_t ae_network_block(const ae_network *network, const ae_settings *settings);

/* Pictures of height x width that the passes take together of a block of so many: as many as have
 * 64 x 64 pixels, and AE_TOGETHER_MAX at most. The weights are then read once for all of them. Sums
 * over their pixels go on from picture to picture, so that this is part of the numbers. */
enum { AE_TOGETHER_MAX = 16 };
int ae_network_together(int64_t block, int height, int width);

/* parameters[size] from (seed, tensor, element), whatever the image size:
 * AE_INIT_PYTORCH: PyTorch's default, uniform within +-1/sqrt(fan_in).
 * AE_INIT_HE: weights normal with variance gain^2 / n for the n products that make an output value
 * (in channels * k * k, of a transposed one over its stride's square), gain^2 = 2 / (1 + slope^2)
 * before a ReLU and 1 else (He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015); biases
 * 0.
 * AE_INIT_ORTHOGONAL: weights as [shape[0]][the rest] with orthonormal rows, or columns where these
 * are fewer, times the gain (Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics
 * of learning in deep linear neural networks", 2014); biases 0. AE_FAILED: memory. */
ae_status ae_network_initialize(const ae_network *network, float *parameters, ae_init init,
                                uint64_t seed);

/* Multiply-adds of node `n`'s forward pass on images of height x width; 0 where it has none. */
double ae_network_work(const ae_network *network, int n, int height, int width);

/* Of all nodes' forward and backward passes: what one image of training takes. */
double ae_network_step_work(const ae_network *network, int height, int width);

/* The multiplications done for it (ae_conv_multiplications). */
double ae_network_step_multiplications(const ae_network *network, int height, int width);

/* Has image `image` (0 the network's own, i + 1 node i's output) parameters behind it, so that the
 * pass back computes its gradient? */
bool ae_network_needs_gradient(const ae_network *network, int image);

/* The side of the square of input pixels that an output pixel depends on; of networks with strides,
 * the largest. */
int ae_network_receptive_field(const ae_network *network);

/* Applied to a picture in tiles, each as a picture of its own, the network gives the bits of the
 * whole where a tile begins at a multiple of the phase in both directions (the least common
 * multiple over the layers of their scale times ae_conv_tile), and ends at one or where the picture
 * ends, its edge repeated to a multiple of the stride; but for the margin at each edge that isn't
 * the picture's. */
int ae_network_phase(const ae_network *network);
ae_margin ae_network_margin(const ae_network *network);

/* Floats of the packed weights that the passes read. */
size_t ae_network_packed_size(const ae_network *network, const ae_kernels *kernels);

/* packed[packed_size] = the weights and biases as the kernels want them. To be called after each
 * change of the parameters; shared by all workspaces. */
void ae_network_pack(const ae_network *network, const ae_kernels *kernels, float *packed,
                     const float *parameters);

/* One thread's activations and gradients for images of one size. */
typedef struct ae_workspace ae_workspace;

/* For up to `pictures` at once, of height x width that the network fits (ae_graph_fit). Memory is
 * touched first by the calling thread. The caller owns *workspace and keeps network and kernels
 * alive. Doesn't record a message (it may run in a parallel region): AE_FAILED = memory. */
ae_status ae_workspace_create(ae_workspace **workspace, const ae_network *network, int pictures,
                              int height, int width, const ae_kernels *kernels);
void ae_workspace_destroy(ae_workspace **workspace);

/* Bytes of one workspace. */
size_t ae_workspace_bytes(const ae_network *network, const ae_kernels *kernels, int pictures,
                          int height, int width);

/* One for the forward pass of one picture alone: images that aren't read again make room for
 * others. Pictures are of any size up to height x width, which it begins with, that the network
 * fits, with sides that are multiples of its stride (ae_graph_side). It has no target, and forward
 * overwrites its input.
 */
ae_status ae_workspace_create_forward(ae_workspace **workspace, const ae_network *network,
                                      int height, int width, const ae_kernels *kernels);
size_t ae_workspace_forward_bytes(const ae_network *network, const ae_kernels *kernels, int height,
                                  int width);

/* From now on its pictures are of that size: the views of input and output change, and their
 * contents are lost. */
void ae_workspace_resize(ae_workspace *workspace, int height, int width);

/* The network's input and output of picture number `picture`, and room for the picture that the
 * output is compared with. Borrowed views. */
const ae_planes *ae_workspace_input(const ae_workspace *workspace, int picture);
const ae_planes *ae_workspace_output(const ae_workspace *workspace, int picture);
const ae_planes *ae_workspace_target(const ae_workspace *workspace, int picture);

/* What the passes do at a node, and the seconds that it took. */
typedef enum ae_pass {
    AE_PASS_FORWARD,    /* all of the node's forward pass */
    AE_PASS_ACTIVATION, /* back through an activation that isn't its reader's work */
    AE_PASS_BACKWARD,   /* the rest of its backward pass */
    AE_PASSES
} ae_pass;
typedef struct ae_pass_times {
    double seconds[AE_PASSES][AE_NODES_MAX];
} ae_pass_times;

/* From now on the passes add the times of each node to *times; NULL: they don't any more. Borrows
 * it. */
void ae_workspace_time(ae_workspace *workspace, ae_pass_times *times);

/* Fills the outputs of the first `pictures` from their inputs. */
void ae_network_forward(ae_workspace *workspace, const float *packed, int pictures);

/* Begins a block: the gradient sums are zero. */
void ae_network_begin_block(ae_workspace *workspace);

/* How an output is compared with its target: by the mean over all of the picture's values, or where
 * it is masked over those alone whose target is a number, of which there must be one; the others'
 * are NaN. */
typedef struct ae_criterion {
    ae_loss loss;
    bool is_masked;
} ae_criterion;

/* losses[pictures] = the loss of each output against its target; their derivatives are added to the
 * block's sums. After ae_network_forward() of as many on the same workspace and `packed`. */
void ae_network_backward(double *losses, ae_workspace *workspace, const float *packed, int pictures,
                         ae_criterion criterion);

/* gradient[size] = the sum over the block's images of the derivatives of each one's loss.
 * Borrowed, valid until the next block. */
const float *ae_network_end_block(const ae_workspace *workspace);

/* The loss of a picture's output against its target, for evaluation: nothing is added to the
 * block's sums. */
double ae_network_loss(ae_workspace *workspace, int picture, ae_criterion criterion);

#endif
