/* Checkpoints that are whole HDF5 files with a fitting hash, and wrong all the same: an input is a
 * list of changes, made through HDF5 in a valid one. Each must be refused by the name of something
 * that was changed, or leave values that a run can go on from. */
#include <sys/stat.h>
#include "checkpoint.h"
#include "forge.h"
#include "h5/internal.h"

enum {
    PATHS_MAX = 64,
    CHANGES_MAX = 4,
    ATTRIBUTE_MAX = 1 << 20, /* bytes of an attribute */
    READ_MAX = 16 << 20,     /* bytes of a file: no larger one need be read */
    NAME_SIZE = 400,         /* more than the reader takes */
    VALUE_SIZE = 2000
};

static stored_run written;
static char *whole;
static size_t whole_size;
static memory_file file;
static char paths[PATHS_MAX][AE_H5_NAME_SIZE]; /* of the objects of a checkpoint */
static int path_count;

/* What was changed: paths of objects, and names of attributes. */
static struct {
    char text[2 * CHANGES_MAX + 1][NAME_SIZE];
    int count;
} touched;

static void touch(const char *name) {
    snprintf(touched.text[touched.count++], NAME_SIZE, "%s", name);
}

static void add_path(const char *group, const char *name) {
    REQUIRE(path_count < PATHS_MAX, "too many paths");
    snprintf(paths[path_count++], sizeof paths[0], "%s%s", group, name);
}

static void make_whole(void) {
    run_make(&written, false);
    whole = run_checkpoint(&written, &whole_size);
    file = memory_file_make();
    static const char *const groups[] = {"/",         "/parameters", "/optimizer",     "/position",
                                         "/contract", "/config",     "/out_channel_16"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; ++i) add_path(groups[i], "");
    static const char *const buffers[] = {"/parameters", "/optimizer/exp_avg",
                                          "/optimizer/exp_avg_sq"};
    int count;
    const ae_parameter *table = ae_network_parameters(written.network, &count);
    for (int b = 0; b < 3; ++b) {
        if (b > 0) add_path(buffers[b], "");
        for (int i = 0; i < count; ++i) {
            char name[AE_H5_NAME_SIZE];
            snprintf(name, sizeof name, "/%s", table[i].name);
            add_path(buffers[b], name);
        }
    }
}

/* ---- what is taken from an input ---- */

/* An object of the checkpoint, or rarely one that isn't there yet. */
static void take_path(input *in, char path[NAME_SIZE]) {
    int index = (int)take(in, 1) % (path_count + 4);
    if (index < path_count)
        snprintf(path, NAME_SIZE, "%s", paths[index]);
    else
        snprintf(path, NAME_SIZE, "%s/extra", paths[(index - path_count) * 2 + 1]);
    touch(path);
}

/* The name of an attribute, or rarely one that no reader asks for. */
static void take_name(input *in, char name[NAME_SIZE]) {
    static const char *const names[] = {
        "format",     "format_version", "program",     "content_hash",   "title",
        "epoch",      "step",           "updates",     "images",         "loss_sum",
        "version",    "block",          "units",       "kernel_path",    "CLASS",
        "data_hash",  "fraction_bits",  "description", "REFERENCE_LIST", "skipped",
        "best_epoch", "best_sum"};
    enum { NAMES = sizeof names / sizeof *names };
    int index = (int)take(in, 1) % (NAMES + AE_OPTION_COUNT + 1);
    if (index < NAMES) {
        snprintf(name, NAME_SIZE, "%s", names[index]);
    } else if (index < NAMES + AE_OPTION_COUNT) {
        snprintf(name, NAME_SIZE, "%s", ae_config_name(index - NAMES));
    } else {
        size_t length = 1 + take(in, 1) * 3 / 2;
        memset(name, 'n', length);
        name[length] = '\0';
    }
    touch(name);
}

/* A text without a NUL; its first byte tells the length. */
static void take_text(input *in, char text[VALUE_SIZE]) {
    size_t length = (size_t)take(in, 1) * 7;
    for (size_t i = 0; i < length; ++i) {
        text[i] = (char)take(in, 1);
        if (!text[i]) text[i] = 't';
    }
    text[length] = '\0';
}

static int64_t take_whole(input *in) {
    static const int64_t values[] = {0,         1,         -1,        INT64_MAX, INT64_MIN,
                                     INT32_MAX, 1LL << 32, 1LL << 53, 5,         6};
    size_t index = take(in, 1) % (sizeof values / sizeof *values + 1);
    return index < sizeof values / sizeof *values ? values[index] : (int64_t)take(in, 8);
}

/* ---- changes ---- */

static void change_text(ae_h5 *h5, input *in) {
    char path[NAME_SIZE], name[NAME_SIZE], text[VALUE_SIZE];
    take_path(in, path);
    take_name(in, name);
    take_text(in, text);
    ae_h5_set_text(h5, path, name, text);
}

static void change_whole(ae_h5 *h5, input *in) {
    char path[NAME_SIZE], name[NAME_SIZE];
    take_path(in, path);
    take_name(in, name);
    ae_h5_set_int64(h5, path, name, take_whole(in));
}

static void delete_attribute(ae_h5 *h5, input *in) {
    char path[NAME_SIZE], name[NAME_SIZE];
    take_path(in, path);
    take_name(in, name);
    H5Adelete_by_name(h5->id, path, name, H5P_DEFAULT);
}

/* An attribute of any type and shape, with no value written. */
static void change_attribute(ae_h5 *h5, input *in) {
    char path[NAME_SIZE], name[NAME_SIZE];
    hsize_t shape[RANK_MAX], most[RANK_MAX];
    take_path(in, path);
    take_name(in, name);
    hid_t type = take_type(in);
    int rank = take_shape(in, shape, most);
    size_t size = H5Tget_size(type);
    for (int d = 0; d < rank; ++d) {
        if (shape[d] > 16 || size * shape[d] > ATTRIBUTE_MAX) shape[d] = 1;
        size *= shape[d];
    }
    hid_t space = rank == RANK_MAX ? H5Screate(H5S_NULL) : H5Screate_simple(rank, shape, NULL);
    H5Adelete_by_name(h5->id, path, name, H5P_DEFAULT);
    hid_t attribute =
        H5Acreate_by_name(h5->id, path, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static void delete_object(ae_h5 *h5, input *in) {
    char path[NAME_SIZE];
    take_path(in, path);
    H5Ldelete(h5->id, path, H5P_DEFAULT);
}

/* Another dataset in the place of what is there, if anything is. */
static void change_dataset(ae_h5 *h5, input *in) {
    char path[NAME_SIZE];
    hsize_t shape[RANK_MAX], most[RANK_MAX];
    take_path(in, path);
    bool is_filled = take(in, 1) % 2;
    hid_t type = take_type(in);
    int rank = take_shape(in, shape, most);
    hid_t properties = take_properties(in, rank), space = H5Screate_simple(rank, shape, most);
    H5Ldelete(h5->id, path, H5P_DEFAULT);
    hid_t dataset = H5Dcreate2(h5->id, path, type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (dataset >= 0 && is_filled && H5Pget_external_count(properties) == 0) fill(dataset, in);
    if (dataset >= 0) H5Dclose(dataset);
    if (space >= 0) H5Sclose(space);
    H5Pclose(properties);
    H5Tclose(type);
}

static void change_values(ae_h5 *h5, input *in) {
    char path[NAME_SIZE];
    take_path(in, path);
    hid_t dataset = H5Dopen2(h5->id, path, H5P_DEFAULT);
    if (dataset < 0) return;
    fill(dataset, in);
    H5Dclose(dataset);
}

/* A link of any kind, a named type, or groups within groups. */
static void add_link(ae_h5 *h5, input *in) {
    enum { HARD, SOFT, OUTSIDE, TYPE, MOVE, GROUPS, KINDS };
    char from[NAME_SIZE], to[NAME_SIZE];
    take_path(in, to);
    take_path(in, from);
    int kind = (int)(take(in, 1) % KINDS), count = (int)take(in, 1) % 40;
    if (kind != GROUPS) H5Ldelete(h5->id, from, H5P_DEFAULT);
    if (kind == HARD)
        H5Lcreate_hard(h5->id, to, h5->id, from, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind == SOFT)
        H5Lcreate_soft(to, h5->id, from, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind == OUTSIDE)
        H5Lcreate_external("/dev/zero", to, h5->id, from, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind == MOVE)
        H5Lmove(h5->id, to, h5->id, from, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind == TYPE) {
        hid_t type = H5Tcopy(H5T_IEEE_F32LE);
        H5Tcommit2(h5->id, from, type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Tclose(type);
    }
    for (int i = 0; kind == GROUPS && i < count && strlen(from) + 3 < NAME_SIZE; ++i) {
        strcat(from, "/g");
        hid_t group = H5Gcreate2(h5->id, from, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (group >= 0) H5Gclose(group);
    }
}

/* ---- one input ---- */

/* Makes the changes that an input tells. */
static void change(ae_h5 *h5, input *in) {
    static void (*const changes[])(ae_h5 *, input *) = {
        change_text,   change_whole,   delete_attribute, change_attribute,
        delete_object, change_dataset, change_values,    add_link};
    touched.count = 0;
    bool hash = take(in, 1) % 8 != 0;
    for (int i = 0; i < CHANGES_MAX && in->next < in->end; ++i)
        changes[take(in, 1) % (sizeof changes / sizeof *changes)](h5, in);
    char text[AE_HASH_TEXT_SIZE];
    if (!hash)
        touch("content_hash");
    else if (ae_h5_content_hash(h5, "content_hash", text) == AE_OK)
        ae_h5_set_text(h5, "/", "content_hash", text);
}

/* Makes the file: a checkpoint with the changes, and no seal, as HDF5's means leave it. */
static void make_file(input *in) {
    memory_file_fill(&file, whole, whole_size);
    ae_h5 *h5;
    REQUIRE(ae_h5_open(&h5, file.path, SIZE_MAX) == AE_OK, "%s", ae_message());
    change(h5, in);
    H5Fflush(h5->id, H5F_SCOPE_LOCAL);
    ssize_t size = H5Fget_file_image(h5->id, NULL, 0);
    REQUIRE(size > 0, "no image");
    char *bytes = malloc((size_t)size);
    REQUIRE(bytes, "no memory");
    REQUIRE(H5Fget_file_image(h5->id, bytes, (size_t)size) == size, "no image");
    memory_file_fill(&file, bytes, (size_t)size);
    free(bytes);
    ae_h5_close(&h5);
}

/* Does the message name something that was changed: an attribute, an object, or its group? Where
 * /config was, the message lists options. */
static bool names_change(ae_status status) {
    for (int i = 0; i < touched.count; ++i) {
        char *name = touched.text[i], *slash = strrchr(name, '/');
        if (strstr(ae_message(), name)) return true;
        if (status == AE_ERROR_USAGE && strcmp(name, "/config") == 0) return true;
        if (slash && slash > name) *slash = '\0';
        if (strstr(ae_message(), name)) return true;
    }
    return false;
}

static size_t size_of(const memory_file *opened) {
    struct stat info;
    REQUIRE(fstat(opened->descriptor, &info) == 0, "no size");
    return (size_t)info.st_size;
}

static void require_usable(const stored_run *read) {
    for (size_t i = 0; i < read->size; ++i) {
        REQUIRE(isfinite(read->state.parameters[i]), "parameter %zu", i);
        for (int m = 0; m < read->state.optimizer.moments; ++m)
            REQUIRE(isfinite(read->state.optimizer.moment[m][i]), "moment %d, %zu", m, i);
    }
    const ae_position *position = &read->state.position;
    REQUIRE(position->epoch >= 0 && position->step >= 0 && position->images >= 0 &&
                position->loss_sum >= 0 && position->skipped >= 0 &&
                read->state.optimizer.steps >= 0,
            "position");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!whole) make_whole();
    input in = {data, data + size};
    make_file(&in);
    stored_run read;
    run_make(&read, true);
    ae_status status = ae_checkpoint_read(file.path, &read.state, read.config);
    if (status == AE_OK) {
        require_usable(&read);
    } else {
        REQUIRE(status == AE_ERROR_IO || status == AE_ERROR_USAGE, "status %d", (int)status);
        REQUIRE(strstr(ae_message(), file.path), "%s", ae_message());
        bool too_large = strstr(ae_message(), "too large") && size_of(&file) > READ_MAX;
        REQUIRE(too_large || names_change(status), "%s", ae_message());
    }
    require_all_closed();
    run_free(&read);
    return 0;
}
