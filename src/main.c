/* ae_dist: parse, create, run, destroy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "base/build.h"
#include "base/command.h"
#include "base/log.h"
#include "comm/comm.h"
#include "comm/machine.h"
#include "config/config.h"
#include "data/dataset.h"
#include "h5/h5.h"
#include "kernels/kernels.h"
#include "nn/graph.h"
#include "train/configure.h"
#include "train/trainer.h"

/* The command line. */
typedef struct command {
    bool help, version, check, print_config, quiet;
    ae_config_words words;
} command;

static void print_help(void) {
    puts("Usage: mpirun -np RANKS ae_dist [options] CONFIG\n"
         "       mpirun -np RANKS ae_dist apply [options] MODEL INPUT... -o OUT\n"
         "Trains a convolutional autoencoder as the ini file CONFIG says; or applies one to\n"
         "pictures (ae_dist apply --help).\n"
         "\n"
         "  --set SECTION.KEY=VALUE  use VALUE in place of the file's (repeatable)\n"
         "  --check                  validate configuration and data, print plan and network, and "
         "leave\n"
         "  --print-config           print the effective configuration as an ini file, and leave\n"
         "  --quiet                  print warnings and errors alone\n"
         "  --version                print versions and the kernel path, and leave\n"
         "  --help                   print this text, and leave\n"
         "\n"
         "Exit codes: 0 done; 1 out of memory or threads; 2 usage or configuration; 3 images;\n"
         "  4 reading or writing the run's files; 5 numbers that are not finite, replicas that\n"
         "  differ, or arithmetic other than IEEE 754's; 6 no progress for run.stall_seconds;\n"
         "  75 stopped early on request, or at the end of the time there is, with a checkpoint:\n"
         "  the same command goes on.\n"
         "\n"
         "Signals: SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP and SIGXCPU end the step in hand,\n"
         "  write a checkpoint and leave with 75. A further one, a second or more later, ends the\n"
         "  program at once (but SIGXCPU, which comes again by itself). SIGHUP and SIGINT stay "
         "ignored\n"
         "  where they are when it starts: nohup, background jobs. Open MPI's mpirun passes "
         "SIGUSR1,\n"
         "  SIGUSR2, SIGXCPU and the 75 on; interrupted, terminated or hung up, the last under "
         "nohup\n"
         "  too, it gives the ranks a second, and returns 1.\n"
         "\n"
         "Environment: OMP_NUM_THREADS  threads a rank (else: cores the rank may use, and has the\n"
         "                              time of by its CPU quota, shared fairly)\n"
         "             AE_KERNELS       kernel path (else: the fastest):");
    for (int path = 0; path < ae_kernels_count(); ++path)
        printf("%s %s", path > 0 ? "," : "                             ", ae_kernels_name(path));
    puts("\n"
         "             AE_STOP_TIME     when to stop, in seconds since 1970 (job scripts set it)\n"
         "\n"
         "Values: in quotes, single or double, # and ; and blanks at the ends are the value's;\n"
         "  the quote itself is written twice. In paths ~/, $NAME and ${NAME} are expanded, by\n"
         "  the environment of rank 0 (data.cache: of each node), but not in single quotes.\n"
         "  A line that begins with more blanks than its key goes on with the value before it.\n"
         "\n"
         "Configuration: [section], key, default, what is allowed:\n");
    ae_config_print_help(stdout);
}

static void print_version(void) {
    int path = 0;
    ae_status status = ae_kernels_find(&path);
    printf("ae_dist %s\n", ae_build_version());
    printf("revision  %s\n", ae_build_revision());
    printf("compiler  %s, %s\n", ae_build_compiler(), ae_build_flags());
    printf("MPI       %s\n", ae_comm_library());
    printf("HDF5      %s\n", ae_h5_version());
    printf("kernels   %s\n", status != AE_OK ? ae_message() : ae_kernels_at(path)->name);
}

static ae_status parse_command(command *cmd, int argc, char **argv) {
    enum { HELP = 'h', VERSION = 256, CHECK, PRINT_CONFIG, QUIET, SET };
    static const struct option options[] = {{"help", no_argument, NULL, HELP},
                                            {"version", no_argument, NULL, VERSION},
                                            {"check", no_argument, NULL, CHECK},
                                            {"print-config", no_argument, NULL, PRINT_CONFIG},
                                            {"quiet", no_argument, NULL, QUIET},
                                            {"set", required_argument, NULL, SET},
                                            {NULL, 0, NULL, 0}};
    ae_status status = ae_config_words_init(&cmd->words, argc);
    if (status != AE_OK) return status;
    const char *word;
    for (int option; (option = ae_command_next(argc, argv, options, &word)) != -1;) {
        switch (option) {
        case HELP:
            cmd->help = true;
            break;
        case VERSION:
            cmd->version = true;
            break;
        case CHECK:
            cmd->check = true;
            break;
        case PRINT_CONFIG:
            cmd->print_config = true;
            break;
        case QUIET:
            cmd->quiet = true;
            break;
        case SET:
            cmd->words.overrides[cmd->words.override_count++] = optarg;
            break;
        case AE_COMMAND_OPERAND:
            ae_config_words_take(&cmd->words, optarg);
            break;
        default:
            return ae_command_refuse("ae_dist", options, option, word);
        }
    }
    if (cmd->help || cmd->version) return AE_OK;
    if (!cmd->words.path)
        return ae_fail(AE_ERROR_USAGE, "no configuration file given; usage: ae_dist [options] "
                                       "CONFIG, for example configs/quickstart.ini");
    return ae_config_words_check(&cmd->words, "ae_dist");
}

/* Checks model.layers, and puts a ready network's in full. Collective. */
static ae_status complete_layers(ae_settings *settings, const ae_config *config, ae_comm *comm) {
    char *layers = settings->model.layers;
    const bool is_ready = ae_graph_is_ready(layers);
    ae_graph graph;
    int channels;
    if (!is_ready && !ae_dataset_knows_channels(settings)) return AE_OK; /* --check sees to it */
    ae_status status = ae_dataset_channels(&channels, comm, settings);
    if (status != AE_OK) return status;
    status =
        ae_graph_parse(&graph, layers, ae_config_where(config, AE_OPTION(model, layers)), channels);
    if (status == AE_OK && is_ready) ae_graph_write(&graph, layers);
    return ae_comm_agree(comm, status);
}

/* Images are looked for only where a ready network's layers depend on them. Collective. */
static ae_status print_config(ae_config *config, ae_comm *comm) {
    ae_settings settings = *ae_config_settings(config);
    ae_status status = complete_layers(&settings, config, comm);
    if (status != AE_OK) return status;
    ae_config_take_settings(config, &settings);
    if (ae_log_is_speaker()) ae_config_print(config, stdout);
    return AE_OK;
}

/* The command without a name. Collective. */
static ae_status train(ae_comm *comm, int argc, char **argv) {
    command cmd = {0};
    ae_config *config = NULL;
    ae_trainer *trainer = NULL;
    ae_status status = ae_comm_agree(comm, parse_command(&cmd, argc, argv));
    if (status != AE_OK) goto done;
    ae_log_configure(ae_comm_rank(comm) == 0, cmd.quiet && !cmd.check);
    if (cmd.help || cmd.version) {
        if (ae_log_is_speaker()) cmd.help ? print_help() : print_version();
        goto done;
    }
    status = ae_config_words_read(&config, comm, &cmd.words);
    if (status != AE_OK) goto done;
    if (cmd.print_config) {
        status = print_config(config, comm);
        goto done;
    }
    status = ae_trainer_create(&trainer, comm, config);
    if (status == AE_OK) status = cmd.check ? ae_trainer_check(trainer) : ae_trainer_run(trainer);
done:
    ae_trainer_destroy(&trainer);
    ae_config_destroy(&config);
    ae_config_words_release(&cmd.words);
    return status;
}

/* Everything between the start and the end of MPI. Collective. */
static ae_status run(ae_comm *comm, int argc, char **argv) {
    ae_status status = ae_comm_check_launcher(comm);
    if (status == AE_OK) status = ae_comm_check_alike(comm, AE_CONTRACT_VERSION, argc, argv);
    if (status == AE_OK && argc > 1 && strcmp(argv[1], "apply") == 0)
        status = ae_apply_run(comm, argc - 1, argv + 1);
    else if (status == AE_OK)
        status = train(comm, argc, argv);
    if (status == AE_STOPPED)
        ae_say("%s", ae_message());
    else if (status != AE_OK)
        ae_report_error();
    return status;
}

int main(int argc, char **argv) {
    ae_comm *comm = NULL;
    ae_machine_begin();
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(ae_comm_rank(comm) == 0, false);
    ae_status status = run(comm, argc, argv);
    ae_comm_destroy(&comm);
    return status;
}
