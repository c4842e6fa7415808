/* The memory that the passes work in. */
#include <stdlib.h>

#include "base/memory.h"
#include "nn/internal.h"

/* ---- for all passes ---- */

/* Hands out pieces of one allocation; with no memory it only counts. */
typedef struct arena {
    float *memory;
    size_t used;
} arena;

static float *take(arena *a, size_t floats) {
    float *piece = a->memory ? a->memory + a->used : NULL;
    a->used += ae_round_up_lanes(floats);
    return piece;
}

static ae_planes take_planes(arena *a, ae_shape shape, int halo) {
    float *memory = take(a, ae_planes_floats(shape.channels, shape.height, shape.width, halo));
    if (!memory) return (ae_planes){0};
    return ae_planes_view(memory, shape.channels, shape.height, shape.width, halo);
}

static void lay_out(ae_workspace *w, arena *a, const ae_network *network, const ae_kernels *kernels,
                    int height, int width) {
    const ae_graph *graph = &network->graph;
    const int halo = network->halo, last = graph->count;
    const ae_shape picture = {graph->channels, height, width};
    ae_shape shapes[AE_NODES_MAX + 1];
    size_t scratch = 0, spare = 0;
    ae_graph_shapes(graph, shapes, ae_graph_side(graph, height), ae_graph_side(graph, width));
    const bool is_extended = shapes[0].height != height || shapes[0].width != width;
    w->target = take_planes(a, picture, halo);
    w->input = take_planes(a, picture, halo);
    w->image[0] = is_extended ? take_planes(a, shapes[0], halo) : w->input;
    for (int n = 0; n < graph->count; ++n) {
        const ae_node *node = &graph->node[n];
        const ae_shape *in = &shapes[node->input[0]], *out = &shapes[n + 1];
        w->image[n + 1] = take_planes(a, *out, halo);
        w->gradient[n + 1] = take_planes(a, *out, halo);
        const size_t floats = ae_planes_floats(out->channels, out->height, out->width, halo);
        if (spare < floats) spare = floats;
        if (node->kind != AE_NODE_CONV) continue;
        const size_t needed = kernels->conv_scratch(&node->conv, in->height, in->width);
        if (scratch < needed) scratch = needed;
    }
    const bool is_own = is_extended || network->is_residual;
    w->output = is_own ? take_planes(a, picture, halo) : w->image[last];
    w->output_gradient = is_own ? take_planes(a, picture, halo) : w->gradient[last];
    w->scratch = take(a, scratch);
    w->spare = take(a, spare);
    w->sums = take(a, network->size);
}

static size_t workspace_floats(const ae_network *network, const ae_kernels *kernels, int height,
                               int width) {
    ae_workspace counted;
    arena a = {NULL, 0};
    lay_out(&counted, &a, network, kernels, height, width);
    return a.used;
}

size_t ae_workspace_bytes(const ae_network *network, const ae_kernels *kernels, int height,
                          int width) {
    return sizeof(ae_workspace) + workspace_floats(network, kernels, height, width) * sizeof(float);
}

ae_status ae_workspace_create(ae_workspace **workspace, const ae_network *network, int height,
                              int width, const ae_kernels *kernels) {
    *workspace = NULL;
    ae_workspace *made = ae_calloc(1, sizeof *made);
    arena a = {ae_calloc(workspace_floats(network, kernels, height, width), sizeof(float)), 0};
    if (!made || !a.memory) {
        free(made);
        free(a.memory);
        return AE_FAILED;
    }
    made->network = network;
    made->kernels = kernels;
    made->memory = a.memory;
    ae_packed_layout_init(&made->packed, network, kernels);
    lay_out(made, &a, network, kernels, height, width);
    *workspace = made;
    return AE_OK;
}

/* ---- for the forward pass alone ---- */

/* Memory that several images have, one after the other. */
typedef struct slot {
    size_t floats;
    int last_reader; /* node */
} slot;

/* Does a free slot of `a` floats waste less, or lack less, of what is needed than one of `b`? */
static bool suits_better(size_t a, size_t b, size_t needed) {
    return b < needed ? a > b : a >= needed && a < b;
}

/* The best slot that is free as node n is come to; a new one if there's none. */
static int choose_slot(const slot *slots, int count, int n, size_t needed) {
    int chosen = count;
    for (int s = 0; s < count; ++s)
        if (slots[s].last_reader < n &&
            (chosen == count || suits_better(slots[s].floats, slots[chosen].floats, needed)))
            chosen = s;
    return chosen;
}

/* After which node each image is read no more. */
static void find_last_readers(int *last_reader, const ae_network *network) {
    const ae_graph *graph = &network->graph;
    for (int i = 0; i <= graph->count; ++i) last_reader[i] = i - 1;
    for (int n = 0; n < graph->count; ++n)
        for (int i = 0; i < graph->node[n].inputs; ++i) last_reader[graph->node[n].input[i]] = n;
    if (network->is_residual) last_reader[0] = graph->count;
}

/* place[] = where each image begins, in floats; returns how many they need all together. */
static size_t place_images(size_t *place, const ae_network *network, const ae_shape *shapes) {
    const int images = network->graph.count + 1;
    slot slots[AE_NODES_MAX + 1] = {{0, 0}};
    int last_reader[AE_NODES_MAX + 1], chosen[AE_NODES_MAX + 1], count = 0;
    find_last_readers(last_reader, network);
    for (int i = 0; i < images; ++i) {
        const size_t needed = ae_round_up_lanes(
            ae_planes_floats(shapes[i].channels, shapes[i].height, shapes[i].width, network->halo));
        chosen[i] = choose_slot(slots, count, i - 1, needed);
        if (chosen[i] == count) ++count;
        slot *s = &slots[chosen[i]];
        if (s->floats < needed) s->floats = needed;
        s->last_reader = last_reader[i];
    }
    size_t begins[AE_NODES_MAX + 1], end = 0;
    for (int s = 0; s < count; end += slots[s++].floats) begins[s] = end;
    for (int i = 0; i < images; ++i) place[i] = begins[chosen[i]];
    return end;
}

static size_t forward_scratch(const ae_network *network, const ae_kernels *kernels,
                              const ae_shape *shapes) {
    size_t scratch = 0;
    for (int n = 0; n < network->graph.count; ++n) {
        const ae_node *node = &network->graph.node[n];
        const ae_shape *in = &shapes[node->input[0]];
        if (node->kind != AE_NODE_CONV) continue;
        const size_t needed = kernels->conv_scratch(&node->conv, in->height, in->width);
        if (scratch < needed) scratch = needed;
    }
    return scratch;
}

/* Places the images, *images floats of them; returns the floats of these and of scratch. */
static size_t forward_floats(size_t *images, size_t *place, const ae_network *network,
                             const ae_kernels *kernels, int height, int width) {
    ae_shape shapes[AE_NODES_MAX + 1];
    ae_graph_shapes(&network->graph, shapes, height, width);
    *images = place_images(place, network, shapes);
    return *images + forward_scratch(network, kernels, shapes);
}

size_t ae_workspace_forward_bytes(const ae_network *network, const ae_kernels *kernels, int height,
                                  int width) {
    size_t images, place[AE_NODES_MAX + 1];
    return sizeof(ae_workspace) +
           forward_floats(&images, place, network, kernels, height, width) * sizeof(float);
}

void ae_workspace_resize(ae_workspace *w, int height, int width) {
    const ae_graph *graph = &w->network->graph;
    ae_shape shapes[AE_NODES_MAX + 1];
    ae_graph_shapes(graph, shapes, height, width);
    for (int i = 0; i <= graph->count; ++i)
        w->image[i] = ae_planes_view(w->memory + w->place[i], shapes[i].channels, shapes[i].height,
                                     shapes[i].width, w->network->halo);
    w->input = w->image[0];
    w->output = w->image[graph->count];
}

ae_status ae_workspace_create_forward(ae_workspace **workspace, const ae_network *network,
                                      int height, int width, const ae_kernels *kernels) {
    size_t images;
    *workspace = NULL;
    ae_workspace *made = ae_calloc(1, sizeof *made);
    if (!made) return AE_FAILED;
    const size_t floats = forward_floats(&images, made->place, network, kernels, height, width);
    made->memory = ae_calloc(floats, sizeof(float));
    if (!made->memory) {
        free(made);
        return AE_FAILED;
    }
    made->network = network;
    made->kernels = kernels;
    made->is_forward = true;
    ae_packed_layout_init(&made->packed, network, kernels);
    made->scratch = made->memory + images;
    ae_workspace_resize(made, height, width);
    *workspace = made;
    return AE_OK;
}

/* ---- what there is in it ---- */

void ae_workspace_destroy(ae_workspace **workspace) {
    if (!*workspace) return;
    free((*workspace)->memory);
    free(*workspace);
    *workspace = NULL;
}

const ae_planes *ae_workspace_input(const ae_workspace *workspace) {
    return &workspace->input;
}

const ae_planes *ae_workspace_output(const ae_workspace *workspace) {
    return &workspace->output;
}

const ae_planes *ae_workspace_target(const ae_workspace *workspace) {
    return &workspace->target;
}
