/* ae_bench: all that it found as a JSON file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/build.h"
#include "base/timer.h"
#include "bench.h"

/* A JSON string; control characters become spaces. */
static void write_string(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text; ++text) {
        if (*text == '"' || *text == '\\') fputc('\\', file);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
    fputc('"', file);
}

static void write_text(FILE *file, const char *name, const char *text) {
    fprintf(file, " \"%s\": ", name);
    write_string(file, text);
    fprintf(file, ",\n");
}

/* What Linux calls the processor, "" where it doesn't. */
static void find_processor(char *name, int size) {
    static const char key[] = "model name";
    name[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(name, size, file) && strncmp(name, key, sizeof key - 1) != 0)
        name[0] = '\0';
    if (file) fclose(file);
    const char *value = strchr(name, ':');
    value = value ? value + 1 + strspn(value + 1, " ") : "";
    memmove(name, value, strlen(value) + 1);
    name[strcspn(name, "\n")] = '\0';
}

/* What ran, where, and built from what. */
static void write_origin(FILE *file, const ae_bench_task *task, ae_comm *comm) {
    char processor[256], time[32], layers[AE_GRAPH_TEXT_SIZE];
    find_processor(processor, sizeof processor);
    ae_time_text(time);
    write_text(file, "time", time);
    write_text(file, "version", ae_build_version());
    write_text(file, "revision", ae_build_revision());
    write_text(file, "compiler", ae_build_compiler());
    write_text(file, "flags", ae_build_flags());
    write_text(file, "mpi", ae_comm_library());
    write_text(file, "hosts", ae_comm_hosts(comm));
    write_text(file, "processor", processor);
    write_text(file, "kernels", task->model.kernels->name);
    ae_graph_write(ae_network_graph(task->model.network), layers);
    write_text(file, "network", layers);
    fprintf(file, " \"parameters\": %zu, \"picture\": [%d, %d, %d], \"block\": %lld,\n",
            ae_network_size(task->model.network), task->picture.channels, task->picture.height,
            task->picture.width, (long long)task->block);
}

/* The effective configuration: every option's value as text. */
static void write_options(FILE *file, const ae_config *config) {
    char value[AE_VALUE_SIZE];
    fprintf(file, " \"options\": {");
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        ae_config_value(config, i, value);
        fprintf(file, "%s\n  \"%s\": ", i ? "," : "", ae_config_name(i));
        write_string(file, value);
    }
    fprintf(file, "\n },\n");
}

static void write_ranks(FILE *file, const char *name, const double *values, int count) {
    fprintf(file, ",\n \"rank_%s\": [", name);
    for (int r = 0; r < count; ++r) fprintf(file, "%s%.6g", r ? ", " : "", values[r]);
    fprintf(file, "]");
}

/* The step on all ranks. */
static void write_team(FILE *file, const ae_bench_team *team) {
    fprintf(file,
            " \"ranks\": %d, \"threads\": %d, \"cores\": %d, \"batch\": %lld,\n"
            " \"multiply_adds_per_image\": %.0f, \"multiplications_per_image\": %.0f,\n"
            " \"images_per_s\": %.6g,\n"
            " \"efficiency\": %.6g, \"fraction_of_peak\": %.6g,\n"
            " \"allreduce_s\": %.6g, \"message_bytes\": %zu",
            team->ranks, team->threads, team->cores, (long long)team->batch, team->work,
            team->multiplications, team->images_per_s, team->efficiency, team->fraction_of_peak,
            team->allreduce_s, (size_t)team->message * sizeof(int64_t));
    write_ranks(file, "threads", team->rank_threads, team->ranks);
    write_ranks(file, "peak_multiply_adds_per_s", team->rank_peaks, team->ranks);
    write_ranks(file, "images_per_s", team->rank_images_per_s, team->ranks);
}

static void write_figure(FILE *file, const ae_bench_figure *f) {
    const bool is_work = f->multiplications > 0;
    fprintf(file, "{\"name\": \"%s\", \"seconds\": %.6g, \"%s\": %.0f", f->name, f->seconds,
            is_work ? "multiply_adds" : "values", f->work);
    if (is_work) fprintf(file, ", \"multiplications\": %.0f", f->multiplications);
    if (f->bytes > 0) fprintf(file, ", \"bytes\": %.0f", f->bytes);
    if (f->layers > 0)
        fprintf(file, ", \"layers\": %d, \"height\": %d, \"width\": %d", f->layers, f->height,
                f->width);
    fprintf(file, "}");
}

static void write_node(FILE *file, const ae_bench_node *node) {
    fprintf(file, "{\"layer\": ");
    write_string(file, node->layer);
    fprintf(file, ", \"forward_s\": %.6g, \"activation_s\": %.6g, \"backward_s\": %.6g}",
            node->seconds[AE_PASS_FORWARD], node->seconds[AE_PASS_ACTIVATION],
            node->seconds[AE_PASS_BACKWARD]);
}

/* What was measured on one core. */
static void write_core(FILE *file, const ae_bench_core *core) {
    fprintf(file, ",\n \"peak_multiply_adds_per_s\": %.6g,\n \"streams\": [", core->peak);
    for (int i = 0; i < AE_BENCH_STREAMS; ++i)
        fprintf(file, "%s\n  {\"name\": \"%s\", \"bytes\": %.0f, \"bytes_per_s\": %.6g}",
                i ? "," : "", core->streams[i].name, core->streams[i].bytes,
                core->streams[i].bytes_per_s);
    fprintf(file, "\n ],\n \"figures\": [");
    for (int i = 0; i < core->figure_count; ++i) {
        fprintf(file, "%s\n  ", i ? "," : "");
        write_figure(file, &core->figures[i]);
    }
    fprintf(file, "\n ],\n \"nodes\": [");
    for (int n = 0; n < core->node_count; ++n) {
        fprintf(file, "%s\n  ", n ? "," : "");
        write_node(file, &core->nodes[n]);
    }
    fprintf(file, "\n ]");
}

ae_status ae_bench_write(const char *path, const ae_bench_core *core, const ae_bench_team *team,
                         const ae_bench_task *task, ae_comm *comm) {
    FILE *file = fopen(path, "w");
    if (!file)
        return ae_fail(AE_ERROR_IO, "can't write %s: %s; choose another --json", path,
                       strerror(errno));
    fprintf(file, "{\n");
    write_origin(file, task, comm);
    write_options(file, task->config);
    write_team(file, team);
    if (core) write_core(file, core);
    fprintf(file, "\n}\n");
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return ae_fail(AE_ERROR_IO, "can't write %s; is its disk full?", path);
    return AE_OK;
}
