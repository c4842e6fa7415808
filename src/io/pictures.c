#include "io/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "io/images_group.h"

/* ---- galleries ---- */

static ae_shape shape_of(const ae_results_setup *setup, int64_t picture) {
    if (setup->shapes) return setup->shapes[picture];
    return (ae_shape){setup->shape[0], setup->shape[1], setup->shape[2]};
}

static bool are_alike(ae_shape left, ae_shape right) {
    return left.channels == right.channels && left.height == right.height &&
           left.width == right.width;
}

/* The gallery of that size, a new one where there is none; NULL: no memory. */
static ae_gallery *need_gallery(ae_pictures *pictures, ae_shape shape, int64_t room) {
    for (int g = 0; g < pictures->gallery_count; ++g)
        if (are_alike(pictures->galleries[g].shape, shape)) return &pictures->galleries[g];
    const size_t count = (size_t)pictures->gallery_count + 1;
    ae_gallery *grown = realloc(pictures->galleries, count * sizeof *grown);
    if (!grown) return NULL;
    pictures->galleries = grown;
    ae_gallery *gallery = &grown[pictures->gallery_count++];
    *gallery = (ae_gallery){.shape = shape,
                            .index = ae_calloc((size_t)room, sizeof *gallery->index),
                            .offset = ae_calloc((size_t)room, sizeof *gallery->offset)};
    return gallery->index && gallery->offset ? gallery : NULL;
}

ae_status ae_pictures_init(ae_pictures *pictures, const ae_results_setup *setup) {
    size_t offset = 0;
    *pictures = (ae_pictures){0};
    for (int64_t p = 0; p < setup->reconstructions; ++p) {
        const ae_shape shape = shape_of(setup, p);
        ae_gallery *gallery = need_gallery(pictures, shape, setup->reconstructions);
        if (!gallery) return ae_fail_memory("the pictures in results.h5");
        gallery->index[gallery->count] = p;
        gallery->offset[gallery->count++] = offset;
        offset += ae_shape_values(shape);
    }
    for (int g = 0; pictures->gallery_count > 1 && g < pictures->gallery_count; ++g) {
        ae_gallery *gallery = &pictures->galleries[g];
        snprintf(gallery->name, sizeof gallery->name, "/%dx%d", gallery->shape.height,
                 gallery->shape.width);
    }
    return AE_OK;
}

void ae_pictures_release(ae_pictures *pictures) {
    for (int g = 0; g < pictures->gallery_count; ++g) {
        free(pictures->galleries[g].index);
        free(pictures->galleries[g].offset);
    }
    free(pictures->galleries);
    *pictures = (ae_pictures){0};
}

size_t ae_gallery_bytes(const ae_gallery *gallery) {
    return (size_t)gallery->count * ae_shape_values(gallery->shape) * sizeof(float);
}

void ae_gallery_gather(const ae_gallery *gallery, float *values, const float *all) {
    const size_t size = ae_shape_values(gallery->shape);
    for (int64_t p = 0; p < gallery->count; ++p)
        memcpy(values + (size_t)p * size, all + gallery->offset[p], size * sizeof *values);
}

/* ---- datasets ---- */

void ae_gallery_path(char *path, const char *root, const ae_gallery *gallery, const char *name) {
    snprintf(path, AE_H5_NAME_SIZE, "%s%s/%s", root, gallery->name, name);
}

ae_h5_dataset ae_gallery_output(ae_gallery_paths *paths, const char *root,
                                const ae_gallery *gallery, int64_t rows) {
    static const char *const names[] = {"epoch", "index", "channel", "row", "column"};
    const ae_shape *shape = &gallery->shape;
    ae_h5_dataset dataset = {
        .path = paths->output,
        .type = AE_H5_FLOAT,
        .rank = 5,
        .shape = {rows, gallery->count, shape->channels, shape->height, shape->width},
        .grows = true,
        .units = "1",
        .long_name = "Output",
        .description = "What the network made of them after the epoch, between 0 and 1"};
    ae_gallery_path(paths->output, root, gallery, "output");
    for (int d = 0; d < dataset.rank; ++d) {
        ae_gallery_path(paths->scales[d], root, gallery, names[d]);
        dataset.scales[d] = paths->scales[d];
    }
    return dataset;
}

/* The description of clean or noisy pictures, from that of the outputs. */
static ae_h5_dataset picture_dataset(const ae_h5_dataset *output, const char *path) {
    ae_h5_dataset dataset = *output;
    dataset.path = path;
    dataset.rank = 4;
    dataset.grows = false;
    memmove(&dataset.shape[0], &output->shape[1], 4 * sizeof dataset.shape[0]);
    memmove(&dataset.scales[0], &output->scales[1], 4 * sizeof dataset.scales[0]);
    return dataset;
}

/* One of the scales of channels, rows and columns. */
static ae_status add_scale(ae_h5 *file, const char *path, int dimension, int count) {
    static const char *const colours[] = {"red", "green", "blue"};
    static const char *const names[] = {"Colour channel", "Pixel row", "Pixel column"};
    static const char *const descriptions[] = {
        "In the images' order", "From the top, counted from 0", "From the left, counted from 0"};
    const bool is_named = dimension == 0 && count == 3;
    int64_t *numbers = ae_calloc((size_t)count, sizeof *numbers);
    if (!numbers) return ae_fail_memory(path);
    for (int i = 0; i < count; ++i) numbers[i] = i;
    ae_h5_dataset scale = {.path = path,
                           .type = is_named ? AE_H5_TEXT : AE_H5_INT64,
                           .rank = 1,
                           .shape = {count},
                           .units = is_named ? "text" : "1",
                           .long_name = names[dimension],
                           .description = descriptions[dimension],
                           .scales = {path}};
    ae_status status = ae_h5_add(file, &scale, is_named ? (const void *)colours : numbers);
    free(numbers);
    return status;
}

static ae_status add_epochs(ae_h5 *file, const char *path) {
    ae_h5_dataset epoch = {.path = path,
                           .type = AE_H5_INT64,
                           .rank = 1,
                           .grows = true,
                           .units = "1",
                           .long_name = "Epoch",
                           .description = "Those after which outputs were stored",
                           .scales = {path}};
    return ae_h5_add(file, &epoch, NULL);
}

/* A gallery's scales but `index`, which is there. */
static ae_status add_scales(ae_h5 *file, const ae_h5_dataset *output) {
    ae_status status = AE_OK;
    for (int d = 2; d < output->rank && status == AE_OK; ++d)
        status = add_scale(file, output->scales[d], d - 2, (int)output->shape[d]);
    return status == AE_OK ? add_epochs(file, output->scales[0]) : status;
}

/* Clean or noisy pictures, from all of them. */
static ae_status add_pictures(ae_h5 *file, const ae_gallery *gallery, ae_h5_dataset *dataset,
                              const float *all) {
    float *values = malloc(ae_gallery_bytes(gallery));
    if (!values) return ae_fail_memory("the pictures in results.h5");
    ae_gallery_gather(gallery, values, all);
    ae_status status = ae_h5_add(file, dataset, values);
    free(values);
    return status;
}

/* ---- groups ---- */

/* A gallery's own group, where it isn't the root itself, and its images' places and labels. */
static ae_status add_group(ae_h5 *file, const char *root, const ae_gallery *gallery,
                           const uint8_t *labels) {
    char path[AE_H5_NAME_SIZE], description[64];
    snprintf(path, sizeof path, "%s%s", root, gallery->name);
    snprintf(description, sizeof description, "Those of %d x %d pixels (rows x columns)",
             gallery->shape.height, gallery->shape.width);
    ae_status status = gallery->name[0] ? ae_h5_add_group(file, path, description) : AE_OK;
    return status == AE_OK
               ? ae_images_group_write(file, path, gallery->index, labels, gallery->count)
               : status;
}

static ae_status write_gallery(ae_h5 *file, const ae_gallery *gallery,
                               const ae_results_setup *setup) {
    char clean_path[AE_H5_NAME_SIZE], noisy_path[AE_H5_NAME_SIZE];
    ae_gallery_paths paths;
    ae_h5_dataset output = ae_gallery_output(&paths, AE_PICTURES_GROUP, gallery, 0);
    ae_gallery_path(clean_path, AE_PICTURES_GROUP, gallery, "clean");
    ae_gallery_path(noisy_path, AE_PICTURES_GROUP, gallery, "noisy");
    ae_h5_dataset clean = picture_dataset(&output, clean_path);
    ae_h5_dataset noisy = picture_dataset(&output, noisy_path);
    clean.long_name = "Clean image";
    clean.description = "Pixels between 0 and 1: what the output should be, and the network's "
                        "input while pretraining";
    noisy.long_name = "Noisy image";
    noisy.description = "The clean image with the test noise: the network's input after "
                        "pretraining";
    ae_status status = add_group(file, AE_PICTURES_GROUP, gallery, setup->labels);
    if (status == AE_OK) status = add_scales(file, &output);
    if (status == AE_OK) status = add_pictures(file, gallery, &clean, setup->clean);
    if (status == AE_OK) status = add_pictures(file, gallery, &noisy, setup->noisy);
    if (status == AE_OK) status = ae_h5_add(file, &output, NULL);
    return status;
}

ae_status ae_pictures_write(const ae_pictures *pictures, ae_h5 *file,
                            const ae_results_setup *setup) {
    ae_status status =
        ae_h5_add_group(file, AE_PICTURES_GROUP, "The first test images as pictures");
    for (int g = 0; g < pictures->gallery_count && status == AE_OK; ++g)
        status = write_gallery(file, &pictures->galleries[g], setup);
    return status;
}

ae_status ae_pictures_write_outputs(const ae_pictures *pictures, ae_h5 *file, const char *root,
                                    const char *description) {
    ae_status status = ae_h5_add_group(file, root, description);
    for (int g = 0; g < pictures->gallery_count && status == AE_OK; ++g) {
        const ae_gallery *gallery = &pictures->galleries[g];
        ae_gallery_paths paths;
        ae_h5_dataset output = ae_gallery_output(&paths, root, gallery, 0);
        status = add_group(file, root, gallery, NULL);
        if (status == AE_OK) status = add_scales(file, &output);
        if (status == AE_OK) status = ae_h5_add(file, &output, NULL);
    }
    return status;
}

/* Are the gallery's pictures there, and outputs of them? */
static bool is_held(ae_h5 *file, const ae_gallery *gallery) {
    char path[AE_H5_NAME_SIZE];
    ae_gallery_paths paths;
    ae_h5_dataset output = ae_gallery_output(&paths, AE_PICTURES_GROUP, gallery, -1);
    ae_gallery_path(path, AE_PICTURES_GROUP, gallery, "clean");
    ae_h5_dataset clean = picture_dataset(&output, path);
    return ae_h5_check(file, path, clean.type, clean.rank, clean.shape) == AE_OK &&
           ae_h5_check(file, output.path, output.type, output.rank, output.shape) == AE_OK;
}

bool ae_pictures_are_held(const ae_pictures *pictures, ae_h5 *file) {
    for (int g = 0; g < pictures->gallery_count; ++g)
        if (!is_held(file, &pictures->galleries[g])) return false;
    return pictures->gallery_count > 0;
}
