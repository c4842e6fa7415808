/* Which pictures a path stands for: a folder's, a list's, or one. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/found.h"
#include "base/watchdog.h"
#include "formats.h"

enum { HEAD_SIZE = 512 };

#define CURE "name a folder of PNG, JPEG or TIFF files, one of them, or a text with one a line"

/* ---- growing the list ---- */

static ae_status fail_memory(void) {
    return ae_fail_memory("a list of pictures");
}

/* Takes both texts over, NULL where there was no memory for one. */
static ae_status add(ae_picture_list *list, char *path, char *name) {
    const bool is_full = (list->count & (list->count - 1)) == 0; /* grown at powers of two */
    ae_picture_file *files = list->files;
    if (path && name && is_full)
        files = realloc(files, (size_t)(list->count > 0 ? 2 * list->count : 1) * sizeof *files);
    if (!path || !name || !files) {
        free(path);
        free(name);
        return fail_memory();
    }
    list->files = files;
    list->files[list->count++] = (ae_picture_file){path, name};
    return AE_OK;
}

/* ---- a folder ---- */

static ae_status refuse(const char *path, const char *what, int error) {
    return ae_fail(AE_ERROR_DATA, "cannot read %s '%s': %s; make it readable, or leave it out",
                   what, path, strerror(error));
}

static ae_status add_found(ae_picture_list *list, const char *path, const char *name) {
    if (ae_picture_is_named_so(name)) return add(list, strdup(path), strdup(name));
    ++list->others;
    if (!list->other && !(list->other = strdup(name))) return fail_memory();
    return AE_OK;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return b && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* One step of a walk; `skip` are the bytes of the folder's own path; `without` may be NULL. */
static ae_status visit(ae_picture_list *list, FTS *walk, FTSENT *entry, size_t skip,
                       const struct stat *without) {
    const bool is_hidden = entry->fts_name[0] == '.';
    const bool is_left_out = entry->fts_info == FTS_D && is_same(entry->fts_statp, without);
    const char *name = entry->fts_path + skip;
    if (entry->fts_level > 0 && (is_hidden || is_left_out)) {
        fts_set(walk, entry, FTS_SKIP);
        return AE_OK;
    }
    switch (entry->fts_info) {
    case FTS_DNR:
    case FTS_ERR:
        return refuse(entry->fts_path, "the folder", entry->fts_errno);
    case FTS_NS:
        return refuse(entry->fts_path, "what is at", entry->fts_errno);
    case FTS_SLNONE: /* a link to nothing: opening it will tell */
    case FTS_F:
        return add_found(list, entry->fts_path, name + strspn(name, "/"));
    default: /* folders; one within itself, by a link, is left out */
        return AE_OK;
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const ae_picture_file *)a)->name, ((const ae_picture_file *)b)->name);
}

static ae_status walk_folder(ae_picture_list *list, const char *path, const char *without) {
    char *const roots[] = {(char *)path, NULL};
    struct stat info;
    const bool leaves_out = without && stat(without, &info) == 0;
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!walk) return refuse(path, "the folder", errno);
    ae_status status = AE_OK;
    FTSENT *entry;
    errno = 0;
    while (status == AE_OK && (entry = fts_read(walk))) {
        status = visit(list, walk, entry, strlen(path), leaves_out ? &info : NULL);
        ae_watchdog_progress();
        errno = 0;
    }
    if (status == AE_OK && errno != 0) status = refuse(path, "the folder", errno);
    fts_close(walk);
    if (list->count > 0) qsort(list->files, (size_t)list->count, sizeof *list->files, by_name);
    return status;
}

/* ---- a text ---- */

/* A name for output: the path as it is written, but its last part where that would lead elsewhere.
 */
static const char *name_of(const char *written) {
    while (strncmp(written, "./", 2) == 0) written += 2;
    const char *last = strrchr(written, '/');
    const bool leads_away = written[0] == '/' || strncmp(written, "../", 3) == 0 ||
                            strstr(written, "/../") || strncmp(written, "~", 1) == 0;
    return leads_away && last ? last + 1 : written;
}

/* The path of a line, relative to the folder that the text is in. NULL: no memory. */
static char *path_of(const char *text_path, const char *written) {
    const char *slash = strrchr(text_path, '/');
    char *path;
    if (written[0] == '/' || !slash) return strdup(written);
    return asprintf(&path, "%.*s/%s", (int)(slash - text_path), text_path, written) < 0 ? NULL
                                                                                        : path;
}

static ae_status add_line(ae_picture_list *list, const char *path, char *line) {
    line[strcspn(line, "\r\n")] = '\0';
    line += strspn(line, " \t");
    for (size_t size = strlen(line); size > 0 && strchr(" \t", line[size - 1]);)
        line[--size] = '\0';
    if (line[0] == '\0' || line[0] == '#') return AE_OK;
    return add(list, path_of(path, line), strdup(name_of(line)));
}

static ae_status read_text(ae_picture_list *list, const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ae_status status = AE_OK;
    if (!file) return refuse(path, "the list", errno);
    while (status == AE_OK && getline(&line, &room, file) >= 0) status = add_line(list, path, line);
    if (status == AE_OK && ferror(file)) status = refuse(path, "the list", errno);
    free(line);
    fclose(file);
    return status;
}

/* ---- what it is ---- */

/* A text has no control characters but tabs and ends of lines. */
static bool is_text(const unsigned char *head, size_t size) {
    for (size_t i = 0; i < size; ++i)
        if (head[i] == 0x7F || (head[i] < ' ' && !memchr("\t\r\n", head[i], 3))) return false;
    return true;
}

static ae_status refuse_kind(const char *path) {
    char found[AE_FOUND_SIZE];
    return ae_fail(AE_ERROR_DATA, "'%s' is neither a picture nor a list of pictures, but %s; " CURE,
                   path, ae_found_at(found, path));
}

static ae_status add_file(ae_picture_list *list, const char *path) {
    unsigned char head[HEAD_SIZE];
    size_t size;
    ae_picture_format format;
    const char *slash = strrchr(path, '/');
    const int error = ae_file_read_some(path, sizeof head, head, &size);
    if (error != 0) return refuse(path, "the file", error);
    if (ae_picture_is_named_so(path) || ae_picture_recognise(&format, head, size))
        return add(list, strdup(path), strdup(slash ? slash + 1 : path));
    return is_text(head, size) && size > 0 ? read_text(list, path) : refuse_kind(path);
}

static ae_status read_any(ae_picture_list *list, const char *path, const char *without) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    if (stat(path, &info) != 0)
        return ae_fail(AE_ERROR_DATA, "there is no '%s', but %s; " CURE, path,
                       ae_found_at(found, path));
    if (S_ISDIR(info.st_mode)) return walk_folder(list, path, without);
    return S_ISREG(info.st_mode) ? add_file(list, path) : refuse_kind(path); /* pipes may hang */
}

ae_status ae_picture_list_read(ae_picture_list *list, const char *path, const char *without) {
    char found[AE_FOUND_SIZE];
    *list = (ae_picture_list){0};
    ae_status status = read_any(list, path, without);
    if (status == AE_OK && list->count == 0)
        status = ae_fail(AE_ERROR_DATA, "there are no pictures in '%s', but %s; " CURE, path,
                         ae_found_at(found, path));
    if (status != AE_OK) ae_picture_list_release(list);
    return status;
}

void ae_picture_list_release(ae_picture_list *list) {
    for (int64_t i = 0; i < list->count; ++i) {
        free(list->files[i].path);
        free(list->files[i].name);
    }
    free(list->files);
    free(list->other);
    *list = (ae_picture_list){0};
}
