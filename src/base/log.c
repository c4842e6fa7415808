#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_speaker = true;
static bool is_quiet = false;
static bool progress_shown = false;

void ae_log_configure(bool speaker, bool quiet) {
    is_speaker = speaker;
    is_quiet = quiet;
}

bool ae_log_is_speaker(void) {
    return is_speaker;
}

/* Wipes the progress line, which has no newline of its own. */
static void wipe_progress(void) {
    if (!progress_shown) return;
    fputs("\r\033[K", stdout);
    fflush(stdout);
    progress_shown = false;
}

void ae_say(const char *format, ...) {
    if (!is_speaker || is_quiet) return;
    wipe_progress();
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void ae_warn(const char *format, ...) {
    if (!is_speaker) return;
    wipe_progress();
    fputs("ae_dist: warning: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void ae_say_progress(const char *line) {
    if (!is_speaker || is_quiet) return;
    printf("\r%s\033[K", line);
    fflush(stdout);
    progress_shown = true;
}
