#include "io/levels_group.h"

#include "io/results_schema.h"
#include "team/noise.h"

#define GROUP "/levels"

/* What the group holds: scales, and the columns that get a row at an epoch. */
static const ae_h5_dataset
    epoch_scale = {.path = GROUP "/epoch",
                   .type = AE_H5_INT64,
                   .rank = 1,
                   .grows = true,
                   .units = "1",
                   .long_name = "Epoch",
                   .description = "Those after pretraining in which the test images were evaluated",
                   .scales = {GROUP "/epoch"}},
    level_scale = {.path = GROUP "/level",
                   .type = AE_H5_DOUBLE,
                   .rank = 1,
                   .units = "1",
                   .long_name = "Noise",
                   .description = "On the test images: of the kind gaussian its standard "
                                  "deviation, of others the kind's own level",
                   .scales = {GROUP "/level"}},
    sigma_of_level = {.path = GROUP "/sigma",
                      .type = AE_H5_DOUBLE,
                      .rank = 1,
                      .units = "1",
                      .long_name = "Gaussian noise",
                      .description = "Its standard deviation on the test images, at each level",
                      .scales = {GROUP "/level"}},
    columns[] = {
        {.path = GROUP "/psnr_db",
         .type = AE_H5_DOUBLE,
         .rank = 2,
         .grows = true,
         .units = "dB",
         .long_name = "PSNR",
         .description = "As psnr_db of /epochs, which is the first level's, at each level of noise",
         .scales = {GROUP "/epoch", GROUP "/level"}},
        {.path = GROUP "/ssim",
         .type = AE_H5_DOUBLE,
         .rank = 2,
         .grows = true,
         .units = "1",
         .long_name = "SSIM",
         .description = "As ssim of /epochs, which is the first level's, at each level of noise",
         .scales = {GROUP "/epoch", GROUP "/level"}}};
enum { COLUMNS = sizeof columns / sizeof *columns };

ae_status ae_levels_group_add(ae_h5 *file, const ae_settings *settings) {
    const int levels = ae_noise_levels(settings);
    double values[AE_NUMBERS_MAX], sigmas[AE_NUMBERS_MAX];
    ae_h5_dataset level = level_scale, sigma = sigma_of_level;
    level.shape[0] = sigma.shape[0] = levels;
    for (int l = 0; l < levels; ++l) {
        const ae_noise noise = ae_noise_of_test(settings, l);
        sigmas[l] = noise.sigma[0];
        values[l] = noise.kind == AE_NOISE_GAUSSIAN ? noise.sigma[0] : noise.level[0];
    }
    ae_status status = ae_h5_add_group(file, GROUP, "The test images at each level of noise");
    if (status == AE_OK) status = ae_h5_add(file, &level, values);
    if (status == AE_OK) status = ae_h5_add(file, &sigma, sigmas);
    if (status == AE_OK) status = ae_h5_add(file, &epoch_scale, NULL);
    for (int c = 0; c < COLUMNS && status == AE_OK; ++c) {
        ae_h5_dataset column = columns[c];
        column.shape[1] = levels;
        status = ae_h5_add(file, &column, NULL);
    }
    return status;
}

ae_status ae_levels_group_take(ae_h5 *file, ae_h5 *from, const ae_settings *settings,
                               int64_t epochs) {
    int64_t rows = 0;
    if (!ae_h5_has(from, GROUP)) return AE_OK;
    ae_status status = ae_scale_count(from, epoch_scale.path, epochs, &rows);
    if (status == AE_OK)
        status =
            ae_h5_append_rows(file, epoch_scale.path, from, epoch_scale.path, AE_H5_INT64, rows);
    for (int c = 0; c < COLUMNS && status == AE_OK && rows > 0; ++c) {
        int64_t shape[] = {-1, ae_noise_levels(settings)};
        status = ae_h5_check(from, columns[c].path, columns[c].type, columns[c].rank, shape);
        if (status == AE_OK && shape[0] < rows)
            status = ae_fail(AE_ERROR_IO, "columns of " GROUP " are too short");
        if (status == AE_OK)
            status = ae_h5_append_rows(file, columns[c].path, from, columns[c].path,
                                       columns[c].type, rows);
    }
    return status;
}

ae_status ae_levels_group_append(ae_h5 *file, const ae_epoch_row *row) {
    const double *const figures[COLUMNS] = {row->level_psnr_db, row->level_ssim};
    if (row->levels == 0) return AE_OK;
    ae_status status = ae_h5_append(file, epoch_scale.path, epoch_scale.type, &row->epoch);
    for (int c = 0; c < COLUMNS && status == AE_OK; ++c)
        status = ae_h5_append(file, columns[c].path, columns[c].type, figures[c]);
    return status;
}
