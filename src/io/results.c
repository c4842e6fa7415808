/* results.h5 is an HDF5 file:
 *
 *     /                  attributes: title, description, program, format "ae_dist results",
 *                        format_version 1
 *     /config            attributes: every option as text, "section.key"; dataset `ini`: the
 *                        configuration file as it was read
 *     /provenance        [start]: a row for each start of the program; attributes: init_from and
 *                        init_hash (ae_origin), empty where the seed's weights were begun with
 *     /epochs            [epoch]: a row for each epoch; seconds_* are [epoch][statistic]
 *     /levels            [epoch][level]: psnr_db and ssim at each level of noise that the test
 *                        images are evaluated at, the epochs being those of the scale `epoch` of
 *                        this group; sigma [level]
 *     /test              [index]: label; once there are some, psnr_db, ssim, input_psnr_db and
 *                        input_ssim of every test image
 *     /reconstructions   (where some are asked for) index, label [index]; clean, noisy
 *                        [index][channel][row][column]; output [epoch][index][channel][row]
 *                        [column], the epochs being those of the scale `epoch` of this group.
 *                        noisy is what the training phase's network sees; while pretraining it
 *                        sees clean. Of pictures of several sizes a group for each in it, "321x481"
 *                        (rows x columns), with all these
 *     /recent            (while a run with many pictures goes on, see parts.h) the newest outputs
 *
 * `label` is there where the images have labels. Every dimension has a scale of its name in the
 * same group. The columns of the two tables are those of results_schema.c. `epoch` and `start` can
 * grow.
 *
 * A run that goes on cuts the tables back to the epochs its checkpoint knows of. */
#include "io/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/build.h"
#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"
#include "h5/h5.h"
#include "io/config_group.h"
#include "io/images_group.h"
#include "io/levels_group.h"
#include "io/origin_group.h"
#include "io/parts.h"
#include "io/results_schema.h"

static const char format[] = "ae_dist results";
enum { FORMAT_VERSION = 1 };

struct ae_results {
    ae_h5 *file;
    char *path; /* owned */
    int64_t test_count;
    ae_pictures pictures;
    ae_parts parts; /* of the pictures */
};

/* ---- groups ---- */

/* Begins a file: all but what depends on the start. */
static ae_status begin(ae_results *results, const char *path) {
    char program[AE_H5_NAME_SIZE];
    snprintf(program, sizeof program, "ae_dist %s (%s)", ae_build_version(), ae_build_revision());
    ae_status status = ae_h5_create(&results->file, path);
    if (status != AE_OK) return status;
    const char *const attributes[][2] = {
        {"title", "Training run of a convolutional autoencoder"},
        {"description",
         "Each group opens as a dataset of its own: xarray.open_dataset(path, group='epochs', "
         "engine='h5netcdf'). Every dataset tells its units, long_name and description."},
        {"program", program},
        {"format", format}};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes && status == AE_OK; ++i)
        status = ae_h5_set_text(results->file, "/", attributes[i][0], attributes[i][1]);
    if (status == AE_OK)
        status = ae_h5_set_int64(results->file, "/", "format_version", FORMAT_VERSION);
    if (status == AE_OK) status = ae_table_add(results->file, &ae_provenance_table);
    if (status == AE_OK) status = ae_table_add(results->file, &ae_epochs_table);
    return status;
}

static ae_status write_config(ae_h5 *file, const ae_config *config) {
    ae_status status = ae_config_group_write(file, config);
    if (status != AE_OK) return status;
    const char *text = ae_config_ini(config);
    ae_h5_dataset ini = {.path = "/config/ini",
                         .type = AE_H5_TEXT,
                         .units = "text",
                         .long_name = "Configuration file",
                         .description = "As it was read; options given with --set are not in it"};
    return ae_h5_add(file, &ini, &text);
}

static ae_status write_test(ae_results *results, const uint8_t *labels) {
    ae_status status = ae_h5_add_group(results->file, "/test", "Every test image, evaluated last");
    if (status == AE_OK)
        status = ae_images_group_write(results->file, "/test", NULL, labels, results->test_count);
    return status;
}

/* ---- going on ---- */

static ae_status compare_origin(ae_differences *list, ae_h5 *file, const ae_origin *is) {
    ae_origin was;
    ae_status status = ae_origin_group_read(&was, file, ae_provenance_table.group);
    if (status == AE_OK && strcmp(was.parameters_hash, is->parameters_hash) != 0)
        ae_differ(list, "\n    train.init_from was '%s' (hash %s), is '%s' (hash %s)",
                  was.init_from, was.parameters_hash, is->init_from, is->parameters_hash);
    return status;
}

/* With no checkpoint a run begins anew, and its file's epochs are made again: only where they are
 * the same run's. */
static ae_status check_begun_anew(ae_h5 *file, const char *path, const ae_results_setup *setup,
                                  int64_t epochs) {
    ae_differences list = {.length = 0};
    if (epochs == 0) return AE_OK;
    ae_status status = ae_config_group_compare(&list, file, setup->config, setup->network);
    if (status == AE_OK) status = compare_origin(&list, file, &setup->provenance.origin);
    if (status == AE_OK && list.length > 0)
        status =
            ae_fail(AE_ERROR_USAGE,
                    "%s holds %lld epochs of another run, and there is no checkpoint of it:%s\n"
                    "choose another run.dir, or move the file away",
                    path, (long long)epochs, list.text);
    if (status == AE_OK)
        ae_warn("%s holds %lld epochs and there is no checkpoint of them: they are made again",
                path, (long long)epochs);
    return status;
}

/* Loads the file, which must be one of these. */
static ae_status open_file(ae_h5 **file, const char *path) {
    char text[AE_H5_NAME_SIZE];
    int64_t version;
    ae_status status = ae_h5_open(file, path, SIZE_MAX);
    if (status == AE_OK) status = ae_h5_get_text(*file, "/", "format", text, sizeof text);
    if (status == AE_OK) status = ae_h5_get_int64(*file, "/", "format_version", &version);
    if (status == AE_OK && (strcmp(text, format) != 0 || version != FORMAT_VERSION))
        status = ae_fail(AE_ERROR_IO, "%s is not a results file of this version of ae_dist", path);
    return status;
}

/* AE_ERROR_IO, with what to do about the fault that was told. */
static ae_status refuse_file(void) {
    char reason[AE_MESSAGE_SIZE / 2];
    snprintf(reason, sizeof reason, "%s", ae_message());
    return ae_fail(AE_ERROR_IO,
                   "can't go on with the results: %s; put the run's own file back, or move this "
                   "one away to go on without the figures in it",
                   reason);
}

/* Opens the file there is. *starts, *epochs = rows of its tables that are to be taken. */
static ae_status load(ae_h5 **from, const char *path, const ae_results_setup *setup,
                      int64_t epochs_kept, int64_t *starts, int64_t *epochs) {
    int64_t rows;
    ae_status status = open_file(from, path);
    if (status == AE_OK) status = ae_table_check(*from, &ae_provenance_table, starts);
    if (status == AE_OK) status = ae_table_check(*from, &ae_epochs_table, &rows);
    if (status == AE_OK && epochs_kept == 0) status = check_begun_anew(*from, path, setup, rows);
    if (status == AE_OK) status = ae_scale_count(*from, "/epochs/epoch", epochs_kept, epochs);
    if (status == AE_OK && *epochs > rows)
        status = ae_fail(AE_ERROR_IO, "%s is damaged: columns of /epochs are too short", path);
    if (status == AE_OK && *epochs < epochs_kept)
        ae_warn("%s lacks figures of %lld of the first %lld epochs", path,
                (long long)(epochs_kept - *epochs), (long long)epochs_kept);
    return status;
}

/* Takes the other file's tables, up to the first `epochs_kept` epochs. It is not cut but copied:
 * what was cut or replaced would leave holes. *from = the other file, NULL where there is none; the
 * caller closes it. *starts = rows of provenance. */
static ae_status take_tables(ae_results *results, ae_h5 **from, const ae_results_setup *setup,
                             int64_t epochs_kept, int64_t *starts) {
    int64_t epochs = 0;
    bool exists = false;
    *starts = 0;
    ae_status status = ae_file_exists(&exists, results->path);
    if (status == AE_OK && !exists && epochs_kept > 0)
        ae_warn("%s isn't there: a new one lacks the figures of the first %lld epochs",
                results->path, (long long)epochs_kept);
    if (status != AE_OK || !exists) return status;
    status = load(from, results->path, setup, epochs_kept, starts, &epochs);
    if (status == AE_OK)
        status = ae_table_copy(results->file, &ae_provenance_table, *from, *starts);
    if (status == AE_OK) status = ae_table_copy(results->file, &ae_epochs_table, *from, epochs);
    if (status == AE_OK)
        status = ae_levels_group_take(results->file, *from, ae_config_settings(setup->config),
                                      epochs_kept);
    return status == AE_ERROR_IO ? refuse_file() : status;
}

/* The pictures that are asked for now, with the outputs stored so far where they are those of the
 * other file (NULL: there is none). */
static ae_status enter_pictures(ae_results *results, const ae_results_setup *setup, ae_h5 *from,
                                int64_t epochs_kept) {
    ae_status status = AE_OK;
    if (results->pictures.gallery_count > 0)
        status = ae_pictures_write(&results->pictures, results->file, setup);
    if (status != AE_OK || !from || epochs_kept == 0 || !ae_h5_has(from, AE_PICTURES_GROUP))
        return status;
    if (!ae_pictures_are_held(&results->pictures, from)) {
        ae_warn("output.reconstructions has changed: the pictures stored so far go");
        return AE_OK;
    }
    status = ae_parts_load(&results->parts, from);
    if (status == AE_ERROR_IO) return refuse_file();
    return status == AE_OK ? ae_parts_take(&results->parts, results->file, from, epochs_kept)
                           : status;
}

/* Adds what depends on the start: /config, /test, /reconstructions, a row of /provenance. */
static ae_status enter_start(ae_results *results, const ae_results_setup *setup, ae_h5 *from,
                             int64_t epochs_kept, int64_t starts) {
    ae_status status = write_config(results->file, setup->config);
    if (status != AE_OK) return status;

    status = write_test(results, setup->labels); /* its figures are of an epoch that may be cut */
    if (status != AE_OK) return status;

    status = enter_pictures(results, setup, from, epochs_kept);
    if (status != AE_OK) return status;

    char time[32];
    ae_time_text(time);
    ae_start_record record = {.start = starts,
                              .given = setup->provenance,
                              .time = time,
                              .version = ae_build_version(),
                              .revision = ae_build_revision(),
                              .hdf5 = ae_h5_version(),
                              .compiler = ae_build_compiler(),
                              .flags = ae_build_flags()};
    return ae_table_append(results->file, &ae_provenance_table, &record);
}

/* The handle, with no file yet. */
static ae_status make(ae_results **results, const char *path, const ae_results_setup *setup) {
    ae_results *made = calloc(1, sizeof *made);
    *results = NULL;
    if (!made) return ae_fail_memory(path);
    made->test_count = setup->test_count;
    made->path = strdup(path);
    ae_parts_init(&made->parts, &made->pictures, made->path);
    ae_status status = made->path ? ae_pictures_init(&made->pictures, setup) : ae_fail_memory(path);
    *results = made;
    if (status != AE_OK) ae_results_destroy(results);
    return status;
}

ae_status ae_results_create(ae_results **results, const char *path, const ae_results_setup *setup,
                            int64_t epochs_kept) {
    ae_status status = make(results, path, setup);
    if (status != AE_OK) return status;

    int64_t starts;
    ae_h5 *from = NULL;
    status = begin(*results, path);
    if (status == AE_OK)
        status = ae_levels_group_add((*results)->file, ae_config_settings(setup->config));
    if (status == AE_OK) status = take_tables(*results, &from, setup, epochs_kept, &starts);
    if (status == AE_OK) status = enter_start(*results, setup, from, epochs_kept, starts);
    if (status == AE_OK)
        status = ae_origin_group_write((*results)->file, ae_provenance_table.group,
                                       &setup->provenance.origin);
    ae_h5_close(&from);
    if (status != AE_OK) ae_results_destroy(results);
    return status;
}

ae_status ae_results_look(bool *holds, const char *path, int64_t epoch) {
    ae_h5 *file = NULL;
    int64_t rows, before, through;
    ae_status status = ae_file_exists(holds, path);
    if (status != AE_OK || !*holds) return status;
    status = open_file(&file, path);
    if (status == AE_OK) status = ae_table_check(file, &ae_epochs_table, &rows);
    if (status == AE_OK) status = ae_scale_count(file, "/epochs/epoch", epoch - 1, &before);
    if (status == AE_OK) status = ae_scale_count(file, "/epochs/epoch", epoch, &through);
    *holds = status == AE_OK && through > before && rows >= through;
    ae_h5_close(&file);
    return status == AE_ERROR_IO ? refuse_file() : status;
}

void ae_results_destroy(ae_results **results) {
    if (!*results) return;
    ae_h5_close(&(*results)->file);
    ae_parts_release(&(*results)->parts);
    ae_pictures_release(&(*results)->pictures);
    free((*results)->path);
    free(*results);
    *results = NULL;
}

/* ---- adding ---- */

ae_status ae_results_add_epoch(ae_results *results, const ae_epoch_row *row) {
    ae_epoch_record record = {.row = *row, .parameters_hash = row->parameters_hash};
    ae_status status = ae_table_append(results->file, &ae_epochs_table, &record);
    return status == AE_OK ? ae_levels_group_append(results->file, row) : status;
}

ae_status ae_results_set_test(ae_results *results, const double *psnr_db, const double *ssim,
                              const double *input_psnr_db, const double *input_ssim) {
    const struct {
        const char *path, *units, *long_name, *description;
        const double *values;
    } columns[] = {
        {"/test/psnr_db", "dB", "PSNR", "10 log10(1 / MSE) of the output; infinite if exact",
         psnr_db},
        {"/test/ssim", "1", "SSIM",
         "Of the output; 7 x 7 uniform window, per channel, K1 0.01, K2 0.03, range 1; not a "
         "number "
         "where a side is below 7",
         ssim},
        {"/test/input_psnr_db", "dB", "PSNR of the input",
         "The same of the network's input: what doing nothing would give", input_psnr_db},
        {"/test/input_ssim", "1", "SSIM of the input",
         "The same of the network's input: what doing nothing would give", input_ssim},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; ++i) {
        ae_h5_dataset dataset = {.path = columns[i].path,
                                 .type = AE_H5_DOUBLE,
                                 .rank = 1,
                                 .shape = {results->test_count},
                                 .units = columns[i].units,
                                 .long_name = columns[i].long_name,
                                 .description = columns[i].description,
                                 .scales = {"/test/index"}};
        ae_status status = ae_h5_has(results->file, dataset.path)
                               ? ae_h5_write(results->file, dataset.path, dataset.type,
                                             dataset.rank, dataset.shape, columns[i].values)
                               : ae_h5_add(results->file, &dataset, columns[i].values);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

ae_status ae_results_add_reconstructions(ae_results *results, int64_t epoch, const float *output) {
    return ae_parts_add(&results->parts, results->file, epoch, output);
}

/* ---- writing ---- */

static ae_status publish(ae_results *results) {
    ae_status status = ae_h5_publish(results->file);
    return status == AE_OK ? ae_parts_tidy(&results->parts) : status;
}

ae_status ae_results_publish(ae_results *results) {
    ae_status status = ae_parts_settle(&results->parts, results->file);
    return status == AE_OK ? publish(results) : status;
}

ae_status ae_results_finish(ae_results *results) {
    ae_status status = ae_parts_merge(&results->parts, results->file);
    return status == AE_OK ? publish(results) : status;
}
