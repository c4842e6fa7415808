/* A network's stack of layers, read from the configuration. */
#ifndef AE_NN_LAYERS_H
#define AE_NN_LAYERS_H

#include <stdbool.h>
#include "base/status.h"

enum { AE_LAYERS_MAX = 32, AE_CHANNELS_MAX = 1024 };

typedef enum ae_activation {
    AE_ACTIVATION_NONE,
    AE_ACTIVATION_RELU,
    AE_ACTIVATION_SIGMOID
} ae_activation;

/* One convolution (stride 1, no padding) with its activation. */
typedef struct ae_layer {
    bool transposed;
    int kernel; /* side */
    ae_activation activation;
    int in_channels, in_height, in_width;
    int out_channels, out_height, out_width;
} ae_layer;

typedef struct ae_layers {
    int count;
    ae_layer layer[AE_LAYERS_MAX];
} ae_layers;

/* Reads "conv 8 3 relu, tconv 3 3 sigmoid" (kind, output channels, kernel, activation: relu,
 * sigmoid or none) for an input of channels x height x width, to which the stack must return.
 * `where` (ae_config_where) begins the message. AE_ERROR_USAGE: a word that isn't understood, or
 * shapes that don't fit, with the table of shapes. */
ae_status ae_layers_parse(ae_layers *layers, const char *text, const char *where, int channels,
                          int height, int width);

#endif
