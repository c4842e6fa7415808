/* ae_bench: how fast this processor does the program's work, against its own peak in the same run.
 * The command line, and what is measured in which order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/command.h"
#include "base/fixed.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "bench.h"
#include "data/dataset.h"

enum {
    ROUNDS = 7,   /* by default */
    IMAGES = 2000 /* at least; a whole number of batches */
};

/* The command line. */
typedef struct command {
    bool help, steps_only;
    int64_t batch, rounds;
    const char *json; /* NULL: none; borrowed from argv */
} command;

/* The reference network, on pictures made by the program. */
static ae_status create_config(ae_config **config, const command *cmd) {
    char ini[256];
    int64_t batches = (IMAGES + cmd->batch - 1) / cmd->batch;
    snprintf(ini, sizeof ini,
             "[data]\nsource = deadleaves\ntrain_images = %lld\ntest_images = 10\n"
             "[train]\nbatch = %lld\n[noise]\nsigma = 0.1\n",
             (long long)(batches * cmd->batch), (long long)cmd->batch);
    return ae_config_create(config, "bench.ini", ini, strlen(ini), NULL, 0);
}

/* A picture, and the step that is its alone: noise of 0.1, a batch of 100. */
static ae_status create_step(ae_bench_task *task) {
    static const uint32_t order[] = {0};
    const size_t size = ae_shape_values(task->picture);
    task->pixels = ae_calloc(size, 1);
    if (!task->pixels) return ae_fail_memory("the measurements");
    for (size_t i = 0; i < size; ++i) task->pixels[i] = (uint8_t)((i + 1) * 37);
    task->place = (ae_image_place){.height = task->picture.height, .width = task->picture.width};
    task->step = (ae_step){.images = {.samples = task->pixels,
                                      .places = &task->place,
                                      .count = 1,
                                      .channels = task->picture.channels,
                                      .high = UINT8_MAX},
                           .order = order,
                           .sampling = {.crops = 1},
                           .shard = {0, 1, 1, 1, 1},
                           .noise = {0.1, -1, 1},
                           .loss = AE_LOSS_MSE,
                           .bound = ae_fixed_bound(AE_FIXED_K, 100)};
    return AE_OK;
}

/* The parameters that a run begins with. */
static ae_status begin_model(ae_model *model, const ae_settings *settings) {
    float *parameters = ae_calloc(ae_network_size(model->network), sizeof *parameters);
    if (!parameters) return ae_fail_memory("the measurements");
    ae_status status =
        ae_network_initialize(model->network, parameters, (ae_init)settings->model.init, 0);
    if (status == AE_OK) ae_model_take(model, parameters);
    free(parameters);
    return status;
}

/* Fills *task, to be released whatever is returned. Collective. */
static ae_status create_task(ae_bench_task *task, ae_comm *comm, const command *cmd) {
    ae_dataset *images = NULL;
    *task = (ae_bench_task){.rounds = (int)cmd->rounds};
    ae_status status = ae_comm_agree(comm, create_config(&task->config, cmd));
    if (status == AE_OK)
        status = ae_dataset_create(&images, comm, ae_config_settings(task->config));
    if (status != AE_OK) return status;
    task->picture = ae_dataset_info(images)->train.shape;
    ae_dataset_destroy(&images);
    status = ae_model_init(&task->model, comm, task->config, task->picture);
    if (status != AE_OK) return status;
    status = create_step(task);
    if (status == AE_OK) status = begin_model(&task->model, ae_config_settings(task->config));
    return ae_comm_agree(comm, status);
}

static void release_task(ae_bench_task *task) {
    free(task->pixels);
    ae_model_release(&task->model);
    ae_config_destroy(&task->config);
}

/* Collective. */
static ae_status run(ae_comm *comm, const command *cmd) {
    ae_bench_task task;
    ae_bench_core core;
    ae_bench_team team = {0};
    ae_status status = create_task(&task, comm, cmd);
    if (status == AE_OK && !cmd->steps_only) status = ae_bench_core_measure(&core, comm, &task);
    if (status == AE_OK) status = ae_bench_team_measure(&team, comm, &task);
    if (status != AE_OK || !ae_log_is_speaker()) goto done;
    if (!cmd->steps_only) ae_bench_core_print(&core, &task);
    ae_bench_team_print(&team);
    if (cmd->json)
        status = ae_bench_write(cmd->json, cmd->steps_only ? NULL : &core, &team, &task, comm);
done:
    ae_bench_team_release(&team);
    release_task(&task);
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
    const char *word;
    for (int option; (option = ae_command_next(argc, argv, options, &word)) != -1;) {
        if (option == 'h') cmd->help = true;
        if (option == 's') cmd->steps_only = true;
        if (option == 'j') cmd->json = optarg;
        if (option == 'b') status = parse_whole(&cmd->batch, "--batch", optarg, 100000);
        if (option == 'r') status = parse_whole(&cmd->rounds, "--rounds", optarg, 1000);
        if (option == ':' || option == '?')
            status = ae_command_refuse("ae_bench", options, option, word);
        if (option == AE_COMMAND_OPERAND)
            status = ae_fail(AE_ERROR_USAGE, "unknown argument %s; see ae_bench --help", word);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

int main(int argc, char **argv) {
    ae_comm *comm = NULL;
    command cmd;
    ae_stop_install();
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(ae_comm_rank(comm) == 0, true);
    ae_status status = ae_comm_check_alike(comm, AE_CONTRACT_VERSION, argc, argv);
    if (status == AE_OK) status = ae_comm_agree(comm, parse_command(&cmd, argc, argv));
    if (status == AE_OK && cmd.help) {
        if (ae_log_is_speaker()) print_help();
    } else if (status == AE_OK) {
        status = run(comm, &cmd);
    }
    if (status != AE_OK) ae_report_error();
    ae_comm_destroy(&comm);
    return status;
}
