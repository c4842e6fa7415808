/* The text of model.layers, and the network's table made from it. */
#include <stdlib.h>

#include "fuzz.h"
#include "nn/network.h"

enum { CHANNELS = 3, SIDE = 32 };

/* Each node reads images before it, and all have a shape. */
static void require_graph(const ae_graph *graph) {
    ae_shape shapes[AE_NODES_MAX + 1];
    REQUIRE(graph->count >= 1 && graph->count <= AE_NODES_MAX, "%d layers", graph->count);
    const int side = ae_graph_side(graph, SIDE);
    REQUIRE(ae_graph_shapes(graph, shapes, side, side) == graph->count, "shapes");
    for (int n = 0; n < graph->count; n++) {
        const ae_node *node = &graph->node[n];
        for (int i = 0; i < node->inputs; i++)
            REQUIRE(node->input[i] >= 0 && node->input[i] <= n, "layer %d", n);
        REQUIRE(node->channels >= 1 && shapes[n + 1].height >= 1, "layer %d", n);
        REQUIRE(node->kind != AE_NODE_CONV ||
                    node->conv.in_channels == shapes[node->input[0]].channels,
                "layer %d", n);
    }
    const ae_shape *last = &shapes[graph->count];
    REQUIRE(last->channels == CHANNELS && last->height == side, "it ends with %d x %d",
            last->channels, last->height);
}

/* The parameters follow each other without a gap. */
static void require_table(const ae_network *network) {
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    size_t next = 0;
    for (int i = 0; i < count; i++) {
        REQUIRE(table[i].offset == next && table[i].count > 0, "parameter %d", i);
        next += table[i].count;
    }
    REQUIRE(next == ae_network_size(network), "%zu, not %zu", ae_network_size(network), next);
}

/* What is written reads back to the same. */
static void require_text(const ae_graph *graph) {
    static char text[AE_GRAPH_TEXT_SIZE], again[AE_GRAPH_TEXT_SIZE];
    static ae_graph read;
    ae_graph_write(graph, text);
    REQUIRE(ae_graph_parse(&read, text, "layers", CHANNELS) == AE_OK, "%s", ae_message());
    ae_graph_write(&read, again);
    REQUIRE(strcmp(text, again) == 0, "%s, not %s", again, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);
    REQUIRE(text, "no memory");
    ae_network *network;
    ae_status status = ae_network_create(&network, text, "layers", (ae_shape){CHANNELS, SIDE, SIDE},
                                         AE_OUTPUT_DIRECT);
    if (status == AE_OK) {
        require_graph(ae_network_graph(network));
        require_table(network);
        require_text(ae_network_graph(network));
    } else {
        REQUIRE(status == AE_ERROR_USAGE, "status %d", (int)status);
        REQUIRE(ae_message()[0] != '\0', "no message");
    }
    ae_network_destroy(&network);
    free(text);
    return 0;
}
