/* Which files there are, and what to do about a folder that lacks them, from what is there in their
 * place. */
#include "data/cifar10.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/found.h"

const char *const ae_cifar10_names[AE_CIFAR10_FILES] = {"data_batch_1.bin", "data_batch_2.bin",
                                                        "data_batch_3.bin", "data_batch_4.bin",
                                                        "data_batch_5.bin", "test_batch.bin"};

const ae_cifar ae_cifar10 = {
    .name = "CIFAR-10",
    .files_name = "batch",
    .files = ae_cifar10_names,
    .file_records = {10000, 10000, 10000, 10000, 10000, 10000},
    .file_count = AE_CIFAR10_FILES,
    .labels = {AE_CIFAR10_LABELS},
    .cure = AE_CIFAR10_CURE,
    .advice = ae_cifar10_advice,
};

enum { ADVICE_SIZE = 2 * PATH_MAX };

/* Names that tell what a folder holds, the more telling ones first. */
static const struct {
    const char *name, *advice;
} signs[] = {
    {"data_batch_1", "holds CIFAR-10's Python version, where the binary one is read:"},
    {"data_batch_1.mat", "holds CIFAR-10's MATLAB version, where the binary one is read:"},
    {"fine_label_names.txt", "holds CIFAR-100, where CIFAR-10 is read:"},
    {"train.bin", "holds CIFAR-100, where CIFAR-10 is read:"},
    {"meta", "holds CIFAR-100's Python version, where CIFAR-10's binary one is read:"},
    {"cifar-10-binary.tar.gz", "holds the archive, not unpacked: unpack it with tar -xzf and set "
                               "data.dir to its folder cifar-10-batches-bin, or"},
    {"cifar-10-binary.tar", "holds the archive, not unpacked: unpack it with tar -xf and set "
                            "data.dir to its folder cifar-10-batches-bin, or"},
    {"cifar-10-python.tar.gz",
     "holds the archive of CIFAR-10's Python version, where the binary one is read:"},
    {"cifar-100-binary.tar.gz", "holds the archive of CIFAR-100, where CIFAR-10 is read:"},
};

/* Endings of compressed files, and what unpacks these. */
static const struct {
    const char *ending, *command;
} compressions[] = {{"gz", "gunzip"}, {"bz2", "bunzip2"}, {"xz", "unxz"}, {"zst", "unzstd"}};

static bool is_there(const char *folder, const char *name) {
    char path[PATH_MAX + 64];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &info) == 0;
}

static bool holds_batches(const char *folder) {
    for (int i = 0; i < AE_CIFAR10_FILES; ++i)
        if (!is_there(folder, ae_cifar10_names[i])) return false;
    return true;
}

/* Is one of the batches there, compressed? */
static bool advise_unpacking(char advice[ADVICE_SIZE], const char *folder) {
    for (size_t c = 0; c < sizeof compressions / sizeof *compressions; ++c) {
        for (int i = 0; i < AE_CIFAR10_FILES; ++i) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", ae_cifar10_names[i], compressions[c].ending);
            if (!is_there(folder, name)) continue;
            snprintf(advice, ADVICE_SIZE,
                     "'%s' holds batches compressed: unpack them with %s, or " AE_CIFAR10_CURE,
                     folder, compressions[c].command);
            return true;
        }
    }
    return false;
}

/* Does this folder tell what to do? */
static bool advise(char advice[ADVICE_SIZE], const char *folder) {
    if (holds_batches(folder)) {
        snprintf(advice, ADVICE_SIZE,
                 "'%s' holds all six batches: set data.dir to it, or " AE_CIFAR10_CURE, folder);
        return true;
    }
    if (advise_unpacking(advice, folder)) return true;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; ++i) {
        if (!is_there(folder, signs[i].name)) continue;
        snprintf(advice, ADVICE_SIZE, "'%s' %s " AE_CIFAR10_CURE, folder, signs[i].advice);
        return true;
    }
    return false;
}

/* Does the folder, or one right in it? */
static bool advise_below(char advice[ADVICE_SIZE], const char *folder) {
    struct dirent **entries;
    if (advise(advice, folder)) return true;
    int count = scandir(folder, &entries, NULL, alphasort);
    bool found = false;
    for (int i = 0; i < count; ++i) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (!found && entries[i]->d_name[0] != '.' && length < PATH_MAX)
            found = advise(advice, path);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return found;
}

const char *ae_cifar10_advice(const char *dir) {
    static char advice[ADVICE_SIZE];
    char folder[PATH_MAX];
    struct stat info;
    snprintf(folder, sizeof folder, "%s", dir);
    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) { /* look beside it */
        folder[strlen(folder) - (folder[0] && folder[strlen(folder) - 1] == '/')] = '\0';
        char *slash = strrchr(folder, '/');
        if (slash) *slash = '\0';
        if (!slash || !folder[0]) strcpy(folder, slash ? "/" : ".");
    }
    return advise_below(advice, folder) ? advice : AE_CIFAR10_CURE;
}
