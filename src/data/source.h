/* Where images come from: one file each behind this interface, and a row in the table of
 * dataset.c. */
#ifndef AE_DATA_SOURCE_H
#define AE_DATA_SOURCE_H

#include "data/dataset.h"

typedef struct ae_source_row {
    int channels; /* of its images, whatever files there are */

    /* *info = what there is, all images counted, without reading any pixel. Local. AE_ERROR_DATA:
     * files that are missing or of a wrong size, with the cure. */
    ae_status (*describe)(ae_data_info *info, const ae_settings *settings);

    /* Fills records[end - begin] of the first `train` training images followed by the test images.
     * Local. AE_ERROR_DATA; AE_STOPPED where this process is asked to stop. */
    ae_status (*fill)(uint8_t *records, const ae_settings *settings, int64_t train, int64_t begin,
                      int64_t end);

    /* NULL, or warns of images that may not be what was meant; `records` are all that was read, on
     * every rank. Collective. */
    void (*review)(ae_comm *comm, const uint8_t *records, const ae_settings *settings,
                   int64_t train, int64_t test);
} ae_source_row;

extern const ae_source_row ae_source_cifar10, ae_source_deadleaves;

#endif
