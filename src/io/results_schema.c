#include "io/results_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/memory.h"

#define EPOCH(member) offsetof(ae_epoch_record, row.member)
#define START(member) offsetof(ae_start_record, member)
#define GIVEN(member) offsetof(ae_start_record, given.member)
#define PART(part) offsetof(ae_epoch_record, row.part_s[part])
#define OVER_RANKS "; lowest, mean and highest over the ranks"

/* name, type, width, offset, units, long_name, description */
static const ae_column epoch_columns[] = {
    {"epoch", AE_H5_INT64, 0, EPOCH(epoch), "1", "Epoch",
     "Counted from 1 through pretraining and training"},
    {"train_loss", AE_H5_DOUBLE, 0, EPOCH(train_loss), "1", "Training loss",
     "Mean over the epoch's images, each taken before its step's update; not a number where it was "
     "lost with an earlier file"},
    {"test_loss", AE_H5_DOUBLE, 0, EPOCH(test_loss), "1", "Test loss",
     "Mean over the test images after the epoch; not a number, like the test images' other "
     "figures, where they were not evaluated"},
    {"validation_loss", AE_H5_DOUBLE, 0, EPOCH(validation_loss), "1", "Validation loss",
     "Mean over the training images kept from training; not a number where there are none"},
    {"psnr_db", AE_H5_DOUBLE, 0, EPOCH(psnr_db), "dB", "PSNR",
     "Mean of the test images' 10 log10(1 / MSE); images with infinite PSNR are left out"},
    {"psnr_infinite", AE_H5_INT64, 0, EPOCH(psnr_infinite), "1", "Images with infinite PSNR",
     "Test images that were reproduced exactly"},
    {"psnr_pooled_db", AE_H5_DOUBLE, 0, EPOCH(psnr_pooled_db), "dB", "PSNR of the pooled error",
     "10 log10(1 / MSE) of the MSE over all test images together"},
    {"ssim", AE_H5_DOUBLE, 0, EPOCH(ssim), "1", "SSIM",
     "Mean over the test images; 7 x 7 uniform window, per channel, K1 0.01, K2 0.03, range 1; "
     "images with a side below 7, of which it isn't defined, are left out"},
    {"psnr_first10_db", AE_H5_DOUBLE, 0, EPOCH(psnr_first10_db), "dB", "PSNR, first 10 images",
     "The reference experiment's figure: mean over the first 10 test images"},
    {"ssim_first10_range2", AE_H5_DOUBLE, 0, EPOCH(ssim_first10_range2), "1",
     "SSIM, first 10 images, range 2",
     "The reference experiment's figure: first 10 test images, data range taken as 2"},
    {"skipped_steps", AE_H5_INT64, 0, EPOCH(skipped_steps), "1", "Steps left out",
     "Steps since the run began that gave numbers that aren't finite and were left out"},
    {"learning_rate", AE_H5_DOUBLE, 0, EPOCH(learning_rate), "1", "Learning rate",
     "Of the epoch's last step"},
    {"noise_sigma", AE_H5_DOUBLE, 0, EPOCH(noise_sigma), "1", "Training noise",
     "Standard deviation of the Gaussian noise on the training images, the highest of a range; 0 "
     "while "
     "pretraining"},
    {"test_noise_sigma", AE_H5_DOUBLE, 0, EPOCH(test_noise_sigma), "1", "Test noise",
     "Standard deviation of the Gaussian noise on the test images, the first of several; 0 while "
     "pretraining"},
    {"images_per_s", AE_H5_DOUBLE, 0, EPOCH(images_per_s), "s-1", "Images a second",
     "Training images over the time they took, without evaluation and files"},
    {"seconds", AE_H5_DOUBLE, 0, EPOCH(seconds), "s", "Time of the epoch",
     "Wall time of all parts and the files of the epoch before; since the last start, if later"},
    {"seconds_data", AE_H5_DOUBLE, 3, PART(AE_PART_DATA), "s", "Time in data",
     "From bytes to numbers, and noise" OVER_RANKS},
    {"seconds_compute", AE_H5_DOUBLE, 3, PART(AE_PART_COMPUTE), "s", "Time in compute",
     "Forward and backward passes, and fixed-point sums" OVER_RANKS},
    {"seconds_allreduce", AE_H5_DOUBLE, 3, PART(AE_PART_ALLREDUCE), "s", "Time in allreduce",
     "Adding up over the ranks, and waiting for the slowest" OVER_RANKS},
    {"seconds_optimizer", AE_H5_DOUBLE, 3, PART(AE_PART_OPTIMIZER), "s", "Time in optimizer",
     "Updates of the parameters" OVER_RANKS},
    {"seconds_evaluate", AE_H5_DOUBLE, 3, PART(AE_PART_EVALUATE), "s", "Time in evaluate",
     "The test images' outputs and metrics" OVER_RANKS},
    {"seconds_io", AE_H5_DOUBLE, 3, PART(AE_PART_IO), "s", "Time in files",
     "Results and checkpoints, those written after the epoch before" OVER_RANKS},
    {"parameters_hash", AE_H5_TEXT, 0, offsetof(ae_epoch_record, parameters_hash), "text",
     "Hash of the parameters",
     "XXH3-128 of all parameters and moments of the optimiser after the epoch"},
};

const ae_table ae_epochs_table = {
    .group = "/epochs",
    .description = "A value for each epoch",
    .scale = "/epochs/epoch",
    .second = "/epochs/statistic",
    .columns = epoch_columns,
    .count = sizeof epoch_columns / sizeof *epoch_columns,
};

static const ae_column start_columns[] = {
    {"start", AE_H5_INT64, 0, START(start), "1", "Start", "Starts of the run, counted from 0"},
    {"time", AE_H5_TEXT, 0, START(time), "ISO 8601", "Time", "Local time with offset from UTC"},
    {"hosts", AE_H5_TEXT, 0, GIVEN(hosts), "text", "Hosts", "Host names with their ranks"},
    {"ranks", AE_H5_INT64, 0, GIVEN(ranks), "1", "Ranks", "MPI processes"},
    {"threads", AE_H5_INT64, 0, GIVEN(threads), "1", "Threads", "In all ranks together"},
    {"version", AE_H5_TEXT, 0, START(version), "text", "Version", "Of ae_dist"},
    {"revision", AE_H5_TEXT, 0, START(revision), "text", "Git revision",
     "Of ae_dist's source; -dirty where it had changes"},
    {"mpi", AE_H5_TEXT, 0, GIVEN(mpi), "text", "MPI library", "Name and version"},
    {"hdf5", AE_H5_TEXT, 0, START(hdf5), "text", "HDF5 library", "Version"},
    {"compiler", AE_H5_TEXT, 0, START(compiler), "text", "Compiler", "Name and version"},
    {"flags", AE_H5_TEXT, 0, START(flags), "text", "Compiler flags", "As given to the compiler"},
    {"kernel_path", AE_H5_TEXT, 0, GIVEN(kernel_path), "text", "Kernel path",
     "Which of the equal kernels ran"},
    {"job_id", AE_H5_TEXT, 0, GIVEN(job_id), "text", "Job", "The batch system's number, or empty"},
    {"data_hash", AE_H5_TEXT, 0, GIVEN(data_hash), "text", "Hash of the images",
     "XXH3-128 of all records; where there are others (data.other), of that and theirs"},
    {"from_epoch", AE_H5_INT64, 0, GIVEN(from_epoch), "1", "Went on from epoch",
     "Whole epochs done before this start"},
    {"from_step", AE_H5_INT64, 0, GIVEN(from_step), "1", "Went on from step",
     "Steps of the next epoch done before this start"},
};

const ae_table ae_provenance_table = {
    .group = "/provenance",
    .description = "A row for each start of the program: what ran, where, and built from what",
    .scale = "/provenance/start",
    .columns = start_columns,
    .count = sizeof start_columns / sizeof *start_columns,
};

/* ---- in a file ---- */

static ae_h5_dataset column_dataset(const ae_table *table, const ae_column *column, char *path) {
    snprintf(path, AE_H5_NAME_SIZE, "%s/%s", table->group, column->name);
    ae_h5_dataset dataset = {.path = path,
                             .type = column->type,
                             .rank = column->width > 0 ? 2 : 1,
                             .shape = {0, column->width},
                             .grows = true,
                             .units = column->units,
                             .long_name = column->long_name,
                             .description = column->description,
                             .scales = {table->scale, table->second}};
    return dataset;
}

ae_status ae_table_add(ae_h5 *file, const ae_table *table) {
    static const char *const statistics[] = {"min", "mean", "max"};
    ae_status status = ae_h5_add_group(file, table->group, table->description);
    if (status == AE_OK && table->second) {
        ae_h5_dataset scale = {.path = table->second,
                               .type = AE_H5_TEXT,
                               .rank = 1,
                               .shape = {3},
                               .units = "text",
                               .long_name = "Statistic over the ranks",
                               .description = "Lowest, mean and highest value of all ranks",
                               .scales = {table->second}};
        status = ae_h5_add(file, &scale, statistics);
    }
    for (int c = 0; c < table->count && status == AE_OK; ++c) {
        char path[AE_H5_NAME_SIZE];
        ae_h5_dataset dataset = column_dataset(table, &table->columns[c], path);
        status = ae_h5_add(file, &dataset, NULL);
    }
    return status;
}

ae_status ae_scale_count(ae_h5 *file, const char *scale, int64_t epochs, int64_t *count) {
    int64_t rows = -1;
    ae_status status = ae_h5_check(file, scale, AE_H5_INT64, 1, &rows);
    if (status != AE_OK) return status;
    int64_t *values = ae_calloc((size_t)rows, sizeof *values);
    if (!values) return ae_fail_memory(scale);
    status = ae_h5_read(file, scale, AE_H5_INT64, 1, &rows, values);
    for (*count = 0; status == AE_OK && *count < rows && values[*count] <= epochs;) ++*count;
    free(values);
    return status;
}

ae_status ae_table_check(ae_h5 *file, const ae_table *table, int64_t *rows) {
    *rows = INT64_MAX;
    for (int c = 0; c < table->count; ++c) {
        char path[AE_H5_NAME_SIZE];
        ae_h5_dataset dataset = column_dataset(table, &table->columns[c], path);
        dataset.shape[0] = -1;
        ae_status status = ae_h5_check(file, path, dataset.type, dataset.rank, dataset.shape);
        if (status != AE_OK) return status;
        if (dataset.shape[0] < *rows) *rows = dataset.shape[0];
    }
    return AE_OK;
}

ae_status ae_table_copy(ae_h5 *file, const ae_table *table, ae_h5 *from, int64_t rows) {
    for (int c = 0; c < table->count; ++c) {
        char path[AE_H5_NAME_SIZE];
        column_dataset(table, &table->columns[c], path);
        ae_status status = ae_h5_append_rows(file, path, from, path, table->columns[c].type, rows);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

ae_status ae_table_append(ae_h5 *file, const ae_table *table, const void *record) {
    for (int c = 0; c < table->count; ++c) {
        char path[AE_H5_NAME_SIZE];
        column_dataset(table, &table->columns[c], path);
        ae_status status = ae_h5_append(file, path, table->columns[c].type,
                                        (const char *)record + table->columns[c].offset);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}
