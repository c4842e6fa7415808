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
#include "train/configure.h"

enum {
    ROUNDS = 7,       /* by default */
    BATCH = 100,      /* without a configuration, by default */
    IMAGES = 2000,    /* without a configuration, at least; a whole number of batches */
    BATCH_MAX = 50000 /* as many as the program makes */
};

/* The command line. */
typedef struct command {
    bool help, steps_only;
    int64_t batch; /* 0: the configuration's */
    int64_t rounds;
    const char *json; /* NULL: none; borrowed from argv */
    ae_config_words words;
} command;

/* The configuration, of the epochs with noise where there are any; without one the reference
 * network, on pictures made by the program. Collective. */
static ae_status create_config(ae_config **config, ae_comm *comm, const command *cmd) {
    char ini[256], batch_option[64];
    const int64_t batch = cmd->batch ? cmd->batch : BATCH, batches = (IMAGES + batch - 1) / batch;
    ae_config_words words = cmd->words;
    snprintf(ini, sizeof ini,
             "[data]\nsource = deadleaves\ntrain_images = %lld\ntest_images = 10\n"
             "[train]\nbatch = %lld\n[noise]\nsigma = 0.1\n",
             (long long)(batches * batch), (long long)batch);
    if (!words.path) {
        words.path = "bench.ini";
        words.text = ini;
    }
    snprintf(batch_option, sizeof batch_option, "train.batch=%lld", (long long)cmd->batch);
    if (cmd->batch) words.overrides[words.override_count++] = batch_option;
    ae_status status = ae_config_words_read(config, comm, &words);
    if (status != AE_OK) return status;
    ae_settings settings = *ae_config_settings(*config);
    if (settings.train.epochs > 0) settings.train.pretrain_epochs = 0;
    ae_config_take_settings(*config, &settings);
    return AE_OK;
}

/* A picture, and the step that is a block of it alone. */
static ae_status create_step(ae_bench_task *task) {
    const ae_settings *settings = ae_config_settings(task->config);
    const size_t size = ae_shape_values(task->picture);
    task->pixels = ae_calloc(size, 1);
    task->order = ae_calloc((size_t)task->block, sizeof *task->order);
    if (!task->pixels || !task->order) return ae_fail_memory("the measurements");
    for (size_t i = 0; i < size; ++i) task->pixels[i] = (uint8_t)((i + 1) * 37);
    task->place = (ae_image_place){.height = task->picture.height, .width = task->picture.width};
    const ae_images images = {.samples = task->pixels,
                              .places = &task->place,
                              .count = 1,
                              .channels = task->picture.channels,
                              .high = UINT8_MAX};
    task->step = (ae_step){.task = {.images = images,
                                    .noise = ae_noise_of_training(settings),
                                    .mask = ae_mask_of(settings)},
                           .order = task->order,
                           .sampling = {.crops = 1},
                           .shard = {0, task->block, 1, 1, task->block},
                           .loss = (ae_loss)settings->train.loss,
                           .bound = ae_fixed_bound(AE_FIXED_K, settings->train.batch)};
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
    *task = (ae_bench_task){.rounds = (int)cmd->rounds};
    ae_status status = create_config(&task->config, comm, cmd);
    if (status == AE_OK) status = ae_trainer_create(&task->trainer, comm, task->config);
    if (status != AE_OK) return status;
    task->picture = ae_trainer_picture(task->trainer);
    task->block = ae_trainer_block(task->trainer);
    status = ae_model_init(&task->model, comm, task->config, task->picture);
    if (status != AE_OK) return status;
    status = create_step(task);
    if (status == AE_OK) status = begin_model(&task->model, ae_config_settings(task->config));
    return ae_comm_agree(comm, status);
}

static void release_task(ae_bench_task *task) {
    free(task->pixels);
    free(task->order);
    ae_model_release(&task->model);
    ae_trainer_destroy(&task->trainer);
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
    puts("Usage: [mpirun -np RANKS] ae_bench [options] [CONFIG]\n"
         "Measures one core's peak of multiply-adds, each kernel and the other work of a step\n"
         "against it, the core's memory, and the step and its reduction on all ranks against what\n"
         "they do by themselves in the same run. Medians. The network, its images and their batch\n"
         "are those of the ini file CONFIG, as ae_dist takes it; default: the reference network.\n"
         "Columns: \"of peak %\" counts plain convolutions' multiply-adds, \"done %\" the fewer\n"
         "multiplications that Winograd's algorithms do in their place.\n"
         "\n"
         "  --set SECTION.KEY=VALUE  use VALUE in place of the file's (repeatable)\n"
         "  --batch N                images in a step, over all ranks (default: CONFIG's, or 100)\n"
         "  --rounds N               rounds of the measurement of steps (default 7)\n"
         "  --steps-only             leave out what is measured on one core: kernels and memory\n"
         "  --json FILE              write all that is printed, and what ran where, to FILE\n"
         "  --help                   print this text, and leave");
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
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"set", required_argument, NULL, 'o'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"steps-only", no_argument, NULL, 's'},
                                            {"json", required_argument, NULL, 'j'},
                                            {NULL, 0, NULL, 0}};
    *cmd = (command){.rounds = ROUNDS};
    ae_status status = ae_config_words_init(&cmd->words, argc);
    const char *word;
    for (int option;
         status == AE_OK && (option = ae_command_next(argc, argv, options, &word)) != -1;) {
        if (option == 'h') cmd->help = true;
        if (option == 's') cmd->steps_only = true;
        if (option == 'j') cmd->json = optarg;
        if (option == 'o') cmd->words.overrides[cmd->words.override_count++] = optarg;
        if (option == 'b') status = parse_whole(&cmd->batch, "--batch", optarg, BATCH_MAX);
        if (option == 'r') status = parse_whole(&cmd->rounds, "--rounds", optarg, 1000);
        if (option == ':' || option == '?')
            status = ae_command_refuse("ae_bench", options, option, word);
        if (option == AE_COMMAND_OPERAND) ae_config_words_take(&cmd->words, optarg);
    }
    return status == AE_OK ? ae_config_words_check(&cmd->words, "ae_bench") : status;
}

int main(int argc, char **argv) {
    ae_comm *comm = NULL;
    command cmd = {0};
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
    ae_config_words_release(&cmd.words);
    ae_comm_destroy(&comm);
    return status;
}
