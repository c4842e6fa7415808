/* The reading of the stack of layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "nn/layers.h"

static const char where[] = "a.ini:12: [model] layers";

static ae_status parse(ae_layers *layers, const char *text) {
    return ae_layers_parse(layers, text, where, 3, 32, 32);
}

static void check_layer(const ae_layer *layer, bool transposed, int kernel,
                        ae_activation activation, const int shape[6]) {
    assert_int_equal(layer->transposed, transposed);
    assert_int_equal(layer->kernel, kernel);
    assert_int_equal(layer->activation, activation);
    const int got[6] = {layer->in_channels,  layer->in_height,  layer->in_width,
                        layer->out_channels, layer->out_height, layer->out_width};
    for (int d = 0; d < 6; ++d) assert_int_equal(got[d], shape[d]);
}

static void test_reference(void **state) {
    (void)state;
    ae_layers layers;
    assert_int_equal(
        parse(&layers, "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid"), AE_OK);
    assert_int_equal(layers.count, 4);
    check_layer(&layers.layer[0], false, 3, AE_ACTIVATION_RELU,
                (const int[]){3, 32, 32, 8, 30, 30});
    check_layer(&layers.layer[1], false, 3, AE_ACTIVATION_RELU,
                (const int[]){8, 30, 30, 8, 28, 28});
    check_layer(&layers.layer[2], true, 3, AE_ACTIVATION_RELU, (const int[]){8, 28, 28, 8, 30, 30});
    check_layer(&layers.layer[3], true, 3, AE_ACTIVATION_SIGMOID,
                (const int[]){8, 30, 30, 3, 32, 32});
}

static void test_blanks_and_sizes(void **state) {
    (void)state;
    ae_layers layers;
    assert_int_equal(parse(&layers, "  conv\t1024 7  none ,tconv 3 7 sigmoid "), AE_OK);
    assert_int_equal(layers.count, 2);
    assert_int_equal(ae_layers_parse(&layers, "conv 2 5 none,tconv 1 5 none", where, 1, 5, 9),
                     AE_OK);
    check_layer(&layers.layer[0], false, 5, AE_ACTIVATION_NONE, (const int[]){1, 5, 9, 2, 1, 5});
    assert_int_equal(parse(&layers, "conv 3 1 relu"), AE_OK);
}

/* Demands a refusal whose message begins with `where` and holds `part`. */
static void check_refused(const char *text, const char *part) {
    ae_layers layers;
    assert_int_equal(parse(&layers, text), AE_ERROR_USAGE);
    assert_ptr_equal(strstr(ae_message(), where), ae_message());
    if (!strstr(ae_message(), part)) print_error("%s\n", ae_message());
    assert_non_null(strstr(ae_message(), part));
}

static void test_refused_words(void **state) {
    (void)state;
    check_refused("", "layer 1, \"\", is not four words");
    check_refused("conv 3 1 relu,", "layer 2, \"\", is not four words");
    check_refused("conv 8 3", "layer 1, \"conv 8 3\", is not four words");
    check_refused("conv 8 3 relu relu", "is not four words");
    check_refused("conv 3 1 relu, cnov 3 1 relu",
                  "layer 2, \"cnov 3 1 relu\": the kind is conv or tconv, not \"cnov\"");
    check_refused("Conv 3 1 relu", "not \"Conv\"");
    check_refused("conv 3 1 rel", "the activation is relu, sigmoid or none, not \"rel\"");
    check_refused("conv 3 1 relux", "not \"relux\"");
    const char *const channels[] = {"0", "-1", "+8", "1025", "8.0", "x", "99999999999999999999"};
    const char *const kernels[] = {"0", "8", "3x3", "-3", "99999999999999999999"};
    char text[64], part[64];
    for (size_t n = 0; n < sizeof channels / sizeof *channels; ++n) {
        snprintf(text, sizeof text, "conv %s 3 relu", channels[n]);
        snprintf(part, sizeof part, "from 1 to %d, not \"%s\"", AE_CHANNELS_MAX, channels[n]);
        check_refused(text, part);
    }
    for (size_t n = 0; n < sizeof kernels / sizeof *kernels; ++n) {
        snprintf(text, sizeof text, "conv 8 %s relu", kernels[n]);
        snprintf(part, sizeof part, "from 1 to %d, not \"%s\"", AE_KERNEL_MAX, kernels[n]);
        check_refused(text, part);
    }
}

/* The table of shapes: the input and a line a layer, so far as they go. */
static void test_refused_shapes(void **state) {
    (void)state;
    check_refused("conv 8 3 relu, tconv 3 5 none",
                  ": the last layer doesn't return to the input's shape, 3 x 32 x 32 (channels x "
                  "rows x columns):\n"
                  "  input                     3 x 32 x 32\n"
                  "  conv 8 3 relu             8 x 30 x 30\n"
                  "  tconv 3 5 none            3 x 34 x 34\n");
    check_refused("conv 8 3 relu, tconv 4 3 none", "  tconv 4 3 none            4 x 32 x 32\n");
    check_refused("conv 8 7 relu, conv 8 7 relu, conv 8 7 relu, conv 8 7 relu, conv 8 7 relu, "
                  "conv 1000 7 sigmoid, tconv 3 3 none",
                  ": nothing is left of the image after layer 6 (channels x rows x columns):\n");
    assert_non_null(strstr(ae_message(), "  conv 1000 7 sigmoid    1000 x -4 x -4\n"));
    assert_null(strstr(ae_message(), "tconv 3 3 none"));
}

static void test_number_of_layers(void **state) {
    (void)state;
    char text[(AE_LAYERS_MAX + 1) * 16] = "conv 3 1 none";
    ae_layers layers;
    for (int l = 1; l < AE_LAYERS_MAX; ++l) strcat(text, ",conv 3 1 none");
    assert_int_equal(parse(&layers, text), AE_OK);
    assert_int_equal(layers.count, AE_LAYERS_MAX);
    strcat(text, ",conv 3 1 none");
    check_refused(text, "more than 32 layers");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),        cmocka_unit_test(test_blanks_and_sizes),
        cmocka_unit_test(test_refused_words),    cmocka_unit_test(test_refused_shapes),
        cmocka_unit_test(test_number_of_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
