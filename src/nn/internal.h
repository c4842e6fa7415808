/* What the files of this room share. */
#ifndef AE_NN_INTERNAL_H
#define AE_NN_INTERNAL_H

#include "nn/network.h"

/* A convolution's tensors in the table; -1: none. */
typedef struct ae_node_weights {
    int weight, bias;
} ae_node_weights;

/* Where a convolution's packed weights and bias begin, in floats. */
typedef struct ae_packed_node {
    size_t forward, backward, bias;
} ae_packed_node;

/* Packed weights as a kernel path wants them. */
typedef struct ae_packed_layout {
    ae_packed_node node[AE_NODES_MAX];
    size_t size; /* floats */
} ae_packed_layout;

void ae_packed_layout_init(ae_packed_layout *layout, const ae_network *network,
                           const ae_kernels *kernels);

struct ae_network {
    ae_graph graph;
    bool is_residual;
    int halo; /* of all images */
    size_t size;
    int parameter_count;
    ae_parameter parameter[2 * AE_NODES_MAX];
    ae_node_weights weights[AE_NODES_MAX];
    bool needs_gradient[AE_NODES_MAX + 1]; /* images that parameters lie behind */
    int gate_node[AE_NODES_MAX + 1]; /* whose work an image's ReLU's gate is: its first reader's,
                                        which is gone back through last, if that is a convolution;
                                        -1: its own node's */
};

/* One thread's memory. */
struct ae_workspace {
    const ae_network *network; /* borrowed, as kernels */
    const ae_kernels *kernels;
    ae_packed_layout packed; /* of the weights that the passes are given */
    float *memory;           /* owned: all that follows */
    bool is_forward; /* for the forward pass alone: images share memory, at floats `place` of it,
                        and there are no gradients, target and sums */
    size_t place[AE_NODES_MAX + 1];
    int pictures;     /* at once, most */
    ae_planes *views; /* owned: all that follow are [pictures] of them */
    /* Of the picture's size. Where the network's own size is another, or its output residual, the
     * output and its gradient have memory of their own, else they are the last node's. */
    ae_planes *input, *target, *output, *output_gradient;
    ae_planes *image[AE_NODES_MAX + 1];    /* the network's input, then each node's output */
    ae_planes *gradient[AE_NODES_MAX + 1]; /* of the loss by the same; before the activation once
                                              its node is come to. None of the input's */
    bool is_written[AE_NODES_MAX + 1];     /* by a reader, in this pass */
    float *spare;                          /* a second reader's part of a picture's gradient */
    float *scratch;                        /* of the kernels */
    float *sums;                           /* [size], the block's gradient so far */
    ae_pass_times *times;                  /* borrowed, NULL: none are taken */
    double marked_s; /* when the passes began, or were done with a node last */
};

/* The gain of a node's initial weights. */
double ae_node_gain(const ae_node *node);

#endif
