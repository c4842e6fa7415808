/* A picture's tiles, each a forward pass in a thread's own memory. */
#include "team/tiles.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "base/watchdog.h"

struct ae_tiles {
    const ae_model *model; /* borrowed */
    int side, threads;
    ae_workspace **workspaces; /* [threads], owned */
};

/* Rows, or columns, of a tile's input: from a multiple of the phase, and to one or the end of the
 * picture extended to the network's stride, `length`. */
typedef struct span {
    int begin, end;
} span;

static int round_up(int n, int unit) {
    return (n + unit - 1) / unit * unit;
}

static span input_span(const ae_network *network, span out, int length) {
    const ae_margin margin = ae_network_margin(network);
    const int phase = ae_network_phase(network);
    const int begin = out.begin - margin.before;
    span in = {begin > 0 ? begin / phase * phase : 0, round_up(out.end + margin.after, phase)};
    if (in.end > length) in.end = length;
    return in;
}

/* The longest input of an output of `side`, wherever that begins. */
static int input_side(const ae_network *network, int side) {
    const ae_margin margin = ae_network_margin(network);
    const int phase = ae_network_phase(network);
    return round_up(margin.before + side + margin.after, phase) + phase;
}

static int rounded_side(const ae_network *network, int side) {
    return round_up(side, ae_network_phase(network));
}

int ae_tiles_quick_side(const ae_network *network) {
    const ae_margin margin = ae_network_margin(network);
    const int both = margin.before + margin.after, phase = ae_network_phase(network);
    int input = 128;
    while (input - both < phase || (input < 512 && input - both < 4 * both)) input *= 2;
    return (input - both) / phase * phase;
}

/* ---- memory ---- */

size_t ae_tiles_bytes(const ae_model *model, int side, int threads) {
    const int longest = input_side(model->network, rounded_side(model->network, side));
    return (size_t)threads *
           ae_workspace_forward_bytes(model->network, model->kernels, longest, longest);
}

ae_status ae_tiles_create(ae_tiles **tiles, const ae_model *model, int side, int threads) {
    const int longest = input_side(model->network, rounded_side(model->network, side));
    ae_tiles *made = calloc(1, sizeof *made);
    int ready = 0;
    *tiles = NULL;
    if (!made) return ae_fail_memory("the tiles");
    *made = (ae_tiles){model, rounded_side(model->network, side), threads,
                       calloc((size_t)threads, sizeof(ae_workspace *))};
    *tiles = made;
    if (made->workspaces) {
#pragma omp parallel num_threads(threads)
        {
            const int t = omp_get_thread_num();
            bool ok = ae_workspace_create_forward(&made->workspaces[t], model->network, longest,
                                                  longest, model->kernels) == AE_OK;
#pragma omp atomic
            ready += ok;
        }
    }
    if (ready == threads) return AE_OK;
    ae_tiles_destroy(tiles);
    return ae_fail(AE_FAILED,
                   "%d of %d threads could be started with memory for tiles of %d x %d; make tiles "
                   "or OMP_NUM_THREADS smaller",
                   ready, threads, longest, longest);
}

void ae_tiles_destroy(ae_tiles **tiles) {
    if (!*tiles) return;
    for (int t = 0; (*tiles)->workspaces && t < (*tiles)->threads; ++t)
        ae_workspace_destroy(&(*tiles)->workspaces[t]);
    free((*tiles)->workspaces);
    free(*tiles);
    *tiles = NULL;
}

int ae_tiles_side(const ae_tiles *tiles) {
    return tiles->side;
}

/* ---- one tile ---- */

/* Rows and columns past the picture's last repeat it. */
static void load_tile(const ae_planes *tile, const ae_tile_ends *ends, span rows, span columns,
                      int height, int width) {
    const int end = columns.end < width ? columns.end : width, there = end - columns.begin;
    for (int c = 0; c < tile->channels; ++c)
        for (int h = rows.begin; h < rows.end; ++h) {
            float *row = ae_planes_row(tile, c, h - rows.begin);
            ends->load(row, ends->from, c, h < height ? h : height - 1, columns.begin, end);
            for (int w = there; w < columns.end - columns.begin; ++w) row[w] = row[there - 1];
        }
}

/* The part of the output that is neither margin nor beyond the picture. */
static void store_tile(const ae_tile_ends *ends, const ae_planes *tile, span rows, span columns,
                       span in_rows, span in_columns) {
    ae_planes part = *tile;
    part.data =
        ae_planes_row(tile, 0, rows.begin - in_rows.begin) + columns.begin - in_columns.begin;
    part.height = rows.end - rows.begin;
    part.width = columns.end - columns.begin;
    ends->store(ends->to, &part, rows.begin, columns.begin);
}

static void run_tile(const ae_tiles *tiles, ae_workspace *workspace, const ae_tile_ends *ends,
                     int height, int width, span rows, span columns) {
    const ae_network *network = tiles->model->network;
    const ae_graph *graph = ae_network_graph(network);
    const span in_rows = input_span(network, rows, ae_graph_side(graph, height));
    const span in_columns = input_span(network, columns, ae_graph_side(graph, width));
    ae_workspace_resize(workspace, in_rows.end - in_rows.begin, in_columns.end - in_columns.begin);
    load_tile(ae_workspace_input(workspace, 0), ends, in_rows, in_columns, height, width);
    ae_network_forward(workspace, tiles->model->packed, 1);
    store_tile(ends, ae_workspace_output(workspace, 0), rows, columns, in_rows, in_columns);
}

/* ---- all tiles ---- */

bool ae_tiles_fit(const ae_network *network, int height, int width) {
    const ae_graph *graph = ae_network_graph(network);
    ae_shape shapes[AE_NODES_MAX + 1];
    const ae_shape *last = &shapes[graph->count];
    height = ae_graph_side(graph, height);
    width = ae_graph_side(graph, width);
    return ae_graph_shapes(graph, shapes, height, width) == graph->count &&
           last->height == height && last->width == width;
}

void ae_tiles_needed(const ae_network *network, int height, int *begin, int *end) {
    const span rows =
        input_span(network, (span){*begin, *end}, ae_graph_side(ae_network_graph(network), height));
    *begin = rows.begin < height ? rows.begin : height - 1;
    *end = rows.end < height ? rows.end : height;
}

/* The `index`-th of a length's tiles from `first` on. */
static span tile_span(int first, int length, int side, int index) {
    const int begin = first + index * side, end = first + length;
    return (span){begin, begin + side < end ? begin + side : end};
}

bool ae_tiles_apply_rows(ae_tiles *tiles, const ae_tile_ends *ends, int begin, int end, int height,
                         int width) {
    const int side = tiles->side, rows = end - begin;
    const int across = (width + side - 1) / side, down = (rows + side - 1) / side;
#pragma omp parallel for schedule(dynamic) num_threads(tiles->threads)
    for (int t = 0; t < across * down; ++t) {
        if (ae_stop_requested()) continue;
        run_tile(tiles, tiles->workspaces[omp_get_thread_num()], ends, height, width,
                 tile_span(begin, rows, side, t / across), tile_span(0, width, side, t % across));
        ae_watchdog_progress();
    }
    return !ae_stop_requested();
}

/* ---- from and to planes ---- */

static void load_row(float *row, const void *from, int channel, int h, int begin, int end) {
    const ae_strip *in = from;
    memcpy(row, ae_planes_row(&in->planes, channel, h - in->first) + begin,
           (size_t)(end - begin) * sizeof *row);
}

static void store_rows(void *to, const ae_planes *tile, int h, int w) {
    const ae_strip *out = to;
    for (int c = 0; c < tile->channels; ++c)
        for (int row = 0; row < tile->height; ++row)
            memcpy(ae_planes_row(&out->planes, c, h + row - out->first) + w,
                   ae_planes_row(tile, c, row), (size_t)tile->width * sizeof(float));
}

bool ae_tiles_apply_strip(ae_tiles *tiles, const ae_strip *out, const ae_strip *in, int height) {
    ae_strip to = *out;
    const ae_tile_ends ends = {load_row, store_rows, in, &to};
    return ae_tiles_apply_rows(tiles, &ends, out->first, out->first + out->planes.height, height,
                               in->planes.width);
}

bool ae_tiles_apply(ae_tiles *tiles, const ae_planes *out, const ae_planes *in) {
    return ae_tiles_apply_strip(tiles, &(ae_strip){0, *out}, &(ae_strip){0, *in}, in->height);
}
