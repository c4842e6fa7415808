/* ae_bench: how fast this processor does the program's work, against its own peak in the same run.
 * The kernels and other work of one core are measured here. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "bench.h"
#include "comm/comm.h"
#include "config/config.h"
#include "data/dataset.h"
#include "kernels/kernels.h"
#include "metrics/metrics.h"
#include "nn/network.h"

enum {
    ROUNDS = 7,
    FIGURES = 3 * AE_LAYERS_MAX + 16,
    STREAMS = 2,
    IMAGES = 2000,                   /* at least; a whole number of batches */
    MEMORY_BYTES = 192 * 1000 * 1000 /* more than a core's share of any cache */
};

/* The command line. */
typedef struct command {
    bool help, steps_only;
    int64_t batch, rounds;
    const char *json; /* NULL: none; borrowed from argv */
} command;

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

double ae_bench_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
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
    return ae_bench_median(seconds, ROUNDS);
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
    b->kernels->sum_pixels(b->gradient, &b->out); /* the bias's */
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

/* Fills streams[STREAMS]. Local. */
static ae_status measure_streams(stream *streams, const bench *b) {
    streams[0] =
        (stream){.name = "a thread's memory", .bytes = (double)ae_workspace_bytes(b->network)};
    streams[1] = (stream){.name = "main memory", .bytes = MEMORY_BYTES};
    for (int i = 0; i < STREAMS; ++i) {
        streams[i].bytes_per_s = ae_bench_stream(streams[i].bytes, ROUNDS);
        if (streams[i].bytes_per_s <= 0) return ae_fail_memory("the measurement of the memory");
    }
    return AE_OK;
}

static void print_streams(const stream *streams) {
    printf("\n%-32s %9s %9s\n", "triad on one core, over", "MB", "GB/s");
    for (int i = 0; i < STREAMS; ++i)
        printf("%-32s %9.2f %9.1f\n", streams[i].name, streams[i].bytes / 1e6,
               streams[i].bytes_per_s / 1e9);
    printf("\n");
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
    b->sums = ae_calloc(size, sizeof *b->sums);
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

/* The reference network, on pictures made by the program. */
static ae_status make_config(ae_config **config, const command *cmd) {
    char ini[256];
    int64_t batches = (IMAGES + cmd->batch - 1) / cmd->batch;
    snprintf(ini, sizeof ini,
             "[data]\nsource = deadleaves\ntrain_images = %lld\ntest_images = 10\n"
             "[train]\nbatch = %lld\n[noise]\nsigma = 0.1\n",
             (long long)(batches * cmd->batch), (long long)cmd->batch);
    return ae_config_create(config, "bench.ini", ini, strlen(ini), NULL, 0);
}

/* Collective. */
static ae_status run(ae_comm *comm, const command *cmd) {
    static bench b;
    ae_config *config = NULL;
    ae_network *network = NULL;
    bench_team team = {0};
    stream streams[STREAMS];
    ae_status status = make_config(&config, cmd);
    if (status == AE_OK) status = prepare(&b, &network, config);
    status = ae_comm_agree(comm, status);
    if (status) goto done;
    if (!cmd->steps_only) { /* every rank at once: each core as it is with the others at work */
        measure_core(&b);
        status = ae_comm_agree(comm, measure_streams(streams, &b));
        if (status) goto done;
    }
    const bench_task task = {config, b.kernels, network, b.packed, (int)cmd->rounds};
    status = ae_bench_team_measure(&team, comm, &task);
    if (status || !ae_log_is_speaker()) goto done;
    if (!cmd->steps_only) {
        print_figures(&b);
        print_streams(streams);
    }
    ae_bench_team_print(&team);
    const bench_core core = {b.peak, b.figures, streams, b.count, STREAMS};
    if (cmd->json)
        status = ae_bench_write(cmd->json, cmd->steps_only ? NULL : &core, &team, &task, comm);
done:
    ae_bench_team_release(&team);
    ae_workspace_destroy(&b.workspace);
    ae_network_destroy(&network);
    ae_config_destroy(&config);
    free(b.packed);
    free(b.normals);
    free(b.sums);
    free(b.gradient);
    return status;
}

/* ---- the command line ---- */

static void print_help(void) {
    puts("Usage: [mpirun -np RANKS] ae_bench [options]\n"
         "Measures one core's peak of multiply-adds, each kernel and the other work of a step\n"
         "against it, the core's memory, and the step and its reduction on all ranks against what\n"
         "they do by themselves in the same run. Medians.\n"
         "\n"
         "  --batch N     images in a step, over all ranks (default 100)\n"
         "  --rounds N    rounds of the measurement of steps (default 7)\n"
         "  --steps-only  leave out what is measured on one core: kernels and memory\n"
         "  --json FILE   write all that is printed, and what ran where, to FILE\n"
         "  --help        print this text, and leave");
}

static ae_status parse_whole(int64_t *value, const char *option, const char *text, int highest) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > highest)
        return ae_fail(AE_ERROR_USAGE, "%s %s: allowed are whole numbers from 1 to %d", option,
                       text, highest);
    *value = number;
    return AE_OK;
}

static ae_status parse_command(command *cmd, int argc, char **argv) {
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},         {"batch", required_argument, NULL, 'b'},
        {"rounds", required_argument, NULL, 'r'}, {"steps-only", no_argument, NULL, 's'},
        {"json", required_argument, NULL, 'j'},   {NULL, 0, NULL, 0}};
    ae_status status = AE_OK;
    *cmd = (command){.batch = 100, .rounds = ROUNDS};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        if (option == 'h') cmd->help = true;
        if (option == 's') cmd->steps_only = true;
        if (option == 'j') cmd->json = optarg;
        if (option == 'b') status = parse_whole(&cmd->batch, "--batch", optarg, 100000);
        if (option == 'r') status = parse_whole(&cmd->rounds, "--rounds", optarg, 1000);
        if (option == ':' || option == '?')
            status = ae_fail(AE_ERROR_USAGE,
                             option == ':' ? "%s needs a value; see ae_bench --help"
                                           : "unknown option %s; see ae_bench --help",
                             argv[optind - 1]);
        if (status) return status;
    }
    if (optind < argc)
        return ae_fail(AE_ERROR_USAGE, "unknown argument %s; see ae_bench --help", argv[optind]);
    return AE_OK;
}

int main(int argc, char **argv) {
    ae_comm *comm = NULL;
    command cmd;
    ae_stop_install();
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(ae_comm_rank(comm) == 0, true);
    ae_status status = ae_comm_agree(comm, parse_command(&cmd, argc, argv));
    if (status == AE_OK && cmd.help) {
        if (ae_log_is_speaker()) print_help();
    } else if (status == AE_OK) {
        status = run(comm, &cmd);
    }
    if (status) ae_report_error();
    ae_comm_destroy(&comm);
    return status;
}
