/* results.h5: what was run, on what, and how it went. For rank 0 alone; the schema is told in
 * src/io/results.c. The file is built in memory and published whole (written beside its place,
 * synced, renamed), so that it can be opened at any moment. */
#ifndef AE_IO_RESULTS_H
#define AE_IO_RESULTS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/status.h"
#include "config/config.h"
#include "kernels/planes.h"
#include "nn/state.h"

/* The parts of an epoch's time. */
typedef enum ae_part {
    AE_PART_DATA,      /* bytes to floats, noise */
    AE_PART_COMPUTE,   /* forward, backward, fixed point */
    AE_PART_ALLREDUCE, /* and waiting for the slowest rank */
    AE_PART_OPTIMIZER,
    AE_PART_EVALUATE,
    AE_PART_IO, /* results and checkpoints; those of the epoch before */
    AE_PARTS
} ae_part;

/* One epoch. */
typedef struct ae_epoch_row {
    int64_t epoch; /* counted from 1 through both phases */
    double train_loss, test_loss;
    double validation_loss; /* not a number where there are no validation images */
    double psnr_db;         /* mean over images; images with infinite PSNR left out */
    int64_t psnr_infinite;  /* number of those */
    double psnr_pooled_db;  /* of the mean squared error over all images */
    double ssim;
    double psnr_first10_db;     /* the reference experiment's: first 10 test images */
    double ssim_first10_range2; /* the same, data range 2 */
    int64_t skipped_steps;      /* since the run began */
    double learning_rate;       /* of the epoch's last step */
    double noise_sigma;         /* of the epoch's training images, the highest */
    double test_noise_sigma;    /* of its evaluation, at the first level */
    double images_per_s;        /* training images, without evaluation and files */
    double seconds;             /* the whole epoch's wall time */
    double part_s[AE_PARTS][3]; /* lowest, mean, highest over ranks */
    char parameters_hash[AE_HASH_TEXT_SIZE];
    int levels; /* of noise that the test images were evaluated at; 0: they weren't, or clean */
    double level_psnr_db[AE_NUMBERS_MAX], level_ssim[AE_NUMBERS_MAX]; /* [levels], as above */
} ae_epoch_row;

/* One start of the program. Texts are borrowed. */
typedef struct ae_provenance {
    const char *hosts;      /* "n1:4,n2:4" */
    int64_t ranks, threads; /* threads: in all */
    const char *mpi, *kernel_path, *job_id /* "" outside a batch system */;
    const char *data_hash;
    ae_origin origin;
    int64_t from_epoch, from_step; /* position gone on from; 0, 0 for a new run */
} ae_provenance;

/* What the file needs to know from the beginning. Borrowed for the call. */
typedef struct ae_results_setup {
    const ae_config *config;
    const ae_network *network;
    ae_provenance provenance;
    int64_t test_count;
    const uint8_t *labels;   /* [test_count]; NULL: there are none */
    int64_t reconstructions; /* <= test_count: the first test images as pictures */
    int shape[3];            /* channels, height, width of each picture, but where there are */
    const ae_shape *shapes;  /* [reconstructions], of pictures that differ; NULL: they don't */
    const float *clean;      /* the pictures one after the other, [channels][height][width] each */
    const float *noisy;
} ae_results_setup;

typedef struct ae_results ae_results;

/* Begins `path`, or goes on with the one there: cut back to its epochs up to `epochs_kept`, with a
 * row of provenance added, and without /test's figures. Figures that it lacks are warned of.
 * The file isn't written yet. Local; the caller owns *results. AE_ERROR_IO: the file there is
 * damaged or another program's; AE_ERROR_USAGE: epochs_kept is 0 and it holds epochs of another
 * configuration. */
ae_status ae_results_create(ae_results **results, const char *path, const ae_results_setup *setup,
                            int64_t epochs_kept);
void ae_results_destroy(ae_results **results);

/* *holds = is there a file at `path` with the figures of `epoch`? Local. AE_ERROR_IO: what is there
 * is damaged or another program's. */
ae_status ae_results_look(bool *holds, const char *path, int64_t epoch);

ae_status ae_results_add_epoch(ae_results *results, const ae_epoch_row *row);

/* Replaces /test: PSNR (dB) and SSIM of each test image's output, and of the input itself. */
ae_status ae_results_set_test(ae_results *results, const double *psnr_db, const double *ssim,
                              const double *input_psnr_db, const double *input_ssim);

/* output: after `epoch`, of the pictures one after the other as in the setup. */
ae_status ae_results_add_reconstructions(ae_results *results, int64_t epoch, const float *output);

/* Writes the file; many pictures move into files beside it (src/io/parts.h), so that what this
 * writes doesn't grow with them. AE_ERROR_IO: the one there before stands. */
ae_status ae_results_publish(ae_results *results);

/* The same with all pictures in the file, as the last one of a run. */
ae_status ae_results_finish(ae_results *results);

#endif
