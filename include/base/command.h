/* The command line, with getopt_long(): an option is known by what it is, wherever it stands. */
#ifndef AE_BASE_COMMAND_H
#define AE_BASE_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include "base/status.h"

enum { AE_COMMAND_OPERAND = 1 }; /* an argument that is no option, and no option's value */

/* The next option, as getopt_long() returns it: its value in `optarg`; 'h' for -h; 'o' for -o,
 * where there is an --output; ':' where its value is missing, '?' for one that is refused;
 * AE_COMMAND_OPERAND with the argument in `optarg`; -1 at the end. All in their order, whatever
 * POSIXLY_CORRECT says. *word: the argument that it stands in. */
int ae_command_next(int argc, char **argv, const struct option *options, const char **word);

/* Was an operand meant as an option: begins it with a dash that isn't ASCII's, or is it NAME=VALUE?
 */
bool ae_command_resembles_option(const char *operand);

/* AE_ERROR_USAGE for a ':' or '?': a message that names `word`, and says where it belongs if it is
 * the launcher's or lacks a dash. */
ae_status ae_command_refuse(const char *program, const struct option *options, int found,
                            const char *word);

#endif
