#include "train/configure.h"

#include <stdlib.h>
#include <string.h>

#include "base/command.h"
#include "base/file.h"
#include "base/found.h"

ae_status ae_config_words_init(ae_config_words *words, int argc) {
    *words = (ae_config_words){.overrides = calloc((size_t)argc + 1, sizeof *words->overrides)};
    return words->overrides ? AE_OK : ae_fail_memory("the command line");
}

void ae_config_words_release(ae_config_words *words) {
    free(words->overrides);
    words->overrides = NULL;
}

void ae_config_words_take(ae_config_words *words, const char *operand) {
    bool is_first = !words->path;
    bool swaps = !is_first && ae_command_resembles_option(words->path) &&
                 !ae_command_resembles_option(operand);
    if (!is_first && (swaps || !words->superfluous))
        words->superfluous = swaps ? words->path : operand;
    if (is_first || swaps) words->path = operand;
}

ae_status ae_config_words_check(const ae_config_words *words, const char *program) {
    if (!words->superfluous) return AE_OK;
    return ae_fail(AE_ERROR_USAGE,
                   "%s: one configuration file is enough; options are --NAME and --set "
                   "SECTION.KEY=VALUE; see %s --help",
                   words->superfluous, program);
}

/* *text (the caller frees it) = the file's bytes, one too many of one that is too large. */
static ae_status read_config(char **text, int64_t *size, const char *path) {
    const size_t room = AE_CONFIG_SIZE_MAX + 1;
    size_t read = 0;
    *text = malloc(room);
    if (!*text) return ae_fail_memory("the configuration");
    const int error = ae_file_read_some(path, room, *text, &read);
    char found[AE_FOUND_SIZE];
    if (error != 0)
        return ae_fail(AE_ERROR_USAGE, "can't read the configuration file %s: %s; there is %s",
                       path, strerror(error), ae_found_at(found, path));
    *size = (int64_t)read;
    return AE_OK;
}

/* Rank 0's environment is put into the paths, for all; a rank's own into those on its own disks.
 * Collective. */
static ae_status expand_paths(ae_config *config, ae_comm *comm) {
    ae_status status = ae_comm_rank(comm) == 0 ? ae_config_expand_paths(config, false) : AE_OK;
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    ae_settings settings = *ae_config_settings(config);
    ae_comm_broadcast(comm, &settings, sizeof settings);
    ae_config_take_settings(config, &settings);
    return ae_comm_agree(comm, ae_config_expand_paths(config, true));
}

/* *text (the caller frees it) = the file's bytes, on every rank. Collective. */
static ae_status share_config(char **text, int64_t *size, ae_comm *comm, const char *path) {
    ae_status status = AE_OK;
    if (ae_comm_rank(comm) == 0) status = read_config(text, size, path);
    status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    ae_comm_broadcast(comm, size, sizeof *size);
    if (!*text && !(*text = malloc((size_t)*size + 1)))
        status = ae_fail_memory("the configuration");
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) ae_comm_broadcast(comm, *text, (size_t)*size);
    return status;
}

ae_status ae_config_words_read(ae_config **config, ae_comm *comm, const ae_config_words *words) {
    char *read = NULL;
    int64_t size = words->text ? (int64_t)strlen(words->text) : 0;
    ae_status status = AE_OK;
    *config = NULL;
    if (!words->text) status = share_config(&read, &size, comm, words->path);
    if (status == AE_OK)
        status = ae_comm_agree(
            comm, ae_config_create(config, words->path, words->text ? words->text : read,
                                   (size_t)size, words->overrides, words->override_count));
    if (status == AE_OK) status = expand_paths(*config, comm);
    free(read);
    return status;
}
