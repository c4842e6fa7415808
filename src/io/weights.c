#include "io/weights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/found.h"
#include "base/retry.h"
#include "io/checkpoint.h"

/* Begins the messages, which name the option, and ends those on what isn't there. */
#define CANT_BEGIN "can't begin with the weights of train.init_from = %s: "
#define CURE "; there is %s. Name a checkpoint, or the folder of a run"

/* file[AE_PATH_SIZE] = the checkpoint that `init_from` names. AE_ERROR_USAGE: there is none;
 * AE_ERROR_IO. */
static ae_status find_file(char *file, const char *init_from) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    double waited_s = 0;
    while (stat(init_from, &info) != 0) {
        if (ae_retry(&waited_s, errno)) continue;
        int error = errno;
        return ae_fail(AE_ERROR_USAGE, CANT_BEGIN "%s" CURE, init_from, strerror(error),
                       ae_found_at(found, init_from));
    }
    snprintf(file, AE_PATH_SIZE, "%s", init_from);
    if (!S_ISDIR(info.st_mode)) return AE_OK;
    ae_status status = ae_run_folder_weights(file, init_from);
    if (status != AE_OK || file[0]) return status;
    return ae_fail(AE_ERROR_USAGE,
                   CANT_BEGIN "this folder has no checkpoints/ with a checkpoint in it" CURE,
                   init_from, ae_found_at(found, init_from));
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
