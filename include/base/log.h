/* What the person reads. Every process may call these; only the speaker's (rank 0's) are printed.
 * Local; not for use inside parallel regions. */
#ifndef AE_BASE_LOG_H
#define AE_BASE_LOG_H

#include <stdbool.h>

/* Makes this process the one that prints (default: it is), and `quiet` drops ae_say(). */
void ae_log_configure(bool speaker, bool quiet);

/* Is this process the one that prints? */
bool ae_log_is_speaker(void);

/* Does standard output end at a terminal? Behind mpirun, which puts a pseudo-terminal before it,
 * that of mpirun is looked at. */
bool ae_log_on_terminal(void);

/* A line for standard output. The newline is added. */
void ae_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "ae_dist: warning: ..." on standard error, with misleading characters shown by their codes
 * (base/text.h). The newline is added. */
void ae_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "ae_dist: error: " and the message of the last ae_fail() on standard error. */
void ae_report_error(void);

/* Shows `line` in place of the last progress line, with no newline: the next ae_say() or ae_warn()
 * wipes it. For terminals alone. */
void ae_say_progress(const char *line);

#endif
