/* ae_bench: how fast this processor does the program's work, against its own peak in the same run.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "comm/comm.h"
#include "comm/placement.h"
#include "config/config.h"
#include "data/dataset.h"
#include "kernels/kernels.h"
#include "metrics/metrics.h"
#include "nn/network.h"
#include "train/trainer.h"

enum {
    ROUNDS = 7,
    FIGURES = 3 * AE_LAYERS_MAX + 16,
    MESSAGE_EXTRAS = 5 /* of a step's reduction */
};

/* The reference network on a batch of 100, from pictures made by the program. */
static const char ini[] = "[data]\nsource = deadleaves\ntrain_images = 2000\ntest_images = 10\n"
                          "[train]\nbatch = 100\n[noise]\nsigma = 0.1\n";

/* One line of the report. */
typedef struct figure {
    char name[64];
    double seconds; /* median of the rounds, of one call */
    double work;    /* useful multiply-adds of a call, or values; 0: neither */
    bool is_value;  /* work counts values */
} figure;

typedef struct bench {
    const ae_kernels *kernels;
    const ae_network *network;
    ae_workspace *workspace;
    float *packed, *normals;
    int64_t *sums;
    uint8_t bytes[AE_IMAGE_PIXELS];
    float *gradient, *scratch;
    int layer; /* the one a kernel's task is about */
    ae_planes in, out, below;
    double peak;    /* multiply-adds a second of this core, found in this run */
    double image_s; /* one image's share of a step on this core */
    figure figures[FIGURES];
    int count;
} bench;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

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
    qsort(seconds, ROUNDS, sizeof *seconds, by_value);
    return seconds[ROUNDS / 2];
}

static figure *add_figure(bench *b, const char *name, double seconds, double work, bool is_value) {
    figure *f = &b->figures[b->count++];
    snprintf(f->name, sizeof f->name, "%s", name);
    f->seconds = seconds;
    f->work = work;
    f->is_value = is_value;
    return f;
}

/* The tasks. */

enum { PEAK_ROUNDS = 100000 };
static double peak_work;

static void task_peak(bench *b) {
    peak_work = b->kernels->multiply_adds(PEAK_ROUNDS);
}

static const ae_layer *layer_of(const bench *b) {
    return &ae_network_layers(b->network)->layer[b->layer];
}

static void task_forward(bench *b) {
    const ae_layer *l = layer_of(b);
    b->kernels->correlate(&b->out, &b->in, b->packed, b->packed, l->kernel,
                          l->transposed ? AE_WINDOW_FULL : AE_WINDOW_VALID, AE_EPILOGUE_RELU, NULL);
}

static void task_backward(bench *b) {
    const ae_layer *l = layer_of(b);
    b->kernels->correlate(&b->below, &b->out, b->packed, NULL, l->kernel,
                          l->transposed ? AE_WINDOW_VALID : AE_WINDOW_FULL, AE_EPILOGUE_GATE,
                          &b->in);
}

static void task_weights(bench *b) {
    const ae_layer *l = layer_of(b);
    b->kernels->correlate_gradient(b->gradient, l->transposed ? &b->in : &b->out,
                                   l->transposed ? &b->out : &b->in, l->kernel, b->scratch);
}

static void task_normals(bench *b) {
    b->kernels->normals(b->normals, AE_IMAGE_PIXELS / 4,
                        (ae_stream){.purpose = AE_RANDOM_TEST_NOISE});
}

static void task_from_bytes(bench *b) {
    b->kernels->from_bytes(ae_workspace_target(b->workspace), b->bytes);
}

static void task_add_noise(bench *b) {
    b->kernels->add_noise(ae_workspace_input(b->workspace), ae_workspace_target(b->workspace),
                          b->normals, 0.1f, -1, 1);
}

static void task_loss(bench *b) {
    ae_network_loss(b->workspace, AE_LOSS_MSE);
}

static void task_sigmoid(bench *b) {
    b->kernels->sigmoid(ae_workspace_output(b->workspace));
}

static void task_fixed(bench *b) {
    size_t size = ae_network_size(b->network);
    b->kernels->add_fixed(b->sums, ae_network_end_block(b->workspace), size, AE_FIXED_K,
                          ae_fixed_bound(AE_FIXED_K, 100));
}

static void task_ssim(bench *b) {
    ae_metrics_ssim(b->kernels, ae_workspace_output(b->workspace),
                    ae_workspace_target(b->workspace), 1);
}

static void task_image(bench *b) {
    task_from_bytes(b);
    task_normals(b);
    task_add_noise(b);
    ae_network_begin_block(b->workspace);
    ae_network_forward(b->workspace, b->packed);
    ae_network_backward(b->workspace, b->packed, AE_LOSS_MSE);
    task_fixed(b);
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

static float *make_scratch(const ae_layer *l) {
    const int channels = l->in_channels > l->out_channels ? l->in_channels : l->out_channels;
    size_t floats = ae_gradient_scratch(channels, channels, l->in_height, l->in_width);
    size_t other = ae_gradient_scratch(channels, channels, l->out_height, l->out_width);
    float *scratch = ae_calloc(floats > other ? floats : other, sizeof *scratch);
    if (!scratch) {
        fprintf(stderr, "ae_bench: no memory\n");
        exit(AE_FAILED);
    }
    return scratch;
}

/* The kernels of each layer; returns the useful multiply-adds of an image's training step. */
static double measure_layers(bench *b) {
    const ae_layers *layers = ae_network_layers(b->network);
    double total = 0, seconds = 0;
    for (b->layer = 0; b->layer < layers->count; ++b->layer) {
        const ae_layer *l = layer_of(b);
        int halo = l->kernel - 1;
        double taps = (double)l->in_channels * l->out_channels * l->kernel * l->kernel;
        double work =
            taps * (l->transposed ? l->in_height * l->in_width : l->out_height * l->out_width);
        b->in = make_planes(l->in_channels, l->in_height, l->in_width, halo);
        b->below = make_planes(l->in_channels, l->in_height, l->in_width, halo);
        b->out = make_planes(l->out_channels, l->out_height, l->out_width, halo);
        b->scratch = make_scratch(l);
        const struct {
            const char *name;
            void (*task)(bench *);
        } tasks[] = {{"forward", task_forward},
                     {"weight gradient", task_weights},
                     {"data gradient", task_backward}};
        for (int t = 0; t < (b->layer == 0 ? 2 : 3); ++t) { /* the images have no gradient */
            char name[64];
            snprintf(name, sizeof name, "%s %d->%d %s", l->transposed ? "tconv" : "conv",
                     l->in_channels, l->out_channels, tasks[t].name);
            seconds += add_figure(b, name, time_task(b, tasks[t].task), work, false)->seconds;
            total += work;
        }
        free(b->scratch);
        free_planes(&b->in, halo), free_planes(&b->below, halo), free_planes(&b->out, halo);
    }
    add_figure(b, "all kernels of an image", seconds, total, false);
    return total;
}

/* Everything that one core does alone; returns an image's useful multiply-adds. */
static double measure_core(bench *b) {
    double seconds = time_task(b, task_peak);
    b->peak = peak_work / seconds;
    double work = measure_layers(b);
    b->image_s = time_task(b, task_image);
    add_figure(b, "image, noise to fixed point", b->image_s, work, false);
    const double pixels = AE_IMAGE_PIXELS;
    add_figure(b, "normal deviates", time_task(b, task_normals), pixels, true);
    add_figure(b, "bytes to floats", time_task(b, task_from_bytes), pixels, true);
    add_figure(b, "adding noise", time_task(b, task_add_noise), pixels, true);
    add_figure(b, "sigmoid", time_task(b, task_sigmoid), pixels, true);
    add_figure(b, "loss and its gradient", time_task(b, task_loss), pixels, true);
    add_figure(b, "fixed point", time_task(b, task_fixed), (double)ae_network_size(b->network),
               true);
    add_figure(b, "SSIM", time_task(b, task_ssim), pixels, true);
    return work;
}

static void print_figures(const bench *b) {
    printf("peak  %.1f G multiply-adds/s on one core, kernels %s\n\n", b->peak / 1e9,
           b->kernels->name);
    printf("%-32s %9s %9s %9s\n", "", "us", "G/s", "% of peak");
    for (int i = 0; i < b->count; ++i) {
        const figure *f = &b->figures[i];
        double rate = f->work / f->seconds;
        if (f->is_value)
            printf("%-32s %9.2f %9.3f ns a value\n", f->name, f->seconds * 1e6, 1e9 / rate);
        else
            printf("%-32s %9.2f %9.1f %9.1f\n", f->name, f->seconds * 1e6, rate / 1e9,
                   100 * rate / b->peak);
    }
}

/* The whole step on all ranks, and the reduction. */
typedef struct parallel {
    int ranks, threads;
    double images_per_s, efficiency; /* against this many single cores */
    double allreduce_s;
    int64_t message; /* int64 values */
} parallel;

static ae_status measure_parallel(parallel *p, bench *b, ae_comm *comm, const ae_config *config) {
    enum { STEPS = 60, REDUCTIONS = 301 };
    ae_trainer *trainer = NULL;
    double seconds[ROUNDS], one[REDUCTIONS];
    ae_status status = ae_trainer_create(&trainer, comm, config);
    for (int r = 0; r < ROUNDS && status == AE_OK; ++r)
        status = ae_trainer_measure(trainer, STEPS, &seconds[r]);
    ae_trainer_destroy(&trainer);
    if (status) return status;
    qsort(seconds, ROUNDS, sizeof *seconds, by_value);
    ae_placement placement = ae_placement_find(comm);
    p->ranks = ae_comm_size(comm);
    p->threads = placement.total_threads;
    p->images_per_s = STEPS * (double)ae_config_settings(config)->train.batch / seconds[ROUNDS / 2];
    p->efficiency = p->images_per_s * b->image_s / p->threads;
    p->message = (int64_t)ae_network_size(b->network) + MESSAGE_EXTRAS;
    for (int r = 0; r < REDUCTIONS; ++r) {
        double begin_s = ae_now_s();
        ae_comm_sum(comm, b->sums, (int)p->message);
        one[r] = ae_now_s() - begin_s;
    }
    qsort(one, REDUCTIONS, sizeof *one, by_value);
    p->allreduce_s = one[REDUCTIONS / 2];
    return AE_OK;
}

static void print_parallel(const parallel *p, const bench *b, double work) {
    printf(
        "\nstep of %d rank%s, %d thread%s in all: %.0f images/s, %.1f %% of as many cores' peak, "
        "%.1f %% of as many images alone\n",
        p->ranks, p->ranks == 1 ? "" : "s", p->threads, p->threads == 1 ? "" : "s", p->images_per_s,
        100 * p->images_per_s * work / (p->threads * b->peak), 100 * p->efficiency);
    printf("allreduce of %lld int64: %.1f us\n", (long long)p->message, p->allreduce_s * 1e6);
}

static ae_status write_json(const char *path, const bench *b, const parallel *p, double work) {
    FILE *file = fopen(path, "w");
    if (!file) return ae_fail(AE_ERROR_IO, "can't write %s; choose another --json", path);
    fprintf(file,
            "{\"kernels\": \"%s\", \"peak_multiply_adds_per_s\": %.6g, "
            "\"multiply_adds_per_image\": %.0f,\n \"ranks\": %d, \"threads\": %d, "
            "\"images_per_s\": %.6g, \"efficiency\": %.6g, \"allreduce_s\": %.6g,\n \"figures\": [",
            b->kernels->name, b->peak, work, p->ranks, p->threads, p->images_per_s, p->efficiency,
            p->allreduce_s);
    for (int i = 0; i < b->count; ++i) {
        const figure *f = &b->figures[i];
        fprintf(file, "%s\n  {\"name\": \"%s\", \"seconds\": %.6g, \"%s\": %.0f}", i ? "," : "",
                f->name, f->seconds, f->is_value ? "values" : "multiply_adds", f->work);
    }
    fprintf(file, "\n ]}\n");
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return ae_fail(AE_ERROR_IO, "can't write %s; is its disk full?", path);
    return AE_OK;
}

/* Workspace and buffers of this rank's core. */
static ae_status prepare(bench *b, ae_network **network, const ae_config *config) {
    ae_layers layers;
    int level;
    ae_status status =
        ae_layers_parse(&layers, ae_config_settings(config)->model.layers, "model.layers",
                        AE_IMAGE_CHANNELS, AE_IMAGE_HEIGHT, AE_IMAGE_WIDTH);
    if (status == AE_OK) status = ae_network_create(network, &layers);
    if (status == AE_OK) status = ae_kernels_find(&level);
    if (status) return status;
    b->network = *network;
    b->kernels = ae_kernels_at(level);
    size_t size = ae_network_size(*network);
    float *parameters = ae_calloc(size, sizeof *parameters);
    b->packed = ae_calloc(ae_network_packed_size(*network), sizeof *b->packed);
    b->normals = ae_calloc(AE_IMAGE_PIXELS, sizeof *b->normals);
    b->sums = ae_calloc(size + MESSAGE_EXTRAS, sizeof *b->sums);
    b->gradient = ae_calloc(size, sizeof *b->gradient);
    if (!parameters || !b->packed || !b->normals || !b->sums || !b->gradient ||
        ae_workspace_create(&b->workspace, *network, b->kernels))
        status = ae_fail_memory("the measurements");
    else {
        ae_network_initialize(*network, parameters, 0);
        ae_network_pack(*network, b->packed, parameters);
        for (int i = 0; i < AE_IMAGE_PIXELS; ++i) b->bytes[i] = (uint8_t)(i * 37);
    }
    free(parameters);
    return status;
}

/* Collective. */
static ae_status run(ae_comm *comm, const char *json) {
    static bench b;
    ae_config *config = NULL;
    ae_network *network = NULL;
    parallel p = {0};
    double work = 0;
    ae_status status = ae_config_create(&config, "bench.ini", ini, sizeof ini - 1, NULL, 0);
    if (status == AE_OK) status = prepare(&b, &network, config);
    status = ae_comm_agree(comm, status);
    if (status) goto done;
    work = measure_core(&b); /* every rank at once: each core as it is with the others at work */
    status = measure_parallel(&p, &b, comm, config);
    if (status || !ae_log_is_speaker()) goto done;
    print_figures(&b);
    print_parallel(&p, &b, work);
    if (json) status = write_json(json, &b, &p, work);
done:
    if (status) ae_report_error();
    ae_workspace_destroy(&b.workspace);
    ae_network_destroy(&network);
    ae_config_destroy(&config);
    free(b.packed);
    free(b.normals);
    free(b.sums);
    free(b.gradient);
    return status;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"json", required_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    ae_comm *comm = NULL;
    const char *json = NULL;
    ae_status status = AE_OK;
    bool help = false;
    ae_stop_install();
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(ae_comm_rank(comm) == 0, true);
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'j') json = optarg;
        if (option == 'h') help = true;
        if (option == '?') status = AE_ERROR_USAGE;
    }
    if (help && ae_log_is_speaker())
        puts("Usage: [mpirun -np RANKS] ae_bench [--json FILE]\n"
             "Measures one core's peak of multiply-adds, each kernel and the other work of a step\n"
             "against it, and the step and its reduction on all ranks. Medians; batch 100.");
    if (!help && status == AE_OK) status = run(comm, json);
    ae_comm_destroy(&comm);
    return status;
}
