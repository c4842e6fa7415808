/* A network's nodes: what model.layers says, in topological order. */
#ifndef AE_NN_GRAPH_H
#define AE_NN_GRAPH_H

#include <stdbool.h>
#include "base/status.h"
#include "config/config.h"
#include "kernels/kernels.h"

enum {
    AE_NODES_MAX = 128,
    AE_CHANNELS_MAX = 1024,
    AE_PARAMETERS_MAX = 4000000,
    AE_NODE_NAME_SIZE = 32, /* bytes, with the final NUL */
    AE_GRAPH_TEXT_SIZE = AE_LAYERS_SIZE
};

typedef enum ae_activation {
    AE_ACTIVATION_NONE,
    AE_ACTIVATION_RELU,
    AE_ACTIVATION_LEAKY,
    AE_ACTIVATION_SIGMOID
} ae_activation;

typedef enum ae_node_kind {
    AE_NODE_CONV,      /* plain or transposed */
    AE_NODE_ADD,       /* the sum of two images */
    AE_NODE_CONCAT,    /* the channels of the one, then of the other */
    AE_NODE_UNSHUFFLE, /* 2x2 pixels become channels (PyTorch's PixelUnshuffle) */
    AE_NODE_SHUFFLE,   /* and back */
    AE_NODE_MAX_POOL   /* the largest of 2x2 pixels */
} ae_node_kind;

typedef struct ae_node {
    ae_node_kind kind;
    char name[AE_NODE_NAME_SIZE]; /* by which add and concat know its output; "" for most */
    int inputs, input[2];         /* images it reads: 0 the network's own, i + 1 node i's output */
    ae_conv conv;                 /* of a convolution, as */
    bool has_bias;
    ae_activation activation;
    float slope;  /* of a leaky one */
    int channels; /* of its output */
} ae_node;

typedef struct ae_graph {
    int channels; /* of the network's input and output */
    int count;
    ae_node node[AE_NODES_MAX];
    int stride;    /* the network runs on sides that are multiples of it */
    bool is_chain; /* a stack of plain and transposed convolutions alone, each valid, of stride 1,
                      with bias, not leaky and without a name: PyTorch's names are then "encoder."
                      and "decoder." */
} ae_graph;

/* Reads the language of model.layers: layers between commas,
 *     conv|tconv CHANNELS KERNEL ACTIVATION [same] [stride2] [nobias] [as NAME]
 *     add NAME [ACTIVATION] [as NAME], concat NAME [as NAME]
 *     unshuffle|shuffle|maxpool [as NAME]
 * with ACTIVATION relu, leaky:SLOPE, sigmoid or none; each reads the one before, add and concat
 * also the one called NAME (or "input", the network's own). `same` puts (KERNEL - 1) / 2 zeros on
 * each side. Or one ready network, made of such layers:
 *     dncnn CHANNELS LAYERS [nobias], unet CHANNELS [nobias], unshuffle CHANNELS LAYERS [nobias]
 * The network's images have `channels` channels, in and out. `where` (ae_config_where) begins the
 * message. AE_ERROR_USAGE: a word that isn't understood, channels that don't fit, too much. Local.
 */
ae_status ae_graph_parse(ae_graph *graph, const char *text, const char *where, int channels);

/* Is the text a ready network's word, whose layers depend on the images' channels? */
bool ae_graph_is_ready(const char *text);

/* The layers as text that ae_graph_parse() reads back to the same network, ready ones in full. */
void ae_graph_write(const ae_graph *graph, char text[AE_GRAPH_TEXT_SIZE]);

/* One layer of it. */
void ae_node_write(const ae_graph *graph, int n, char *text, size_t size);

/* shapes[0] that of the network's input of height x width, shapes[i + 1] that of node i's output.
 * Returns how many nodes fit: all, or those before the first whose input doesn't suit it. */
int ae_graph_shapes(const ae_graph *graph, ae_shape shapes[AE_NODES_MAX + 1], int height,
                    int width);

/* How often the node halves its input's sides, as a power of two: 1, 0, or -1 where it doubles
 * them.
 */
int ae_node_shrinking(const ae_node *node);

/* A side of `n` pixels made a multiple of the network's stride. */
int ae_graph_side(const ae_graph *graph, int n);

/* Does the network return images of height x width, sides made multiples of its stride, to their
 * shape? AE_ERROR_USAGE: no; the message, begun with `where`, has the table of shapes. Local. */
ae_status ae_graph_fit(const ae_graph *graph, const char *where, int height, int width);

#endif
