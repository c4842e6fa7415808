/* The text of model.layers, the network's table made from it, and a step of small networks. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/memory.h"
#include "fuzz.h"
#include "nn/network.h"

enum { CHANNELS = 3, SIDE = 32, SMALL = 8 };

/* Each node reads images before it, and all have a shape. */
static void require_graph(const ae_graph *graph) {
    ae_shape shapes[AE_NODES_MAX + 1];
    REQUIRE(graph->count >= 1 && graph->count <= AE_NODES_MAX, "%d layers", graph->count);
    const int side = ae_graph_side(graph, SIDE);
    REQUIRE(ae_graph_shapes(graph, shapes, side, side) == graph->count, "shapes");
    for (int n = 0; n < graph->count; ++n) {
        const ae_node *node = &graph->node[n];
        for (int i = 0; i < node->inputs; ++i)
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
    for (int i = 0; i < count; ++i) {
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

static bool are_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(values[i])) return false;
    return true;
}

/* A forward and a backward pass on pictures of zeros read and write what is theirs. */
static void require_step(const ae_network *network, int side) {
    const size_t size = ae_network_size(network);
    float *parameters = ae_calloc(size, sizeof *parameters);
    float *packed = ae_calloc(ae_network_packed_size(network, ae_kernels_at(0)), sizeof *packed);
    ae_workspace *workspace;
    REQUIRE(parameters && packed, "no memory");
    REQUIRE(ae_network_initialize(network, parameters, AE_INIT_HE, 1) == AE_OK, "%s", ae_message());
    REQUIRE(ae_workspace_create(&workspace, network, 1, side, side, ae_kernels_at(0)) == AE_OK,
            "no workspace");
    ae_network_pack(network, ae_kernels_at(0), packed, parameters);
    ae_network_begin_block(workspace);
    double loss;
    ae_network_forward(workspace, packed, 1);
    ae_network_backward(&loss, workspace, packed, 1, (ae_criterion){.loss = AE_LOSS_MSE});
    REQUIRE(isfinite(loss), "loss");
    REQUIRE(are_finite(ae_network_end_block(workspace), size), "gradient");
    ae_workspace_destroy(&workspace);
    free(packed);
    free(parameters);
}

/* Does it run on such pictures, a step of it in little time and memory? */
static bool is_small(const ae_network *network, int side) {
    return ae_graph_fit(ae_network_graph(network), "layers", side, side) == AE_OK &&
           ae_network_step_work(network, side, side) < 1e6 &&
           ae_workspace_bytes(network, ae_kernels_at(0), 1, side, side) < 1 << 19 &&
           ae_network_packed_size(network, ae_kernels_at(0)) < 1 << 16;
}

/* OpenMP takes its memory before it is watched. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    return omp_get_max_threads() > 0 ? 0 : 1;
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
        const int side = ae_graph_side(ae_network_graph(network), SMALL);
        if (is_small(network, side)) require_step(network, side);
    } else {
        REQUIRE(status == AE_ERROR_USAGE, "status %d", (int)status);
        REQUIRE(ae_message()[0] != '\0', "no message");
    }
    ae_network_destroy(&network);
    free(text);
    return 0;
}
