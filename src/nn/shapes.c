/* The shapes of a network's images. */
#include <stdio.h>
#include <string.h>

#include "nn/graph.h"

/* Fills in a node's output's shape; false where its inputs' don't suit it. */
static bool find_shape(ae_shape *out, const ae_node *node, const ae_shape *shapes) {
    const ae_shape *in = &shapes[node->input[0]], *other = &shapes[node->input[1]];
    *out = *in;
    out->channels = node->channels;
    switch (node->kind) {
    case AE_NODE_CONV:
        out->height = ae_conv_side(&node->conv, in->height);
        out->width = ae_conv_side(&node->conv, in->width);
        break;
    case AE_NODE_ADD:
    case AE_NODE_CONCAT:
        return in->height == other->height && in->width == other->width;
    case AE_NODE_UNSHUFFLE:
        out->height /= 2;
        out->width /= 2;
        return in->height % 2 == 0 && in->width % 2 == 0;
    case AE_NODE_SHUFFLE:
        out->height *= 2;
        out->width *= 2;
        break;
    case AE_NODE_MAX_POOL:
        out->height /= 2;
        out->width /= 2;
        break;
    }
    return out->height > 0 && out->width > 0;
}

int ae_graph_shapes(const ae_graph *graph, ae_shape shapes[AE_NODES_MAX + 1], int height,
                    int width) {
    shapes[0] = (ae_shape){graph->channels, height, width};
    for (int n = 0; n < graph->count; ++n)
        if (!find_shape(&shapes[n + 1], &graph->node[n], shapes)) return n;
    return graph->count;
}

int ae_graph_side(const ae_graph *graph, int n) {
    return (n + graph->stride - 1) / graph->stride * graph->stride;
}

enum { LINE_SIZE = 80, LINES = 40, TABLE_SIZE = (LINES + 1) * LINE_SIZE };

/* Writes a line for the input and for each of the first `count` nodes with its output's shape; of
 * many, the first and the last. */
static void write_table(char table[TABLE_SIZE], const ae_graph *graph, const ae_shape *shapes,
                        int count) {
    char *next = table;
    for (int n = -1; n < count; ++n) {
        const ae_shape *shape = &shapes[n + 1];
        char text[48] = "input";
        if (count > LINES - 2 && n == LINES / 2) {
            n = count - (LINES / 2 - 2);
            next += snprintf(next, LINE_SIZE, "\n  ...");
        }
        if (n >= 0) ae_node_write(graph, n, text, sizeof text);
        next += snprintf(next, LINE_SIZE, "\n  %-22s %4d x %d x %d", text, shape->channels,
                         shape->height, shape->width);
    }
    snprintf(next, LINE_SIZE, "\n");
}

ae_status ae_graph_fit(const ae_graph *graph, const char *where, int height, int width) {
    static const char rule[] =
        "a conv takes kernel - 1 off height and width, a tconv adds it, with same neither; a conv "
        "with stride2, unshuffle and maxpool halve them (unshuffle: even ones), a tconv with "
        "stride2 "
        "and shuffle double them; add and concat join images of one height and width";
    ae_shape shapes[AE_NODES_MAX + 1];
    char table[TABLE_SIZE];
    height = ae_graph_side(graph, height);
    width = ae_graph_side(graph, width);
    int fitting = ae_graph_shapes(graph, shapes, height, width);
    if (fitting < graph->count) {
        const ae_shape *bad = &shapes[fitting + 1];
        write_table(table, graph, shapes, fitting + 1);
        return ae_fail(AE_ERROR_USAGE, "%s: %s layer %d (channels x rows x columns):%s%s", where,
                       bad->height < 1 || bad->width < 1 ? "nothing is left of the image after"
                                                         : "the images don't suit",
                       fitting + 1, table, rule);
    }
    const ae_shape *last = &shapes[graph->count];
    if (last->channels == graph->channels && last->height == height && last->width == width)
        return AE_OK;
    write_table(table, graph, shapes, graph->count);
    return ae_fail(AE_ERROR_USAGE,
                   "%s: the last layer doesn't return to the input's shape, %d x %d x %d "
                   "(channels x rows x columns):%s%s",
                   where, graph->channels, height, width, table, rule);
}
