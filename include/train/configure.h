/* A run's configuration as a command line gives it: an ini file, and options of it by --set. */
#ifndef AE_TRAIN_CONFIGURE_H
#define AE_TRAIN_CONFIGURE_H

#include "base/status.h"
#include "comm/comm.h"
#include "config/config.h"

/* The words of the command line that say it, borrowed from argv. */
typedef struct ae_config_words {
    const char *path;        /* of the ini file; NULL: none */
    const char *text;        /* NULL: the file's; in place of it */
    const char *superfluous; /* NULL: none; an argument beside it */
    const char **overrides;  /* [override_count], "section.key=value"; owned */
    int override_count;
} ae_config_words;

/* Room for the words of a command line of `argc`, and for an option besides; to be released
 * whatever is returned. AE_FAILED: memory. Local. */
ae_status ae_config_words_init(ae_config_words *words, int argc);
void ae_config_words_release(ae_config_words *words);

/* Takes an argument that is no option. One is the file; of two, the one that was meant as an option
 * isn't. The first of those that are too many is the one that is told. */
void ae_config_words_take(ae_config_words *words, const char *operand);

/* AE_ERROR_USAGE: more than one file was given to `program`. Local. */
ae_status ae_config_words_check(const ae_config_words *words, const char *program);

/* Rank 0 reads the file, and every rank parses the same text; paths are expanded by rank 0's
 * environment, those on a node's own disk by its own. The caller owns *config, whatever is
 * returned. Collective. AE_ERROR_USAGE. */
ae_status ae_config_words_read(ae_config **config, ae_comm *comm, const ae_config_words *words);

#endif
