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

void ae_network_pack(const ae_network *network, const ae_kernels *kernels, float *packed,
                     const float *parameters) {
    ae_packed_layout layout;
    ae_packed_layout_init(&layout, network, kernels);
    for (int n = 0; n < network->graph.count; ++n) {
        const ae_node *node = &network->graph.node[n];
        const ae_packed_node *at = &layout.node[n];
        if (node->kind != AE_NODE_CONV) continue;
        const float *weight = parameters + network->parameter[network->weights[n].weight].offset;
        kernels->conv_pack(packed + at->forward, weight, &node->conv, false);
        kernels->conv_pack(packed + at->backward, weight, &node->conv, true);
        if (!node->has_bias) continue;
        const ae_parameter *bias = &network->parameter[network->weights[n].bias];
        memcpy(packed + at->bias, parameters + bias->offset, bias->count * sizeof *packed);
    }
}
