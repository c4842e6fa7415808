#include "base/found.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAMES_SHOWN = 6,
    HEAD_SIZE = 512 /* bytes that tell a file's kind */
};

static const struct {
    const char *bytes;
    size_t size, offset;
    const char *kind;
} marks[] = {
    {"\x89HDF\r\n\x1a\n", 8, 0, "an HDF5 file"},
    {"\x1f\x8b", 2, 0, "a gzip archive"},
    {"BZh", 3, 0, "a bzip2 archive"},
    {"\xfd"
     "7zXZ",
     5, 0, "an xz archive"},
    {"\x28\xb5\x2f\xfd", 4, 0, "a Zstandard archive"},
    {"PK\x03\x04", 4, 0, "a zip archive"},
    {"ustar", 5, 257, "a tar archive"},
    {"\x80\x02", 2, 0, "a Python pickle"},
    {"\x80\x03", 2, 0, "a Python pickle"},
    {"\x80\x04", 2, 0, "a Python pickle"},
    {"MATLAB ", 7, 0, "a MATLAB file"},
    {"\x7f"
     "ELF",
     4, 0, "a program"},
    {"<!DOCTYPE", 9, 0, "a web page"},
    {"<!doctype", 9, 0, "a web page"},
    {"<html", 5, 0, "a web page"},
    {"version https://git-lfs", 23, 0, "a pointer of Git LFS, which 'git lfs pull' replaces"},
};

const char *ae_found_kind(const void *bytes, size_t size) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; ++i) {
        if (size < marks[i].offset + marks[i].size) continue;
        const char *there = (const char *)bytes + marks[i].offset;
        if (memcmp(there, marks[i].bytes, marks[i].size) == 0) return marks[i].kind;
    }
    return NULL;
}

__attribute__((format(printf, 2, 3))) static void add(char text[AE_FOUND_SIZE], const char *format,
                                                      ...) {
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, AE_FOUND_SIZE - used, format, arguments);
    va_end(arguments);
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void add_folder(char text[AE_FOUND_SIZE], const char *path) {
    struct dirent **names;
    int count = scandir(path, &names, is_shown, alphasort);
    if (count < 0) {
        add(text, "a folder that can't be looked into (%s)", strerror(errno));
        return;
    }
    add(text, count == 0 ? "an empty folder" : "a folder with ");
    for (int i = 0; i < count; ++i) {
        if (i < NAMES_SHOWN) add(text, "%s%.64s", i > 0 ? ", " : "", names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (count > NAMES_SHOWN) add(text, " and %d more", count - NAMES_SHOWN);
}

static void add_file(char text[AE_FOUND_SIZE], const char *path, const struct stat *info) {
    char head[HEAD_SIZE];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, head, sizeof head);
    if (file >= 0) close(file);
    const char *kind = size > 0 ? ae_found_kind(head, (size_t)size) : NULL;
    if (size == 0)
        add(text, "an empty file");
    else if (kind)
        add(text, "%s", kind);
    else
        add(text, "a file of %lld bytes", (long long)info->st_size);
    if (file < 0)
        add(text, " of user %lu with mode %03o", (unsigned long)info->st_uid, info->st_mode & 0777);
}

static void add_there(char text[AE_FOUND_SIZE], const char *path, const struct stat *info) {
    if (S_ISDIR(info->st_mode))
        add_folder(text, path);
    else if (S_ISREG(info->st_mode))
        add_file(text, path, info);
    else
        add(text, "a pipe, socket or device");
}

/* Nothing is at `path`: what the nearest of the folders is that it names. */
static void add_nearest(char text[AE_FOUND_SIZE], const char *path) {
    char folder[PATH_MAX];
    struct stat info = {0};
    snprintf(folder, sizeof folder, "%s", path);
    do {
        char *slash = strrchr(folder, '/');
        if (!slash) strcpy(folder, ".");
        if (slash) slash[slash == folder] = '\0';
    } while (stat(folder, &info) != 0 && strcmp(folder, ".") != 0 && strcmp(folder, "/") != 0);
    add(text, "only '%.256s', ", folder);
    add_there(text, folder, &info);
}

const char *ae_found_at(char text[AE_FOUND_SIZE], const char *path) {
    char target[PATH_MAX];
    struct stat info;
    text[0] = '\0';
    if (stat(path, &info) == 0) {
        add_there(text, path, &info);
        return text;
    }
    int error = errno;
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length >= 0) {
        target[length] = '\0';
        add(text, "a link to '%.256s', where there is nothing", target);
    } else if (error == ENOENT || error == ENOTDIR) {
        add_nearest(text, path);
    } else {
        add(text, "what can't be looked at (%s)", strerror(error));
    }
    return text;
}
