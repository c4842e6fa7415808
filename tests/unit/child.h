/* Work done in a process of its own, as it may end the process, or change it for good. */
#ifndef AE_TEST_CHILD_H
#define AE_TEST_CHILD_H

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_STAYED = 42, CHILD_TEXT_SIZE = 1024 };

/* The exit code of a process that does `work`: CHILD_STAYED where it comes to the end, -1 where a
 * signal ends it. text = what it wrote to stderr. */
static inline int child_run(void (*work)(const void *), const void *argument,
                            char text[CHILD_TEXT_SIZE]) {
    int said[2], status = 0;
    if (pipe(said) != 0) return -1;
    pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        dup2(said[1], STDERR_FILENO);
        close(said[0]);
        work(argument);
        _exit(CHILD_STAYED);
    }
    close(said[1]);
    ssize_t length = 0, n;
    while ((n = read(said[0], text + length, (size_t)(CHILD_TEXT_SIZE - 1 - length))) > 0)
        length += n;
    text[length] = '\0';
    close(said[0]);
    if (waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
