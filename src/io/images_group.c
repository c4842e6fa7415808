#include "io/images_group.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/memory.h"

ae_status ae_images_group_write(ae_h5 *file, const char *group, const int64_t *index,
                                const uint8_t *labels, int64_t count) {
    char index_path[AE_H5_NAME_SIZE], label_path[AE_H5_NAME_SIZE];
    snprintf(index_path, sizeof index_path, "%s/index", group);
    snprintf(label_path, sizeof label_path, "%s/label", group);
    ae_h5_dataset scale = {.path = index_path,
                           .type = AE_H5_INT64,
                           .rank = 1,
                           .shape = {count},
                           .units = "1",
                           .long_name = "Test image",
                           .description = "Position in the test set, counted from 0",
                           .scales = {index_path}};
    ae_h5_dataset label = scale;
    label.path = label_path;
    label.long_name = "Label";
    label.description = "Class of the image, as the data set numbers them";
    int64_t *values = ae_calloc((size_t)count, sizeof *values);
    if (!values) return ae_fail_memory("the labels");
    for (int64_t i = 0; i < count; ++i) values[i] = index ? index[i] : i;
    ae_status status = ae_h5_add(file, &scale, values);
    for (int64_t i = 0; i < count && labels; ++i) values[i] = labels[index ? index[i] : i];
    if (status == AE_OK && labels) status = ae_h5_add(file, &label, values);
    free(values);
    return status;
}
