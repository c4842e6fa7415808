/* What the tests of files share: a folder for each test, and checks of what was refused. */
#ifndef AE_TESTS_FILES_H
#define AE_TESTS_FILES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config/config.h"
#include "base/file.h"
#include "h5/h5.h"

static char folder[64]; /* of one test */
static char path[4096]; /* of the file in question */

static inline int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ae_dist-test-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/file.h5", folder);
    return 0;
}

static inline int delete_one(const char *name, const struct stat *info, int kind,
                             struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(name);
}

static inline int delete_folder(void **state) {
    (void)state;
    return nftw(folder, delete_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void check_ok(ae_status status) {
    if (status != AE_OK) fail_msg("status %d: %s", (int)status, ae_message());
}

/* Checks that a call was refused with `status`, for the reason given and naming the file. */
static inline void check_refused(ae_status found, ae_status status, const char *reason) {
    if (found == AE_OK) fail_msg("taken; should be refused: %s", reason);
    if (found != status || !strstr(ae_message(), reason) || !strstr(ae_message(), folder))
        fail_msg("status %d, not %d with '%s': %s", (int)found, (int)status, reason, ae_message());
}

/* path = NAME in the folder, with the folders that are in it made. */
static inline void make_place(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0700);
    }
}

/* Makes a file of that text there. */
static inline void put_text(const char *name, const char *text) {
    make_place(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline int count_files(const char *dir) {
    int count = 0;
    DIR *stream = opendir(dir);
    assert_non_null(stream);
    for (struct dirent *file; (file = readdir(stream));)
        count += strcmp(file->d_name, ".") != 0 && strcmp(file->d_name, "..") != 0;
    closedir(stream);
    return count;
}

/* Limits the size of files while `operation` runs: it stands for a full disk, the write stops
 * half-way. */
#define WITH_SMALL_FILES(operation)                                                                \
    do {                                                                                           \
        struct rlimit before, low;                                                                 \
        signal(SIGXFSZ, SIG_IGN);                                                                  \
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);                                     \
        low = before;                                                                              \
        low.rlim_cur = 4096;                                                                       \
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);                                        \
        operation;                                                                                 \
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);                                     \
    } while (0)

static inline ae_config *make_config(const char *override) {
    ae_config *config;
    const char *text = "[run]\nseed = 1\n";
    check_ok(ae_config_create(&config, "a.ini", text, strlen(text), &override, override != NULL));
    return config;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, delete_folder)

#endif
