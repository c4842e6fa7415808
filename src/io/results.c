/* results.h5 is an HDF5 file:
 *
 *     /                  attributes: title, description, program, format "ae_dist results",
 *                        format_version 1
 *     /config            attributes: every option as text, "section.key"; dataset `ini`: the
 *                        configuration file as it was read
 *     /provenance        [start]: a row for each start of the program; attributes: init_from and
 *                        init_hash (ae_origin), empty where the seed's weights were begun with
 *     /epochs            [epoch]: a row for each epoch; seconds_* are [epoch][statistic]
 *     /test              [index]: label; once there are some, psnr_db, ssim, input_psnr_db and
 *                        input_ssim of every test image
 *     /reconstructions   (where some are asked for) index, label [index]; clean, noisy
 *                        [index][channel][row][column]; output [epoch][index][channel][row]
 *                        [column], the epochs being those of the scale `epoch` of this group.
 *                        noisy is what the training phase's network sees; while pretraining it
 *                        sees clean
 *
 * Every dimension has a scale of its name in the same group. The columns of the two tables are
 * those of results_schema.c. `epoch` and `start` can grow.
 *
 * A run that goes on cuts the tables back to the epochs its checkpoint knows of. */
#include "io/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/build.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "h5/h5.h"
#include "io/config_group.h"
#include "io/origin_group.h"
#include "io/results_schema.h"

static const char format[] = "ae_dist results";
enum { FORMAT_VERSION = 1 };

struct ae_results {
    ae_h5 *file;
    int64_t test_count, reconstructions;
    int shape[3];
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

static ae_status replace_group(ae_h5 *file, const char *path, const char *description) {
    if (ae_h5_has(file, path)) {
        ae_status status = ae_h5_delete(file, path);
        if (status != AE_OK) return status;
    }
    return ae_h5_add_group(file, path, description);
}

static ae_status write_config(ae_h5 *file, const ae_config *config) {
    ae_status status = AE_OK;
    if (ae_h5_has(file, "/config")) status = ae_h5_delete(file, "/config");
    if (status == AE_OK) status = ae_config_group_write(file, config);
    if (status != AE_OK) return status;
    const char *text = ae_config_ini(config);
    ae_h5_dataset ini = {.path = "/config/ini",
                         .type = AE_H5_TEXT,
                         .units = "text",
                         .long_name = "Configuration file",
                         .description = "As it was read; options given with --set are not in it"};
    return ae_h5_add(file, &ini, &text);
}

/* Adds the scale `index` and the dataset `label` of the first `count` test images. */
static ae_status add_images(ae_h5 *file, const char *group, const uint8_t *labels, int64_t count) {
    char index_path[AE_H5_NAME_SIZE], label_path[AE_H5_NAME_SIZE];
    snprintf(index_path, sizeof index_path, "%s/index", group);
    snprintf(label_path, sizeof label_path, "%s/label", group);
    ae_h5_dataset index = {.path = index_path,
                           .type = AE_H5_INT64,
                           .rank = 1,
                           .shape = {count},
                           .units = "1",
                           .long_name = "Test image",
                           .description = "Position in the test set, counted from 0",
                           .scales = {index_path}};
    ae_h5_dataset label = index;
    label.path = label_path;
    label.long_name = "Label";
    label.description = "Class of the image, as the data set numbers them";
    int64_t *values = ae_calloc((size_t)count, sizeof *values);
    if (!values) return ae_fail_memory("the labels");
    for (int64_t i = 0; i < count; ++i) values[i] = i;
    ae_status status = ae_h5_add(file, &index, values);
    for (int64_t i = 0; i < count; ++i) values[i] = labels[i];
    if (status == AE_OK) status = ae_h5_add(file, &label, values);
    free(values);
    return status;
}

static ae_status write_test(ae_results *results, const uint8_t *labels) {
    ae_status status = replace_group(results->file, "/test", "Every test image, evaluated last");
    if (status == AE_OK) status = add_images(results->file, "/test", labels, results->test_count);
    return status;
}

/* Adds the scales of a picture's dimensions to /reconstructions. */
static ae_status add_picture_scales(ae_results *results) {
    static const char *const colours[] = {"red", "green", "blue"};
    static const char *const paths[] = {"/reconstructions/channel", "/reconstructions/row",
                                        "/reconstructions/column"};
    static const char *const names[] = {"Colour channel", "Pixel row", "Pixel column"};
    static const char *const descriptions[] = {"", "From the top, counted from 0",
                                               "From the left, counted from 0"};
    ae_status status = AE_OK;
    for (int d = 0; d < 3 && status == AE_OK; ++d) {
        bool named = d == 0 && results->shape[0] == 3;
        int64_t *numbers = ae_calloc((size_t)results->shape[d], sizeof *numbers);
        if (!numbers) return ae_fail_memory(paths[d]);
        for (int i = 0; i < results->shape[d]; ++i) numbers[i] = i;
        ae_h5_dataset scale = {.path = paths[d],
                               .type = named ? AE_H5_TEXT : AE_H5_INT64,
                               .rank = 1,
                               .shape = {results->shape[d]},
                               .units = named ? "text" : "1",
                               .long_name = names[d],
                               .description = d == 0 ? "In the images' order" : descriptions[d],
                               .scales = {paths[d]}};
        status = ae_h5_add(results->file, &scale, named ? (const void *)colours : numbers);
        free(numbers);
    }
    return status;
}

/* The description of a dataset of pictures. */
static ae_h5_dataset picture_dataset(const ae_results *results, const char *path) {
    ae_h5_dataset dataset = {.path = path,
                             .type = AE_H5_FLOAT,
                             .rank = 4,
                             .shape = {results->reconstructions, results->shape[0],
                                       results->shape[1], results->shape[2]},
                             .units = "1",
                             .scales = {"/reconstructions/index", "/reconstructions/channel",
                                        "/reconstructions/row", "/reconstructions/column"}};
    return dataset;
}

static ae_h5_dataset output_dataset(const ae_results *results) {
    ae_h5_dataset dataset = picture_dataset(results, "/reconstructions/output");
    dataset.rank = 5;
    dataset.grows = true;
    memmove(&dataset.shape[1], &dataset.shape[0], 4 * sizeof dataset.shape[0]);
    memmove(&dataset.scales[1], &dataset.scales[0], 4 * sizeof dataset.scales[0]);
    dataset.shape[0] = 0;
    dataset.scales[0] = "/reconstructions/epoch";
    dataset.long_name = "Output";
    dataset.description = "What the network made of them after the epoch, between 0 and 1";
    return dataset;
}

static ae_status write_reconstructions(ae_results *results, const ae_results_setup *setup) {
    ae_h5 *file = results->file;
    ae_h5_dataset epoch = {.path = "/reconstructions/epoch",
                           .type = AE_H5_INT64,
                           .rank = 1,
                           .grows = true,
                           .units = "1",
                           .long_name = "Epoch",
                           .description = "Those after which outputs were stored",
                           .scales = {"/reconstructions/epoch"}};
    ae_h5_dataset clean = picture_dataset(results, "/reconstructions/clean");
    ae_h5_dataset noisy = picture_dataset(results, "/reconstructions/noisy");
    ae_h5_dataset output = output_dataset(results);
    clean.long_name = "Clean image";
    clean.description = "Pixels between 0 and 1: what the output should be, and the network's "
                        "input while pretraining";
    noisy.long_name = "Noisy image";
    noisy.description = "The clean image with the test noise: the network's input after "
                        "pretraining";
    ae_status status = replace_group(file, "/reconstructions", "The first test images as pictures");
    if (status == AE_OK)
        status = add_images(file, "/reconstructions", setup->labels, setup->reconstructions);
    if (status == AE_OK) status = add_picture_scales(results);
    if (status == AE_OK) status = ae_h5_add(file, &epoch, NULL);
    if (status == AE_OK) status = ae_h5_add(file, &clean, setup->clean);
    if (status == AE_OK) status = ae_h5_add(file, &noisy, setup->noisy);
    if (status == AE_OK) status = ae_h5_add(file, &output, NULL);
    return status;
}

/* ---- going on ---- */

/* *kept = how many of the first values of a scale of epochs are at most `epochs`. */
static ae_status count_kept(ae_h5 *file, const char *scale, int64_t epochs, int64_t *kept) {
    int64_t rows = -1;
    ae_status status = ae_h5_check(file, scale, AE_H5_INT64, 1, &rows);
    if (status != AE_OK) return status;
    int64_t *values = ae_calloc((size_t)rows, sizeof *values);
    if (!values) return ae_fail_memory(scale);
    status = ae_h5_read(file, scale, AE_H5_INT64, 1, &rows, values);
    for (*kept = 0; status == AE_OK && *kept < rows && values[*kept] <= epochs;) ++*kept;
    free(values);
    return status;
}

/* Cuts the stored outputs back to those of the first `epochs` epochs. */
static ae_status cut_reconstructions(ae_results *results, int64_t epochs) {
    int64_t kept;
    ae_status status = count_kept(results->file, "/reconstructions/epoch", epochs, &kept);
    if (status == AE_OK) status = ae_h5_cut(results->file, "/reconstructions/epoch", kept);
    if (status == AE_OK) status = ae_h5_cut(results->file, "/reconstructions/output", kept);
    return status;
}

/* Does the file hold the reconstructions that are asked for now? */
static bool holds_reconstructions(ae_results *results) {
    ae_h5_dataset clean = picture_dataset(results, "/reconstructions/clean");
    ae_h5_dataset output = output_dataset(results);
    output.shape[0] = -1;
    return ae_h5_has(results->file, "/reconstructions") &&
           ae_h5_check(results->file, clean.path, clean.type, clean.rank, clean.shape) == AE_OK &&
           ae_h5_check(results->file, output.path, output.type, output.rank, output.shape) == AE_OK;
}

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

/* Loads the file and cuts its tables back. *starts = rows of provenance. */
static ae_status load(ae_results *results, const char *path, const ae_results_setup *setup,
                      int64_t epochs_kept, int64_t *starts) {
    int64_t epochs, kept;
    ae_status status = open_file(&results->file, path);
    ae_h5 *file = results->file;
    if (status == AE_OK) status = ae_table_check(file, &ae_provenance_table, starts);
    if (status == AE_OK) status = ae_table_check(file, &ae_epochs_table, &epochs);
    if (status == AE_OK && epochs_kept == 0) status = check_begun_anew(file, path, setup, epochs);
    if (status == AE_OK) status = count_kept(file, "/epochs/epoch", epochs_kept, &kept);
    if (status != AE_OK) return status;
    if (kept < epochs_kept)
        ae_warn("%s lacks figures of %lld of the first %lld epochs", path,
                (long long)(epochs_kept - kept), (long long)epochs_kept);
    status = ae_table_cut(file, &ae_provenance_table, *starts);
    if (status == AE_OK) status = ae_table_cut(file, &ae_epochs_table, kept);
    return status;
}

/* Brings what depends on the start up to date: /config, /test, /reconstructions, /provenance. */
static ae_status enter_start(ae_results *results, const ae_results_setup *setup,
                             int64_t epochs_kept, int64_t starts) {
    ae_status status = write_config(results->file, setup->config);
    if (status != AE_OK) return status;

    status = write_test(results, setup->labels); /* its figures are of an epoch that may be cut */
    if (status != AE_OK) return status;

    bool holds = epochs_kept > 0 && ae_h5_has(results->file, "/reconstructions");
    bool fits = holds && results->reconstructions > 0 && holds_reconstructions(results);
    if (holds && !fits)
        ae_warn("output.reconstructions has changed: the pictures stored so far go");
    if (fits)
        status = cut_reconstructions(results, epochs_kept);
    else if (results->reconstructions > 0)
        status = write_reconstructions(results, setup);
    else if (ae_h5_has(results->file, "/reconstructions"))
        status = ae_h5_delete(results->file, "/reconstructions");
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

ae_status ae_results_create(ae_results **results, const char *path, const ae_results_setup *setup,
                            int64_t epochs_kept) {
    ae_results *made = *results = calloc(1, sizeof *made);
    if (!made) return ae_fail_memory(path);
    made->test_count = setup->test_count;
    made->reconstructions = setup->reconstructions;
    memcpy(made->shape, setup->shape, sizeof setup->shape);

    int64_t starts = 0;
    bool exists = false;
    ae_status status = ae_file_exists(&exists, path);
    if (status == AE_OK && exists) {
        status = load(made, path, setup, epochs_kept, &starts);
    } else if (status == AE_OK) {
        status = begin(made, path);
        if (status == AE_OK && epochs_kept > 0)
            ae_warn("%s isn't there: a new one lacks the figures of the first %lld epochs", path,
                    (long long)epochs_kept);
    }
    if (status == AE_ERROR_IO) refuse_file();
    if (status == AE_OK) status = enter_start(made, setup, epochs_kept, starts);
    if (status == AE_OK)
        status =
            ae_origin_group_write(made->file, ae_provenance_table.group, &setup->provenance.origin);
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
    if (status == AE_OK) status = count_kept(file, "/epochs/epoch", epoch - 1, &before);
    if (status == AE_OK) status = count_kept(file, "/epochs/epoch", epoch, &through);
    *holds = status == AE_OK && through > before && rows >= through;
    ae_h5_close(&file);
    return status == AE_ERROR_IO ? refuse_file() : status;
}

void ae_results_destroy(ae_results **results) {
    if (!*results) return;
    ae_h5_close(&(*results)->file);
    free(*results);
    *results = NULL;
}

/* ---- adding ---- */

ae_status ae_results_add_epoch(ae_results *results, const ae_epoch_row *row) {
    ae_epoch_record record = {.row = *row, .parameters_hash = row->parameters_hash};
    return ae_table_append(results->file, &ae_epochs_table, &record);
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
         "Of the output; 7 x 7 uniform window, per channel, K1 0.01, K2 0.03, range 1", ssim},
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
    if (results->reconstructions == 0) return AE_OK;
    ae_status status = ae_h5_append(results->file, "/reconstructions/epoch", AE_H5_INT64, &epoch);
    if (status == AE_OK)
        status = ae_h5_append(results->file, "/reconstructions/output", AE_H5_FLOAT, output);
    return status;
}

ae_status ae_results_publish(ae_results *results) {
    return ae_h5_publish(results->file);
}
