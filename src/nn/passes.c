/* The forward and backward passes. */
#include <math.h>
#include <string.h>

#include "base/timer.h"
#include "nn/internal.h"

/* ---- times ---- */

void ae_workspace_time(ae_workspace *workspace, ae_pass_times *times) {
    workspace->times = times;
}

static void begin_times(ae_workspace *w) {
    if (w->times) w->marked_s = ae_now_s();
}

/* The time since then, or since it was called last, is node n's. */
static void add_time(ae_workspace *w, ae_pass pass, int n) {
    if (!w->times) return;
    const double now_s = ae_now_s();
    w->times->seconds[pass][n] += now_s - w->marked_s;
    w->marked_s = now_s;
}

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

/* What isn't a convolution, of one picture. */
static void forward_picture(ae_workspace *w, int n, int p) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_planes *out = &w->image[n + 1][p], *in = &w->image[node->input[0]][p];
    const ae_planes *other = &w->image[node->input[1]][p];
    const ae_epilogue activation = activation_of(node);
    switch (node->kind) {
    case AE_NODE_CONV:
        break;
    case AE_NODE_ADD:
        w->kernels->add(out, in, other, 1);
        w->kernels->apply(out, &activation);
        break;
    case AE_NODE_CONCAT: {
        const ae_planes first = ae_planes_channels(out, 0, in->channels);
        const ae_planes second = ae_planes_channels(out, in->channels, other->channels);
        if (first.data != in->data) ae_planes_copy(&first, in);
        if (second.data != other->data) ae_planes_copy(&second, other);
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

static void forward_node(ae_workspace *w, const float *packed, int n, int pictures) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_packed_node *at = &w->packed.node[n];
    const ae_epilogue activation = activation_of(node);
    if (w->is_forward)
        for (int p = 0; p < pictures; ++p)
            ae_planes_clear_border(&w->image[n + 1][p], w->network->halo);
    if (node->kind == AE_NODE_CONV)
        w->kernels->conv_forward(w->image[n + 1], w->image[node->input[0]], pictures, &node->conv,
                                 packed + at->forward, node->has_bias ? packed + at->bias : NULL,
                                 &activation, w->scratch);
    for (int p = 0; p < pictures; ++p) forward_picture(w, n, p);
    add_time(w, AE_PASS_FORWARD, n);
}

/* The network's input from the picture, which it may be. */
static void begin_forward(ae_workspace *w, int p) {
    const ae_planes *first = &w->image[0][p];
    if (first->data != w->input[p].data) ae_planes_extend(first, &w->input[p]);
    if (w->is_forward) ae_planes_clear_border(first, w->network->halo);
}

/* The network's picture from the last node's output, which it may be. */
static void end_forward(ae_workspace *w, int p) {
    const ae_planes *last = &w->image[w->network->graph.count][p];
    if (w->network->is_residual)
        w->kernels->add(&w->output[p], &w->input[p], last, -1);
    else if (w->output[p].data != last->data)
        ae_planes_copy(&w->output[p], last);
}

void ae_network_forward(ae_workspace *w, const float *packed, int pictures) {
    for (int p = 0; p < pictures; ++p) begin_forward(w, p);
    begin_times(w);
    for (int n = 0; n < w->network->graph.count; ++n) forward_node(w, packed, n, pictures);
    for (int p = 0; p < pictures; ++p) end_forward(w, p);
}

/* ---- backward ---- */

void ae_network_begin_block(ae_workspace *workspace) {
    memset(workspace->sums, 0, workspace->network->size * sizeof *workspace->sums);
}

const float *ae_network_end_block(const ae_workspace *workspace) {
    return workspace->sums;
}

/* How many of the target's values are numbers. */
static int64_t count_numbers(const ae_planes *target) {
    int64_t count = 0;
    for (int c = 0; c < target->channels; ++c)
        for (int h = 0; h < target->height; ++h)
            for (int w = 0; w < target->width; ++w) count += !isnan(ae_planes_row(target, c, h)[w]);
    return count;
}

/* What a difference adds to a sum of losses; *slope = its derivative, a NaN where it is one. */
static double value_loss(double *slope, double difference, ae_loss loss) {
    if (loss == AE_LOSS_MSE) {
        *slope = 2 * difference;
        return difference * difference;
    }
    *slope = difference > 0 ? 1 : difference < 0 ? -1 : difference;
    return fabs(difference);
}

/* Mean over the values whose target is a number, summed in double in the order of memory; gradient
 * = its derivative, 0 at the others. */
static double masked_loss(const ae_planes *gradient, const ae_planes *output,
                          const ae_planes *target, ae_loss loss) {
    const double count = (double)count_numbers(target);
    double sum = 0;
    ae_planes_clear(gradient);
    for (int c = 0; c < target->channels; ++c)
        for (int h = 0; h < target->height; ++h) {
            const float *y = ae_planes_row(output, c, h), *t = ae_planes_row(target, c, h);
            float *g = ae_planes_row(gradient, c, h);
            for (int w = 0; w < target->width; ++w) {
                double slope;
                if (isnan(t[w])) continue;
                sum += value_loss(&slope, y[w] - t[w], loss);
                g[w] = (float)(slope / count);
            }
        }
    return sum / count;
}

double ae_network_loss(ae_workspace *w, int p, ae_criterion criterion) {
    const ae_planes *gradient = &w->output_gradient[p];
    const ae_planes *output = &w->output[p], *target = &w->target[p];
    if (criterion.is_masked) return masked_loss(gradient, output, target, criterion.loss);
    return criterion.loss == AE_LOSS_L1 ? w->kernels->loss_l1(gradient, output, target)
                                        : w->kernels->loss_mse(gradient, output, target);
}

/* Where a reader of `image` writes its part of the gradient: the first at its place. */
static ae_planes part_of(ae_workspace *w, int image, int p) {
    const ae_planes *gradient = &w->gradient[image][p];
    if (!w->is_written[image]) return *gradient;
    return ae_planes_view(w->spare, gradient->channels, gradient->height, gradient->width,
                          w->network->halo);
}

/* Adds a later reader's part. */
static void add_part(ae_workspace *w, int image, int p, const ae_planes *part) {
    const ae_planes *gradient = &w->gradient[image][p];
    if (w->is_written[image]) w->kernels->add(gradient, gradient, part, 1);
}

/* The same for a part that is there already, which may be its place. */
static void send(ae_workspace *w, int image, int p, const ae_planes *part) {
    if (!w->network->needs_gradient[image] || w->gradient[image][p].data == part->data) return;
    if (!w->is_written[image]) ae_planes_copy(&w->gradient[image][p], part);
    add_part(w, image, p, part);
}

/* Takes the gradient back through the activation of node n, in place. */
static void undo_activation(ae_workspace *w, int n, int p) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_planes *gradient = &w->gradient[n + 1][p], *image = &w->image[n + 1][p];
    if (node->activation == AE_ACTIVATION_NONE || w->network->gate_node[n + 1] >= 0) return;
    if (node->activation == AE_ACTIVATION_SIGMOID) {
        w->kernels->sigmoid_gradient(gradient, image);
        return;
    }
    const ae_epilogue gate = gate_of(node, image);
    w->kernels->apply(gradient, &gate);
}

/* Adds the derivatives by a convolution's weight and bias to the block's sums. */
static void add_derivatives(ae_workspace *w, int n, int pictures) {
    const ae_network *network = w->network;
    const ae_node *node = &network->graph.node[n];
    const ae_node_weights *at = &network->weights[n];
    const ae_planes *gradient = w->gradient[n + 1];
    w->kernels->conv_weights(w->sums + network->parameter[at->weight].offset,
                             w->image[node->input[0]], gradient, pictures, &node->conv, w->scratch);
    for (int p = 0; p < pictures && node->has_bias; ++p)
        w->kernels->sum_pixels(w->sums + network->parameter[at->bias].offset, &gradient[p]);
}

/* Adds a convolution's part of the gradient of what it reads, then `gate`, one picture after the
 * other: so each finds its part in the cache. */
static void add_conv_parts(ae_workspace *w, const float *weights, int n, int pictures,
                           const ae_epilogue *gate) {
    const ae_node *node = &w->network->graph.node[n];
    const int image = node->input[0];
    for (int p = 0; p < pictures; ++p) {
        const ae_planes part = part_of(w, image, p);
        ae_epilogue its = *gate;
        if (its.gate) its.gate += p;
        w->kernels->conv_backward(&part, &w->gradient[n + 1][p], 1, &node->conv, weights,
                                  &no_epilogue, w->scratch);
        add_part(w, image, p, &part);
        w->kernels->apply(&w->gradient[image][p], &its);
    }
}

static void backward_conv(ae_workspace *w, const float *packed, int n, int pictures) {
    const ae_node *node = &w->network->graph.node[n];
    const int image = node->input[0];
    const float *weights = packed + w->packed.node[n].backward;
    add_derivatives(w, n, pictures);
    if (!w->network->needs_gradient[image]) return;
    ae_epilogue gate = no_epilogue;
    if (w->network->gate_node[image] == n)
        gate = gate_of(&w->network->graph.node[image - 1], w->image[image]);
    if (w->is_written[image])
        add_conv_parts(w, weights, n, pictures, &gate);
    else
        w->kernels->conv_backward(w->gradient[image], w->gradient[n + 1], pictures, &node->conv,
                                  weights, &gate, w->scratch);
}

/* Pixels that move, and no more. */
static void backward_moved(ae_workspace *w, int n, int p) {
    const ae_node *node = &w->network->graph.node[n];
    const int image = node->input[0];
    const ae_planes *gradient = &w->gradient[n + 1][p];
    if (!w->network->needs_gradient[image]) return;
    const ae_planes part = part_of(w, image, p);
    if (node->kind == AE_NODE_UNSHUFFLE) w->kernels->shuffle(&part, gradient);
    if (node->kind == AE_NODE_SHUFFLE) w->kernels->unshuffle(&part, gradient);
    if (node->kind == AE_NODE_MAX_POOL)
        w->kernels->max_pool_gradient(&part, gradient, &w->image[image][p]);
    add_part(w, image, p, &part);
}

/* Sends the gradient of what isn't a convolution to one of its inputs. */
static void backward_picture(ae_workspace *w, int n, int input, int p) {
    const ae_node *node = &w->network->graph.node[n];
    const ae_planes *gradient = &w->gradient[n + 1][p];
    switch (node->kind) {
    case AE_NODE_CONV:
        break;
    case AE_NODE_ADD:
        send(w, node->input[input], p, gradient);
        break;
    case AE_NODE_CONCAT: {
        const int first = w->image[node->input[0]][p].channels;
        const int begin = input == 0 ? 0 : first, end = input == 0 ? first : gradient->channels;
        const ae_planes its = ae_planes_channels(gradient, begin, end - begin);
        send(w, node->input[input], p, &its);
        break;
    }
    case AE_NODE_UNSHUFFLE:
    case AE_NODE_SHUFFLE:
    case AE_NODE_MAX_POOL:
        backward_moved(w, n, p);
        break;
    }
}

static void backward_node(ae_workspace *w, const float *packed, int n, int pictures) {
    const ae_node *node = &w->network->graph.node[n];
    for (int p = 0; p < pictures; ++p) undo_activation(w, n, p);
    add_time(w, AE_PASS_ACTIVATION, n);
    if (node->kind == AE_NODE_CONV) backward_conv(w, packed, n, pictures);
    for (int i = 0; i < node->inputs; ++i) {
        for (int p = 0; p < pictures; ++p) backward_picture(w, n, i, p);
        w->is_written[node->input[i]] = w->network->needs_gradient[node->input[i]];
    }
    add_time(w, AE_PASS_BACKWARD, n);
}

/* The gradient by the last node's output from that by the picture: 0 where the picture has no
 * pixels, and of a residual output with its sign turned. */
static void begin_gradient(ae_workspace *w, int p) {
    const ae_planes *last = &w->gradient[w->network->graph.count][p];
    const ae_planes *of_output = &w->output_gradient[p];
    if (of_output->data == last->data) return;
    ae_planes_clear(last);
    ae_planes inside = *last;
    inside.height = of_output->height;
    inside.width = of_output->width;
    w->kernels->add(&inside, &inside, of_output, w->network->is_residual ? -1 : 1);
}

void ae_network_backward(double *losses, ae_workspace *w, const float *packed, int pictures,
                         ae_criterion criterion) {
    const int count = w->network->graph.count;
    memset(w->is_written, 0, sizeof w->is_written);
    for (int p = 0; p < pictures; ++p) {
        losses[p] = ae_network_loss(w, p, criterion);
        begin_gradient(w, p);
    }
    w->is_written[count] = true;
    begin_times(w);
    for (int n = count - 1; n >= 0; --n)
        if (w->is_written[n + 1]) backward_node(w, packed, n, pictures);
}
