#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/launcher.h"
#include "base/status.h"
#include "base/text.h"

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

bool ae_log_on_terminal(void) {
    if (!isatty(STDOUT_FILENO)) return false;
    if (ae_launcher_find().kind != AE_LAUNCHER_OPEN_MPI) return true;
    char link[64], target[64];
    snprintf(link, sizeof link, "/proc/%ld/fd/1", (long)getppid());
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) return false;
    target[length] = '\0';
    return strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0;
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
    char text[AE_MESSAGE_SIZE], shown[AE_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ae_text_show(shown, sizeof shown, text);
    fprintf(stderr, "ae_dist: warning: %s\n",
            shown); /* at once, or a launcher mixes it with others */
}

void ae_report_error(void) {
    if (!is_speaker || !ae_message()[0]) return;
    wipe_progress();
    fprintf(stderr, "ae_dist: error: %s\n", ae_message());
}

void ae_say_progress(const char *line) {
    if (!is_speaker || is_quiet) return;
    printf("\r%s\033[K", line);
    fflush(stdout);
    progress_shown = true;
}
