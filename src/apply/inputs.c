#include "apply/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/found.h"
#include "base/log.h"
#include "picture/picture.h"

/* ---- one text of all texts, so that it can be told to other ranks ---- */

/* An input whose texts are four, one behind the other, at `texts` of the list's. */
typedef struct entry {
    int64_t texts, bytes, mtime_ns;
} entry;

typedef struct list {
    entry *entries;
    int64_t count, room;
    char *texts;
    int64_t size, text_room;
} list;

/* *memory has room for `needed` items; false: there is no memory. */
static bool make_room(void **memory, int64_t *room, int64_t needed, size_t item) {
    if (needed <= *room) return true;
    const int64_t larger = 2 * needed;
    void *made = realloc(*memory, (size_t)larger * item);
    if (!made) return false;
    *memory = made;
    *room = larger;
    return true;
}

static bool add_text(list *l, const char *text) {
    const int64_t size = (int64_t)strlen(text) + 1;
    void *memory = l->texts;
    if (!make_room(&memory, &l->text_room, l->size + size, 1)) return false;
    l->texts = memory;
    memcpy(l->texts + l->size, text, (size_t)size);
    l->size += size;
    return true;
}

static ae_status add(list *l, const char *path, const char *dataset, const char *relative,
                     const char *name) {
    struct stat info = {0};
    void *memory = l->entries;
    if (!make_room(&memory, &l->room, l->count + 1, sizeof *l->entries))
        return ae_fail_memory("the list of pictures");
    l->entries = memory;
    /* What isn't there is told when it is opened. */
    if (stat(path, &info) != 0) info = (struct stat){0};
    l->entries[l->count++] =
        (entry){l->size, info.st_size, info.st_mtim.tv_sec * 1000000000LL + info.st_mtim.tv_nsec};
    return add_text(l, path) && add_text(l, dataset) && add_text(l, relative) && add_text(l, name)
               ? AE_OK
               : ae_fail_memory("the list of pictures");
}

/* ---- output names ---- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Does the file begin as a JPEG does? */
static bool is_jpeg(const char *path) {
    unsigned char begin[2] = {0};
    size_t size = 0;
    return ae_file_read_some(path, sizeof begin, begin, &size) == 0 && size == 2 &&
           begin[0] == 0xff && begin[1] == 0xd8;
}

/* The ending that a picture's name gets; NULL: it keeps its own. */
static const char *new_ending(const char *path, ae_apply_format format) {
    switch (format) {
    case AE_APPLY_PNG:
        return "png";
    case AE_APPLY_TIFF:
        return "tif";
    case AE_APPLY_JPEG:
        return "jpg";
    case AE_APPLY_AUTO:
        return is_jpeg(path) ? "png" : NULL;
    case AE_APPLY_SAME:
        break;
    }
    return NULL;
}

/* Is that ending of a name one of that format's already? */
static bool has_ending(const char *dot, const char *ending) {
    char word[8];
    snprintf(word, sizeof word, ".%s", ending);
    if (strcasecmp(dot, word) == 0) return true;
    if (strcmp(ending, "tif") == 0) return strcasecmp(dot, ".tiff") == 0;
    return strcmp(ending, "jpg") == 0 && strcasecmp(dot, ".jpeg") == 0;
}

/* name[AE_PATH_SIZE] = the picture's below OUT. */
static void output_name(char *name, const ae_picture_file *file, ae_apply_format format) {
    const char *ending = new_ending(file->path, format), *dot = strrchr(base_name(file->name), '.');
    if (!ending || (dot && has_ending(dot, ending)))
        snprintf(name, AE_PATH_SIZE, "%s", file->name);
    else
        snprintf(name, AE_PATH_SIZE, "%.*s.%s",
                 (int)(dot ? (size_t)(dot - file->name) : strlen(file->name)), file->name, ending);
}

/* ---- finding them ---- */

size_t ae_input_split(const char *text) {
    const char *colon = strstr(text, ":/");
    struct stat info;
    char path[AE_PATH_SIZE];
    if (!colon || colon == text || colon - text >= AE_PATH_SIZE || stat(text, &info) == 0) return 0;
    snprintf(path, sizeof path, "%.*s", (int)(colon - text), text);
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (size_t)(colon - text) : 0;
}

void ae_input_label(char label[AE_INPUT_LABEL_SIZE], const ae_input *input) {
    snprintf(label, AE_INPUT_LABEL_SIZE, "%s%s%s", input->path, input->dataset[0] ? ":" : "",
             input->dataset);
}

static ae_status add_dataset(list *l, const char *input, size_t length) {
    char path[AE_PATH_SIZE];
    snprintf(path, sizeof path, "%.*s", (int)length, input);
    const char *name = base_name(path);
    return add(l, path, input + length + 1, input + (name - path), name);
}

/* What isn't a folder of pictures may have been meant as a dataset. */
static ae_status refuse_input(const char *input, ae_status status) {
    char reason[AE_MESSAGE_SIZE];
    struct stat info;
    if (status != AE_ERROR_DATA || (stat(input, &info) == 0 && S_ISDIR(info.st_mode)))
        return status;
    snprintf(reason, sizeof reason, "%s", ae_message());
    return ae_fail(status, "%s; of HDF5 files name a dataset, as FILE.h5:/dataset", reason);
}

static ae_status add_pictures(list *l, const char *input, const ae_apply_options *options) {
    ae_picture_list found = {0};
    ae_status status = ae_picture_list_read(&found, input, options->out);
    if (status != AE_OK) return refuse_input(input, status);
    for (int64_t f = 0; status == AE_OK && f < found.count; ++f) {
        char name[AE_PATH_SIZE];
        output_name(name, &found.files[f], options->format);
        status = add(l, found.files[f].path, "", found.files[f].name, name);
    }
    if (status == AE_OK && found.others > 0)
        ae_say("%s: %lld files are left out, as their names don't end as a picture's do: %s%s",
               input, (long long)found.others, found.other, found.others > 1 ? " ..." : "");
    ae_picture_list_release(&found);
    return status;
}

static ae_status find(list *l, const ae_apply_options *options) {
    ae_status status = AE_OK;
    for (int i = 0; status == AE_OK && i < options->input_count; ++i) {
        const size_t length = ae_input_split(options->inputs[i]);
        status = length > 0 ? add_dataset(l, options->inputs[i], length)
                            : add_pictures(l, options->inputs[i], options);
    }
    return status;
}

/* ---- what is refused ---- */

static int by_name(const void *a, const void *b) {
    const ae_input *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static ae_status refuse_both(const ae_input *a, const ae_input *b) {
    char first[AE_INPUT_LABEL_SIZE], second[AE_INPUT_LABEL_SIZE];
    ae_input_label(first, a);
    ae_input_label(second, b);
    if (strcmp(first, second) == 0)
        return ae_fail(AE_ERROR_USAGE, "%s is given twice: give it once", first);
    return ae_fail(AE_ERROR_USAGE,
                   "%s and %s would both go to %s; give them one after the other, each an OUT of "
                   "its own%s",
                   first, second, a->name,
                   a->dataset[0] ? "" : ", or keep formats apart with --format same");
}

static ae_status check_names(const ae_inputs *inputs) {
    const ae_input **sorted = malloc((size_t)inputs->count * sizeof *sorted);
    ae_status status = AE_OK;
    if (!sorted) return ae_fail_memory("the list of pictures");
    for (int64_t i = 0; i < inputs->count; ++i) sorted[i] = &inputs->all[i];
    qsort(sorted, (size_t)inputs->count, sizeof *sorted, by_name);
    for (int64_t i = 1; status == AE_OK && i < inputs->count; ++i)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = refuse_both(sorted[i - 1], sorted[i]);
    free(sorted);
    return status;
}

/* Would an output replace its own input? */
static ae_status check_places(const ae_inputs *inputs, const char *out) {
    for (int64_t i = 0; i < inputs->count; ++i) {
        char path[AE_PATH_SIZE];
        struct stat from, to;
        if (snprintf(path, sizeof path, "%s/%s", out, inputs->all[i].name) >= AE_PATH_SIZE)
            return ae_fail(AE_ERROR_USAGE, "%s/%s: the path is too long", out, inputs->all[i].name);
        if (stat(inputs->all[i].path, &from) == 0 && stat(path, &to) == 0 &&
            from.st_dev == to.st_dev && from.st_ino == to.st_ino)
            return ae_fail(AE_ERROR_USAGE,
                           "-o %s: %s would be put in its own place; name another folder", out,
                           path);
    }
    return AE_OK;
}

/* Is a reference there, and one of each input? */
static ae_status check_reference(const ae_inputs *inputs, const char *reference) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    const bool is_dataset = ae_input_split(reference) > 0;
    if (!is_dataset && stat(reference, &info) != 0)
        return ae_fail(AE_ERROR_USAGE,
                       "--reference %s: %s; there is %s. Name a folder with pictures of the same "
                       "names",
                       reference, strerror(errno), ae_found_at(found, reference));
    if (inputs->count == 1 || (!is_dataset && S_ISDIR(info.st_mode))) return AE_OK;
    return ae_fail(AE_ERROR_USAGE,
                   "--reference %s: it is one for %lld inputs; name a folder with pictures of the "
                   "same names",
                   reference, (long long)inputs->count);
}

/* ---- on all ranks ---- */

/* Makes the inputs of rank 0's list, which it hands over. Collective. */
static ae_status share(ae_inputs *inputs, list *l, ae_comm *comm) {
    int64_t sizes[2] = {l->count, l->size};
    ae_comm_broadcast(comm, sizes, sizeof sizes);
    const size_t entries_size = (size_t)sizes[0] * sizeof(entry);
    if (ae_comm_rank(comm) != 0) {
        l->entries = malloc(entries_size);
        l->texts = malloc((size_t)sizes[1]);
    }
    inputs->all = calloc((size_t)sizes[0], sizeof *inputs->all);
    const bool has_memory = l->entries && l->texts && inputs->all;
    ae_status status =
        ae_comm_agree(comm, has_memory ? AE_OK : ae_fail_memory("the list of pictures"));
    if (status != AE_OK) return status;
    ae_comm_broadcast(comm, l->entries, entries_size);
    ae_comm_broadcast(comm, l->texts, (size_t)sizes[1]);
    inputs->count = sizes[0];
    inputs->texts = l->texts;
    l->texts = NULL;
    for (int64_t i = 0; i < inputs->count; ++i) {
        const entry *e = &l->entries[i];
        const char *path = inputs->texts + e->texts, *dataset = path + strlen(path) + 1;
        const char *relative = dataset + strlen(dataset) + 1,
                   *name = relative + strlen(relative) + 1;
        inputs->all[i] = (ae_input){path, dataset, relative, name, e->bytes, e->mtime_ns};
    }
    return AE_OK;
}

ae_status ae_inputs_find(ae_inputs *inputs, ae_comm *comm, const ae_apply_options *options) {
    list l = {0};
    *inputs = (ae_inputs){0};
    ae_status status = ae_comm_rank(comm) == 0 ? find(&l, options) : AE_OK;
    status = ae_comm_agree(comm, status);
    if (status == AE_OK) status = share(inputs, &l, comm);
    free(l.entries);
    free(l.texts);
    if (status != AE_OK) return status;
    if (ae_comm_rank(comm) == 0) {
        status = check_names(inputs);
        if (status == AE_OK) status = check_places(inputs, options->out);
        if (status == AE_OK && options->reference)
            status = check_reference(inputs, options->reference);
    }
    return ae_comm_agree(comm, status);
}

void ae_inputs_release(ae_inputs *inputs) {
    free(inputs->all);
    free(inputs->texts);
    *inputs = (ae_inputs){0};
}
