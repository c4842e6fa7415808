/* Ready networks: words of the language that stand for whole stacks of layers. */
#ifndef AE_NN_READY_H
#define AE_NN_READY_H

#include "nn/graph.h"
#include "nn/writer.h"

typedef struct ae_ready {
    const char *word;
    bool has_layers; /* is the number of channels followed by that of the convolutions? */
    int fewest_layers, most_channels;
    /* Writes its layers; `end` is " nobias" or "". */
    void (*write)(ae_writer *w, int channels, int layers, int image_channels, const char *end);
} ae_ready;

extern const ae_ready ae_ready_networks[];
extern const int ae_ready_count;

#endif
