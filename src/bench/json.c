/* ae_bench: all that it found as a JSON file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/build.h"
#include "base/timer.h"
#include "bench.h"

/* A JSON string; control characters become spaces. */
static void write_text(FILE *file, const char *name, const char *text) {
    fprintf(file, " \"%s\": \"", name);
    for (; *text; ++text) {
        if (*text == '"' || *text == '\\') fputc('\\', file);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
    fprintf(file, "\",\n");
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
    char processor[256], time[32];
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
    write_text(file, "network", ae_config_settings(task->config)->model.layers);
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
            " \"multiply_adds_per_image\": %.0f, \"images_per_s\": %.6g,\n"
            " \"efficiency\": %.6g, \"fraction_of_peak\": %.6g,\n"
            " \"allreduce_s\": %.6g, \"message_bytes\": %zu",
            team->ranks, team->threads, team->cores, (long long)team->batch, team->work,
            team->images_per_s, team->efficiency, team->fraction_of_peak, team->allreduce_s,
            (size_t)team->message * sizeof(int64_t));
    write_ranks(file, "threads", team->rank_threads, team->ranks);
    write_ranks(file, "peak_multiply_adds_per_s", team->rank_peaks, team->ranks);
    write_ranks(file, "images_per_s", team->rank_images_per_s, team->ranks);
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
        const ae_bench_figure *f = &core->figures[i];
        fprintf(file, "%s\n  {\"name\": \"%s\", \"seconds\": %.6g, \"%s\": %.0f", i ? "," : "",
                f->name, f->seconds, f->is_value ? "values" : "multiply_adds", f->work);
        if (f->bytes > 0) fprintf(file, ", \"bytes\": %.0f", f->bytes);
        fprintf(file, "}");
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
    write_team(file, team);
    if (core) write_core(file, core);
    fprintf(file, "\n}\n");
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return ae_fail(AE_ERROR_IO, "can't write %s; is its disk full?", path);
    return AE_OK;
}
