/* The forward and backward passes. */
#include <string.h>

#include "nn/internal.h"

/* ---- forward ---- */

static const ae_epilogue no_epilogue = {.kind = AE_EPILOGUE_NONE};

/* A node's activation as an epilogue; a sigmoid's is none. */
static ae_epilogue activation_of(const ae_node *node) {
    ae_epilogue epilogue = {.slope = node->slope};
    if (node->activation == AE_ACTIVATION_RELU) epilogue.kind = AE_EPILOGUE_RELU;
    if (node->activation == AE_ACTIVATION_LEAKY) epilogue.kind = AE_EPILOGUE_LEAKY;
    return epilogue;
}

/* The backward pass of the ReLU that made `image`. */
static ae_epilogue gate_of(const ae_node *node, const ae_planes *image) {
    const bool is_leaky = node->activation == AE_ACTIVATION_LEAKY;
    return (ae_epilogue){.kind = is_leaky ? AE_EPILOGUE_LEAKY_GATE : AE_EPILOGUE_GATE,
                         .slope = node->slope,
                         .gate = image};
}

static void forward_node(ae_workspace *w, const float *packed, int n) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_packed_node *at = &w->packed.node[n];
    const ae_planes *out = &w->image[n + 1], *in = &w->image[node->input[0]];
    const ae_planes *other = &w->image[node->input[1]];
    const ae_epilogue activation = activation_of(node);
    switch (node->kind) {
    case AE_NODE_CONV:
        w->kernels->conv_forward(out, in, &node->conv, packed + at->forward,
                                 node->has_bias ? packed + at->bias : NULL, &activation,
                                 w->scratch);
        break;
    case AE_NODE_ADD:
        w->kernels->add(out, in, other, 1);
        w->kernels->apply(out, &activation);
        break;
    case AE_NODE_CONCAT: {
        const ae_planes first = ae_planes_channels(out, 0, in->channels);
        const ae_planes second = ae_planes_channels(out, in->channels, other->channels);
        ae_planes_copy(&first, in);
        ae_planes_copy(&second, other);
        break;
    }
    case AE_NODE_UNSHUFFLE:
        w->kernels->unshuffle(out, in);
        break;
    case AE_NODE_SHUFFLE:
        w->kernels->shuffle(out, in);
        break;
    case AE_NODE_MAX_POOL:
        w->kernels->max_pool(out, in);
        break;
    }
    if (node->activation == AE_ACTIVATION_SIGMOID) w->kernels->sigmoid(out);
}

void ae_network_forward(ae_workspace *w, const float *packed) {
    const ae_network *network = w->network;
    const ae_planes *last = &w->image[network->graph.count];
    if (w->image[0].data != w->input.data) ae_planes_extend(&w->image[0], &w->input);
    if (w->is_forward) ae_planes_clear_border(&w->image[0], network->halo);
    for (int n = 0; n < network->graph.count; ++n) {
        if (w->is_forward) ae_planes_clear_border(&w->image[n + 1], network->halo);
        forward_node(w, packed, n);
    }
    if (network->is_residual)
        w->kernels->add(&w->output, &w->input, last, -1);
    else if (w->output.data != last->data)
        ae_planes_copy(&w->output, last);
}

/* ---- backward ---- */

void ae_network_begin_block(ae_workspace *workspace) {
    memset(workspace->sums, 0, workspace->network->size * sizeof *workspace->sums);
}

const float *ae_network_end_block(const ae_workspace *workspace) {
    return workspace->sums;
}

double ae_network_loss(ae_workspace *w, ae_loss loss) {
    if (loss == AE_LOSS_L1) return w->kernels->loss_l1(&w->output_gradient, &w->output, &w->target);
    return w->kernels->loss_mse(&w->output_gradient, &w->output, &w->target);
}

/* Where a reader of `image` writes its part of the gradient: the first at its place. */
static ae_planes begin_part(ae_workspace *w, int image) {
    const ae_planes *gradient = &w->gradient[image];
    if (!w->is_written[image]) return *gradient;
    return ae_planes_view(w->spare, gradient->channels, gradient->height, gradient->width,
                          w->network->halo);
}

/* Adds a later reader's part. */
static void end_part(ae_workspace *w, int image, const ae_planes *part) {
    if (w->is_written[image]) w->kernels->add(&w->gradient[image], &w->gradient[image], part, 1);
    w->is_written[image] = true;
}

/* The same for a part that is there already. */
static void send(ae_workspace *w, int image, const ae_planes *part) {
    if (!w->network->needs_gradient[image]) return;
    if (!w->is_written[image]) ae_planes_copy(&w->gradient[image], part);
    end_part(w, image, part);
}

/* Takes the gradient back through the activation of node n, in place. */
static void undo_activation(ae_workspace *w, int n) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_planes *gradient = &w->gradient[n + 1], *image = &w->image[n + 1];
    if (node->activation == AE_ACTIVATION_NONE || w->network->is_gated[n + 1]) return;
    if (node->activation == AE_ACTIVATION_SIGMOID) {
        w->kernels->sigmoid_gradient(gradient, image);
        return;
    }
    const ae_epilogue gate = gate_of(node, image);
    w->kernels->apply(gradient, &gate);
}

/* Adds the derivatives by a convolution's weight and bias to the block's sums. */
static void add_derivatives(ae_workspace *w, int n) {
    const ae_network *network = w->network;
    const ae_node *node = &network->graph.node[n];
    const ae_node_weights *at = &network->weights[n];
    const ae_planes *gradient = &w->gradient[n + 1];
    w->kernels->conv_weights(w->sums + network->parameter[at->weight].offset,
                             &w->image[node->input[0]], gradient, &node->conv, w->scratch);
    if (node->has_bias)
        w->kernels->sum_pixels(w->sums + network->parameter[at->bias].offset, gradient);
}

static void backward_conv(ae_workspace *w, const float *packed, int n) {
    const ae_node *node = &w->network->graph.node[n];
    const int image = node->input[0];
    add_derivatives(w, n);
    if (!w->network->needs_gradient[image]) return;
    const ae_planes part = begin_part(w, image);
    ae_epilogue gate = no_epilogue;
    if (w->network->is_gated[image])
        gate = gate_of(&w->network->graph.node[image - 1], &w->image[image]);
    w->kernels->conv_backward(&part, &w->gradient[n + 1], &node->conv,
                              packed + w->packed.node[n].backward, &gate, w->scratch);
    end_part(w, image, &part);
}

/* Pixels that move, and no more. */
static void backward_moved(ae_workspace *w, int n) {
    const ae_node *node = &w->network->graph.node[n];
    const int image = node->input[0];
    const ae_planes *gradient = &w->gradient[n + 1];
    if (!w->network->needs_gradient[image]) return;
    const ae_planes part = begin_part(w, image);
    if (node->kind == AE_NODE_UNSHUFFLE) w->kernels->shuffle(&part, gradient);
    if (node->kind == AE_NODE_SHUFFLE) w->kernels->unshuffle(&part, gradient);
    if (node->kind == AE_NODE_MAX_POOL)
        w->kernels->max_pool_gradient(&part, gradient, &w->image[image]);
    end_part(w, image, &part);
}

static void backward_node(ae_workspace *w, const float *packed, int n) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_planes *gradient = &w->gradient[n + 1];
    undo_activation(w, n);
    switch (node->kind) {
    case AE_NODE_CONV:
        backward_conv(w, packed, n);
        break;
    case AE_NODE_ADD:
        send(w, node->input[0], gradient);
        send(w, node->input[1], gradient);
        break;
    case AE_NODE_CONCAT: {
        const int first = w->image[node->input[0]].channels;
        const ae_planes upper = ae_planes_channels(gradient, 0, first);
        const ae_planes lower = ae_planes_channels(gradient, first, gradient->channels - first);
        send(w, node->input[0], &upper);
        send(w, node->input[1], &lower);
        break;
    }
    case AE_NODE_UNSHUFFLE:
    case AE_NODE_SHUFFLE:
    case AE_NODE_MAX_POOL:
        backward_moved(w, n);
        break;
    }
}

/* The gradient by the last node's output from that by the picture: 0 where the picture has no
 * pixels, and of a residual output with its sign turned. */
static void begin_gradient(ae_workspace *w) {
    const ae_planes *last = &w->gradient[w->network->graph.count];
    if (w->output_gradient.data == last->data) return;
    ae_planes_clear(last);
    ae_planes inside = *last;
    inside.height = w->output_gradient.height;
    inside.width = w->output_gradient.width;
    w->kernels->add(&inside, &inside, &w->output_gradient, w->network->is_residual ? -1 : 1);
}

double ae_network_backward(ae_workspace *w, const float *packed, ae_loss loss) {
    const int count = w->network->graph.count;
    memset(w->is_written, 0, sizeof w->is_written);
    double value = ae_network_loss(w, loss);
    begin_gradient(w);
    w->is_written[count] = true;
    for (int n = count - 1; n >= 0; --n)
        if (w->is_written[n + 1]) backward_node(w, packed, n);
    return value;
}
