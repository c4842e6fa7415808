/* Datasets of pictures on disk: rows by hyperslabs, and new files like old ones. */
#include "h5/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/found.h"
#include "h5/internal.h"

enum { RANK_MAX = 4, SIDE_MAX = 1000000, CHANNELS_MAX = 1024 };

/* Of one channel that are moved at a time, where a row isn't more. */
enum { PLANE_BYTES = 256 << 10 };

/* Which dimension is which; -1: there's none. */
typedef struct axes {
    int n, c, h, w;
} axes;

struct ae_h5_stack {
    hid_t file, dataset;
    char *path, *name; /* owned */
    char *temporary;   /* owned: where it is written; NULL: it is read */
    int rank;
    axes axes;
    ae_h5_stack_info info;
    void *plane; /* [plane_rows][width] of one channel, owned; NULL: none is needed */
    int64_t plane_rows;
};

static herr_t take_first(unsigned n, const H5E_error2_t *error, void *data) {
    if (n == 0 && error->desc) snprintf(data, AE_H5_NAME_SIZE, "%s", error->desc);
    return 0;
}

/* Reading is the data's fault, writing the disk's. */
static ae_status fail(const ae_h5_stack *stack, const char *what) {
    char reason[AE_H5_NAME_SIZE] = "HDF5 gives no reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, reason);
    return ae_fail(stack->temporary ? AE_ERROR_IO : AE_ERROR_DATA, "%s: can't %s %s: %s; %s",
                   stack->path, what, stack->name, reason,
                   stack->temporary     ? "see to its disk"
                   : stack->dataset < 0 ? "h5ls -r tells what there is"
                                        : "get the file anew from where it came from");
}

static ae_status make(ae_h5_stack **stack, const char *path, const char *name) {
    ae_h5_begin();
    *stack = calloc(1, sizeof **stack);
    if (!*stack) return ae_fail_memory(path);
    (*stack)->file = (*stack)->dataset = H5I_INVALID_HID;
    (*stack)->path = strdup(path);
    (*stack)->name = strdup(name);
    return (*stack)->path && (*stack)->name ? AE_OK : ae_fail_memory(path);
}

void ae_h5_stack_close(ae_h5_stack **stack) {
    ae_h5_stack *s = *stack;
    if (!s) return;
    if (s->dataset >= 0) H5Dclose(s->dataset);
    if (s->file >= 0) H5Fclose(s->file);
    if (s->temporary) unlink(s->temporary); /* where it was published there is none */
    free(s->plane);
    free(s->temporary);
    free(s->path);
    free(s->name);
    free(s);
    *stack = NULL;
}

/* ---- opening ---- */

static bool is_channels(hsize_t extent, int channels) {
    return extent == (hsize_t)channels || extent == 1 || extent == 3;
}

/* The dimensions' letters, by the shape where `told` is NULL; "": it doesn't tell. */
static const char *choose_axes(const char *told, int rank, const hsize_t *shape, int channels) {
    if (rank == 2) return "HW";
    if (told) return told;
    if (rank == 3) return "NHW";
    const bool first = is_channels(shape[1], channels), last = is_channels(shape[3], channels);
    const bool is_first = shape[1] == (hsize_t)channels, is_last = shape[3] == (hsize_t)channels;
    if (is_first || (first && !is_last)) return "NCHW";
    return last ? "NHWC" : "";
}

static axes axes_of(const char *letters) {
    axes a = {-1, -1, -1, -1};
    for (int d = 0; letters[d]; ++d) {
        if (letters[d] == 'N') a.n = d;
        if (letters[d] == 'C') a.c = d;
        if (letters[d] == 'H') a.h = d;
        if (letters[d] == 'W') a.w = d;
    }
    return a;
}

static bool find_pixel(ae_h5_pixel *pixel, hid_t type) {
    const size_t size = H5Tget_size(type);
    const H5T_class_t kind = H5Tget_class(type);
    if (kind == H5T_FLOAT) *pixel = AE_H5_PIXEL_F32;
    if (kind == H5T_INTEGER) *pixel = size == 1 ? AE_H5_PIXEL_U8 : AE_H5_PIXEL_U16;
    return kind == H5T_FLOAT ||
           (kind == H5T_INTEGER && size <= 2 && H5Tget_sign(type) == H5T_SGN_NONE);
}

static hid_t memory_type(ae_h5_pixel pixel) {
    return pixel == AE_H5_PIXEL_U8    ? H5T_NATIVE_UINT8
           : pixel == AE_H5_PIXEL_U16 ? H5T_NATIVE_UINT16
                                      : H5T_NATIVE_FLOAT;
}

static size_t pixel_size(const ae_h5_stack *s) {
    static const size_t sizes[] = {sizeof(uint8_t), sizeof(uint16_t), sizeof(float)};
    return sizes[s->info.pixel];
}

static ae_status describe(ae_h5_stack *s, const hsize_t *shape, const char *text, int channels) {
    ae_h5_stack_info *info = &s->info;
    const char *letters = choose_axes(text, s->rank, shape, channels);
    if ((int)strlen(letters) != s->rank)
        return ae_fail(AE_ERROR_DATA,
                       "%s: %s has %d dimensions; pictures are HW, NHW, NCHW or NHWC, which --axes "
                       "says where the shape doesn't",
                       s->path, s->name, s->rank);
    const axes a = s->axes = axes_of(letters);
    snprintf(info->axes, sizeof info->axes, "%s", letters);
    info->pictures = a.n >= 0 ? (int64_t)shape[a.n] : 1;
    info->channels = a.c >= 0 && shape[a.c] <= CHANNELS_MAX ? (int)shape[a.c] : a.c < 0;
    info->height = (int64_t)shape[a.h];
    info->width = (int64_t)shape[a.w];
    if (info->pictures < 1 || info->channels < 1 || info->height < 1 || info->width < 1 ||
        info->height > SIDE_MAX || info->width > SIDE_MAX)
        return ae_fail(AE_ERROR_DATA,
                       "%s: %s has %lld pictures of %lld x %lld pixels; allowed: at least one, and "
                       "sides from 1 to %d",
                       s->path, s->name, (long long)info->pictures, (long long)info->height,
                       (long long)info->width, SIDE_MAX);
    return AE_OK;
}

/* Shape and type. */
static ae_status examine(ae_h5_stack *s, const char *text, int channels) {
    hid_t space = H5Dget_space(s->dataset), type = H5Dget_type(s->dataset);
    hsize_t shape[RANK_MAX] = {0};
    ae_status status = AE_OK;
    s->rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    if (type < 0 || !find_pixel(&s->info.pixel, type))
        status = ae_fail(AE_ERROR_DATA,
                         "%s: %s holds something else than unsigned integers of 8 or 16 bits or "
                         "floating-point numbers; convert it to these",
                         s->path, s->name);
    else if (s->rank < 2 || s->rank > RANK_MAX || H5Sget_simple_extent_dims(space, shape, NULL) < 0)
        status = ae_fail(AE_ERROR_DATA, "%s: %s has %d dimensions; allowed: 2 to 4", s->path,
                         s->name, s->rank);
    else
        status = describe(s, shape, text, channels);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return status;
}

/* Bytes of the chunks that one row of a picture touches, and at least HDF5's own cache. */
static size_t chunk_row_bytes(const ae_h5_stack *s, hid_t creation) {
    hsize_t chunk[RANK_MAX];
    if (H5Pget_layout(creation) != H5D_CHUNKED || H5Pget_chunk(creation, s->rank, chunk) != s->rank)
        return 0;
    const axes a = s->axes;
    hid_t type = H5Dget_type(s->dataset);
    double bytes = (double)H5Tget_size(type);
    H5Tclose(type);
    for (int d = 0; d < s->rank; ++d) bytes *= (double)chunk[d];
    bytes *= (double)(((hsize_t)s->info.width + chunk[a.w] - 1) / chunk[a.w]);
    if (a.c >= 0) bytes *= (double)(((hsize_t)s->info.channels + chunk[a.c] - 1) / chunk[a.c]);
    return bytes < 0x1p50 ? (size_t)bytes : (size_t)1 << 50;
}

/* Has the library what reads the values, and may they be read? */
static ae_status check_creation(const ae_h5_stack *s, hid_t creation) {
    if (creation < 0) return fail(s, "read the layout of");
    if (H5Pget_external_count(creation) > 0)
        return ae_fail(
            AE_ERROR_DATA,
            "%s: %s keeps its values in files that aren't HDF5's; copy it into a file of "
            "its own (h5repack)",
            s->path, s->name);
    if (H5Pget_layout(creation) == H5D_CHUNKED && H5Pall_filters_avail(creation) <= 0)
        return ae_fail(AE_ERROR_DATA,
                       "%s: %s was written with a filter that this HDF5 library lacks; set "
                       "HDF5_PLUGIN_PATH to where it is, or write the dataset anew (h5repack)",
                       s->path, s->name);
    return AE_OK;
}

/* Opens the dataset once more, with a cache for the chunks of one row. */
static ae_status enlarge_cache(ae_h5_stack *s) {
    enum { LEAST = 1 << 20, SLOTS = 12289 /* a prime */ };
    hid_t creation = H5Dget_create_plist(s->dataset), access = H5Pcreate(H5P_DATASET_ACCESS);
    ae_status status = check_creation(s, creation);
    s->info.bytes = status == AE_OK ? chunk_row_bytes(s, creation) : 0;
    if (creation >= 0) H5Pclose(creation);
    if (status != AE_OK) {
        if (access >= 0) H5Pclose(access);
        return status;
    }
    const size_t bytes = s->info.bytes > LEAST ? s->info.bytes : LEAST;
    H5Dclose(s->dataset);
    s->dataset = access >= 0 && H5Pset_chunk_cache(access, SLOTS, bytes, 1) >= 0
                     ? H5Dopen2(s->file, s->name, access)
                     : H5I_INVALID_HID;
    if (access >= 0) H5Pclose(access);
    return s->dataset < 0 ? fail(s, "open") : AE_OK;
}

/* Where there are channels and they don't come last, makes room for rows of one. */
static ae_status make_plane(ae_h5_stack *s) {
    const size_t row = (size_t)s->info.width * pixel_size(s);
    if (s->info.channels == 1 || s->axes.c == s->rank - 1) return AE_OK;
    s->plane_rows = row < PLANE_BYTES ? (int64_t)(PLANE_BYTES / row) : 1;
    s->plane = malloc((size_t)s->plane_rows * row);
    s->info.bytes += (size_t)s->plane_rows * row;
    return s->plane ? AE_OK : ae_fail_memory(s->path);
}

static hid_t open_file(const char *path) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 11, 0) || H5_VERSION_GE(1, 12, 1)
    if (access >= 0)
        H5Pset_file_locking(access, true, true); /* where a disk can't, none is needed */
#endif
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access < 0 ? H5P_DEFAULT : access);
    if (access >= 0) H5Pclose(access);
    return file;
}

ae_status ae_h5_stack_open(ae_h5_stack **stack, const char *path, const char *dataset,
                           const char *axes_text, int channels) {
    ae_status status = make(stack, path, dataset);
    if (status == AE_OK) {
        ae_h5_stack *s = *stack;
        s->file = open_file(path);
        if (s->file < 0) {
            char found[AE_FOUND_SIZE];
            status = ae_fail(AE_ERROR_DATA, "%s: can't be opened as an HDF5 file; there is %s",
                             path, ae_found_at(found, path));
        } else if ((s->dataset = H5Dopen2(s->file, dataset, H5P_DEFAULT)) < 0) {
            status = fail(s, "open");
        }
        if (status == AE_OK) status = examine(s, axes_text, channels);
        if (status == AE_OK) status = enlarge_cache(s);
        if (status == AE_OK) status = make_plane(s);
    }
    if (status != AE_OK) ae_h5_stack_close(stack);
    return status;
}

const ae_h5_stack_info *ae_h5_stack_describe(const ae_h5_stack *stack) {
    return &stack->info;
}

/* ---- rows ---- */

/* Reads or writes rows of some channels from or to values[rows][width][channels]. */
static ae_status move_values(const ae_h5_stack *s, int64_t picture, int64_t first, int64_t rows,
                             int channel, int channels, void *values) {
    const axes a = s->axes;
    hsize_t start[RANK_MAX] = {0}, count[RANK_MAX] = {1, 1, 1, 1};
    const hsize_t points = (hsize_t)rows * (hsize_t)s->info.width * (hsize_t)channels;
    if (a.n >= 0) start[a.n] = (hsize_t)picture;
    if (a.c >= 0) {
        start[a.c] = (hsize_t)channel;
        count[a.c] = (hsize_t)channels;
    }
    start[a.h] = (hsize_t)first;
    count[a.h] = (hsize_t)rows;
    count[a.w] = (hsize_t)s->info.width;
    hid_t space = H5Dget_space(s->dataset), memory = H5Screate_simple(1, &points, NULL);
    herr_t result = -1;
    if (space >= 0 && memory >= 0 &&
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0) {
        const hid_t type = memory_type(s->info.pixel);
        result = s->temporary ? H5Dwrite(s->dataset, type, memory, space, H5P_DEFAULT, values)
                              : H5Dread(s->dataset, type, memory, space, H5P_DEFAULT, values);
    }
    /* The next call of HDF5's forgets the reason. */
    ae_status status = result < 0 ? fail(s, s->temporary ? "write" : "read") : AE_OK;
    if (space >= 0) H5Sclose(space);
    if (memory >= 0) H5Sclose(memory);
    return status;
}

/* to[i * to_step] = from[i * from_step] */
#define COPY_STEPS(name, type)                                                                     \
    static void name(type *to, size_t to_step, const type *from, size_t from_step, size_t count) { \
        for (size_t i = 0; i < count; ++i) to[i * to_step] = from[i * from_step];                  \
    }
COPY_STEPS(copy_bytes, uint8_t)
COPY_STEPS(copy_words, uint16_t)
COPY_STEPS(copy_floats, float)

static void copy(ae_h5_pixel pixel, void *to, size_t to_step, const void *from, size_t from_step,
                 size_t count) {
    if (pixel == AE_H5_PIXEL_U8) copy_bytes(to, to_step, from, from_step, count);
    if (pixel == AE_H5_PIXEL_U16) copy_words(to, to_step, from, from_step, count);
    if (pixel == AE_H5_PIXEL_F32) copy_floats(to, to_step, from, from_step, count);
}

/* The same of one channel, by way of the plane: HDF5 itself would move sample by sample. */
static ae_status move_channel(const ae_h5_stack *s, int64_t picture, int64_t first, int64_t rows,
                              int channel, void *pixels) {
    const ae_h5_pixel pixel = s->info.pixel;
    const size_t count = (size_t)(rows * s->info.width), channels = (size_t)s->info.channels;
    char *samples = (char *)pixels + (size_t)channel * pixel_size(s);
    if (s->temporary) copy(pixel, s->plane, 1, samples, channels, count);
    ae_status status = move_values(s, picture, first, rows, channel, 1, s->plane);
    if (status == AE_OK && !s->temporary) copy(pixel, samples, channels, s->plane, 1, count);
    return status;
}

static ae_status move_rows(const ae_h5_stack *s, int64_t picture, int64_t first, int64_t rows,
                           void *pixels) {
    const size_t row = (size_t)s->info.width * (size_t)s->info.channels * pixel_size(s);
    ae_status status = AE_OK;
    if (!s->plane) return move_values(s, picture, first, rows, 0, s->info.channels, pixels);
    for (int64_t done = 0; done < rows; done += s->plane_rows) {
        const int64_t some = rows - done < s->plane_rows ? rows - done : s->plane_rows;
        for (int c = 0; status == AE_OK && c < s->info.channels; ++c)
            status = move_channel(s, picture, first + done, some, c,
                                  (char *)pixels + (size_t)done * row);
    }
    return status;
}

ae_status ae_h5_stack_read(ae_h5_stack *stack, int64_t picture, int64_t first, int64_t rows,
                           void *pixels) {
    return move_rows(stack, picture, first, rows, pixels);
}

ae_status ae_h5_stack_write(ae_h5_stack *stack, int64_t picture, int64_t first, int64_t rows,
                            const void *pixels) {
    /* HDF5 only reads them; the same function reads into them. */
    return move_rows(stack, picture, first, rows, (void *)(uintptr_t)pixels);
}

/* ---- a file like another ---- */

static bool is_scales(const char *name) {
    static const char *const names[] = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"};
    for (int n = 0; n < 4; ++n)
        if (strcmp(names[n], name) == 0) return true;
    return false;
}

/* Copies one attribute, of any type that refers to nothing in its file. */
static herr_t copy_attribute(hid_t from, const char *name, const H5A_info_t *info, void *to) {
    (void)info;
    if (is_scales(name) || H5Aexists(*(hid_t *)to, name) > 0) return 0;
    hid_t attribute = H5Aopen(from, name, H5P_DEFAULT), made = H5I_INVALID_HID;
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
    const hssize_t points = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    herr_t result = -1;
    if (type >= 0 && H5Tdetect_class(type, H5T_REFERENCE) > 0) result = 0;
    void *values = type >= 0 && points >= 0 ? calloc((size_t)points + 1, H5Tget_size(type)) : NULL;
    if (result < 0 && values && H5Aread(attribute, type, values) >= 0) {
        made = H5Acreate2(*(hid_t *)to, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        if (made >= 0) result = H5Awrite(made, type, values);
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, values);
    }
    free(values);
    if (made >= 0) H5Aclose(made);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    return result;
}

static herr_t copy_attributes(hid_t from, hid_t to) {
    return H5Aiterate2(from, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, copy_attribute, &to);
}

static hid_t parents(void) {
    hid_t creation = H5Pcreate(H5P_LINK_CREATE);
    if (creation >= 0) H5Pset_create_intermediate_group(creation, 1);
    return creation;
}

/* A dimension's scale goes to the same place, and is attached. */
static herr_t copy_scale(hid_t from, unsigned dimension, hid_t scale, void *data) {
    const ae_h5_stack *to = data;
    char name[AE_H5_NAME_SIZE];
    (void)from;
    if (H5Iget_name(scale, name, sizeof name) <= 0) return -1;
    hid_t links = parents(), copy = H5I_INVALID_HID;
    herr_t result = -1;
    if (H5Lexists(to->file, name, H5P_DEFAULT) > 0 ||
        H5Ocopy(scale, ".", to->file, name, H5P_DEFAULT, links) >= 0)
        copy = H5Dopen2(to->file, name, H5P_DEFAULT);
    if (copy >= 0) {
        if (H5Aexists(copy, "REFERENCE_LIST") > 0 && !H5DSis_attached(to->dataset, copy, dimension))
            H5Adelete(copy, "REFERENCE_LIST");
        result = H5DSattach_scale(to->dataset, copy, dimension);
        H5Dclose(copy);
    }
    if (links >= 0) H5Pclose(links);
    return result;
}

static herr_t copy_scales(hid_t from, ae_h5_stack *to) {
    herr_t result = 0;
    for (int d = 0; d < to->rank && result >= 0; ++d)
        if (H5DSget_num_scales(from, (unsigned)d) > 0)
            result = H5DSiterate_scales(from, (unsigned)d, NULL, copy_scale, to);
    return result;
}

/* Chunks and filters as there, but data in the file itself, and no times. */
static hid_t creation_like(hid_t from) {
    hid_t creation = H5Dget_create_plist(from);
    if (creation >= 0 && H5Pget_layout(creation) == H5D_VIRTUAL) {
        H5Pclose(creation);
        creation = H5Pcreate(H5P_DATASET_CREATE);
    }
    if (creation >= 0) H5Pset_obj_track_times(creation, false);
    return creation;
}

static herr_t create_dataset(ae_h5_stack *s, hid_t from) {
    hid_t creation = creation_like(from), links = parents();
    hid_t type = H5Dget_type(from), space = H5Dget_space(from);
    herr_t result = -1;
    if (creation >= 0 && links >= 0 && type >= 0 && space >= 0)
        s->dataset = H5Dcreate2(s->file, s->name, type, space, links, creation, H5P_DEFAULT);
    if (s->dataset >= 0) result = 0;
    if (creation >= 0) H5Pclose(creation);
    if (links >= 0) H5Pclose(links);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    return result;
}

static ae_status fill(ae_h5_stack *s, const ae_h5_stack *like) {
    if (asprintf(&s->temporary, "%s.tmp.%ld", s->path, (long)getpid()) < 0) {
        s->temporary = NULL;
        return ae_fail_memory(s->path);
    }
    s->rank = like->rank;
    s->axes = like->axes;
    s->info = like->info;
    s->file = H5Fcreate(s->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (s->file < 0) return ae_file_fail("write", s->path, errno);
    if (create_dataset(s, like->dataset) < 0) return fail(s, "make");
    ae_status status = enlarge_cache(s);
    if (status == AE_OK) status = make_plane(s);
    if (status != AE_OK) return status;
    if (copy_attributes(like->file, s->file) < 0 ||
        copy_attributes(like->dataset, s->dataset) < 0 || copy_scales(like->dataset, s) < 0)
        return fail(s, "copy the attributes and scales of");
    return AE_OK;
}

ae_status ae_h5_stack_create(ae_h5_stack **stack, const char *path, const ae_h5_stack *like) {
    ae_status status = make(stack, path, like->name);
    if (status == AE_OK) status = fill(*stack, like);
    if (status != AE_OK) ae_h5_stack_close(stack);
    return status;
}

/* 0, or the errno. */
static int sync_file(const char *path) {
    const int fd = open(path, O_RDONLY);
    if (fd < 0) return errno;
    const int error = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return error;
}

ae_status ae_h5_stack_publish(ae_h5_stack **stack) {
    ae_h5_stack *s = *stack;
    ae_status status = AE_OK;
    const bool closed = H5Dclose(s->dataset) >= 0 && H5Fclose(s->file) >= 0;
    s->dataset = s->file = H5I_INVALID_HID;
    if (!closed) status = fail(s, "complete");
    int error = status == AE_OK ? sync_file(s->temporary) : 0;
    if (status == AE_OK && error == 0 && rename(s->temporary, s->path) != 0) error = errno;
    if (status == AE_OK && error == 0) error = ae_file_sync_name(s->path);
    if (error != 0) status = ae_file_fail("write", s->path, error);
    ae_h5_stack_close(stack);
    return status;
}
