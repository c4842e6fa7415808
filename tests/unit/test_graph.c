/* The language of networks: text to nodes and back, shapes, what is refused, and the contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nn/network.h"

static const char where[] = "a.ini:12: [model] layers";

/* Reads the text for images of 3 x 32 x 32. */
static ae_status parse(ae_graph *graph, const char *text) {
    ae_status status = ae_graph_parse(graph, text, where, 3);
    return status == AE_OK ? ae_graph_fit(graph, where, 32, 32) : status;
}

static void check_parsed(ae_graph *graph, const char *text) {
    ae_status status = parse(graph, text);
    if (status != AE_OK) print_error("%s\n", ae_message());
    assert_int_equal(status, AE_OK);
}

static void check_conv(const ae_graph *graph, int n, const ae_conv want, ae_activation activation) {
    const ae_node *node = &graph->node[n];
    assert_int_equal(node->kind, AE_NODE_CONV);
    assert_int_equal(node->conv.transposed, want.transposed);
    assert_int_equal(node->conv.in_channels, want.in_channels);
    assert_int_equal(node->conv.out_channels, want.out_channels);
    assert_int_equal(node->conv.kernel, want.kernel);
    assert_int_equal(node->conv.stride, want.stride);
    assert_int_equal(node->conv.padding, want.padding);
    assert_int_equal(node->activation, activation);
    assert_int_equal(node->channels, want.out_channels);
}

static void check_shapes(const ae_graph *graph, int height, int width, const int (*want)[3]) {
    ae_shape shapes[AE_NODES_MAX + 1];
    assert_int_equal(ae_graph_shapes(graph, shapes, height, width), graph->count);
    for (int i = 0; i <= graph->count; ++i) {
        assert_int_equal(shapes[i].channels, want[i][0]);
        assert_int_equal(shapes[i].height, want[i][1]);
        assert_int_equal(shapes[i].width, want[i][2]);
    }
}

static void test_reference(void **state) {
    (void)state;
    ae_graph graph;
    check_parsed(&graph, "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid");
    assert_int_equal(graph.count, 4);
    check_conv(&graph, 0, (ae_conv){false, 3, 8, 3, 1, 0}, AE_ACTIVATION_RELU);
    check_conv(&graph, 1, (ae_conv){false, 8, 8, 3, 1, 0}, AE_ACTIVATION_RELU);
    check_conv(&graph, 2, (ae_conv){true, 8, 8, 3, 1, 0}, AE_ACTIVATION_RELU);
    check_conv(&graph, 3, (ae_conv){true, 8, 3, 3, 1, 0}, AE_ACTIVATION_SIGMOID);
    check_shapes(&graph, 32, 32,
                 (const int[][3]){{3, 32, 32}, {8, 30, 30}, {8, 28, 28}, {8, 30, 30}, {3, 32, 32}});
    assert_true(graph.is_chain);
    assert_int_equal(graph.stride, 1);
}

static void test_blanks_and_sizes(void **state) {
    (void)state;
    ae_graph graph;
    check_parsed(&graph, "  conv\t1024 7  none ,tconv 3 7 sigmoid ");
    assert_int_equal(graph.count, 2);
    assert_int_equal(ae_graph_parse(&graph, "conv 2 5 none,tconv 1 5 none", where, 1), AE_OK);
    check_shapes(&graph, 5, 9, (const int[][3]){{1, 5, 9}, {2, 1, 5}, {1, 5, 9}});
    check_parsed(&graph, "conv 3 1 relu");
    check_parsed(&graph, "tconv 2 2 none, conv 3 2 none"); /* even sides, valid */
}

/* Every word of the language at once. */
static const char all_words[] =
    "conv 8 3 relu same as top, conv 12 3 leaky:0.1 stride2 same nobias, maxpool, "
    "conv 16 1 none same as low, add low relu, unshuffle, shuffle, conv 4 5 sigmoid same, "
    "tconv 6 2 none stride2, tconv 6 2 none stride2 nobias, concat top, add input none";

static void test_words(void **state) {
    (void)state;
    ae_graph graph;
    assert_int_equal(ae_graph_parse(&graph, all_words, where, 14), AE_OK);
    assert_int_equal(graph.count, 12);
    check_conv(&graph, 0, (ae_conv){false, 14, 8, 3, 1, 1}, AE_ACTIVATION_RELU);
    check_conv(&graph, 1, (ae_conv){false, 8, 12, 3, 2, 1}, AE_ACTIVATION_LEAKY);
    assert_true(graph.node[1].slope == 0.1f);
    assert_true(graph.node[0].has_bias);
    assert_false(graph.node[1].has_bias);
    assert_int_equal(graph.node[2].kind, AE_NODE_MAX_POOL);
    check_conv(&graph, 3, (ae_conv){false, 12, 16, 1, 1, 0}, AE_ACTIVATION_NONE);
    assert_int_equal(graph.node[4].kind, AE_NODE_ADD);
    assert_int_equal(graph.node[4].input[0], 4);
    assert_int_equal(graph.node[4].input[1], 4); /* both the layer before */
    assert_int_equal(graph.node[4].activation, AE_ACTIVATION_RELU);
    check_conv(&graph, 7, (ae_conv){false, 16, 4, 5, 1, 2}, AE_ACTIVATION_SIGMOID);
    check_conv(&graph, 8, (ae_conv){true, 4, 6, 2, 2, 0}, AE_ACTIVATION_NONE);
    assert_int_equal(graph.node[10].kind, AE_NODE_CONCAT);
    assert_int_equal(graph.node[10].input[1], 1);
    assert_int_equal(graph.node[10].channels, 14);
    assert_int_equal(graph.node[11].input[1], 0);
    assert_int_equal(graph.stride, 8); /* the deepest: stride2, maxpool, unshuffle */
    assert_false(graph.is_chain);
    check_shapes(&graph, 16, 24,
                 (const int[][3]){{14, 16, 24},
                                  {8, 16, 24},
                                  {12, 8, 12},
                                  {12, 4, 6},
                                  {16, 4, 6},
                                  {16, 4, 6},
                                  {64, 2, 3},
                                  {16, 4, 6},
                                  {4, 4, 6},
                                  {6, 8, 12},
                                  {6, 16, 24},
                                  {14, 16, 24},
                                  {14, 16, 24}});
    assert_int_equal(ae_graph_fit(&graph, where, 9, 17), AE_OK); /* extended to 16 x 24 */
    assert_int_equal(ae_graph_side(&graph, 9), 16);
    assert_int_equal(ae_graph_side(&graph, 16), 16);
}

/* One layer that isn't plain, whichever, and it is no chain of plain ones. */
static void test_no_chain(void **state) {
    (void)state;
    static const char *const texts[] = {
        "conv 8 3 leaky:0.1, tconv 3 3 none", "conv 8 3 relu, tconv 3 3 leaky:0.1",
        "conv 8 3 relu same, tconv 3 1 none", "conv 8 3 relu nobias, tconv 3 3 none",
        "conv 8 3 relu as a, tconv 3 3 none", "conv 8 3 relu stride2 same, tconv 3 2 none stride2",
        "conv 3 3 relu same, add input"};
    ae_graph graph;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; ++t) {
        check_parsed(&graph, texts[t]);
        assert_false(graph.is_chain);
    }
    check_parsed(&graph, "conv 8 3 relu, tconv 3 3 none");
    assert_true(graph.is_chain);
}

/* Either side that is odd is one too many. */
static void test_odd_sides(void **state) {
    (void)state;
    ae_graph graph;
    ae_shape shapes[AE_NODES_MAX + 1];
    check_parsed(&graph, "conv 3 1 relu, unshuffle, conv 12 1 none, shuffle");
    assert_int_equal(ae_graph_shapes(&graph, shapes, 32, 30), 4);
    assert_int_equal(ae_graph_shapes(&graph, shapes, 32, 31), 1);
    assert_int_equal(ae_graph_shapes(&graph, shapes, 31, 32), 1);
    check_parsed(&graph, "conv 3 3 relu same, maxpool, tconv 3 2 none stride2, add input");
    assert_int_equal(ae_graph_shapes(&graph, shapes, 32, 30), 4);
    assert_int_equal(ae_graph_shapes(&graph, shapes, 32, 31), 3);
    assert_int_equal(ae_graph_shapes(&graph, shapes, 31, 32), 3);
    check_parsed(&graph, "conv 3 3 relu same, maxpool, tconv 3 2 none stride2, concat input, "
                         "conv 3 1 none");
    assert_int_equal(ae_graph_shapes(&graph, shapes, 32, 31), 3);
    assert_int_equal(ae_graph_shapes(&graph, shapes, 31, 32), 3);
}

/* What is written reads back to the same nodes, and writes the same again. */
static void check_written(const char *text, int channels) {
    ae_graph graph, again;
    char full[AE_GRAPH_TEXT_SIZE], twice[AE_GRAPH_TEXT_SIZE];
    assert_int_equal(ae_graph_parse(&graph, text, where, channels), AE_OK);
    ae_graph_write(&graph, full);
    assert_int_equal(ae_graph_parse(&again, full, where, channels), AE_OK);
    assert_false(ae_graph_is_ready(full));
    assert_memory_equal(&graph, &again, sizeof graph);
    ae_graph_write(&again, twice);
    assert_string_equal(full, twice);
    again.node[again.count - 1].channels += 1; /* a node that differs is noticed */
    assert_memory_not_equal(&graph, &again, sizeof graph);
}

static void test_written(void **state) {
    (void)state;
    check_written("conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid", 3);
    check_written(all_words, 14);
    check_written("conv 3 3 leaky:0.30000001192 same", 3);
    check_written("dncnn 64 17 nobias", 1);
    check_written("unet 32", 3);
    check_written("unshuffle 48 7", 3);
}

static void test_ready(void **state) {
    (void)state;
    ae_graph graph;
    char full[AE_GRAPH_TEXT_SIZE];
    check_parsed(&graph, "dncnn 8 3");
    ae_graph_write(&graph, full);
    assert_string_equal(full, "conv 8 3 relu same, conv 8 3 relu same, conv 3 3 none same");
    check_parsed(&graph, " unshuffle 48 2 nobias ");
    ae_graph_write(&graph, full);
    assert_string_equal(full, "unshuffle, conv 48 3 relu same nobias, conv 12 3 none same nobias, "
                              "shuffle");
    assert_int_equal(graph.stride, 2);
    check_parsed(&graph, "unet 4");
    assert_int_equal(graph.stride, 4);
    assert_int_equal(graph.node[graph.count - 1].channels, 3);
    check_parsed(&graph, "dncnn 64 17");
    assert_int_equal(graph.count, 17);
    check_parsed(&graph, "dncnn 1 126");
    assert_true(ae_graph_is_ready("unet 4") && ae_graph_is_ready(" unshuffle 48 2 nobias "));
    assert_false(ae_graph_is_ready("unshuffle") || ae_graph_is_ready("unet 4, conv 3 1 none"));
}

/* Demands a refusal whose message begins with `where` and holds `part`. */
static void check_refused(const char *text, const char *part) {
    ae_graph graph;
    assert_int_equal(parse(&graph, text), AE_ERROR_USAGE);
    assert_ptr_equal(strstr(ae_message(), where), ae_message());
    if (!strstr(ae_message(), part)) print_error("%s\n", ae_message());
    assert_non_null(strstr(ae_message(), part));
}

static void test_refused_words(void **state) {
    (void)state;
    check_refused("", "layer 1, \"\", is not four words");
    check_refused("conv 3 1 relu,", "layer 2, \"\", is not four words");
    check_refused("conv 8 3", "layer 1, \"conv 8 3\", is not four words");
    check_refused("conv 8 3 relu relu", "there may be same, stride2, nobias and as NAME, not "
                                        "\"relu\"");
    check_refused("conv 3 1 relu, cnov 3 1 relu",
                  "layer 2, \"cnov 3 1 relu\": the kind is conv, tconv, add, concat, unshuffle, "
                  "shuffle or maxpool (or the whole text a ready network: dncnn 64 17, unet 32, "
                  "unshuffle 48 7), not \"cnov\"");
    check_refused("Conv 3 1 relu", "not \"Conv\"");
    check_refused("conv 3 1 rel", "the activation is relu, leaky:SLOPE (0 < SLOPE < 1), sigmoid "
                                  "or none, not \"rel\"");
    check_refused("conv 3 1 relux", "not \"relux\"");
    const char *const slopes[] = {"leaky",   "leaky:",    "leaky:0",      "leaky:1",   "leaky:-0.1",
                                  "leaky:x", "leaky:nan", "leaky:0x1p-2", "leaky:0.1x"};
    const char *const channels[] = {"0", "-1", "+8", "1025", "8.0", "x", "99999999999999999999"};
    const char *const kernels[] = {"0", "8", "3x3", "-3", "99999999999999999999"};
    char text[64], part[64];
    for (size_t n = 0; n < sizeof slopes / sizeof *slopes; ++n) {
        snprintf(text, sizeof text, "conv 3 3 %s same", slopes[n]);
        snprintf(part, sizeof part, "not \"%s\"", slopes[n]);
        check_refused(text, part);
    }
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

static void test_refused_options(void **state) {
    (void)state;
    check_refused("conv 3 3 relu same same", "each word is given once, not \"same\"");
    check_refused("conv 3 3 relu stride2 stride2", "each word is given once, not \"stride2\"");
    check_refused("conv 3 3 relu nobias nobias", "each word is given once, not \"nobias\"");
    check_refused("conv 3 3 relu as a as b", "each word is given once, not \"as\"");
    check_refused("maxpool as a as b", "each word is given once, not \"as\"");
    check_refused("conv 3 3 relu same as a nobias same same same same same same bad",
                  "each word is given once, not \"same\"");
    check_refused("conv 3 5 relu stride2 same", "stride2 goes with conv and a kernel side of 3");
    check_refused("tconv 3 3 relu stride2", "or tconv and 2");
    check_refused("conv 3 2 relu same", "same goes with an odd kernel side");
    check_refused("conv 3 3 relu as", "as is followed by a name");
    check_refused("conv 3 3 relu same as 3a", "not \"3a\"");
    check_refused("conv 3 3 relu same as a-b", "not \"a-b\"");
    check_refused("conv 3 3 relu same as abcdefghijklmnopqrstuvwxyzabcdefgh", "a name begins");
    check_refused("conv 3 3 relu same as a, conv 3 3 none same as a", "each name is given once");
    check_refused("conv 3 3 relu same as input", "each name is given once");
    check_refused("conv 3 3 relu same, add a", "names a layer before it that has \"as NAME\"");
    check_refused("conv 3 3 relu same, add", "needs the name of a layer before it");
    check_refused("conv 8 3 relu same, add input", "equally many channels, not 8 and 3");
    check_refused("conv 3 3 relu same, concat input relu", "what may follow is as NAME");
    check_refused("conv 6 3 relu same, shuffle", "one channel of four, and there are 6");
    check_refused("unshuffle, shuffle", "nothing to learn");
    check_refused("conv 1024 7 relu same, conv 1024 7 relu same, conv 3 3 none same",
                  "parameters; allowed: at most 4000000");
    check_refused("tconv 3 2 none stride2, tconv 3 2 none stride2, tconv 3 2 none stride2, "
                  "tconv 3 2 none stride2, tconv 3 2 none stride2",
                  "halved 0 times and doubled 5 times; allowed: at most 10 and 4");
    check_refused("dncnn 64", "a ready network is dncnn CHANNELS LAYERS");
    check_refused("dncnn 64 1", "LAYERS from 2 to 126");
    check_refused("dncnn 64 127", "LAYERS from 2 to 126");
    check_refused("unet 257", "CHANNELS from 1 to 256");
    check_refused("unet 32 nobais", "with nobias after it or not");
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
                  "conv 100 7 sigmoid, tconv 3 3 none",
                  ": nothing is left of the image after layer 6 (channels x rows x columns):\n");
    assert_non_null(strstr(ae_message(), "  conv 100 7 sigmoid      100 x -4 x -4\n"));
    assert_null(strstr(ae_message(), "tconv 3 3 none"));
    check_refused("conv 3 3 relu, add input", ": the images don't suit layer 2");
    check_refused("conv 3 3 relu same stride2, conv 3 3 relu same stride2", "3 x 8 x 8");
    check_refused("conv 3 2 relu, unshuffle, conv 12 1 none, shuffle",
                  ": the images don't suit layer 2"); /* 31 rows */
}

static void test_number_of_layers(void **state) {
    (void)state;
    char text[(AE_NODES_MAX + 1) * 16] = "conv 3 1 none";
    ae_graph graph;
    for (int l = 1; l < AE_NODES_MAX; ++l) strcat(text, ",conv 3 1 none");
    check_parsed(&graph, text);
    assert_int_equal(graph.count, AE_NODES_MAX);
    strcat(text, ",conv 3 1 none");
    check_refused(text, "more than 128 layers");
    strcpy(strrchr(text, ','), "");
    strcpy(strrchr(text, ','), ",conv 2 1 none");
    check_refused(text, "\n  ...\n"); /* a table of the first and the last */
    assert_non_null(strstr(ae_message(), "  conv 2 1 none "));
}

/* By hand, and by PyTorch's gradients with the mean in place of the maximum. */
static void test_receptive_field(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int side;
    } cases[] = {
        {"conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid", 9},
        {"unshuffle 16 5", 22},
        {"unet 32", 31},
        {"maxpool, maxpool, tconv 8 2 none stride2, tconv 8 2 none stride2, conv 3 3 none same", 8},
        {"maxpool, maxpool, maxpool, tconv 8 2 none stride2, tconv 8 2 none stride2, "
         "tconv 8 2 none stride2, conv 3 3 none same",
         16}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        const ae_shape picture = {3, 64, 64};
        ae_network *network;
        assert_int_equal(
            ae_network_create(&network, cases[c].text, where, picture, AE_OUTPUT_DIRECT), AE_OK);
        assert_int_equal(ae_network_receptive_field(network), cases[c].side);
        ae_network_destroy(&network);
    }
}

/* Networks of few channels have the numbers they had before those of many got theirs. */
static void test_contract(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int version;
    } cases[] = {{"conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid", 2},
                 {"conv 32 3 relu same, conv 15 3 relu same, conv 3 3 none same", 2},
                 {"conv 16 3 relu same, conv 16 3 relu same, conv 3 3 none same", 3},
                 {"conv 16 1 relu same, conv 16 1 relu same, conv 3 3 none same", 2},
                 {"conv 16 1 relu same, conv 16 7 relu same, conv 3 3 none same", 3},
                 {"conv 16 5 relu same, conv 15 5 relu same, conv 3 5 none same", 2},
                 {"conv 16 5 relu same, conv 16 5 relu same, conv 3 3 none same", 4},
                 {"conv 16 5 relu same, tconv 16 5 relu same, conv 3 3 none same", 4}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        const ae_shape picture = {3, 16, 16};
        ae_network *network;
        assert_int_equal(
            ae_network_create(&network, cases[c].text, where, picture, AE_OUTPUT_DIRECT), AE_OK);
        assert_int_equal(ae_network_contract(network), cases[c].version);
        ae_network_destroy(&network);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_blanks_and_sizes),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_chain),
        cmocka_unit_test(test_odd_sides),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_refused_words),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_refused_shapes),
        cmocka_unit_test(test_number_of_layers),
        cmocka_unit_test(test_receptive_field),
        cmocka_unit_test(test_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
