#include "nn/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "base/random.h"

/* Where a layer's repacked weights and bias begin in the packed buffer, in floats. Of a weight
 * stored as [a][b][k][k] there are two arrangements, one for each window of correlate: `valid`
 * takes b channels to a; `full`, turned by half a turn, takes a channels to b. A convolution goes
 * forward by the first and back by the second; a transposed one, its adjoint, the other way round.
 */
typedef struct packed_layer {
    size_t valid, full, bias;
} packed_layer;

struct ae_network {
    ae_layers layers;
    int halo; /* of all images: the widest kernel's reach */
    size_t size, packed_size, scratch_size;
    packed_layer packed[AE_LAYERS_MAX];
    ae_parameter parameter[2 * AE_LAYERS_MAX];
};

struct ae_workspace {
    const ae_network *network; /* borrowed, as kernels */
    const ae_kernels *kernels;
    float *memory; /* owned: all that follows */
    ae_planes target;
    ae_planes activation[AE_LAYERS_MAX + 1]; /* the input, then each layer's output */
    ae_planes gradient[AE_LAYERS_MAX + 1];   /* of the loss by the same before the layer's
                                                activation; none of the input's */
    float *scratch;                          /* [scratch_size] of correlate_gradient */
    float *sums;                             /* [size], the block's gradient so far */
};

static size_t round_up(size_t floats) {
    return (floats + AE_LANES - 1) / AE_LANES * AE_LANES;
}

/* The parameter table. */

static void add_parameter(ae_network *network, int index, ae_parameter parameter) {
    parameter.offset = network->size;
    parameter.count = 1;
    for (int d = 0; d < parameter.rank; ++d) parameter.count *= (size_t)parameter.shape[d];
    network->size += parameter.count;
    network->parameter[index] = parameter;
}

/* Reserves `floats` of the packed buffer on a 64-byte boundary; returns where they begin. */
static size_t reserve(ae_network *network, size_t floats) {
    size_t offset = network->packed_size;
    network->packed_size += round_up(floats);
    return offset;
}

/* Adds layer l's weight and bias, named "<part>.<module>". */
static void add_layer(ae_network *network, int l, const char *part, int module) {
    const ae_layer *layer = &network->layers.layer[l];
    int k = layer->kernel, in = layer->in_channels, out = layer->out_channels;
    bool t = layer->transposed;
    ae_parameter weight = {
        .rank = 4, .shape = {t ? in : out, t ? out : in, k, k}, .fan_in = (t ? out : in) * k * k};
    ae_parameter bias = {.rank = 1, .shape = {out}, .fan_in = weight.fan_in};
    snprintf(weight.name, sizeof weight.name, "%s.%d.weight", part, module);
    snprintf(bias.name, sizeof bias.name, "%s.%d.bias", part, module);
    add_parameter(network, 2 * l, weight);
    add_parameter(network, 2 * l + 1, bias);

    size_t packed = ae_weights_packed(out, in, k);
    network->packed[l].valid = reserve(network, packed);
    network->packed[l].full = reserve(network, packed);
    network->packed[l].bias = reserve(network, (size_t)out);
    if (network->halo < k - 1) network->halo = k - 1;

    size_t scratch = t ? ae_gradient_scratch(in, out, layer->in_height, layer->in_width)
                       : ae_gradient_scratch(out, in, layer->out_height, layer->out_width);
    if (network->scratch_size < scratch) network->scratch_size = round_up(scratch);
}

ae_status ae_network_create(ae_network **network, const ae_layers *layers) {
    ae_network *made = ae_calloc(1, sizeof *made);
    *network = made;
    if (!made) return ae_fail_memory("the network's table of parameters");
    made->layers = *layers;
    bool decoder = false;
    int module = 0; /* as torch.nn.Sequential counts: an activation is a module too */
    for (int l = 0; l < layers->count; ++l) {
        const ae_layer *layer = &layers->layer[l];
        if (layer->transposed && !decoder) {
            decoder = true;
            module = 0;
        }
        add_layer(made, l, decoder ? "decoder" : "encoder", module);
        module += layer->activation == AE_ACTIVATION_NONE ? 1 : 2;
    }
    return AE_OK;
}

void ae_network_destroy(ae_network **network) {
    free(*network);
    *network = NULL;
}

const ae_parameter *ae_network_parameters(const ae_network *network, int *count) {
    *count = 2 * network->layers.count;
    return network->parameter;
}

const ae_layers *ae_network_layers(const ae_network *network) {
    return &network->layers;
}

size_t ae_network_size(const ae_network *network) {
    return network->size;
}

void ae_network_initialize(const ae_network *network, float *parameters, uint64_t seed) {
    for (int p = 0; p < 2 * network->layers.count; ++p) {
        const ae_parameter *parameter = &network->parameter[p];
        ae_stream stream = {.seed = seed, .purpose = AE_RANDOM_INIT, .sample = (uint32_t)p};
        float bound = (float)(1 / sqrt(parameter->fan_in));
        uint32_t words[4];
        for (size_t e = 0; e < parameter->count; ++e) {
            if (e % 4 == 0) ae_random_words(words, stream, (uint32_t)(e / 4));
            /* The odd multiples of 2^-24 in (-1, 1): exact in float, and symmetric. */
            float u = 2 * ae_random_unit(words[e % 4]) - (1 - 0x1p-24f);
            parameters[parameter->offset + e] = u * bound;
        }
    }
}

/* Repacking. */

size_t ae_network_packed_size(const ae_network *network) {
    return network->packed_size;
}

void ae_network_pack(const ae_network *network, float *packed, const float *parameters) {
    for (int l = 0; l < network->layers.count; ++l) {
        const ae_parameter *weight = &network->parameter[2 * l], *bias = weight + 1;
        const packed_layer *at = &network->packed[l];
        const float *values = parameters + weight->offset;
        int as = weight->shape[0], bs = weight->shape[1], k = weight->shape[2];
        ae_weights_pack(packed + at->valid, values, as, bs, k, bs * k * k, k * k, false);
        ae_weights_pack(packed + at->full, values, bs, as, k, k * k, bs * k * k, true);
        memcpy(packed + at->bias, parameters + bias->offset, bias->count * sizeof *packed);
    }
}

/* The workspace. */

/* Floats of the image that layer l writes, or of the network's input for l = -1. */
static size_t image_floats(const ae_network *network, int l) {
    const ae_layer *layer = &network->layers.layer[l < 0 ? 0 : l];
    if (l < 0)
        return ae_planes_floats(layer->in_channels, layer->in_height, layer->in_width,
                                network->halo);
    return ae_planes_floats(layer->out_channels, layer->out_height, layer->out_width,
                            network->halo);
}

static size_t workspace_floats(const ae_network *network) {
    size_t floats = 2 * image_floats(network, -1); /* input and target */
    for (int l = 0; l < network->layers.count; ++l)
        floats += 2 * image_floats(network, l); /* activation and gradient */
    return floats + network->scratch_size + round_up(network->size);
}

size_t ae_workspace_bytes(const ae_network *network) {
    return sizeof(ae_workspace) + workspace_floats(network) * sizeof(float);
}

/* Lays out one of the images of image_floats() at *next, and moves *next behind it. */
static ae_planes take_image(float **next, const ae_network *network, int l) {
    const ae_layer *layer = &network->layers.layer[l < 0 ? 0 : l];
    ae_planes image = l < 0 ? ae_planes_view(*next, layer->in_channels, layer->in_height,
                                             layer->in_width, network->halo)
                            : ae_planes_view(*next, layer->out_channels, layer->out_height,
                                             layer->out_width, network->halo);
    *next += image_floats(network, l);
    return image;
}

ae_status ae_workspace_create(ae_workspace **workspace, const ae_network *network,
                              const ae_kernels *kernels) {
    *workspace = NULL;
    ae_workspace *made = ae_calloc(1, sizeof *made);
    float *next = ae_calloc(workspace_floats(network), sizeof *next);
    if (!made || !next) {
        free(made);
        free(next);
        return AE_FAILED;
    }
    made->network = network;
    made->kernels = kernels;
    made->memory = next;
    made->target = take_image(&next, network, -1);
    made->activation[0] = take_image(&next, network, -1);
    for (int l = 0; l < network->layers.count; ++l) {
        made->activation[l + 1] = take_image(&next, network, l);
        made->gradient[l + 1] = take_image(&next, network, l);
    }
    made->scratch = next;
    made->sums = next + network->scratch_size;
    *workspace = made;
    return AE_OK;
}

void ae_workspace_destroy(ae_workspace **workspace) {
    if (!*workspace) return;
    free((*workspace)->memory);
    free(*workspace);
    *workspace = NULL;
}

const ae_planes *ae_workspace_input(const ae_workspace *workspace) {
    return &workspace->activation[0];
}

const ae_planes *ae_workspace_output(const ae_workspace *workspace) {
    return &workspace->activation[workspace->network->layers.count];
}

const ae_planes *ae_workspace_target(const ae_workspace *workspace) {
    return &workspace->target;
}

/* The passes. */

void ae_network_forward(ae_workspace *workspace, const float *packed) {
    const ae_network *network = workspace->network;
    const ae_kernels *kernels = workspace->kernels;
    for (int l = 0; l < network->layers.count; ++l) {
        const ae_layer *layer = &network->layers.layer[l];
        const packed_layer *at = &network->packed[l];
        const ae_planes *in = &workspace->activation[l], *out = &workspace->activation[l + 1];
        bool relu = layer->activation == AE_ACTIVATION_RELU;
        kernels->correlate(out, in, packed + (layer->transposed ? at->full : at->valid),
                           packed + at->bias, layer->kernel,
                           layer->transposed ? AE_WINDOW_FULL : AE_WINDOW_VALID,
                           relu ? AE_EPILOGUE_RELU : AE_EPILOGUE_NONE, NULL);
        if (layer->activation == AE_ACTIVATION_SIGMOID) kernels->sigmoid(out);
    }
}

void ae_network_begin_block(ae_workspace *workspace) {
    memset(workspace->sums, 0, workspace->network->size * sizeof *workspace->sums);
}

/* gradient = output > 0 ? gradient : 0, in place: the backward pass of a ReLU. */
static void gate(const ae_planes *gradient, const ae_planes *output) {
    for (int c = 0; c < output->channels; ++c)
        for (int h = 0; h < output->height; ++h) {
            float *derivative = ae_planes_row(gradient, c, h);
            const float *value = ae_planes_row(output, c, h);
            for (int w = 0; w < output->width; ++w)
                derivative[w] = value[w] > 0 ? derivative[w] : 0;
        }
}

/* Adds the derivatives by layer l's weight and bias to the block's sums. */
static void add_derivatives(ae_workspace *workspace, int l) {
    const ae_parameter *weight = &workspace->network->parameter[2 * l], *bias = weight + 1;
    const ae_layer *layer = &workspace->network->layers.layer[l];
    const ae_planes *in = &workspace->activation[l], *gradient = &workspace->gradient[l + 1];
    workspace->kernels->correlate_gradient(
        workspace->sums + weight->offset, layer->transposed ? in : gradient,
        layer->transposed ? gradient : in, layer->kernel, workspace->scratch);
    workspace->kernels->sum_pixels(workspace->sums + bias->offset, gradient);
}

/* Takes the gradient from layer l's output back through it and through the activation of the layer
 * below, l - 1. */
static void pass_back(ae_workspace *workspace, const float *packed, int l) {
    const ae_kernels *kernels = workspace->kernels;
    const ae_layer *layer = &workspace->network->layers.layer[l];
    const packed_layer *at = &workspace->network->packed[l];
    const ae_planes *below = &workspace->gradient[l], *output = &workspace->activation[l];
    ae_activation activation = layer[-1].activation;
    bool relu = activation == AE_ACTIVATION_RELU;
    kernels->correlate(below, &workspace->gradient[l + 1],
                       packed + (layer->transposed ? at->valid : at->full), NULL, layer->kernel,
                       layer->transposed ? AE_WINDOW_VALID : AE_WINDOW_FULL,
                       relu ? AE_EPILOGUE_GATE : AE_EPILOGUE_NONE, relu ? output : NULL);
    if (activation == AE_ACTIVATION_SIGMOID) kernels->sigmoid_gradient(below, output);
}

double ae_network_loss(ae_workspace *workspace, ae_loss loss) {
    const ae_kernels *kernels = workspace->kernels;
    const ae_planes *gradient = &workspace->gradient[workspace->network->layers.count];
    const ae_planes *output = ae_workspace_output(workspace);
    if (loss == AE_LOSS_L1) return kernels->loss_l1(gradient, output, &workspace->target);
    return kernels->loss_mse(gradient, output, &workspace->target);
}

double ae_network_backward(ae_workspace *workspace, const float *packed, ae_loss loss) {
    int last = workspace->network->layers.count - 1;
    const ae_planes *gradient = &workspace->gradient[last + 1];
    const ae_planes *output = &workspace->activation[last + 1];
    double value = ae_network_loss(workspace, loss);
    ae_activation activation = workspace->network->layers.layer[last].activation;
    if (activation == AE_ACTIVATION_SIGMOID) workspace->kernels->sigmoid_gradient(gradient, output);
    if (activation == AE_ACTIVATION_RELU) gate(gradient, output);
    for (int l = last; l >= 0; --l) {
        add_derivatives(workspace, l);
        if (l > 0) pass_back(workspace, packed, l);
    }
    return value;
}

const float *ae_network_end_block(const ae_workspace *workspace) {
    return workspace->sums;
}
