/* Where images come from: one file each behind this interface, and a row in the table of
 * dataset.c. */
#ifndef AE_DATA_SOURCE_H
#define AE_DATA_SOURCE_H

#include "data/dataset.h"

typedef struct ae_size {
    int32_t height, width;
} ae_size;

/* What a source found, all images counted: its training images are numbered from 0, and its test
 * images go on from them. Made on rank 0, the same on every rank. */
typedef struct ae_catalog {
    ae_data_info info;   /* its `bytes` and the least sides are filled in later */
    bool has_test;       /* are there test images of its own? */
    bool is_bare;        /* its hash is that of the samples and their prefixes alone */
    int prefix;          /* bytes of a record before its samples, which the source fills too */
    int64_t together[2]; /* training and test images that are best read together, by one rank */
    ae_size *sizes;      /* [train + test], owned; NULL: as the info tells */
    int32_t *pages;      /* [train + test], of their files, owned; NULL with `sizes` */
    char *names;         /* [train + test], their files, a NUL after each, owned; NULL: none */
    size_t names_size;   /* bytes */
    bool is_made_grey;   /* pictures: colour becomes grey */
} ae_catalog;

/* What a rank is to read, and where to. */
typedef struct ae_filling {
    const ae_settings *settings;
    const ae_catalog *catalog;
    const uint32_t *numbers; /* by place: which of the catalog's images lies there; they rise */
    int64_t train;           /* places of the source's training images, the first ones */
    int64_t begin, end;      /* the places to be filled */
    ae_image_place *places;  /* offset, height and width are set; the label is the source's */
    uint8_t *samples;
} ae_filling;

#define AE_SAME_FILES "give every host the same files in "

typedef struct ae_source_row {
    const char *cure; /* for a host whose images are not the first one's */

    /* NULL: files tell; or of its images, whatever files there are. */
    int (*channels)(const ae_settings *settings);

    /* Fills *catalog, which is zeroed, without reading any pixel. On rank 0. AE_ERROR_DATA: files
     * that are missing or of a wrong size, with the cure; AE_ERROR_USAGE: options. */
    ae_status (*describe)(ae_catalog *catalog, const ae_settings *settings);

    /* Fills samples, prefixes and labels of the places. Local. AE_ERROR_DATA; AE_STOPPED where this
     * process is asked to stop. */
    ae_status (*fill)(const ae_filling *filling);

    /* NULL, or adds to the hash what tells the files that are read from others:
     * ae_source_add_file(). Local. */
    ae_status (*identify)(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings);

    /* NULL, or puts into text[AE_DECODERS_SIZE] what may decode files otherwise on another host.
     * Returns `text`. */
    const char *(*decoders)(char text[AE_DECODERS_SIZE]);

    /* NULL, or warns of images that may not be what was meant; `samples` are all that was read, on
     * every rank. Collective. */
    void (*review)(ae_comm *comm, const uint8_t *samples, const ae_settings *settings,
                   int64_t train, int64_t test);
} ae_source_row;

/* Adds a file's path, size and time of change. AE_ERROR_DATA: it isn't there. */
ae_status ae_source_add_file(ae_hash *hash, const char *path);

/* Adds data.train, and data.test where there is one, by what `add` does with a path. */
ae_status ae_source_add_paths(ae_hash *hash, const ae_catalog *catalog, const ae_settings *settings,
                              ae_status (*add)(ae_hash *hash, const char *path));

extern const ae_source_row ae_source_cifar10, ae_source_cifar100, ae_source_idx, ae_source_hdf5,
    ae_source_pictures, ae_source_deadleaves;

#endif
