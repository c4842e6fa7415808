/* What the files of a data set share. */
#ifndef AE_DATA_INTERNAL_H
#define AE_DATA_INTERNAL_H

#include "data/cache.h"
#include "data/selection.h"
#include "data/source.h"

struct ae_dataset {
    ae_comm *comm;               /* borrowed */
    const ae_settings *settings; /* borrowed */
    const ae_source_row *source;
    ae_catalog catalog;
    ae_selection selection;
    ae_data_info info;
    ae_shared *shared; /* the images, or in */
    ae_cache *cache;   /* this; both NULL: not loaded */
    char hash[AE_HASH_TEXT_SIZE];
    ae_dataset *others;           /* to its images, one by one; owned; NULL: none */
    ae_settings *others_settings; /* owned, borrowed by the others */
};

/* The images in memory: places[selection.count], and the records behind them. */
ae_image_place *ae_dataset_places(const ae_dataset *dataset);
uint8_t *ae_dataset_records(const ae_dataset *dataset);

/* Are they alike but for their pixels, so that each image of `others` can be the other to that of
 * `like` of its number? Of what was found of both. Warns where they seem not to belong together.
 * Local. AE_ERROR_DATA: no, and where not. */
ae_status ae_others_check(const ae_dataset *others, const ae_dataset *like);

#endif
