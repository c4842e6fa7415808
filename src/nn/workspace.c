/* The memory that the passes work in. */
#include <stdlib.h>
#include <string.h>

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

/* Views of planes for one picture: four of its own, and two for each node's image. */
enum { VIEWS = 2 * (AE_NODES_MAX + 1) + 4 };

/* Makes `views`, [VIEWS][pictures], the workspace's. */
static void use_views(ae_workspace *w, ae_planes *views, int pictures) {
    w->views = views;
    w->pictures = pictures;
    ae_planes **const of_picture[] = {&w->input, &w->target, &w->output, &w->output_gradient};
    for (size_t v = 0; v < sizeof of_picture / sizeof *of_picture; ++v, views += pictures)
        *of_picture[v] = views;
    for (int n = 0; n <= AE_NODES_MAX; ++n, views += 2 * pictures) {
        w->image[n] = views;
        w->gradient[n] = views + pictures;
    }
}

static ae_planes take_planes(arena *a, ae_shape shape, int halo) {
    float *memory = take(a, ae_planes_floats(shape.channels, shape.height, shape.width, halo));
    if (!memory) return (ae_planes){0};
    return ae_planes_view(memory, shape.channels, shape.height, shape.width, halo);
}

/* Floats of scratch that the kernels need. */
static size_t most_scratch(const ae_network *network, const ae_kernels *kernels,
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

/* Takes image i and its gradient. What a concatenation is the last to read is a part of the image
 * that it makes, the gradients likewise, so that nothing is copied; that image has been taken. */
static void take_image(ae_workspace *w, arena *a, int i, int p, const ae_shape *shapes) {
    const ae_graph *graph = &w->network->graph;
    int reader = graph->count - 1; /* the last */
    while (reader >= i && graph->node[reader].input[0] != i && graph->node[reader].input[1] != i)
        --reader;
    const ae_node *node = &graph->node[reader];
    if (reader < i || node->kind != AE_NODE_CONCAT) {
        w->image[i][p] = take_planes(a, shapes[i], w->network->halo);
        w->gradient[i][p] = take_planes(a, shapes[i], w->network->halo);
        return;
    }
    if (!a->memory) return; /* it is only counted */
    const int first = node->input[0] == i ? 0 : shapes[node->input[0]].channels;
    w->image[i][p] = ae_planes_channels(&w->image[reader + 1][p], first, shapes[i].channels);
    w->gradient[i][p] = ae_planes_channels(&w->gradient[reader + 1][p], first, shapes[i].channels);
}

/* What each picture has. */
static void lay_out_picture(ae_workspace *w, arena *a, int p, int height, int width) {
    const ae_network *network = w->network;
    const ae_graph *graph = &network->graph;
    const int halo = network->halo, last = graph->count;
    const ae_shape picture = {graph->channels, height, width};
    ae_shape shapes[AE_NODES_MAX + 1];
    ae_graph_shapes(graph, shapes, ae_graph_side(graph, height), ae_graph_side(graph, width));
    const bool is_extended = shapes[0].height != height || shapes[0].width != width;
    const bool is_own = is_extended || network->is_residual;
    w->target[p] = take_planes(a, picture, halo);
    w->input[p] = take_planes(a, picture, halo);
    w->image[0][p] = is_extended ? take_planes(a, shapes[0], halo) : w->input[p];
    for (int i = last; i >= 1; --i) take_image(w, a, i, p, shapes);
    w->output[p] = is_own ? take_planes(a, picture, halo) : w->image[last][p];
    w->output_gradient[p] = is_own ? take_planes(a, picture, halo) : w->gradient[last][p];
}

/* What they share. */
static void lay_out_rest(ae_workspace *w, arena *a, int height, int width) {
    const ae_network *network = w->network;
    const ae_graph *graph = &network->graph;
    ae_shape shapes[AE_NODES_MAX + 1];
    ae_graph_shapes(graph, shapes, ae_graph_side(graph, height), ae_graph_side(graph, width));
    size_t spare = 0;
    for (int i = 1; i <= graph->count; ++i) {
        const size_t floats = ae_round_up_lanes(
            ae_planes_floats(shapes[i].channels, shapes[i].height, shapes[i].width, network->halo));
        if (spare < floats) spare = floats;
    }
    w->scratch = take(a, most_scratch(network, w->kernels, shapes));
    w->spare = take(a, spare);
    w->sums = take(a, network->size);
}

static size_t workspace_floats(const ae_network *network, const ae_kernels *kernels, int pictures,
                               int height, int width) {
    ae_workspace counted = {.network = network, .kernels = kernels};
    ae_planes views[VIEWS];
    arena picture = {NULL, 0}, rest = {NULL, 0};
    use_views(&counted, views, 1);
    lay_out_picture(&counted, &picture, 0, height, width);
    lay_out_rest(&counted, &rest, height, width);
    return (size_t)pictures * picture.used + rest.used;
}

size_t ae_workspace_bytes(const ae_network *network, const ae_kernels *kernels, int pictures,
                          int height, int width) {
    return sizeof(ae_workspace) + (size_t)pictures * VIEWS * sizeof(ae_planes) +
           workspace_floats(network, kernels, pictures, height, width) * sizeof(float);
}

/* One for so many pictures, with memory of so many floats; NULL: there is none. */
static ae_workspace *begin_workspace(const ae_network *network, const ae_kernels *kernels,
                                     int pictures, size_t floats) {
    ae_workspace *made = ae_calloc(1, sizeof *made);
    if (!made) return NULL;
    made->network = network;
    made->kernels = kernels;
    made->memory = ae_calloc(floats, sizeof(float));
    ae_planes *views = ae_calloc((size_t)pictures * VIEWS, sizeof *views);
    use_views(made, views, pictures);
    ae_packed_layout_init(&made->packed, network, kernels);
    if (!made->memory || !views) ae_workspace_destroy(&made);
    return made;
}

ae_status ae_workspace_create(ae_workspace **workspace, const ae_network *network, int pictures,
                              int height, int width, const ae_kernels *kernels) {
    const size_t floats = workspace_floats(network, kernels, pictures, height, width);
    ae_workspace *made = begin_workspace(network, kernels, pictures, floats);
    *workspace = made;
    if (!made) return AE_FAILED;
    arena a = {made->memory, 0};
    for (int p = 0; p < pictures; ++p) lay_out_picture(made, &a, p, height, width);
    lay_out_rest(made, &a, height, width);
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

/* Places the images, *images floats of them; returns the floats of these and of scratch. */
static size_t forward_floats(size_t *images, size_t *place, const ae_network *network,
                             const ae_kernels *kernels, int height, int width) {
    ae_shape shapes[AE_NODES_MAX + 1];
    ae_graph_shapes(&network->graph, shapes, height, width);
    *images = place_images(place, network, shapes);
    return *images + most_scratch(network, kernels, shapes);
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
        *w->image[i] = ae_planes_view(w->memory + w->place[i], shapes[i].channels, shapes[i].height,
                                      shapes[i].width, w->network->halo);
    *w->input = *w->image[0];
    *w->output = *w->image[graph->count];
}

ae_status ae_workspace_create_forward(ae_workspace **workspace, const ae_network *network,
                                      int height, int width, const ae_kernels *kernels) {
    size_t images, place[AE_NODES_MAX + 1];
    const size_t floats = forward_floats(&images, place, network, kernels, height, width);
    ae_workspace *made = begin_workspace(network, kernels, 1, floats);
    *workspace = made;
    if (!made) return AE_FAILED;
    made->is_forward = true;
    memcpy(made->place, place, sizeof place);
    made->scratch = made->memory + images;
    ae_workspace_resize(made, height, width);
    return AE_OK;
}

/* ---- what there is in it ---- */

void ae_workspace_destroy(ae_workspace **workspace) {
    if (!*workspace) return;
    free((*workspace)->views);
    free((*workspace)->memory);
    free(*workspace);
    *workspace = NULL;
}

const ae_planes *ae_workspace_input(const ae_workspace *workspace, int picture) {
    return &workspace->input[picture];
}

const ae_planes *ae_workspace_output(const ae_workspace *workspace, int picture) {
    return &workspace->output[picture];
}

const ae_planes *ae_workspace_target(const ae_workspace *workspace, int picture) {
    return &workspace->target[picture];
}
