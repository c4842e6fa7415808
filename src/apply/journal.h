/* What was done before: OUT/.apply, a text that grows by a record for each file that stands in its
 * place. A record is a line, with an empty one before it, so that one cut short by a kill spoils no
 * other: its key, and for each page that was compared its four figures. Local. */
#ifndef AE_APPLY_JOURNAL_H
#define AE_APPLY_JOURNAL_H

#include "apply/inputs.h"
#include "apply/page.h"
#include "base/hash.h"

typedef struct ae_journal ae_journal;

/* key[] = the hash of all that an output depends on: `run` (of the model and the options), and the
 * input's name, size and time. */
ae_status ae_journal_key(char key[AE_HASH_TEXT_SIZE], const char *run, const ae_input *input);

/* Reads it; where there is none it is empty. The caller owns *journal. AE_ERROR_IO. */
ae_status ae_journal_read(ae_journal **journal, const char *out);
void ae_journal_destroy(ae_journal **journal);

/* The figures of a record, to be read with ae_journal_next(); NULL: there is no such record. */
const char *ae_journal_find(const ae_journal *journal, const char *key);

/* Takes the next page's figures off; false: there are no more. */
bool ae_journal_next(const char **figures, ae_quality *quality);

/* Adds a record with the figures of `pages` pages. AE_ERROR_IO. */
ae_status ae_journal_add(const char *out, const char *key, const ae_quality *qualities,
                         int64_t pages);

#endif
