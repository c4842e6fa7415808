#include "io/weights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/found.h"
#include "base/retry.h"
#include "io/checkpoint.h"

#define CURE "; there is %s. Name a checkpoint, or the folder of a run, or its model.h5"

ae_status ae_weights_find(char *file, const char *path) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    double waited_s = 0;
    while (stat(path, &info) != 0) {
        if (ae_retry(&waited_s, errno)) continue;
        int error = errno;
        return ae_fail(AE_ERROR_USAGE, "can't open %s: %s" CURE, path, strerror(error),
                       ae_found_at(found, path));
    }
    snprintf(file, AE_PATH_SIZE, "%s", path);
    if (!S_ISDIR(info.st_mode)) return AE_OK;
    ae_status status = ae_run_folder_weights(file, path);
    if (status != AE_OK || file[0]) return status;
    return ae_fail(
        AE_ERROR_USAGE,
        "the folder %s has no checkpoints/ with a checkpoint in it, and no model.h5" CURE, path,
        ae_found_at(found, path));
}

ae_status ae_weights_read(char *file, float *parameters, const char *init_from,
                          const ae_network *network) {
    ae_status status = ae_weights_find(file, init_from);
    if (status == AE_OK) status = ae_checkpoint_read_parameters(file, network, parameters);
    if (status == AE_OK) return AE_OK;
    char reason[AE_MESSAGE_SIZE];
    snprintf(reason, sizeof reason, "%s", ae_message());
    return ae_fail(status, "can't begin with the weights of train.init_from = %s: %s", init_from,
                   reason);
}
