#include "apply/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "h5/h5.h"
#include "io/run_folder.h"

enum { FIGURES = 4 };

/* A picture is a row; a column's values lie together. */
typedef struct table {
    int64_t count, room;
    char **names; /* owned, as each of them */
    double *column[FIGURES];
} table;

static const struct {
    const char *name, *units, *long_name, *description;
} columns[FIGURES] = {
    {"psnr_db", "dB", "PSNR",
     "10 log10(1 / MSE) of the network's picture against the clean one, "
     "pixel values from 0 to 1, before rounding"},
    {"ssim", "1", "SSIM",
     "structural similarity of the same: 7x7 windows, data range 1; not a "
     "number where a side is shorter"},
    {"input_psnr_db", "dB", "PSNR of the input", "the same of the network's input"},
    {"input_ssim", "1", "SSIM of the input", "the same of the network's input"},
};

static void release(table *t) {
    for (int64_t n = 0; n < t->count; ++n) free(t->names[n]);
    free(t->names);
    for (int f = 0; f < FIGURES; ++f) free(t->column[f]);
}

static bool grow(table *t) {
    const int64_t room = t->room == 0 ? 64 : 2 * t->room;
    void *names = realloc(t->names, (size_t)room * sizeof *t->names);
    if (!names) return false;
    t->names = names;
    for (int f = 0; f < FIGURES; ++f) {
        double *column = realloc(t->column[f], (size_t)room * sizeof *column);
        if (!column) return false;
        t->column[f] = column;
    }
    t->room = room;
    return true;
}

static ae_status add(table *t, const char *name, const ae_quality *quality) {
    const double values[FIGURES] = {quality->psnr_db, quality->ssim, quality->input_psnr_db,
                                    quality->input_ssim};
    if (t->count == t->room && !grow(t)) return ae_fail_memory("the figures");
    t->names[t->count] = strdup(name);
    if (!t->names[t->count]) return ae_fail_memory("the figures");
    for (int f = 0; f < FIGURES; ++f) t->column[f][t->count] = values[f];
    t->count += 1;
    return AE_OK;
}

/* All pages of an input, which are told by number where there are several. */
static ae_status add_input(table *t, const ae_input *input, const char *figures) {
    ae_status status = AE_OK;
    ae_quality quality, next;
    bool more = ae_journal_next(&figures, &quality);
    for (int page = 0; more && status == AE_OK; ++page, quality = next) {
        char name[2 * AE_PATH_SIZE];
        more = ae_journal_next(&figures, &next);
        snprintf(name, sizeof name, more || page > 0 ? "%s%s%s[%d]" : "%s%s%s", input->name,
                 input->dataset[0] ? ":" : "", input->dataset, page);
        status = add(t, name, &quality);
    }
    return status;
}

static ae_status fill(table *t, const char *out, const ae_inputs *inputs,
                      const char (*keys)[AE_HASH_TEXT_SIZE]) {
    ae_journal *journal;
    ae_status status = ae_journal_read(&journal, out);
    for (int64_t i = 0; i < inputs->count && status == AE_OK; ++i) {
        const char *figures = ae_journal_find(journal, keys[i]);
        if (figures) status = add_input(t, &inputs->all[i], figures);
    }
    ae_journal_destroy(&journal);
    return status;
}

/* ---- printed ---- */

/* Over the numbers there are; of PSNR that are not infinite. */
static double mean(const double *values, int64_t count) {
    double sum = 0, numbers = 0;
    for (int64_t n = 0; n < count; ++n)
        if (isfinite(values[n])) {
            sum += values[n];
            numbers += 1;
        }
    return numbers > 0 ? sum / numbers : NAN;
}

static void print_line(const char *name, const double *values) {
    ae_say("PSNR %6.2f dB  SSIM %.4f  (input %6.2f dB  %.4f)  %s", values[0], values[1], values[2],
           values[3], name);
}

static void print(const table *t) {
    double values[FIGURES];
    for (int64_t n = 0; n < t->count; ++n) {
        for (int f = 0; f < FIGURES; ++f) values[f] = t->column[f][n];
        print_line(t->names[n], values);
    }
    for (int f = 0; f < FIGURES; ++f) values[f] = mean(t->column[f], t->count);
    char name[64];
    int64_t finite = 0;
    for (int64_t n = 0; n < t->count; ++n) finite += isfinite(t->column[0][n]) != 0;
    if (finite == t->count)
        snprintf(name, sizeof name, "mean of %lld", (long long)t->count);
    else
        snprintf(name, sizeof name, "mean of %lld (%lld are infinite)", (long long)finite,
                 (long long)(t->count - finite));
    print_line(name, values);
}

/* ---- stored ---- */

/* In quotes, those within written twice (RFC 4180). */
static size_t quote(char *text, const char *name) {
    size_t size = 0;
    text[size++] = '"';
    for (; *name; ++name) {
        if (*name == '"') text[size++] = '"';
        text[size++] = *name;
    }
    text[size++] = '"';
    return size;
}

static ae_status write_csv(const table *t, const char *out) {
    enum { NUMBERS_SIZE = FIGURES * 32 };
    char path[AE_PATH_SIZE];
    size_t room = 128, size;
    for (int64_t n = 0; n < t->count; ++n) room += 2 * strlen(t->names[n]) + NUMBERS_SIZE;
    char *text = malloc(room);
    if (!text) return ae_fail_memory("apply.csv");
    size = (size_t)snprintf(text, room, "name,psnr_db,ssim,input_psnr_db,input_ssim\n");
    for (int64_t n = 0; n < t->count; ++n) {
        size += quote(text + size, t->names[n]);
        for (int f = 0; f < FIGURES; ++f)
            size += (size_t)snprintf(text + size, room - size, ",%.10g", t->column[f][n]);
        text[size++] = '\n';
    }
    snprintf(path, sizeof path, "%s/apply.csv", out);
    ae_status status = ae_file_replace(path, text, size);
    free(text);
    return status;
}

static ae_status add_columns(ae_h5 *file, const table *t) {
    ae_h5_dataset names = {.path = "/pictures/name",
                           .type = AE_H5_TEXT,
                           .rank = 1,
                           .shape = {t->count},
                           .units = "text",
                           .long_name = "picture",
                           .description = "name below the folder; of files with several pictures "
                                          "with its number, from 0 on",
                           .scales = {"/pictures/name"}};
    ae_status status = ae_h5_add(file, &names, t->names);
    for (int f = 0; f < FIGURES && status == AE_OK; ++f) {
        char path[64];
        snprintf(path, sizeof path, "/pictures/%s", columns[f].name);
        ae_h5_dataset column = {.path = path,
                                .type = AE_H5_DOUBLE,
                                .rank = 1,
                                .shape = {t->count},
                                .units = columns[f].units,
                                .long_name = columns[f].long_name,
                                .description = columns[f].description,
                                .scales = {"/pictures/name"}};
        status = ae_h5_add(file, &column, t->column[f]);
    }
    return status;
}

static ae_status write_h5(const table *t, const char *out, const ae_report_origin *origin) {
    char path[AE_PATH_SIZE], sigma[32];
    ae_h5 *file;
    snprintf(path, sizeof path, "%s/apply.h5", out);
    snprintf(sigma, sizeof sigma, "%.9g", origin->sigma);
    ae_status status = ae_h5_create(&file, path);
    if (status == AE_OK)
        status = ae_h5_add_group(file, "/pictures", "how well each picture matches a clean one");
    if (status == AE_OK) status = add_columns(file, t);
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "parameters_hash", origin->model_hash);
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "sigma", sigma);
    if (status == AE_OK) status = ae_h5_set_text(file, "/", "reference", origin->reference);
    if (status == AE_OK) status = ae_h5_publish(file);
    ae_h5_close(&file);
    return status;
}

ae_status ae_report_write(const char *out, const ae_inputs *inputs,
                          const char (*keys)[AE_HASH_TEXT_SIZE], const ae_report_origin *origin) {
    table t = {0};
    ae_status status = fill(&t, out, inputs, keys);
    if (status == AE_OK && t.count > 0) {
        print(&t);
        status = write_csv(&t, out);
        if (status == AE_OK) status = write_h5(&t, out, origin);
    }
    release(&t);
    return status;
}
