/* Parameter tensors in files, each a dataset with PyTorch's name and shape. */
#include "io/tensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/config_group.h"

enum { SCALE_SIZE = 64 }; /* bytes of a scale's path */

/* ---- writing ---- */

/* path = that of the scale of one dimension; the scale is made where it isn't there yet. */
static ae_status need_scale(ae_h5 *file, char path[SCALE_SIZE], const ae_parameter *parameter,
                            int dimension) {
    const char *const kinds[2][4] = {{"out_channel", "in_channel", "kernel_row", "kernel_column"},
                                     {"in_channel", "out_channel", "kernel_row", "kernel_column"}};
    int64_t size = parameter->shape[dimension];
    const char *kind = kinds[parameter->transposed && parameter->rank > 1][dimension];
    snprintf(path, SCALE_SIZE, "/%s_%lld", kind, (long long)size);
    if (ae_h5_has(file, path)) return AE_OK;
    int64_t *indices = malloc((size_t)size * sizeof *indices);
    if (!indices) return ae_fail_memory(path);
    for (int64_t i = 0; i < size; ++i) indices[i] = i;
    ae_h5_dataset scale = {.path = path,
                           .type = AE_H5_INT64,
                           .rank = 1,
                           .shape = {size},
                           .units = "1",
                           .long_name = kind,
                           .description = "Index along this dimension, counted from 0",
                           .scales = {path}};
    ae_status status = ae_h5_add(file, &scale, indices);
    free(indices);
    return status;
}

ae_status ae_tensors_write(ae_h5 *file, const char *group, const ae_network *network,
                           const float *values, const char *what) {
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    for (int i = 0; i < count; ++i) {
        char path[AE_H5_NAME_SIZE], long_name[AE_H5_NAME_SIZE], scales[4][SCALE_SIZE];
        snprintf(path, sizeof path, "%s/%s", group, table[i].name);
        snprintf(long_name, sizeof long_name, "%s of %s", what, table[i].name);
        ae_h5_dataset dataset = {.path = path,
                                 .type = AE_H5_FLOAT,
                                 .rank = table[i].rank,
                                 .units = "1",
                                 .long_name = long_name,
                                 .description = "In the shape and layout of PyTorch's state_dict"};
        ae_status status = AE_OK;
        for (int d = 0; d < table[i].rank && status == AE_OK; ++d) {
            status = need_scale(file, scales[d], &table[i], d);
            dataset.shape[d] = table[i].shape[d];
            dataset.scales[d] = scales[d];
        }
        if (status == AE_OK) status = ae_h5_add(file, &dataset, values + table[i].offset);
        if (status != AE_OK) return status;
    }
    return AE_OK;
}

/* ---- reading ---- */

ae_status ae_tensors_check_members(ae_h5 *file, const char *path, const char *group,
                                   int64_t count) {
    int64_t members;
    ae_status status = ae_h5_members(file, group, &members);
    if (status == AE_OK && members != count)
        status = ae_fail(AE_ERROR_IO, AE_DAMAGED "%s holds %lld objects and should hold %lld", path,
                         group, (long long)members, (long long)count);
    return status;
}

ae_status ae_tensors_read(ae_h5 *file, const char *path, const char *group,
                          const ae_network *network, float *values) {
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    ae_status status = AE_OK;
    for (int i = 0; i < count && status == AE_OK; ++i) {
        char name[AE_H5_NAME_SIZE];
        int64_t shape[4];
        snprintf(name, sizeof name, "%s/%s", group, table[i].name);
        for (int d = 0; d < table[i].rank; ++d) shape[d] = table[i].shape[d];
        float *tensor = values + table[i].offset;
        status = ae_h5_read(file, name, AE_H5_FLOAT, table[i].rank, shape, tensor);
        for (size_t e = 0; e < table[i].count && status == AE_OK; ++e)
            if (!isfinite(tensor[e]))
                status = ae_fail(AE_ERROR_IO, AE_DAMAGED "%s holds a number that is not finite",
                                 path, name);
    }
    return status == AE_OK ? ae_tensors_check_members(file, path, group, count) : status;
}

/* ---- another network's ---- */

enum { SHAPE_SIZE = 64 }; /* bytes of a shape as text */

/* "8 x 3 x 3 x 3" */
static void write_shape(char text[SHAPE_SIZE], int rank, const int64_t *shape) {
    text[0] = '\0';
    for (int d = 0; d < rank; ++d) {
        size_t used = strlen(text);
        snprintf(text + used, SHAPE_SIZE - used, "%s%lld", d > 0 ? " x " : "", (long long)shape[d]);
    }
}

/* The shape of a tensor of the file; "-" where it has none of that name. */
static void shape_there(char text[SHAPE_SIZE], ae_h5 *file, const char *group, const char *name) {
    char object[2 * AE_H5_NAME_SIZE];
    snprintf(object, sizeof object, "%s/%s", group, name);
    const bool is_there = ae_h5_has(file, object);
    snprintf(text, SHAPE_SIZE, is_there ? "no tensor" : "-");
    for (int rank = 1; is_there && rank <= AE_H5_RANK_MAX; ++rank) {
        int64_t shape[AE_H5_RANK_MAX] = {-1, -1, -1, -1, -1};
        if (ae_h5_check(file, object, AE_H5_FLOAT, rank, shape) == AE_OK)
            write_shape(text, rank, shape);
    }
}

/* The shape of a tensor of the network; "-" where it has none of that name. */
static void shape_here(char text[SHAPE_SIZE], const ae_network *network, const char *name) {
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    snprintf(text, SHAPE_SIZE, "-");
    for (int i = 0; i < count; ++i) {
        int64_t shape[4];
        for (int d = 0; d < table[i].rank; ++d) shape[d] = table[i].shape[d];
        if (strcmp(table[i].name, name) == 0) write_shape(text, table[i].rank, shape);
    }
}

/* Adds a line to the table of both; *differ: it isn't the same in both. */
static void compare_shapes(ae_differences *table, bool *differ, ae_h5 *file, const char *group,
                           const ae_network *network, const char *name) {
    char there[SHAPE_SIZE], here[SHAPE_SIZE];
    shape_there(there, file, group, name);
    shape_here(here, network, name);
    *differ |= strcmp(there, here) != 0;
    ae_differ(table, "\n    %-20s %-20s %s", name, there, here);
}

ae_status ae_tensors_match(ae_h5 *file, const char *path, const char *group,
                           const ae_network *network) {
    ae_differences table = {.length = 0};
    bool differ = false;
    int count;
    int64_t members;
    const ae_parameter *parameters = ae_network_parameters(network, &count);
    ae_status status = ae_h5_members(file, group, &members);
    for (int i = 0; i < count && status == AE_OK; ++i)
        compare_shapes(&table, &differ, file, group, network, parameters[i].name);
    for (int64_t m = 0; m < members && status == AE_OK; ++m) {
        char name[AE_H5_NAME_SIZE], here[SHAPE_SIZE];
        status = ae_h5_member_name(file, group, m, name);
        if (status != AE_OK) break;
        shape_here(here, network, name);
        if (strcmp(here, "-") == 0) compare_shapes(&table, &differ, file, group, network, name);
    }
    if (status == AE_OK && differ)
        status = ae_fail(AE_ERROR_USAGE,
                         "%s holds the parameters of another network; give model.layers those of "
                         "its /config, or take another file:\n    %-20s %-20s %s%s",
                         path, "parameter", "in the file", "in model.layers", table.text);
    return status;
}
