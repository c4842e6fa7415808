/* What the tests of the network share: networks with memory to run in, and images to run. */
#ifndef AE_TESTS_RIG_H
#define AE_TESTS_RIG_H

#include "dense.h"

#include "base/memory.h"
#include "base/random.h"
#include "nn/network.h"

static const char reference[] = "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid";
static const char smooth[] = "conv 5 3 sigmoid, conv 4 5 sigmoid, tconv 6 4 none, tconv 7 2 "
                             "sigmoid, conv 6 1 none, tconv 3 3 sigmoid";
static const char piecewise[] = "tconv 2 2 none, conv 4 4 relu, tconv 3 3 relu";

/* Every way to join, move and halve images, smooth in the parameters; with strides of 4. */
static const char joined[] =
    "unshuffle, conv 8 3 sigmoid same as a, conv 8 3 none stride2 same, conv 8 1 sigmoid same, "
    "tconv 8 2 none stride2 nobias, add a sigmoid, concat a, tconv 12 5 sigmoid same, shuffle";
/* And with corners; the last layer's output is taken from the picture. */
static const char residual[] =
    "conv 8 3 leaky:0.25 same as a, maxpool, conv 8 3 relu same, tconv 8 2 leaky:0.5 stride2, "
    "add a relu as b, conv 8 3 relu same nobias, add b leaky:0.1, conv 3 3 none same";

/* A network with its buffers and one workspace. */
enum { TOGETHER = 3 }; /* pictures */

typedef struct rig {
    ae_network *network;
    ae_workspace *workspace;
    size_t size, pixels;
    const ae_kernels *kernels;
    float *parameters, *packed;
    float *image; /* [pixels], for use as needed */
} rig;

static inline ae_network *make_network(const char *text, int channels, int height, int width) {
    const ae_shape picture = {channels, height, width};
    ae_network *network;
    const ae_output output = text == residual ? AE_OUTPUT_RESIDUAL : AE_OUTPUT_DIRECT;
    assert_int_equal(ae_network_create(&network, text, "test", picture, output), AE_OK);
    return network;
}

static inline void check_initialize(const ae_network *network, float *parameters, uint64_t seed) {
    assert_int_equal(ae_network_initialize(network, parameters, AE_INIT_PYTORCH, seed), AE_OK);
}

static inline void open_rig(rig *r, const char *text, int channels, int height, int width,
                            int path) {
    r->network = make_network(text, channels, height, width);
    r->kernels = ae_kernels_at(path);
    assert_int_equal(
        ae_workspace_create(&r->workspace, r->network, TOGETHER, height, width, r->kernels), AE_OK);
    r->size = ae_network_size(r->network);
    r->pixels = (size_t)channels * (size_t)height * (size_t)width;
    r->parameters = ae_calloc(r->size, sizeof *r->parameters);
    r->packed = ae_calloc(ae_network_packed_size(r->network, r->kernels), sizeof *r->packed);
    r->image = ae_calloc(r->pixels, sizeof *r->image);
    assert_true(r->parameters && r->packed && r->image);
    check_initialize(r->network, r->parameters, 7);
    ae_network_pack(r->network, r->kernels, r->packed, r->parameters);
}

static inline void close_rig(rig *r) {
    free(r->parameters);
    free(r->packed);
    free(r->image);
    ae_workspace_destroy(&r->workspace);
    assert_null(r->workspace);
    ae_network_destroy(&r->network);
    assert_null(r->network);
}

/* Random numbers in [0, 1) in steps of 1/256. */
static inline float noise(uint32_t stream, size_t element) {
    uint32_t words[4];
    ae_random_words(words, (ae_stream){.seed = 99, .sample = stream}, (uint32_t)element);
    return (float)(words[0] >> 24) / 256;
}

/* Picture number `picture`. */
static inline void set_images(rig *r, int picture, uint32_t stream) {
    for (size_t e = 0; e < r->pixels; ++e) r->image[e] = noise(2 * stream, e);
    planes_from_dense(ae_workspace_input(r->workspace, picture), r->image);
    for (size_t e = 0; e < r->pixels; ++e) r->image[e] = noise(2 * stream + 1, e);
    planes_from_dense(ae_workspace_target(r->workspace, picture), r->image);
}

#endif
