/* Weights and biases as the kernels read them, in one buffer. */
#include <string.h>

#include "nn/internal.h"

/* Takes `floats` of the buffer on a 64-byte boundary; returns where they begin. */
static size_t reserve(ae_packed_layout *layout, size_t floats) {
    const size_t offset = layout->size;
    layout->size += ae_round_up_lanes(floats);
    return offset;
}

void ae_packed_layout_init(ae_packed_layout *layout, const ae_network *network,
                           const ae_kernels *kernels) {
    layout->size = 0;
    for (int n = 0; n < network->graph.count; ++n) {
        const ae_node *node = &network->graph.node[n];
        if (node->kind != AE_NODE_CONV) continue;
        const size_t floats = kernels->conv_packed(&node->conv);
        layout->node[n].forward = reserve(layout, floats);
        layout->node[n].backward = reserve(layout, floats);
        layout->node[n].bias =
            reserve(layout, node->has_bias ? (size_t)node->conv.out_channels : 0);
    }
}

size_t ae_network_packed_size(const ae_network *network, const ae_kernels *kernels) {
    ae_packed_layout layout;
    ae_packed_layout_init(&layout, network, kernels);
    return layout.size;
}

/* Node n's weight as the forward pass reads it, with its bias, or as the backward pass does. */
static void pack_node(const ae_network *network, const ae_kernels *kernels, float *packed,
                      const ae_packed_node *at, const float *parameters, int n, bool backward) {
    const ae_node *node = &network->graph.node[n];
    if (node->kind != AE_NODE_CONV) return;
    const float *weight = parameters + network->parameter[network->weights[n].weight].offset;
    kernels->conv_pack(packed + (backward ? at->backward : at->forward), weight, &node->conv,
                       backward);
    if (backward || !node->has_bias) return;
    const ae_parameter *bias = &network->parameter[network->weights[n].bias];
    memcpy(packed + at->bias, parameters + bias->offset, bias->count * sizeof *packed);
}

void ae_network_pack(const ae_network *network, const ae_kernels *kernels, float *packed,
                     const float *parameters) {
    ae_packed_layout layout;
    ae_packed_layout_init(&layout, network, kernels);
#pragma omp parallel for schedule(dynamic) if (network->size >= AE_SHARED_FROM)
    for (int i = 0; i < 2 * network->graph.count; ++i)
        pack_node(network, kernels, packed, &layout.node[i / 2], parameters, i / 2, i % 2 != 0);
}
