/* ae_bench: the kernels and other work of one core, and its memory. */
#include <stdio.h>

#include "base/fixed.h"
#include "bench.h"
#include "data/dataset.h"
#include "metrics/metrics.h"

enum { MEMORY_BYTES = 192 * 1000 * 1000 /* more than a core's share of any cache */ };

/* What the tasks work on. */
typedef struct bench {
    const ae_bench_task *task; /* borrowed */
    ae_bench_core *core;       /* borrowed; what is found */
    ae_team *team;             /* of this thread alone */
    ae_member *member;         /* its only one */
    double peak_work;          /* multiply-adds of a call */
} bench;

/* The tasks. */

static void task_peak(void *context) {
    bench *b = context;
    b->peak_work = b->task->model.kernels->multiply_adds(100000);
}

static size_t pixels_of(const bench *b) {
    return ae_shape_values(b->task->picture);
}

static void task_normals(void *context) {
    bench *b = context;
    b->task->model.kernels->normals(b->member->normals, (pixels_of(b) + 3) / 4,
                                    (ae_stream){.purpose = AE_RANDOM_TEST_NOISE});
}

static void task_from_bytes(void *context) {
    bench *b = context;
    b->task->model.kernels->from_bytes(ae_workspace_target(b->member->workspace, 0),
                                       b->task->pixels);
}

static void task_add_noise(void *context) {
    bench *b = context;
    b->task->model.kernels->add_noise(ae_workspace_input(b->member->workspace, 0),
                                      ae_workspace_target(b->member->workspace, 0),
                                      b->member->normals, 0.1f, -1, 1);
}

static void task_loss(void *context) {
    bench *b = context;
    ae_network_loss(b->member->workspace, 0, (ae_criterion){.loss = AE_LOSS_MSE});
}

static void task_sigmoid(void *context) {
    bench *b = context;
    b->task->model.kernels->sigmoid(ae_workspace_output(b->member->workspace, 0));
}

static void task_fixed(void *context) {
    bench *b = context;
    b->task->model.kernels->add_fixed(b->member->sums, ae_network_end_block(b->member->workspace),
                                      ae_network_size(b->task->model.network), AE_FIXED_K,
                                      b->task->step.bound);
}

static void task_ssim(void *context) {
    bench *b = context;
    ae_metrics_ssim(b->task->model.kernels, ae_workspace_output(b->member->workspace, 0),
                    ae_workspace_target(b->member->workspace, 0), 1);
}

static void task_image(void *context) {
    bench *b = context;
    ae_team_train_block(b->team, b->member, &b->task->step, 0);
}

/* What is measured. */

static void add_values(bench *b, const char *name, void (*task)(void *), size_t values) {
    ae_bench_add(b->core, name, ae_bench_time(task, b), (double)values);
}

/* The whole way of an image, of a block's together. */
static void add_image(bench *b) {
    const ae_network *network = b->task->model.network;
    const int height = b->task->picture.height, width = b->task->picture.width;
    ae_bench_figure *f = ae_bench_add(b->core, "image, noise to fixed point",
                                      ae_bench_time(task_image, b) / (double)b->task->block,
                                      ae_network_step_work(network, height, width));
    f->multiplications = ae_network_step_multiplications(network, height, width);
}

/* Everything that one core does alone, but for its memory. */
static ae_status measure_figures(bench *b) {
    const size_t values = pixels_of(b);
    double seconds = ae_bench_time(task_peak, b);
    b->core->peak = b->peak_work / seconds;
    ae_status status = ae_bench_layers_measure(b->core, b->task);
    if (status != AE_OK) return status;
    add_image(b);
    ae_bench_nodes_measure(b->core, b->team, b->task);
    add_values(b, "normal deviates", task_normals, values);
    add_values(b, "bytes to floats", task_from_bytes, values);
    add_values(b, "adding noise", task_add_noise, values);
    add_values(b, "sigmoid", task_sigmoid, values);
    add_values(b, "loss and its gradient", task_loss, values);
    add_values(b, "fixed point", task_fixed, ae_network_size(b->task->model.network));
    add_values(b, "SSIM", task_ssim, values);
    return AE_OK;
}

/* Fills streams[AE_BENCH_STREAMS]. Local. */
static ae_status measure_streams(ae_bench_stream_rate *streams, const ae_bench_task *task) {
    streams[0] = (ae_bench_stream_rate){
        .name = "a thread's memory",
        .bytes = (double)ae_member_bytes(&task->model, task->picture, task->block)};
    streams[1] = (ae_bench_stream_rate){.name = "main memory", .bytes = MEMORY_BYTES};
    for (int i = 0; i < AE_BENCH_STREAMS; ++i) {
        streams[i].bytes_per_s = ae_bench_stream(streams[i].bytes, AE_BENCH_CORE_ROUNDS);
        if (streams[i].bytes_per_s <= 0) return ae_fail_memory("the measurement of the memory");
    }
    return AE_OK;
}

ae_status ae_bench_core_measure(ae_bench_core *core, ae_comm *comm, const ae_bench_task *task) {
    bench b = {.task = task, .core = core};
    core->figure_count = 0;
    ae_status status = ae_team_create(&b.team, &task->model, task->picture, task->block, 1);
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    b.member = &b.team->members[0];
    status = ae_comm_agree(comm, measure_figures(&b));
    if (status == AE_OK) status = ae_comm_agree(comm, measure_streams(core->streams, task));
    ae_team_destroy(&b.team);
    return status;
}

/* What is told. */

static void print_figure(const ae_bench_figure *f, double peak) {
    const double rate = f->work / f->seconds;
    char layers[16] = "", at[32] = "";
    if (f->layers > 0) {
        snprintf(layers, sizeof layers, "%d", f->layers);
        snprintf(at, sizeof at, "%dx%d", f->height, f->width);
    }
    printf("%-42s %6s %9s %9.2f", f->name, layers, at, f->seconds * 1e6);
    if (f->multiplications > 0)
        printf(" %7.1f %9.1f %7.1f\n", rate / 1e9, 100 * rate / peak,
               100 * f->multiplications / f->seconds / peak);
    else
        printf(" %7.3f ns a value\n", 1e9 / rate);
}

static void print_figures(const ae_bench_core *core, const ae_bench_task *task) {
    printf("peak  %.1f G multiply-adds/s on one core, kernels %s\n\n", core->peak / 1e9,
           task->model.kernels->name);
    printf("%-42s %6s %9s %9s %7s %9s %7s\n", "a picture's part of a call", "layers", "at", "us",
           "G/s", "of peak %", "done %");
    for (int i = 0; i < core->figure_count; ++i) print_figure(&core->figures[i], core->peak);
}

static void print_nodes(const ae_bench_core *core) {
    double sum = 0;
    printf("\n%-42s %10s %10s %10s\n", "in the step, us of an image", "forward", "activation",
           "backward");
    for (int n = 0; n < core->node_count; ++n) {
        const ae_bench_node *node = &core->nodes[n];
        printf("%-42s", node->layer);
        for (int pass = 0; pass < AE_PASSES; ++pass) {
            printf(" %10.2f", node->seconds[pass] * 1e6);
            sum += node->seconds[pass];
        }
        printf("\n");
    }
    printf("%-42s %10.2f\n", "all of them", sum * 1e6);
}

static void print_streams(const ae_bench_stream_rate *streams) {
    printf("\n%-42s %9s %9s\n", "triad on one core, over", "MB", "GB/s");
    for (int i = 0; i < AE_BENCH_STREAMS; ++i)
        printf("%-42s %9.2f %9.1f\n", streams[i].name, streams[i].bytes / 1e6,
               streams[i].bytes_per_s / 1e9);
    printf("\n");
}

void ae_bench_core_print(const ae_bench_core *core, const ae_bench_task *task) {
    print_figures(core, task);
    print_nodes(core);
    print_streams(core->streams);
}
