/* ae_bench: the kernels and other work of one core, and its memory. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fixed.h"
#include "base/memory.h"
#include "base/timer.h"
#include "bench.h"
#include "data/dataset.h"
#include "metrics/metrics.h"

enum {
    ROUNDS = 7,
    MEMORY_BYTES = 192 * 1000 * 1000 /* more than a core's share of any cache */
};

/* What the tasks work on. */
typedef struct bench {
    const ae_bench_task *task; /* borrowed */
    ae_bench_core *core;       /* borrowed; what is found */
    ae_team *team;             /* of this thread alone */
    ae_member *member;         /* its only one */
    float *gradient, *scratch;
    int node; /* the one a kernel's task is about */
    ae_planes in, out, below;
} bench;

/* Median time of a call of task(b), in seconds, over rounds of about 10 ms. */
static double time_task(bench *b, void (*task)(bench *)) {
    double seconds[ROUNDS];
    long calls = 1;
    for (int round = -1; round < ROUNDS; ++round) { /* round -1 finds the number of calls */
        double begin_s = ae_now_s(), spent_s;
        long done = 0;
        do {
            for (long c = 0; c < calls; ++c) task(b);
            done += calls;
            spent_s = ae_now_s() - begin_s;
        } while (round < 0 && spent_s < 0.01);
        if (round < 0)
            calls = done;
        else
            seconds[round] = spent_s / (double)calls;
    }
    return ae_bench_median(seconds, ROUNDS);
}

static ae_bench_figure *add_figure(bench *b, const char *name, double seconds, double work,
                                   bool is_value) {
    ae_bench_figure *f = &b->core->figures[b->core->figure_count++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->seconds = seconds;
    f->work = work;
    f->is_value = is_value;
    f->bytes = 0;
    return f;
}

/* The tasks. */

enum { PEAK_ROUNDS = 100000 };
static double peak_work;

static void task_peak(bench *b) {
    peak_work = b->task->model.kernels->multiply_adds(PEAK_ROUNDS);
}

static const ae_conv *conv_of(const bench *b) {
    return &ae_network_graph(b->task->model.network)->node[b->node].conv;
}

static void task_forward(bench *b) {
    const ae_epilogue relu = {.kind = AE_EPILOGUE_RELU};
    b->task->model.kernels->conv_forward(&b->out, &b->in, 1, conv_of(b), b->task->model.packed,
                                         b->task->model.packed, &relu, b->scratch);
}

static void task_backward(bench *b) {
    const ae_epilogue gate = {.kind = AE_EPILOGUE_GATE, .gate = &b->in};
    b->task->model.kernels->conv_backward(&b->below, &b->out, 1, conv_of(b), b->task->model.packed,
                                          &gate, b->scratch);
}

static void task_weights(bench *b) {
    b->task->model.kernels->conv_weights(b->gradient, &b->in, &b->out, 1, conv_of(b), b->scratch);
    b->task->model.kernels->sum_pixels(b->gradient, &b->out); /* the bias's */
}

static size_t pixels_of(const bench *b) {
    return ae_shape_values(b->task->picture);
}

static void task_normals(bench *b) {
    b->task->model.kernels->normals(b->member->normals, (pixels_of(b) + 3) / 4,
                                    (ae_stream){.purpose = AE_RANDOM_TEST_NOISE});
}

static void task_from_bytes(bench *b) {
    b->task->model.kernels->from_bytes(ae_workspace_target(b->member->workspace, 0),
                                       b->task->pixels);
}

static void task_add_noise(bench *b) {
    b->task->model.kernels->add_noise(ae_workspace_input(b->member->workspace, 0),
                                      ae_workspace_target(b->member->workspace, 0),
                                      b->member->normals, 0.1f, -1, 1);
}

static void task_loss(bench *b) {
    ae_network_loss(b->member->workspace, 0, AE_LOSS_MSE);
}

static void task_sigmoid(bench *b) {
    b->task->model.kernels->sigmoid(ae_workspace_output(b->member->workspace, 0));
}

static void task_fixed(bench *b) {
    b->task->model.kernels->add_fixed(b->member->sums, ae_network_end_block(b->member->workspace),
                                      ae_network_size(b->task->model.network), AE_FIXED_K,
                                      b->task->step.bound);
}

static void task_ssim(bench *b) {
    ae_metrics_ssim(b->task->model.kernels, ae_workspace_output(b->member->workspace, 0),
                    ae_workspace_target(b->member->workspace, 0), 1);
}

static void task_image(bench *b) {
    ae_team_train_block(b->team, b->member, &b->task->step, 0);
}

/* What is measured. */

static ae_planes make_planes(int channels, int height, int width, int halo) {
    float *memory = ae_calloc(ae_planes_floats(channels, height, width, halo), sizeof *memory);
    if (!memory) {
        fprintf(stderr, "ae_bench: no memory\n");
        exit(AE_FAILED);
    }
    return ae_planes_view(memory, channels, height, width, halo);
}

/* The memory lies before the first element: a vector of zeros and the halo rows. */
static void free_planes(ae_planes *planes, int halo) {
    free(planes->data - (ptrdiff_t)halo * planes->row_stride - AE_LANES);
}

static void make_images(bench *b, const ae_conv *conv, const ae_shape *in, const ae_shape *out,
                        int halo) {
    b->in = make_planes(in->channels, in->height, in->width, halo);
    b->below = make_planes(in->channels, in->height, in->width, halo);
    b->out = make_planes(out->channels, out->height, out->width, halo);
    b->scratch = ae_calloc(b->task->model.kernels->conv_scratch(conv, in->height, in->width),
                           sizeof *b->scratch);
    if (b->scratch) return;
    fprintf(stderr, "ae_bench: no memory\n");
    exit(AE_FAILED);
}

static double values_of(const ae_shape *shape) {
    return (double)shape->channels * shape->height * shape->width;
}

/* The kernels of one convolution, added to `all`. */
static void measure_conv(bench *b, ae_bench_figure *all, const ae_shape *shapes) {
    const ae_node *node = &ae_network_graph(b->task->model.network)->node[b->node];
    const ae_conv *conv = &node->conv;
    const ae_shape *in = &shapes[node->input[0]], *out = &shapes[b->node + 1];
    const int halo = ae_conv_halo(conv);
    const double work = ae_conv_work(conv, in->height, in->width);
    const double images = values_of(in) + values_of(out);
    const struct {
        const char *name;
        void (*task)(bench *);
        double gate; /* values of the image that it reads besides */
    } tasks[] = {{"forward", task_forward, 0},
                 {"weight gradient", task_weights, 0},
                 {"data gradient", task_backward, values_of(in)}};
    make_images(b, conv, in, out, halo);
    for (int t = 0; t < (node->input[0] == 0 ? 2 : 3); ++t) { /* the pictures have no gradient */
        char name[64];
        snprintf(name, sizeof name, "%s %d->%d %s", conv->transposed ? "tconv" : "conv",
                 conv->in_channels, conv->out_channels, tasks[t].name);
        ae_bench_figure *f = add_figure(b, name, time_task(b, tasks[t].task), work, false);
        f->bytes = sizeof(float) * (images + tasks[t].gate + (double)ae_conv_weights(conv));
        all->seconds += f->seconds;
        all->work += f->work;
        all->bytes += f->bytes;
    }
    free(b->scratch);
    free_planes(&b->in, halo), free_planes(&b->below, halo), free_planes(&b->out, halo);
}

/* The kernels of each layer; returns the useful multiply-adds of an image's training step. */
static double measure_layers(bench *b) {
    const ae_graph *graph = ae_network_graph(b->task->model.network);
    ae_shape shapes[AE_NODES_MAX + 1];
    ae_bench_figure all = {0};
    ae_graph_shapes(graph, shapes, ae_graph_side(graph, b->task->picture.height),
                    ae_graph_side(graph, b->task->picture.width));
    for (b->node = 0; b->node < graph->count; ++b->node)
        if (graph->node[b->node].kind == AE_NODE_CONV) measure_conv(b, &all, shapes);
    add_figure(b, "all kernels of an image", all.seconds, all.work, false)->bytes = all.bytes;
    return all.work;
}

/* Everything that one core does alone, but for its memory. */
static void measure_figures(bench *b) {
    double seconds = time_task(b, task_peak);
    b->core->peak = peak_work / seconds;
    double work = measure_layers(b);
    add_figure(b, "image, noise to fixed point", time_task(b, task_image), work, false);
    const double pixels = (double)pixels_of(b);
    add_figure(b, "normal deviates", time_task(b, task_normals), pixels, true);
    add_figure(b, "bytes to floats", time_task(b, task_from_bytes), pixels, true);
    add_figure(b, "adding noise", time_task(b, task_add_noise), pixels, true);
    add_figure(b, "sigmoid", time_task(b, task_sigmoid), pixels, true);
    add_figure(b, "loss and its gradient", time_task(b, task_loss), pixels, true);
    add_figure(b, "fixed point", time_task(b, task_fixed),
               (double)ae_network_size(b->task->model.network), true);
    add_figure(b, "SSIM", time_task(b, task_ssim), pixels, true);
}

/* Fills streams[AE_BENCH_STREAMS]. Local. */
static ae_status measure_streams(ae_bench_stream_rate *streams, const ae_bench_task *task) {
    streams[0] = (ae_bench_stream_rate){
        .name = "a thread's memory",
        .bytes = (double)ae_workspace_bytes(task->model.network, task->model.kernels, 1,
                                            task->picture.height, task->picture.width)};
    streams[1] = (ae_bench_stream_rate){.name = "main memory", .bytes = MEMORY_BYTES};
    for (int i = 0; i < AE_BENCH_STREAMS; ++i) {
        streams[i].bytes_per_s = ae_bench_stream(streams[i].bytes, ROUNDS);
        if (streams[i].bytes_per_s <= 0) return ae_fail_memory("the measurement of the memory");
    }
    return AE_OK;
}

/* Buffers of this rank's core; to be released whatever is returned. */
static ae_status create_buffers(bench *b) {
    b->gradient = ae_calloc(ae_network_size(b->task->model.network), sizeof *b->gradient);
    if (!b->gradient) return ae_fail_memory("the measurements");
    ae_status status = ae_team_create(&b->team, &b->task->model, b->task->picture, 1, 1);
    if (status == AE_OK) b->member = &b->team->members[0];
    return status;
}

static void free_buffers(bench *b) {
    ae_team_destroy(&b->team);
    free(b->gradient);
}

ae_status ae_bench_core_measure(ae_bench_core *core, ae_comm *comm, const ae_bench_task *task) {
    bench b = {.task = task, .core = core};
    core->figure_count = 0;
    ae_status status = ae_comm_agree(comm, create_buffers(&b));
    if (status == AE_OK) {
        measure_figures(&b);
        status = ae_comm_agree(comm, measure_streams(core->streams, task));
    }
    free_buffers(&b);
    return status;
}

/* What is told. */

static void print_figures(const ae_bench_core *core, const ae_bench_task *task) {
    printf("peak  %.1f G multiply-adds/s on one core, kernels %s\n\n", core->peak / 1e9,
           task->model.kernels->name);
    printf("%-32s %9s %9s %9s\n", "", "us", "G/s", "% of peak");
    for (int i = 0; i < core->figure_count; ++i) {
        const ae_bench_figure *f = &core->figures[i];
        double rate = f->work / f->seconds;
        if (f->is_value)
            printf("%-32s %9.2f %9.3f ns a value\n", f->name, f->seconds * 1e6, 1e9 / rate);
        else
            printf("%-32s %9.2f %9.1f %9.1f\n", f->name, f->seconds * 1e6, rate / 1e9,
                   100 * rate / core->peak);
    }
}

static void print_streams(const ae_bench_stream_rate *streams) {
    printf("\n%-32s %9s %9s\n", "triad on one core, over", "MB", "GB/s");
    for (int i = 0; i < AE_BENCH_STREAMS; ++i)
        printf("%-32s %9.2f %9.1f\n", streams[i].name, streams[i].bytes / 1e6,
               streams[i].bytes_per_s / 1e9);
    printf("\n");
}

void ae_bench_core_print(const ae_bench_core *core, const ae_bench_task *task) {
    print_figures(core, task);
    print_streams(core->streams);
}
