#include "io/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/build.h"
#include "base/file.h"
#include "base/log.h"
#include "io/folder.h"
#include "io/results_schema.h"
#include "io/run_folder.h"

enum {
    PART_BYTES = 1 << 20, /* of outputs that leave together, before compression */
    PART_NAME_SIZE = 64
};

/* A part's name tells the first epoch in it. */
#define PART_NAME "pictures-%04lld.h5"

void ae_parts_init(ae_parts *parts, const ae_pictures *pictures, const char *results) {
    *parts = (ae_parts){.pictures = pictures, .results = results, .is_settled = true};
}

void ae_parts_release(ae_parts *parts) {
    free(parts->sources);
    *parts = (ae_parts){0};
}

/* ---- rows ---- */

/* Where the outputs are that results.h5 holds itself. */
static const char *own_root(const ae_parts *parts) {
    return parts->count > 0 ? AE_RECENT_GROUP : AE_PICTURES_GROUP;
}

static int64_t rows_in_parts(const ae_parts *parts) {
    int64_t rows = 0;
    for (int p = 0; p < parts->count; ++p) rows += parts->sources[p].rows;
    return rows;
}

/* Bytes of all galleries' outputs after one epoch. */
static size_t row_bytes(const ae_parts *parts) {
    size_t bytes = 0;
    for (int g = 0; g < parts->pictures->gallery_count; ++g)
        bytes += ae_gallery_bytes(&parts->pictures->galleries[g]);
    return bytes;
}

/* Appends the first `rows` rows of a gallery's `name` below `from_root` in one file to those below
 * `to_root` in another, or in the same. */
static ae_status copy_rows(ae_h5 *to, const char *to_root, ae_h5 *from, const char *from_root,
                           const ae_gallery *gallery, const char *name, ae_h5_type type,
                           int64_t rows) {
    char from_path[AE_H5_NAME_SIZE], to_path[AE_H5_NAME_SIZE];
    ae_gallery_path(from_path, from_root, gallery, name);
    ae_gallery_path(to_path, to_root, gallery, name);
    return ae_h5_append_rows(to, to_path, from, from_path, type, rows);
}

static ae_status copy_epochs(ae_h5 *to, const char *to_root, ae_h5 *from, const char *from_root,
                             const ae_gallery *gallery, int64_t rows) {
    return copy_rows(to, to_root, from, from_root, gallery, "epoch", AE_H5_INT64, rows);
}

static ae_status copy_outputs(ae_h5 *to, const char *to_root, ae_h5 *from, const char *from_root,
                              const ae_gallery *gallery, int64_t rows) {
    return copy_rows(to, to_root, from, from_root, gallery, "output", AE_H5_FLOAT, rows);
}

/* ---- a virtual dataset and a real one ---- */

static ae_status delete_outputs(const ae_parts *parts, ae_h5 *file) {
    ae_status status = AE_OK;
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        char path[AE_H5_NAME_SIZE];
        ae_gallery_path(path, AE_PICTURES_GROUP, &parts->pictures->galleries[g], "output");
        if (ae_h5_has(file, path)) status = ae_h5_delete(file, path);
    }
    return status;
}

/* Makes each gallery's `output` a real one, with no rows. */
static ae_status make_real(const ae_parts *parts, ae_h5 *file) {
    ae_status status = delete_outputs(parts, file);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        ae_gallery_paths paths;
        ae_h5_dataset output =
            ae_gallery_output(&paths, AE_PICTURES_GROUP, &parts->pictures->galleries[g], 0);
        status = ae_h5_add(file, &output, NULL);
    }
    return status;
}

/* Makes a gallery's `output` show the rows of all parts, and those that the file itself has and
 * will have. */
static ae_status show(ae_parts *parts, ae_h5 *file, const ae_gallery *gallery) {
    ae_gallery_paths paths;
    ae_h5_dataset output =
        ae_gallery_output(&paths, AE_PICTURES_GROUP, gallery, rows_in_parts(parts));
    /* There is room for one source more than parts. */
    parts->sources[parts->count] = (ae_h5_source){.file = ".", .rows = AE_H5_ALL_ROWS};
    for (int s = 0; s <= parts->count; ++s)
        ae_gallery_path(parts->sources[s].path, AE_RECENT_GROUP, gallery, "output");
    return ae_h5_add_virtual(file, &output, parts->sources, parts->count + 1);
}

/* ---- what a file tells ---- */

/* Takes the sources of a virtual `output`, of which the last is the file itself. */
static ae_status take_sources(ae_parts *parts, ae_h5 *file, const ae_h5_dataset *output,
                              int count) {
    parts->sources = calloc((size_t)count + 1, sizeof *parts->sources);
    if (!parts->sources) return ae_fail_memory("the parts of results.h5");
    ae_status status = ae_h5_sources(file, output, parts->sources, count, &count);
    for (int s = 0; s < count && status == AE_OK; ++s) {
        const ae_h5_source *source = &parts->sources[s];
        const bool is_part = strncmp(source->file, "parts/", 6) == 0 && source->rows > 0;
        if (is_part)
            parts->sources[parts->count++] = *source;
        else if (strcmp(source->file, ".") != 0)
            status = ae_fail(AE_ERROR_IO, "%s is damaged: %s lies in %s", parts->results,
                             output->path, source->file);
    }
    return status;
}

/* Counts the rows in the file itself, and checks that each gallery has so many. */
static ae_status check_recent(ae_parts *parts, ae_h5 *file) {
    ae_status status = AE_OK;
    parts->recent = -1;
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        ae_gallery_paths paths;
        ae_h5_dataset own = ae_gallery_output(&paths, own_root(parts),
                                              &parts->pictures->galleries[g], parts->recent);
        status = ae_h5_check(file, own.path, own.type, own.rank, own.shape);
        parts->recent = own.shape[0];
        if (status == AE_OK) status = ae_h5_check(file, own.scales[0], AE_H5_INT64, 1, own.shape);
    }
    return status;
}

ae_status ae_parts_load(ae_parts *parts, ae_h5 *file) {
    ae_gallery_paths paths;
    ae_h5_dataset output =
        ae_gallery_output(&paths, AE_PICTURES_GROUP, &parts->pictures->galleries[0], -1);
    int count;
    ae_status status = ae_h5_check(file, output.path, output.type, output.rank, output.shape);
    if (status == AE_OK) status = ae_h5_check(file, output.scales[0], AE_H5_INT64, 1, output.shape);
    if (status == AE_OK) status = ae_h5_sources(file, &output, NULL, 0, &count);
    if (status == AE_OK && count > 0) status = take_sources(parts, file, &output, count);
    return status == AE_OK ? check_recent(parts, file) : status;
}

/* ---- a part ---- */

/* dir = the folder of the parts. */
static void parts_folder(char dir[AE_PATH_SIZE], const ae_parts *parts) {
    const char *slash = strrchr(parts->results, '/');
    const int length = slash ? (int)(slash - parts->results) : 1;
    snprintf(dir, AE_PATH_SIZE, "%.*s/parts", length, slash ? parts->results : ".");
}

/* Begins the part of the outputs from those after `epoch` on, with none yet. The caller owns *part.
 */
static ae_status begin_part(const ae_parts *parts, ae_h5 **part, int64_t epoch) {
    char dir[AE_PATH_SIZE], path[AE_PATH_SIZE + PART_NAME_SIZE], program[AE_H5_NAME_SIZE];
    parts_folder(dir, parts);
    const int error = ae_folder_make(dir);
    if (error != 0) return ae_file_fail("make the folder", dir, error);
    snprintf(path, sizeof path, "%s/" PART_NAME, dir, (long long)epoch);
    snprintf(program, sizeof program, "ae_dist %s (%s)", ae_build_version(), ae_build_revision());
    ae_status status = ae_h5_create(part, path);
    if (status == AE_OK) status = ae_h5_set_text(*part, "/", "title", "Pictures of a training run");
    if (status == AE_OK) status = ae_h5_set_text(*part, "/", "format", "ae_dist part");
    if (status == AE_OK) status = ae_h5_set_text(*part, "/", "program", program);
    return status == AE_OK ? ae_pictures_write_outputs(parts->pictures, *part, AE_RECENT_GROUP,
                                                       "Some of the outputs that results.h5 shows")
                           : status;
}

static ae_status add_recent_group(const ae_parts *parts, ae_h5 *file) {
    return ae_pictures_write_outputs(parts->pictures, file, AE_RECENT_GROUP,
                                     "The newest outputs: /reconstructions shows them, and those "
                                     "before, which are in the folder parts/");
}

/* There is one part more, of `rows` rows, and no outputs in results.h5 itself. */
static ae_status enter_part(ae_parts *parts, ae_h5 *file, int64_t epoch, int64_t rows) {
    const size_t count = (size_t)parts->count + 2; /* with room for that of the file itself */
    ae_h5_source *grown = realloc(parts->sources, count * sizeof *grown);
    if (!grown) return ae_fail_memory("the parts of results.h5");
    parts->sources = grown;
    ae_h5_source *source = &parts->sources[parts->count];
    *source = (ae_h5_source){.rows = rows};
    snprintf(source->file, sizeof source->file, "parts/" PART_NAME, (long long)epoch);
    parts->is_settled = false;
    parts->recent = 0;
    ae_status status = parts->count++ > 0 ? ae_h5_delete(file, AE_RECENT_GROUP) : AE_OK;
    return status == AE_OK ? add_recent_group(parts, file) : status;
}

/* The first `rows` rows below `root` in `from` become a part of the file. */
static ae_status move_out(ae_parts *parts, ae_h5 *file, ae_h5 *from, const char *root,
                          int64_t rows) {
    char epochs[AE_H5_NAME_SIZE];
    int64_t first = 0;
    ae_h5 *part = NULL;
    ae_gallery_path(epochs, root, &parts->pictures->galleries[0], "epoch");
    ae_status status = ae_h5_read_row(from, epochs, AE_H5_INT64, 0, &first);
    if (status == AE_OK) status = begin_part(parts, &part, first);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        const ae_gallery *gallery = &parts->pictures->galleries[g];
        status = copy_epochs(part, AE_RECENT_GROUP, from, root, gallery, rows);
        if (status == AE_OK)
            status = copy_outputs(part, AE_RECENT_GROUP, from, root, gallery, rows);
    }
    if (status == AE_OK) status = ae_h5_publish(part);
    ae_h5_close(&part);
    return status == AE_OK ? enter_part(parts, file, first, rows) : status;
}

/* The outputs in results.h5 itself become a part. */
static ae_status move_own(ae_parts *parts, ae_h5 *file) {
    return move_out(parts, file, file, own_root(parts), parts->recent);
}

/* ---- going on ---- */

/* Leaves the first `rows` rows of the parts; returns how many there were too few. */
static int64_t cut_sources(ae_parts *parts, int64_t rows) {
    int count = 0;
    for (; count < parts->count && rows > 0; ++count) {
        ae_h5_source *source = &parts->sources[count];
        if (source->rows > rows) source->rows = rows;
        rows -= source->rows;
    }
    parts->count = count;
    return rows;
}

/* Copies the first `rows` of the rows that the other file holds itself, below `from_root`, to where
 * the file has its own; or they become a part. */
static ae_status take_own(ae_parts *parts, ae_h5 *file, ae_h5 *from, const char *from_root,
                          int64_t rows) {
    if ((size_t)rows * row_bytes(parts) >= PART_BYTES)
        return move_out(parts, file, from, from_root, rows);
    ae_status status = AE_OK;
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        const ae_gallery *gallery = &parts->pictures->galleries[g];
        status = copy_outputs(file, own_root(parts), from, from_root, gallery, rows);
        if (status == AE_OK && parts->count > 0)
            status = copy_epochs(file, AE_RECENT_GROUP, from, from_root, gallery, rows);
    }
    parts->recent = rows;
    return status;
}

ae_status ae_parts_take(ae_parts *parts, ae_h5 *file, ae_h5 *from, int64_t epochs) {
    const char *from_root = own_root(parts);
    char path[AE_H5_NAME_SIZE];
    int64_t kept;
    ae_gallery_path(path, AE_PICTURES_GROUP, &parts->pictures->galleries[0], "epoch");
    ae_status status = ae_scale_count(from, path, epochs, &kept);
    if (status != AE_OK) return status;
    const int64_t rest = cut_sources(parts, kept);
    const int64_t own = rest < parts->recent ? rest : parts->recent;
    parts->is_settled = false;
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g)
        status = copy_epochs(file, AE_PICTURES_GROUP, from, AE_PICTURES_GROUP,
                             &parts->pictures->galleries[g], kept);
    if (status == AE_OK && parts->count > 0) status = add_recent_group(parts, file);
    return status == AE_OK ? take_own(parts, file, from, from_root, own) : status;
}

/* ---- adding ---- */

static ae_status append_epoch(ae_h5 *file, const char *root, const ae_gallery *gallery,
                              int64_t epoch) {
    char path[AE_H5_NAME_SIZE];
    ae_gallery_path(path, root, gallery, "epoch");
    return ae_h5_append(file, path, AE_H5_INT64, &epoch);
}

/* Appends a gallery's outputs below `root`, from those of all pictures. */
static ae_status append_output(ae_h5 *file, const char *root, const ae_gallery *gallery,
                               const float *output) {
    char path[AE_H5_NAME_SIZE];
    float *values = malloc(ae_gallery_bytes(gallery));
    if (!values) return ae_fail_memory("the pictures in results.h5");
    ae_gallery_gather(gallery, values, output);
    ae_gallery_path(path, root, gallery, "output");
    ae_status status = ae_h5_append(file, path, AE_H5_FLOAT, values);
    free(values);
    return status;
}

/* Outputs that are a part by themselves never enter results.h5, where they would leave a hole. */
static ae_status add_part(ae_parts *parts, ae_h5 *file, int64_t epoch, const float *output) {
    ae_h5 *part = NULL;
    ae_status status = parts->recent > 0 ? move_own(parts, file) : AE_OK;
    if (status == AE_OK) status = begin_part(parts, &part, epoch);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        const ae_gallery *gallery = &parts->pictures->galleries[g];
        status = append_epoch(part, AE_RECENT_GROUP, gallery, epoch);
        if (status == AE_OK) status = append_output(part, AE_RECENT_GROUP, gallery, output);
    }
    if (status == AE_OK) status = ae_h5_publish(part);
    ae_h5_close(&part);
    return status == AE_OK ? enter_part(parts, file, epoch, 1) : status;
}

static ae_status add_recent(ae_parts *parts, ae_h5 *file, int64_t epoch, const float *output) {
    ae_status status = AE_OK;
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        const ae_gallery *gallery = &parts->pictures->galleries[g];
        status = append_output(file, own_root(parts), gallery, output);
        if (status == AE_OK && parts->count > 0)
            status = append_epoch(file, AE_RECENT_GROUP, gallery, epoch);
    }
    parts->recent += 1;
    return status;
}

ae_status ae_parts_add(ae_parts *parts, ae_h5 *file, int64_t epoch, const float *output) {
    const bool is_large = row_bytes(parts) >= PART_BYTES;
    ae_status status = (is_large ? add_part : add_recent)(parts, file, epoch, output);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g)
        status = append_epoch(file, AE_PICTURES_GROUP, &parts->pictures->galleries[g], epoch);
    return status;
}

/* ---- leaving ---- */

ae_status ae_parts_settle(ae_parts *parts, ae_h5 *file) {
    ae_status status = AE_OK;
    if ((size_t)parts->recent * row_bytes(parts) >= PART_BYTES) status = move_own(parts, file);
    if (status != AE_OK || parts->count == 0 || parts->is_settled) return status;
    status = delete_outputs(parts, file);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g)
        status = show(parts, file, &parts->pictures->galleries[g]);
    parts->is_settled = status == AE_OK;
    return status;
}

/* ---- coming back ---- */

/* Opens a part that has the rows it should have. */
static ae_status open_part(ae_h5 **file, const ae_parts *parts, const ae_h5_source *source) {
    char dir[AE_PATH_SIZE], path[AE_PATH_SIZE + AE_H5_NAME_SIZE];
    parts_folder(dir, parts);
    snprintf(path, sizeof path, "%s/%s", dir, source->file + strlen("parts/"));
    ae_status status = ae_h5_open(file, path, SIZE_MAX);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        ae_gallery_paths paths;
        ae_h5_dataset output =
            ae_gallery_output(&paths, AE_RECENT_GROUP, &parts->pictures->galleries[g], -1);
        status = ae_h5_check(*file, output.path, output.type, output.rank, output.shape);
        if (status == AE_OK && output.shape[0] < source->rows)
            status = ae_fail(AE_ERROR_IO, "%s has too few pictures", path);
    }
    return status;
}

/* Appends rows that are lost. */
static ae_status append_lost(ae_h5 *file, const ae_gallery *gallery, int64_t rows) {
    char path[AE_H5_NAME_SIZE];
    const size_t values = ae_gallery_bytes(gallery) / sizeof(float);
    float *row = malloc(values * sizeof *row);
    if (!row) return ae_fail_memory("the pictures in results.h5");
    for (size_t i = 0; i < values; ++i) row[i] = NAN;
    ae_status status = AE_OK;
    ae_gallery_path(path, AE_PICTURES_GROUP, gallery, "output");
    for (int64_t r = 0; r < rows && status == AE_OK; ++r)
        status = ae_h5_append(file, path, AE_H5_FLOAT, row);
    free(row);
    return status;
}

static ae_status merge_part(const ae_parts *parts, ae_h5 *file, const ae_h5_source *source) {
    ae_h5 *part = NULL;
    ae_status status = open_part(&part, parts, source);
    const bool is_lost = status == AE_ERROR_IO;
    if (is_lost) {
        ae_warn("%s; the outputs of %lld epochs that it held are NaN in %s", ae_message(),
                (long long)source->rows, parts->results);
        status = AE_OK;
    }
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g) {
        const ae_gallery *gallery = &parts->pictures->galleries[g];
        status = is_lost ? append_lost(file, gallery, source->rows)
                         : copy_outputs(file, AE_PICTURES_GROUP, part, AE_RECENT_GROUP, gallery,
                                        source->rows);
    }
    ae_h5_close(&part);
    return status;
}

ae_status ae_parts_merge(ae_parts *parts, ae_h5 *file) {
    if (parts->count == 0) return AE_OK;
    const int64_t rows = rows_in_parts(parts) + parts->recent;
    ae_status status = make_real(parts, file);
    for (int p = 0; p < parts->count && status == AE_OK; ++p)
        status = merge_part(parts, file, &parts->sources[p]);
    for (int g = 0; g < parts->pictures->gallery_count && status == AE_OK; ++g)
        status = copy_outputs(file, AE_PICTURES_GROUP, file, AE_RECENT_GROUP,
                              &parts->pictures->galleries[g], parts->recent);
    if (status == AE_OK) status = ae_h5_delete(file, AE_RECENT_GROUP);
    parts->count = 0;
    parts->recent = rows;
    parts->is_tidy = false;
    return status;
}

/* ---- the folder ---- */

static int is_part(const struct dirent *file) {
    return strncmp(file->d_name, "pictures-", 9) == 0 && strstr(file->d_name, ".h5");
}

static bool counts(const ae_parts *parts, const char *name) {
    for (int p = 0; p < parts->count; ++p)
        if (strcmp(parts->sources[p].file + strlen("parts/"), name) == 0) return true;
    return false;
}

ae_status ae_parts_tidy(ae_parts *parts) {
    char dir[AE_PATH_SIZE];
    ae_listing list = {0};
    bool exists = false;
    if (parts->is_tidy) return AE_OK;
    parts_folder(dir, parts);
    ae_status status = ae_file_exists(&exists, dir);
    if (status == AE_OK && exists) status = ae_folder_list(&list, dir, is_part, NULL);
    for (int f = 0; f < list.count && status == AE_OK; ++f)
        if (!counts(parts, list.files[f]->d_name))
            status = ae_folder_delete(dir, list.files[f]->d_name);
    ae_listing_release(&list);
    if (exists && parts->count == 0) (void)!rmdir(dir); /* others' files may be there */
    parts->is_tidy = status == AE_OK;
    return status;
}
