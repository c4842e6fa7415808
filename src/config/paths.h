/* Options that are paths: what a shell would make of them. */
#ifndef AE_CONFIG_PATHS_H
#define AE_CONFIG_PATHS_H

#include "config/config.h"

/* Would a shell, or who reads it, take the path for another one? NULL, or what it holds as the end
 * of a sentence. `mark`: the quote it stood in, or 0. In single quotes a path is what it is. */
const char *ae_path_fault(const char *path, char mark);

/* Is it a path that ae_path_expand() would change or refuse? */
bool ae_path_expands(const char *path);

/* Puts the environment variables of this process in place of $NAME and ${NAME}, and HOME's in place
 * of a leading ~ before a slash or alone. AE_ERROR_USAGE: a message that begins with `where`. */
ae_status ae_path_expand(char path[AE_TEXT_SIZE], const char *where);

#endif
