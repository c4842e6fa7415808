/* Variables of the environment. One that is set to nothing is one that isn't set. */
#ifndef AE_BASE_ENVIRONMENT_H
#define AE_BASE_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

/* The value of a variable, NULL where it is unset or empty. Borrowed. */
const char *ae_environment_text(const char *name);

/* Is the variable a whole number from `lowest`, in decimal digits and nothing else? Only then it is
 * put into *value. */
bool ae_environment_whole(int64_t *value, const char *name, int64_t lowest);

/* Is `text` a list of whole numbers from 1, with commas between them, as OMP_NUM_THREADS is? Blanks
 * around a number are allowed. Only then *first is its first one. */
bool ae_environment_is_list(int *first, const char *text);

#endif
