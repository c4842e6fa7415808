#include "base/command.h"

#include <string.h>
#include "base/text.h"

/* Options of mpirun and srun that are put after the program by mistake, without their dashes. */
static const char *const launchers[] = {"np",
                                        "n",
                                        "N",
                                        "c",
                                        "x",
                                        "H",
                                        "host",
                                        "hosts",
                                        "hostfile",
                                        "machinefile",
                                        "rankfile",
                                        "bind-to",
                                        "map-by",
                                        "rank-by",
                                        "mca",
                                        "npernode",
                                        "pernode",
                                        "ppn",
                                        "wdir",
                                        "tag-output",
                                        "report-bindings",
                                        "env",
                                        "genv",
                                        "launcher",
                                        "ntasks",
                                        "nodes",
                                        "mpi",
                                        "cpus-per-task",
                                        "cpu-bind",
                                        "cpus-per-rank",
                                        "oversubscribe",
                                        "use-hwthread-cpus",
                                        "allow-run-as-root",
                                        NULL};

/* The option of that name, with or without a value after it; NULL where there is none. */
static const struct option *find(const struct option *options, const char *name, size_t length) {
    for (; options->name; ++options)
        if (strncmp(options->name, name, length) == 0 && options->name[length] == '\0')
            return options;
    return NULL;
}

int ae_command_next(int argc, char **argv, const struct option *options, const char **word) {
    static bool operands_alone; /* after a "--" */
    if (optind <= 1) operands_alone = false;
    *word = argv[optind > 0 ? optind : 1]; /* 0: begin anew */
    opterr = 0;
    const char *letters = find(options, "output", 6) ? "-:ho:" : "-:h";
    int found = operands_alone ? -1 : getopt_long(argc, argv, letters, options, NULL);
    if (found != -1 || optind >= argc) return found;
    operands_alone = true;
    *word = optarg = argv[optind++];
    return AE_COMMAND_OPERAND;
}

bool ae_command_resembles_option(const char *operand) {
    uint32_t code = 0;
    if (operand[0]) ae_text_character(operand, strlen(operand), &code);
    return strchr(operand, '=') || (code >= 0x2010 && code <= 0x2015) || code == 0x2212;
}

static bool is_launchers(const char *name, size_t length) {
    for (int i = 0; launchers[i]; ++i)
        if (strncmp(launchers[i], name, length) == 0 && launchers[i][length] == '\0') return true;
    return false;
}

ae_status ae_command_refuse(const char *program, const struct option *options, int found,
                            const char *word) {
    const char *name = word + strspn(word, "-");
    const size_t length = strcspn(name, "="), dashes = (size_t)(name - word);
    const struct option *known = find(options, name, length);
    if (found == ':')
        return ae_fail(AE_ERROR_USAGE, "%s needs a value; see %s --help", word, program);
    if (known && dashes == 2)
        return ae_fail(AE_ERROR_USAGE, "%s: --%s takes no value; see %s --help", word, known->name,
                       program);
    if (known)
        return ae_fail(AE_ERROR_USAGE, "unknown option %s; it is written --%s; see %s --help", word,
                       known->name, program);
    if (is_launchers(name, length))
        return ae_fail(AE_ERROR_USAGE,
                       "unknown option %s; the launcher's options stand before the program, as in "
                       "mpirun -np 2 %s; see %s --help",
                       word, program, program);
    return ae_fail(AE_ERROR_USAGE, "unknown option %s; see %s --help", word, program);
}
