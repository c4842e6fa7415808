/* What a network is, layer by layer, for the reader. */
#include "train/network_table.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "team/team.h"

enum { LAYER_SIZE = 128 }; /* bytes of a layer's text */

static size_t parameters_of(const ae_network *network, int n) {
    int count;
    size_t size = 0;
    const ae_parameter *parameters = ae_network_parameters(network, &count);
    for (int p = 0; p < count; ++p)
        if (parameters[p].node == n) size += parameters[p].count;
    return size;
}

/* Multiply-adds of layer n's forward pass, a pixel. */
static double work_of(const ae_network *network, int n, ae_shape picture) {
    return ae_network_work(network, n, picture.height, picture.width) /
           ((double)picture.height * picture.width);
}

static int longest_layer(const ae_graph *graph) {
    size_t longest = 0;
    for (int n = 0; n < graph->count; ++n) {
        char layer[LAYER_SIZE];
        ae_node_write(graph, n, layer, sizeof layer);
        if (strlen(layer) > longest) longest = strlen(layer);
    }
    return (int)longest;
}

void ae_network_table_print(const ae_model *model, ae_shape picture, int64_t block) {
    const ae_network *network = model->network;
    const ae_graph *graph = ae_network_graph(network);
    const int width = longest_layer(graph), field = ae_network_receptive_field(network);
    ae_shape shapes[AE_NODES_MAX + 1];
    double work = 0;
    ae_graph_shapes(graph, shapes, ae_graph_side(graph, picture.height),
                    ae_graph_side(graph, picture.width));
    for (int n = 0; n < graph->count; ++n) {
        const ae_shape *shape = &shapes[n + 1];
        char layer[LAYER_SIZE], size[48];
        ae_node_write(graph, n, layer, sizeof layer);
        snprintf(size, sizeof size, "%d x %d x %d", shape->channels, shape->height, shape->width);
        ae_say("layer    %3d  %-*s  %-14s %8zu parameters %9.0f multiply-adds a pixel", n + 1,
               width, layer, size, parameters_of(network, n), work_of(network, n, picture));
        work += work_of(network, n, picture);
    }
    ae_say("in all   %zu parameters, %.0f multiply-adds a pixel (forward), a receptive field of %d "
           "x %d pixels, %.1f MB a thread",
           ae_network_size(network), work, field, field,
           (double)ae_member_bytes(model, picture, block) / 1e6);
}
