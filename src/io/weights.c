#include "io/weights.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "io/checkpoint.h"

enum { SHOWN_MAX = 10, LIST_SIZE = 32 + SHOWN_MAX * 258 }; /* names of a list, and its bytes */

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* "a, b, c and 3 more", or "nothing": what a folder holds. False: it can't be looked into. */
static bool list_folder(char list[LIST_SIZE], const char *dir) {
    struct dirent **entries;
    int count = scandir(dir, &entries, is_shown, alphasort);
    if (count < 0) return false;
    char *end = list + sprintf(list, "%s", count > 0 ? "" : "nothing");
    for (int i = 0; i < count; i++) {
        if (i < SHOWN_MAX) end += sprintf(end, "%s%s", i > 0 ? ", " : "", entries[i]->d_name);
        if (i == SHOWN_MAX) sprintf(end, " and %d more", count - i);
        free(entries[i]);
    }
    free(entries);
    return true;
}

/* Cuts the last part of a path off; "." is what is left of a name. */
static void to_parent(char *path) {
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = '\0';
    else
        strcpy(path, ".");
}

/* Begins the messages, which name the option, and ends those on what isn't there. */
#define CANT_BEGIN "can't begin with the weights of train.init_from = %s: "
#define CURE "Name a checkpoint, or the folder of a run"

/* AE_ERROR_USAGE: there is no `init_from`, but so much of its path. */
static ae_status fail_missing(const char *init_from, int error) {
    char parent[AE_TEXT_SIZE], list[LIST_SIZE];
    snprintf(parent, sizeof parent, "%s", init_from);
    do {
        to_parent(parent);
    } while (!list_folder(list, parent) && strcmp(parent, ".") != 0 && strcmp(parent, "/") != 0);
    return ae_fail(AE_ERROR_USAGE, CANT_BEGIN "%s; %s holds %s. " CURE, init_from, strerror(error),
                   parent, list);
}

/* file[AE_PATH_SIZE] = the checkpoint that `init_from` names. AE_ERROR_USAGE: there is none;
 * AE_ERROR_IO. */
static ae_status find_file(char *file, const char *init_from) {
    struct stat info;
    if (stat(init_from, &info) != 0) return fail_missing(init_from, errno);
    snprintf(file, AE_PATH_SIZE, "%s", init_from);
    if (!S_ISDIR(info.st_mode)) return AE_OK;
    ae_status status = ae_run_folder_weights(file, init_from);
    if (status != AE_OK || file[0]) return status;
    char list[LIST_SIZE] = "what can't be listed";
    list_folder(list, init_from);
    return ae_fail(AE_ERROR_USAGE,
                   CANT_BEGIN "this folder has no checkpoints/ with a checkpoint in it; it holds "
                              "%s. " CURE,
                   init_from, list);
}

ae_status ae_weights_read(char *file, float *parameters, const char *init_from,
                          const ae_network *network) {
    ae_status status = find_file(file, init_from);
    if (status != AE_OK) return status;
    status = ae_checkpoint_read_parameters(file, network, parameters);
    if (status == AE_OK) return AE_OK;
    char reason[AE_MESSAGE_SIZE];
    snprintf(reason, sizeof reason, "%s", ae_message());
    return ae_fail(status, CANT_BEGIN "%s", init_from, reason);
}
