/* The text of model.layers, and the network's table made from it. */
#include "fuzz.h"
#include "kernels/kernels.h"
#include "nn/layers.h"
#include "nn/network.h"

enum { CHANNELS = 3, SIDE = 32 };

/* Each layer begins with what the one before leaves, and the last one ends where the first began.
 */
static void require_fitting(const ae_layers *layers) {
    int channels = CHANNELS, side = SIDE;
    REQUIRE(layers->count >= 1 && layers->count <= AE_LAYERS_MAX, "%d layers", layers->count);
    for (int l = 0; l < layers->count; l++) {
        const ae_layer *layer = &layers->layer[l];
        REQUIRE(layer->in_channels == channels && layer->in_height == side &&
                    layer->in_width == side,
                "layer %d", l);
        REQUIRE(layer->kernel >= 1 && layer->kernel <= AE_KERNEL_MAX, "layer %d", l);
        channels = layer->out_channels;
        side += layer->transposed ? layer->kernel - 1 : 1 - layer->kernel;
        REQUIRE(channels >= 1 && channels <= AE_CHANNELS_MAX && side >= 1, "layer %d", l);
        REQUIRE(layer->out_height == side && layer->out_width == side, "layer %d", l);
    }
    REQUIRE(channels == CHANNELS && side == SIDE, "it ends with %d x %d", channels, side);
}

/* The parameters follow each other without a gap. */
static void require_table(const ae_layers *layers) {
    ae_network *network;
    REQUIRE(ae_network_create(&network, layers) == AE_OK, "%s", ae_message());
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    size_t next = 0;
    for (int i = 0; i < count; i++) {
        REQUIRE(table[i].offset == next && table[i].count > 0, "parameter %d", i);
        next += table[i].count;
    }
    REQUIRE(next == ae_network_size(network), "%zu, not %zu", ae_network_size(network), next);
    ae_network_destroy(&network);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);
    REQUIRE(text, "no memory");
    ae_layers layers;
    ae_status status = ae_layers_parse(&layers, text, "layers", CHANNELS, SIDE, SIDE);
    if (status == AE_OK) {
        require_fitting(&layers);
        require_table(&layers);
    } else {
        REQUIRE(status == AE_ERROR_USAGE, "status %d", (int)status);
        REQUIRE(ae_message()[0] != '\0', "no message");
    }
    free(text);
    return 0;
}
