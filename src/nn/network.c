/* The network's tables: parameters, who needs whose gradient. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "nn/internal.h"

static int add_parameter(ae_network *network, ae_parameter parameter) {
    parameter.offset = network->size;
    parameter.count = 1;
    for (int d = 0; d < parameter.rank; ++d) parameter.count *= (size_t)parameter.shape[d];
    network->size += parameter.count;
    network->parameter[network->parameter_count] = parameter;
    return network->parameter_count++;
}

/* Adds node n's weight and bias, named "<part>.<module>". */
static void add_conv(ae_network *network, int n, const char *part, int module) {
    const ae_node *node = &network->graph.node[n];
    const ae_conv *conv = &node->conv;
    ae_node_weights *weights = &network->weights[n];
    const bool t = conv->transposed;
    const int k = conv->kernel, in = conv->in_channels, out = conv->out_channels;
    ae_parameter weight = {.node = n,
                           .transposed = t,
                           .rank = 4,
                           .shape = {t ? in : out, t ? out : in, k, k},
                           .fan_in = (t ? out : in) * k * k};
    ae_parameter bias = {
        .node = n, .transposed = t, .rank = 1, .shape = {out}, .fan_in = weight.fan_in};
    snprintf(weight.name, sizeof weight.name, "%s.%d.weight", part, module);
    snprintf(bias.name, sizeof bias.name, "%s.%d.bias", part, module);
    weights->weight = add_parameter(network, weight);
    weights->bias = node->has_bias ? add_parameter(network, bias) : -1;
    if (network->halo < ae_conv_halo(conv)) network->halo = ae_conv_halo(conv);
}

/* A chain's convolutions are named after PyTorch's two torch.nn.Sequential, in which an activation
 * is a module too: "encoder", and "decoder" from the first transposed one on. */
static void add_chain(ae_network *network) {
    bool decoder = false;
    int module = 0;
    for (int n = 0; n < network->graph.count; ++n) {
        const ae_node *node = &network->graph.node[n];
        if (node->conv.transposed && !decoder) {
            decoder = true;
            module = 0;
        }
        add_conv(network, n, decoder ? "decoder" : "encoder", module);
        module += node->activation == AE_ACTIVATION_NONE ? 1 : 2;
    }
}

static void find_readers(ae_network *network) {
    const ae_graph *graph = &network->graph;
    int first_reader[AE_NODES_MAX + 1]; /* -1: the loss */
    for (int i = 0; i <= graph->count; ++i) first_reader[i] = -1;
    for (int n = 0; n < graph->count; ++n) {
        const ae_node *node = &graph->node[n];
        network->needs_gradient[n + 1] = node->kind == AE_NODE_CONV;
        for (int i = 0; i < node->inputs; ++i) {
            const int image = node->input[i];
            if (first_reader[image] < 0) first_reader[image] = n;
            network->needs_gradient[n + 1] |= network->needs_gradient[image];
        }
    }
    network->gate_node[0] = -1;
    for (int n = 0; n < graph->count; ++n) {
        const ae_activation activation = graph->node[n].activation;
        const int reader = first_reader[n + 1];
        const bool is_gated = activation == AE_ACTIVATION_RELU || activation == AE_ACTIVATION_LEAKY;
        const bool by_conv = reader >= 0 && graph->node[reader].kind == AE_NODE_CONV;
        network->gate_node[n + 1] = is_gated && by_conv ? reader : -1;
    }
}

ae_status ae_network_create(ae_network **network, const char *text, const char *where,
                            ae_shape picture, ae_output output) {
    ae_network *made = ae_calloc(1, sizeof *made);
    *network = NULL;
    if (!made) return ae_fail_memory("the network's table of parameters");
    const ae_graph *graph = &made->graph;
    ae_status status = ae_graph_parse(&made->graph, text, where, picture.channels);
    if (status == AE_OK && picture.height > 0)
        status = ae_graph_fit(graph, where, picture.height, picture.width);
    if (status != AE_OK) {
        free(made);
        return status;
    }
    made->is_residual = output == AE_OUTPUT_RESIDUAL;
    if (graph->is_chain) {
        add_chain(made);
    } else {
        for (int n = 0; n < graph->count; ++n)
            if (graph->node[n].kind == AE_NODE_CONV) add_conv(made, n, "layers", n);
    }
    find_readers(made);
    *network = made;
    return AE_OK;
}

void ae_network_destroy(ae_network **network) {
    free(*network);
    *network = NULL;
}

const ae_parameter *ae_network_parameters(const ae_network *network, int *count) {
    *count = network->parameter_count;
    return network->parameter;
}

const ae_graph *ae_network_graph(const ae_network *network) {
    return &network->graph;
}

size_t ae_network_size(const ae_network *network) {
    return network->size;
}

int ae_network_contract(const ae_network *network) {
    int version = 2; /* of what isn't convolutions */
    for (int n = 0; n < network->graph.count; ++n) {
        const ae_node *node = &network->graph.node[n];
        const int its = node->kind == AE_NODE_CONV ? ae_conv_contract(&node->conv) : 0;
        if (version < its) version = its;
    }
    return version;
}

int64_t ae_network_block(const ae_network *network, const ae_settings *settings) {
    const int64_t by_parameters = (int64_t)network->size / 16384;
    const int64_t by_batch = settings->train.batch / 16;
    const int64_t most = by_parameters < by_batch ? by_parameters : by_batch;
    int64_t block = 1;
    if (settings->train.block != AE_BLOCK_AUTO) return settings->train.block;
    while (2 * block <= most) block *= 2;
    return block;
}

int ae_network_together(int64_t block, int height, int width) {
    enum { PIXELS = 64 * 64 };
    int64_t most = PIXELS / ((int64_t)height * width);
    if (most > AE_TOGETHER_MAX) most = AE_TOGETHER_MAX;
    if (most > block) most = block;
    return most < 1 ? 1 : (int)most;
}

/* What a convolution does on an input of height x width. */
typedef double conv_work(const ae_conv *conv, int height, int width);

static double node_work(const ae_network *network, int n, int height, int width, conv_work *work) {
    const ae_node *node = &network->graph.node[n];
    ae_shape shapes[AE_NODES_MAX + 1];
    if (node->kind != AE_NODE_CONV) return 0;
    ae_graph_shapes(&network->graph, shapes, ae_graph_side(&network->graph, height),
                    ae_graph_side(&network->graph, width));
    const ae_shape *in = &shapes[node->input[0]];
    return work(&node->conv, in->height, in->width);
}

static double step_work(const ae_network *network, int height, int width, conv_work *work) {
    double sum = 0;
    for (int n = 0; n < network->graph.count; ++n)
        sum += node_work(network, n, height, width, work) *
               (network->needs_gradient[network->graph.node[n].input[0]] ? 3 : 2);
    return sum;
}

double ae_network_work(const ae_network *network, int n, int height, int width) {
    return node_work(network, n, height, width, ae_conv_work);
}

double ae_network_step_work(const ae_network *network, int height, int width) {
    return step_work(network, height, width, ae_conv_work);
}

double ae_network_step_multiplications(const ae_network *network, int height, int width) {
    return step_work(network, height, width, ae_conv_multiplications);
}

bool ae_network_needs_gradient(const ae_network *network, int image) {
    return network->needs_gradient[image];
}

/* Rows (or columns) of an image. */
typedef struct rows {
    int begin, end; /* none: begin > end */
} rows;

/* Those of what node `node` reads that `out` of its output come from. */
static rows rows_read(const ae_node *node, rows out) {
    const ae_conv *conv = &node->conv;
    const int k = conv->kernel, s = conv->stride, p = conv->padding;
    if (node->kind == AE_NODE_CONV && conv->transposed)
        return (rows){(out.begin + p - k + s) / s, (out.end + p) / s};
    if (node->kind == AE_NODE_CONV) return (rows){s * out.begin - p, s * out.end - p + k - 1};
    if (node->kind == AE_NODE_SHUFFLE) return (rows){out.begin / 2, out.end / 2};
    if (node->kind == AE_NODE_UNSHUFFLE || node->kind == AE_NODE_MAX_POOL)
        return (rows){2 * out.begin, 2 * out.end + 1};
    return out;
}

/* Rows of the input that row `row` of the output depends on. */
static int rows_of_input(const ae_graph *graph, int row) {
    rows of[AE_NODES_MAX + 1];
    for (int n = 0; n < graph->count; ++n) of[n] = (rows){INT_MAX, INT_MIN};
    of[graph->count] = (rows){row, row};
    for (int n = graph->count - 1; n >= 0; --n) {
        const ae_node *node = &graph->node[n];
        if (of[n + 1].begin > of[n + 1].end) continue;
        const rows read = rows_read(node, of[n + 1]);
        for (int i = 0; i < node->inputs; ++i) {
            rows *its = &of[node->input[i]];
            if (its->begin > read.begin) its->begin = read.begin;
            if (its->end < read.end) its->end = read.end;
        }
    }
    return of[0].end - of[0].begin + 1;
}

int ae_network_receptive_field(const ae_network *network) {
    enum { INSIDE = 1 << 24 }; /* a row far from all borders */
    int largest = 0;
    for (int row = 0; row < network->graph.stride; ++row) {
        const int its = rows_of_input(&network->graph, INSIDE + row);
        if (its > largest) largest = its;
    }
    return largest;
}
