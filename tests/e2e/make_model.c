/* Writes a model.h5 for the tests of apply: e2e_make_model FILE LAYERS OUTPUT CHANNELS WEIGHTS,
 * with OUTPUT direct or residual, and WEIGHTS identity (each channel's middle weight to itself is
 * 1, all else 0) or a seed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/model_file.h"

static void check(ae_status status) {
    if (status == AE_OK) return;
    fprintf(stderr, "%s\n", ae_message());
    exit(1);
}

static void fill_identity(float *parameters, const ae_network *network) {
    int count;
    const ae_parameter *tensors = ae_network_parameters(network, &count);
    for (int t = 0; t < count; ++t) {
        const int *shape = tensors[t].shape, side = shape[3], middle = side / 2 * (side + 1);
        for (int c = 0; tensors[t].rank == 4 && c < shape[0] && c < shape[1]; ++c)
            parameters[tensors[t].offset + (size_t)((c * shape[1] + c) * side * side + middle)] = 1;
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    ae_config *config;
    ae_network *network;
    ae_state state;
    char layers[AE_LAYERS_SIZE + 32], output[64];
    snprintf(layers, sizeof layers, "model.layers=%s", argv[2]);
    snprintf(output, sizeof output, "model.output=%s", argv[3]);
    const char *overrides[] = {"run.dir=run", "data.source=deadleaves", layers, output};
    check(ae_config_create(&config, "made", "", 0, overrides, 4));
    const ae_settings *settings = ae_config_settings(config);
    const ae_shape picture = {.channels = atoi(argv[4]), .height = 64, .width = 64};
    const ae_optimizer_options options = ae_optimizer_options_of(settings);
    check(
        ae_network_create(&network, argv[2], "layers", picture, (ae_output)settings->model.output));
    check(ae_state_init(&state, network, &options));
    if (strcmp(argv[5], "identity") == 0)
        fill_identity(state.parameters, network);
    else
        check(ae_network_initialize(network, state.parameters, AE_INIT_PYTORCH,
                                    strtoull(argv[5], NULL, 10)));
    check(ae_model_file_write(argv[1], &state, config, "ref"));
    ae_state_release(&state);
    ae_network_destroy(&network);
    ae_config_destroy(&config);
    return 0;
}
