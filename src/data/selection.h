/* Which of a source's images are taken, and for what. Local. */
#ifndef AE_DATA_SELECTION_H
#define AE_DATA_SELECTION_H

#include "data/source.h"

/* Images by their place in memory, which follows their numbers in the catalog. */
typedef struct ae_selection {
    int64_t count;       /* places */
    uint32_t *numbers;   /* [count], by place: of the image in the catalog; owned */
    int64_t train;       /* places of the source's training images, the first ones */
    double fraction;     /* of the training images kept for testing */
    uint32_t *chosen[2]; /* places of the images to train on and to test on; owned; NULL: they are
                            consecutive, those to test on last */
} ae_selection;

/* Chooses as the settings say, and completes the info: counts, shapes and bytes of what is chosen.
 * The same on every rank that has the same catalog. To be released whatever is returned.
 * AE_ERROR_USAGE: more images asked for than there are, or none left; AE_ERROR_DATA: more than this
 * host has memory for; AE_FAILED: memory. */
ae_status ae_selection_make(ae_selection *selection, ae_data_info *info, const ae_catalog *catalog,
                            const ae_settings *settings);
void ae_selection_release(ae_selection *selection);

/* Is the image at this place one to train on? */
bool ae_selection_trains(const ae_selection *selection, int64_t place);

/* Sides of image `number` of the catalog, and bytes of its record. */
ae_size ae_catalog_size(const ae_catalog *catalog, int64_t number);
size_t ae_catalog_bytes(const ae_catalog *catalog, int64_t number);

/* name = what it is called in messages. */
void ae_catalog_name(char name[AE_IMAGE_NAME_SIZE], const ae_catalog *catalog,
                     const ae_settings *settings, int64_t number);

#endif
