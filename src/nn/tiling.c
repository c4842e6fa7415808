/* Where a picture's tiles begin, and how far they overlap. */
#include "nn/internal.h"

static int greatest_divisor(int a, int b) {
    return b == 0 ? a : greatest_divisor(b, a % b);
}

/* Rows of the output that are made together, in the output's own scale. */
static int tile_of(const ae_node *node) {
    return node->kind == AE_NODE_CONV ? ae_conv_tile(&node->conv) : 1;
}

int ae_network_phase(const ae_network *network) {
    const ae_graph *graph = &network->graph;
    int power[AE_NODES_MAX + 1] = {0}, phase = 1;
    for (int n = 0; n < graph->count; ++n) {
        const ae_node *node = &graph->node[n];
        power[n + 1] = power[node->input[0]] + ae_node_shrinking(node);
        int rows = tile_of(node); /* of the picture */
        for (int p = 0; p < power[n + 1]; ++p) rows *= 2;
        for (int p = power[n + 1]; p < 0 && rows % 2 == 0; ++p) rows /= 2;
        phase *= rows / greatest_divisor(phase, rows);
    }
    return phase;
}

static ae_margin wider(ae_margin a, ae_margin b) {
    return (ae_margin){a.before > b.before ? a.before : b.before,
                       a.after > b.after ? a.after : b.after};
}

static ae_margin node_margin(const ae_node *node, const ae_margin *margins) {
    const ae_margin in = margins[node->input[0]];
    switch (node->kind) {
    case AE_NODE_CONV:
        return ae_conv_margin(&node->conv, in);
    case AE_NODE_ADD:
    case AE_NODE_CONCAT:
        return wider(in, margins[node->input[1]]);
    case AE_NODE_UNSHUFFLE:
    case AE_NODE_MAX_POOL:
        return (ae_margin){(in.before + 1) / 2, (in.after + 1) / 2};
    case AE_NODE_SHUFFLE:
        return (ae_margin){2 * in.before, 2 * in.after};
    }
    return in;
}

ae_margin ae_network_margin(const ae_network *network) {
    const ae_graph *graph = &network->graph;
    ae_margin margins[AE_NODES_MAX + 1] = {{0, 0}};
    for (int n = 0; n < graph->count; ++n) margins[n + 1] = node_margin(&graph->node[n], margins);
    return margins[graph->count];
}
