/* ae_bench: the network's layers on one core: each kernel by itself, and each node in a step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/timer.h"
#include "bench.h"

/* ---- kernels ---- */

/* A convolution, and what its kernels work on. */
typedef struct layer {
    const ae_model *model; /* borrowed, as conv */
    const ae_conv *conv;
    ae_shape in_shape, out_shape;
    bool needs_gradient; /* of what it reads */
    int count;           /* of the network's layers that are like it */
    int pictures;        /* at once */
    ae_planes in[AE_TOGETHER_MAX], out[AE_TOGETHER_MAX], below[AE_TOGETHER_MAX];
    float *memory /* of these */, *gradient, *scratch;
} layer;

static void do_forward(void *context) {
    layer *l = context;
    const ae_epilogue relu = {.kind = AE_EPILOGUE_RELU};
    l->model->kernels->conv_forward(l->out, l->in, l->pictures, l->conv, l->model->packed,
                                    l->model->packed, &relu, l->scratch);
}

static void do_backward(void *context) {
    layer *l = context;
    const ae_epilogue gate = {.kind = AE_EPILOGUE_GATE, .gate = l->in};
    l->model->kernels->conv_backward(l->below, l->out, l->pictures, l->conv, l->model->packed,
                                     &gate, l->scratch);
}

static void do_weights(void *context) {
    layer *l = context;
    l->model->kernels->conv_weights(l->gradient, l->in, l->out, l->pictures, l->conv, l->scratch);
    for (int p = 0; p < l->pictures; ++p) /* the bias's */
        l->model->kernels->sum_pixels(l->gradient, &l->out[p]);
}

/* Views of `pictures` images of that shape at `memory`. Returns what is behind them. */
static float *lay_out(ae_planes *images, int pictures, float *memory, ae_shape shape, int halo) {
    const size_t floats = ae_planes_floats(shape.channels, shape.height, shape.width, halo);
    for (int p = 0; p < pictures; ++p, memory += floats)
        images[p] = ae_planes_view(memory, shape.channels, shape.height, shape.width, halo);
    return memory;
}

/* To be released whatever is returned. */
static ae_status create_images(layer *l) {
    const int halo = ae_conv_halo(l->conv);
    const ae_shape *in = &l->in_shape, *out = &l->out_shape;
    const size_t floats = 2 * ae_planes_floats(in->channels, in->height, in->width, halo) +
                          ae_planes_floats(out->channels, out->height, out->width, halo);
    l->memory = ae_calloc((size_t)l->pictures * floats, sizeof *l->memory);
    l->gradient = ae_calloc(ae_network_size(l->model->network), sizeof *l->gradient);
    l->scratch =
        ae_calloc(l->model->kernels->conv_scratch(l->conv, in->height, in->width), sizeof(float));
    if (!l->memory || !l->gradient || !l->scratch) return ae_fail_memory("the measurements");
    float *next = lay_out(l->in, l->pictures, l->memory, *in, halo);
    next = lay_out(l->below, l->pictures, next, *in, halo);
    lay_out(l->out, l->pictures, next, *out, halo);
    return AE_OK;
}

static void free_images(layer *l) {
    free(l->memory), free(l->gradient), free(l->scratch);
}

/* "conv 64->64 5x5 same", its kernel's side if it isn't 3. */
static void name_layer(char *name, size_t size, const ae_conv *conv, const char *pass) {
    char kernel[16] = "";
    if (conv->kernel != 3) snprintf(kernel, sizeof kernel, " %dx%d", conv->kernel, conv->kernel);
    snprintf(name, size, "%s %d->%d%s%s%s %s", conv->transposed ? "tconv" : "conv",
             conv->in_channels, conv->out_channels, kernel, conv->padding > 0 ? " same" : "",
             conv->stride > 1 ? " stride2" : "", pass);
}

/* Adds the layer's kernels to *core, and those of all layers like it to *all. */
static ae_status measure_layer(ae_bench_core *core, ae_bench_figure *all, layer *l) {
    const double in = (double)ae_shape_values(l->in_shape),
                 out = (double)ae_shape_values(l->out_shape);
    const double work = ae_conv_work(l->conv, l->in_shape.height, l->in_shape.width);
    const struct {
        const char *name;
        void (*task)(void *);
        double gate; /* values of the image that it reads besides */
    } tasks[] = {{"forward", do_forward, 0},
                 {"weight gradient", do_weights, 0},
                 {"data gradient", do_backward, in}};
    ae_status status = create_images(l);
    for (int t = 0; t < (l->needs_gradient ? 3 : 2) && status == AE_OK; ++t) {
        char name[AE_BENCH_NAME_SIZE];
        name_layer(name, sizeof name, l->conv, tasks[t].name);
        ae_bench_figure *f =
            ae_bench_add(core, name, ae_bench_time(tasks[t].task, l) / l->pictures, work);
        f->multiplications =
            ae_conv_multiplications(l->conv, l->in_shape.height, l->in_shape.width);
        f->bytes = sizeof(float) * (in + out + tasks[t].gate + (double)ae_conv_weights(l->conv));
        f->layers = l->count;
        f->height = l->out_shape.height;
        f->width = l->out_shape.width;
        all->seconds += l->count * f->seconds;
        all->work += l->count * f->work;
        all->multiplications += l->count * f->multiplications;
        all->bytes += l->count * f->bytes;
    }
    free_images(l);
    return status;
}

static bool are_alike(const layer *a, const layer *b) {
    return a->conv->transposed == b->conv->transposed && a->conv->kernel == b->conv->kernel &&
           a->conv->stride == b->conv->stride && a->conv->padding == b->conv->padding &&
           memcmp(&a->in_shape, &b->in_shape, sizeof a->in_shape) == 0 &&
           memcmp(&a->out_shape, &b->out_shape, sizeof a->out_shape) == 0 &&
           a->needs_gradient == b->needs_gradient;
}

/* Fills layers with the network's convolutions, those that are alike once. Returns how many. */
static int find_layers(layer *layers, const ae_bench_task *task) {
    const ae_network *network = task->model.network;
    const ae_graph *graph = ae_network_graph(network);
    const int height = task->picture.height, width = task->picture.width;
    ae_shape shapes[AE_NODES_MAX + 1];
    int count = 0, l;
    ae_graph_shapes(graph, shapes, ae_graph_side(graph, height), ae_graph_side(graph, width));
    for (int n = 0; n < graph->count; ++n) {
        const ae_node *node = &graph->node[n];
        if (node->kind != AE_NODE_CONV) continue;
        layers[count] =
            (layer){.model = &task->model,
                    .conv = &node->conv,
                    .in_shape = shapes[node->input[0]],
                    .out_shape = shapes[n + 1],
                    .needs_gradient = ae_network_needs_gradient(network, node->input[0]),
                    .pictures = ae_network_together(task->block, height, width)};
        for (l = 0; l < count && !are_alike(&layers[l], &layers[count]); ++l) continue;
        layers[l].count += 1;
        if (l == count) ++count;
    }
    return count;
}

ae_status ae_bench_layers_measure(ae_bench_core *core, const ae_bench_task *task) {
    ae_bench_figure all = {0};
    layer *layers = ae_calloc(AE_NODES_MAX, sizeof *layers);
    if (!layers) return ae_fail_memory("the measurements");
    const int count = find_layers(layers, task);
    ae_status status = AE_OK;
    for (int l = 0; l < count && status == AE_OK; ++l)
        status = measure_layer(core, &all, &layers[l]);
    free(layers);
    ae_bench_figure *f = ae_bench_add(core, "all kernels of an image", all.seconds, all.work);
    f->multiplications = all.multiplications;
    f->bytes = all.bytes;
    return status;
}

/* ---- nodes ---- */

/* Adds blocks' times to *times for 10 ms or more; returns how many images they are. */
static double time_blocks(ae_pass_times *times, const ae_team *team, const ae_bench_task *task) {
    const double round_s = 0.01, begin_s = ae_now_s();
    double images = 0;
    *times = (ae_pass_times){0};
    do {
        ae_team_train_block(team, &team->members[0], &task->step, 0);
        images += (double)task->block;
    } while (ae_now_s() - begin_s < round_s);
    return images;
}

void ae_bench_nodes_measure(ae_bench_core *core, const ae_team *team, const ae_bench_task *task) {
    const ae_graph *graph = ae_network_graph(task->model.network);
    double rounds[AE_PASSES][AE_NODES_MAX][AE_BENCH_CORE_ROUNDS];
    ae_pass_times times;
    ae_workspace_time(team->members[0].workspace, &times);
    for (int r = 0; r < AE_BENCH_CORE_ROUNDS; ++r) {
        const double images = time_blocks(&times, team, task);
        for (int pass = 0; pass < AE_PASSES; ++pass)
            for (int n = 0; n < graph->count; ++n)
                rounds[pass][n][r] = times.seconds[pass][n] / images;
    }
    ae_workspace_time(team->members[0].workspace, NULL);
    core->node_count = graph->count;
    for (int n = 0; n < graph->count; ++n) {
        ae_node_write(graph, n, core->nodes[n].layer, sizeof core->nodes[n].layer);
        for (int pass = 0; pass < AE_PASSES; ++pass)
            core->nodes[n].seconds[pass] = ae_bench_median(rounds[pass][n], AE_BENCH_CORE_ROUNDS);
    }
}
