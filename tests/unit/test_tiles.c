/* Pictures in tiles against the whole at once, bit for bit; phases and margins against what a
 * picture's change does. On every kernel path of this processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "team/tiles.h"

typedef struct network_case {
    const char *layers;
    ae_output output;
    int phase;
    ae_margin margin;
} network_case;

/* Of every layer kind, algorithm and way to join and scale. */
static const network_case cases[] = {
    {"conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid",
     AE_OUTPUT_DIRECT,
     2,
     {4, 4}},
    {"conv 3 1 none", AE_OUTPUT_RESIDUAL, 1, {0, 0}},
    {"conv 5 5 sigmoid same, conv 3 5 none same", AE_OUTPUT_DIRECT, 1, {4, 4}},
    {"tconv 4 2 none, conv 3 2 none", AE_OUTPUT_DIRECT, 1, {1, 1}},
    {"dncnn 4 5", AE_OUTPUT_RESIDUAL, 2, {5, 5}},
    {"unshuffle 6 3", AE_OUTPUT_RESIDUAL, 4, {6, 6}},
    {"unet 3", AE_OUTPUT_DIRECT, 8, {16, 12}},
    {"conv 4 3 sigmoid same stride2, conv 4 3 none same stride2, tconv 4 2 none stride2, "
     "tconv 3 2 none stride2",
     AE_OUTPUT_DIRECT,
     4,
     {4, 0}},
    {"conv 4 3 sigmoid stride2, tconv 4 2 none stride2, tconv 3 3 none",
     AE_OUTPUT_DIRECT,
     2,
     {2, 2}},
    {"conv 8 3 leaky:0.25 same as a, maxpool, conv 8 3 relu same, tconv 8 2 leaky:0.5 stride2, "
     "add a relu as b, conv 8 3 relu same nobias, add b leaky:0.1, conv 3 3 none same",
     AE_OUTPUT_RESIDUAL,
     4,
     {6, 6}},
    {"unshuffle, conv 8 3 sigmoid same as a, conv 8 3 none stride2 same, conv 8 1 sigmoid same, "
     "tconv 8 2 none stride2 nobias, add a sigmoid, concat a, tconv 12 5 sigmoid same, shuffle",
     AE_OUTPUT_DIRECT,
     4,
     {8, 8}},
    {"tconv 4 2 none stride2, conv 3 3 sigmoid same, maxpool", AE_OUTPUT_DIRECT, 1, {1, 1}},
    {"conv 16 3 sigmoid same, conv 17 3 sigmoid same, conv 16 3 none same, conv 3 3 none same",
     AE_OUTPUT_RESIDUAL,
     4,
     {6, 6}},
    {"conv 16 3 relu, conv 18 3 leaky:0.5, tconv 16 3 sigmoid, tconv 3 3 none",
     AE_OUTPUT_DIRECT,
     4,
     {6, 4}},
    {"conv 16 3 sigmoid same stride2, conv 16 3 sigmoid same, conv 19 5 none same, "
     "tconv 16 2 sigmoid stride2, conv 3 3 none same",
     AE_OUTPUT_DIRECT,
     8,
     {13, 7}},
    {"conv 16 5 sigmoid same, conv 16 5 none same, conv 3 1 none same",
     AE_OUTPUT_DIRECT,
     2,
     {4, 4}},
    {"conv 16 5 relu, conv 17 5 sigmoid, tconv 16 5 none, tconv 3 5 none",
     AE_OUTPUT_DIRECT,
     2,
     {8, 8}},
};
enum { CASES = sizeof cases / sizeof *cases, CHANNELS = 3 };

static void open_model(ae_model *model, const network_case *c, int path) {
    const ae_shape picture = {CHANNELS, 64, 64};
    if (ae_network_create(&model->network, c->layers, "test", picture, c->output) != AE_OK)
        fail_msg("%s", ae_message());
    model->kernels = ae_kernels_at(path);
    model->packed =
        ae_calloc(ae_network_packed_size(model->network, model->kernels), sizeof(float));
    float *parameters = ae_calloc(ae_network_size(model->network), sizeof(float));
    assert_true(model->packed && parameters);
    assert_int_equal(ae_network_initialize(model->network, parameters, AE_INIT_PYTORCH, 7), AE_OK);
    ae_model_take(model, parameters);
    free(parameters);
}

static int fastest_path(void) {
    int path = ae_kernels_count() - 1;
    while (!ae_kernels_at(path)) --path;
    return path;
}

/* Without a border. */
static ae_planes make_planes(int height, int width) {
    float *memory = ae_calloc(ae_planes_floats(CHANNELS, height, width, 0), sizeof(float));
    assert_non_null(memory);
    return ae_planes_view(memory, CHANNELS, height, width, 0);
}

static void free_planes(ae_planes *planes) {
    free(planes->data - AE_LANES);
}

static ae_planes make_picture(int height, int width, uint64_t seed) {
    ae_planes planes = make_planes(height, width);
    for (int c = 0; c < CHANNELS; ++c)
        for (int h = 0; h < height; ++h)
            for (int w = 0; w < width; ++w) {
                uint32_t words[4];
                ae_random_words(words, (ae_stream){seed, 1, (uint32_t)c, (uint32_t)h}, (uint32_t)w);
                ae_planes_row(&planes, c, h)[w] = ae_random_unit(words[0]);
            }
    return planes;
}

/* out = the network's picture of in, by the forward pass of training. */
static void apply_whole(const ae_model *model, const ae_planes *out, const ae_planes *in) {
    ae_workspace *workspace;
    assert_int_equal(
        ae_workspace_create(&workspace, model->network, 1, in->height, in->width, model->kernels),
        AE_OK);
    ae_planes_copy(ae_workspace_input(workspace, 0), in);
    ae_network_forward(workspace, model->packed, 1);
    ae_planes_copy(out, ae_workspace_output(workspace, 0));
    ae_workspace_destroy(&workspace);
}

static bool same_row(const ae_planes *a, const ae_planes *b, int row) {
    bool same = true;
    for (int c = 0; c < a->channels; ++c)
        same = same && memcmp(ae_planes_row(a, c, row), ae_planes_row(b, c, row),
                              (size_t)a->width * sizeof(float)) == 0;
    return same;
}

static bool same_column(const ae_planes *a, const ae_planes *b, int column) {
    bool same = true;
    for (int c = 0; c < a->channels; ++c)
        for (int h = 0; h < a->height; ++h)
            same = same && memcmp(ae_planes_row(a, c, h) + column, ae_planes_row(b, c, h) + column,
                                  sizeof(float)) == 0;
    return same;
}

static bool same_picture(const ae_planes *a, const ae_planes *b) {
    bool same = true;
    for (int h = 0; h < a->height; ++h) same = same && same_row(a, b, h);
    return same;
}

static void test_comparators(void **state) {
    (void)state;
    ae_planes a = make_picture(5, 7, 1), b = make_picture(5, 7, 1);
    assert_true(same_picture(&a, &b));
    ae_planes_row(&b, 2, 3)[6] = nextafterf(ae_planes_row(&b, 2, 3)[6], 2);
    assert_false(same_picture(&a, &b) || same_row(&a, &b, 3) || same_column(&a, &b, 6));
    assert_true(same_row(&a, &b, 2) && same_column(&a, &b, 5));
    free_planes(&a);
    free_planes(&b);
}

/* ---- tiles ---- */

/* The last ones on the fastest path alone. */
static const int sizes[][2] = {{1, 1},  {1, 37},  {37, 1},  {5, 5},   {13, 29},
                               {32, 8}, {32, 32}, {47, 18}, {64, 96}, {23, 101}};
enum { SIZES = sizeof sizes / sizeof *sizes, SLOW_SIZES = 6 };

static void compare(const ae_model *model, const ae_planes *whole, const ae_planes *in, int side,
                    int threads) {
    ae_tiles *tiles;
    ae_planes out = make_planes(in->height, in->width);
    assert_int_equal(ae_tiles_create(&tiles, model, side, threads), AE_OK);
    assert_int_equal(ae_tiles_side(tiles) % ae_network_phase(model->network), 0);
    assert_true(ae_tiles_side(tiles) >= side);
    assert_true(ae_tiles_apply(tiles, &out, in));
    if (!same_picture(&out, whole))
        fail_msg("%s, %d x %d: tiles of %d, %d threads: other bits", model->kernels->name,
                 in->height, in->width, side, threads);
    ae_tiles_destroy(&tiles);
    free_planes(&out);
}

static void compare_all(const ae_model *model, int count) {
    static const int sides[] = {1, 6, 17, 64};
    for (int s = 0; s < count; ++s) {
        const int height = sizes[s][0], width = sizes[s][1];
        if (!ae_tiles_fit(model->network, height, width)) continue;
        ae_planes in = make_picture(height, width, (uint64_t)s), whole = make_planes(height, width);
        apply_whole(model, &whole, &in);
        for (int i = s < SLOW_SIZES ? 0 : 1; i < 4; ++i)
            compare(model, &whole, &in, sides[i], 1 + i % 3);
        free_planes(&in);
        free_planes(&whole);
    }
}

static void test_tiles(void **state) {
    (void)state;
    const int last = fastest_path();
    for (int path = 0; path <= last; ++path)
        for (int c = 0; c < CASES && ae_kernels_at(path); ++c) {
            ae_model model;
            open_model(&model, &cases[c], path);
            compare_all(&model, path == last ? SIZES : SLOW_SIZES);
            ae_model_release(&model);
        }
}

/* What came before, were it no number, is not in the next picture. */
static void test_reuse(void **state) {
    (void)state;
    for (int c = 0; c < CASES; ++c) {
        ae_model model;
        ae_tiles *tiles;
        open_model(&model, &cases[c], fastest_path());
        assert_int_equal(ae_tiles_create(&tiles, &model, 16, 1), AE_OK);
        ae_planes in = make_picture(29, 31, 3), whole = make_planes(29, 31);
        ae_planes nothing = make_planes(40, 40), out = make_planes(40, 40);
        for (int h = 0; h < CHANNELS * 40; ++h)
            for (int w = 0; w < 40; ++w) ae_planes_row(&nothing, 0, h)[w] = NAN;
        apply_whole(&model, &whole, &in);
        assert_true(ae_tiles_apply(tiles, &out, &nothing));
        out.height = 29;
        out.width = 31;
        assert_true(ae_tiles_apply(tiles, &out, &in));
        assert_true(same_picture(&out, &whole));
        free_planes(&in);
        free_planes(&whole);
        free_planes(&nothing);
        free_planes(&out);
        ae_tiles_destroy(&tiles);
        ae_model_release(&model);
    }
}

/* A strip of the output from no more of the input than it needs, wherever it begins. */
static void test_strips(void **state) {
    (void)state;
    const int height = 53, width = 21;
    for (int c = 0; c < CASES; ++c) {
        ae_model model;
        ae_tiles *tiles;
        open_model(&model, &cases[c], fastest_path());
        assert_int_equal(ae_tiles_create(&tiles, &model, 8, 2), AE_OK);
        ae_planes in = make_picture(height, width, 3), whole = make_planes(height, width);
        apply_whole(&model, &whole, &in);
        const int rows = c % 2 ? 13 : ae_tiles_side(tiles);
        for (int first = 0; first < height; first += rows) {
            int begin = first, end = first + rows < height ? first + rows : height;
            ae_strip out = {first, make_planes(end - first, width)};
            ae_tiles_needed(model.network, height, &begin, &end);
            ae_planes part = in, kept = make_planes(end - begin, width);
            part.data = ae_planes_row(&in, 0, begin);
            ae_planes_copy(&kept, &part);
            assert_true(ae_tiles_apply_strip(tiles, &out, &(ae_strip){begin, kept}, height));
            ae_planes there = whole;
            there.data = ae_planes_row(&whole, 0, first);
            assert_true(same_picture(&out.planes, &there));
            free_planes(&out.planes);
            free_planes(&kept);
        }
        free_planes(&in);
        free_planes(&whole);
        ae_tiles_destroy(&tiles);
        ae_model_release(&model);
    }
}

/* ---- phases and margins ---- */

static void test_phases(void **state) {
    (void)state;
    for (int c = 0; c < CASES; ++c) {
        ae_model model;
        open_model(&model, &cases[c], fastest_path());
        const ae_margin margin = ae_network_margin(model.network);
        if (ae_network_phase(model.network) != cases[c].phase)
            fail_msg("%s: phase %d", cases[c].layers, ae_network_phase(model.network));
        if (margin.before != cases[c].margin.before || margin.after != cases[c].margin.after)
            fail_msg("%s: margin %d, %d", cases[c].layers, margin.before, margin.after);
        ae_model_release(&model);
    }
}

enum { SIDE = 96, MIDDLE = 48 };

/* Other numbers in the rows, or columns, [begin, end) of a picture. */
static void change(const ae_planes *planes, bool columns, int begin, int end) {
    for (int c = 0; c < CHANNELS; ++c)
        for (int h = 0; h < planes->height; ++h)
            for (int w = 0; w < planes->width; ++w)
                if ((columns ? w : h) >= begin && (columns ? w : h) < end)
                    ae_planes_row(planes, c, h)[w] *= -3;
}

/* [*begin, *end) = the rows, or columns, of the output that aren't as before when those of the
 * input are others. */
static void find_changed(int *begin, int *end, const ae_model *model, bool columns, int from,
                         int to) {
    ae_planes in = make_picture(SIDE, SIDE, 5), before = make_planes(SIDE, SIDE);
    ae_planes after = make_planes(SIDE, SIDE);
    apply_whole(model, &before, &in);
    change(&in, columns, from, to);
    apply_whole(model, &after, &in);
    *begin = SIDE;
    *end = 0;
    for (int i = 0; i < SIDE; ++i) {
        if (columns ? same_column(&before, &after, i) : same_row(&before, &after, i)) continue;
        if (i < *begin) *begin = i;
        *end = i + 1;
    }
    free_planes(&in);
    free_planes(&before);
    free_planes(&after);
}

/* What lies before a tile, or behind it, reaches as far as the margin tells, and no less. */
static void test_margins(void **state) {
    (void)state;
    for (int c = 0; c < CASES; ++c) {
        ae_model model;
        open_model(&model, &cases[c], fastest_path());
        const ae_margin margin = ae_network_margin(model.network);
        assert_int_equal(MIDDLE % ae_network_phase(model.network), 0);
        for (int columns = 0; columns < 2; ++columns) {
            int begin, end;
            find_changed(&begin, &end, &model, columns, 0, MIDDLE);
            if (end != MIDDLE + margin.before)
                fail_msg("%s: before %d, not %d", cases[c].layers, end - MIDDLE, margin.before);
            find_changed(&begin, &end, &model, columns, MIDDLE, SIDE);
            if (begin != MIDDLE - margin.after)
                fail_msg("%s: after %d, not %d", cases[c].layers, MIDDLE - begin, margin.after);
        }
        ae_model_release(&model);
    }
}

/* A tile that begins off the phase has other bits. */
static void test_off_phase(void **state) {
    (void)state;
    ae_model model;
    open_model(&model, &cases[0], 0);
    ae_planes in = make_picture(33, 20, 3), whole = make_planes(33, 20), out = make_planes(32, 20);
    ae_planes in_part = in, whole_part = whole;
    apply_whole(&model, &whole, &in);
    in_part.height = whole_part.height = 32;
    in_part.data = ae_planes_row(&in, 0, 1);
    whole_part.data = ae_planes_row(&whole, 0, 1);
    apply_whole(&model, &out, &in_part);
    assert_false(same_row(&out, &whole_part, 16));
    free_planes(&in);
    free_planes(&whole);
    free_planes(&out);
    ae_model_release(&model);
}

/* Images that aren't read any more make room: two of the hidden layers' are there at a time. */
static void test_bytes(void **state) {
    (void)state;
    ae_model model;
    open_model(&model, &cases[0], 0);
    const size_t image = ae_planes_floats(8, 64, 64, 2) * sizeof(float);
    const size_t forward = ae_workspace_forward_bytes(model.network, model.kernels, 64, 64);
    assert_true(forward > image && forward < 2 * image);
    assert_true(ae_tiles_bytes(&model, 128, 2) == 2 * ae_tiles_bytes(&model, 127, 1));
    ae_model_release(&model);
}

static void test_quick_side(void **state) {
    (void)state;
    for (int c = 0; c < CASES; ++c) {
        ae_model model;
        open_model(&model, &cases[c], 0);
        const ae_margin margin = ae_network_margin(model.network);
        const int side = ae_tiles_quick_side(model.network), both = margin.before + margin.after;
        const int phase = ae_network_phase(model.network), input = side + both;
        assert_int_equal(side % phase, 0);
        assert_true(side + phase > 4 * both || input > 512 - phase);
        assert_true(input > 128 - phase && (input <= 128 || side < 8 * both + 2 * phase));
        ae_model_release(&model);
    }
}

static void test_fit(void **state) {
    (void)state;
    ae_model model;
    open_model(&model, &cases[0], 0);
    assert_true(ae_tiles_fit(model.network, 5, 5));
    assert_false(ae_tiles_fit(model.network, 4, 5) || ae_tiles_fit(model.network, 5, 4));
    ae_model_release(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparators), cmocka_unit_test(test_phases),
        cmocka_unit_test(test_tiles),       cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_strips),      cmocka_unit_test(test_margins),
        cmocka_unit_test(test_off_phase),   cmocka_unit_test(test_quick_side),
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
