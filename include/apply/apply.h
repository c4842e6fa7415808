/* `ae_dist apply MODEL INPUT... -o OUT`: a trained network applied to people's own pictures. */
#ifndef AE_APPLY_APPLY_H
#define AE_APPLY_APPLY_H

#include "base/status.h"
#include "comm/comm.h"

/* Does what the command line behind the word "apply", which is argv[0], says. Prints what there is
 * to say but the message of a failure. Collective. AE_ERROR_USAGE: the command line, the model, or
 * names that fall together; AE_ERROR_DATA: some pictures were left out, and told; AE_ERROR_IO:
 * output that can't be written; AE_STOPPED: asked to. */
ae_status ae_apply_run(ae_comm *comm, int argc, char **argv);

#endif
