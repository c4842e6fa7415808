/* One page through the network, in strips that fit into memory. */
#ifndef AE_APPLY_PAGE_H
#define AE_APPLY_PAGE_H

#include "apply/options.h"
#include "apply/pixels.h"
#include "apply/progress.h"
#include "apply/stream.h"
#include "comm/comm.h"
#include "team/tiles.h"

/* What pages are worked on with. */
typedef struct ae_workshop {
    const ae_apply_options *options; /* borrowed, as the model */
    const ae_model *model;
    int channels;          /* of the network */
    double model_range[2]; /* pixel values that became 0 and 1 in training */
    int threads;
    ae_tiles *tiles; /* owned */
    ae_apply_progress progress;
    char *memory; /* [memory_size], owned; of the page in hand */
    size_t memory_size;
} ae_workshop;

/* How well a page's picture, and the network's input, match a clean one. */
typedef struct ae_quality {
    double psnr_db, ssim, input_psnr_db, input_ssim;
} ae_quality;

/* A page to be done. */
typedef struct ae_page {
    const char *name;         /* for messages */
    ae_input_file *source;    /* with the page selected; borrowed */
    ae_output_file *sink;     /* NULL: not this rank's; borrowed */
    ae_input_file *reference; /* to compare with; NULL: none; borrowed */
    ae_stream stream;         /* of the noise */
    ae_comm *comm;            /* of the ranks that do the page together; NULL: this one alone */
} ae_page;

/* Room for tiles that take a quarter of the options' memory at most. To be released whatever is
 * returned. Local. AE_FAILED: memory or threads. */
ae_status ae_workshop_init(ae_workshop *workshop, const ae_apply_options *options,
                           const ae_model *model, int channels, const double model_range[2],
                           int threads);
void ae_workshop_release(ae_workshop *workshop);

/* Reads the page, applies the network and writes the page. *quality: of what is compared, with
 * options->sigma or a reference; else left alone. Collective over the page's ranks, if it has some.
 * AE_ERROR_DATA: damaged, too large for the memory, or not for this network; AE_ERROR_IO;
 * AE_STOPPED. */
ae_status ae_page_apply(ae_workshop *workshop, const ae_page *page, ae_quality *quality);

#endif
