/* Datasets of pictures in whole HDF5 files of any type, shape, layout and attributes: an input says
 * which, and the file is made through HDF5. Each must be refused, or read and written again to the
 * same pixels. */
#include <hdf5.h>
#include <hdf5_hl.h>

#include "fuzz.h"
#include "h5/stack.h"

enum { ROWS_MAX = 1 << 12 /* bytes of rows that are moved at a time */ };

static char from[64], to[64];

static void remove_files(void) {
    unlink(from);
    unlink(to);
}

static void name_files(void) {
    snprintf(from, sizeof from, "/tmp/ae_dist-fuzz-%ld.h5", (long)getpid());
    snprintf(to, sizeof to, "/tmp/ae_dist-fuzz-%ld.out.h5", (long)getpid());
    atexit(remove_files);
}

static hid_t choose_type(input *in) {
    const hid_t types[] = {H5T_STD_U8LE,  H5T_STD_U16BE,  H5T_IEEE_F32LE, H5T_IEEE_F64BE,
                           H5T_STD_I16LE, H5T_STD_U32LE,  H5T_C_S1,       H5T_STD_REF_OBJ,
                           H5T_STD_U16LE, H5T_IEEE_F32BE, H5T_STD_B8LE,   H5T_STD_U64LE};
    const unsigned choice = (unsigned)take(in, 1);
    hid_t type = H5Tcopy(types[choice % (sizeof types / sizeof *types)]);
    if (choice & 0x80 && H5Tget_class(type) == H5T_INTEGER)
        H5Tset_precision(type, 1 + take(in, 1) % H5Tget_precision(type));
    return type;
}

static hid_t choose_creation(input *in, int rank) {
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[8];
    const unsigned choice = (unsigned)take(in, 1);
    for (int d = 0; d < rank; ++d) chunk[d] = 1 + take(in, 1) % 40;
    if (choice & 1 && rank > 0) H5Pset_chunk(creation, rank, chunk);
    if (choice & 2) H5Pset_shuffle(creation);
    if (choice & 4) H5Pset_deflate(creation, 1);
    if (choice & 8) H5Pset_fletcher32(creation);
    if (choice & 16) H5Pset_external(creation, "/dev/zero", 0, H5F_UNLIMITED);
    return creation;
}

/* Attributes of any of the types, and one that isn't written. */
static void add_attributes(hid_t object, input *in) {
    for (unsigned count = (unsigned)take(in, 1) % 4; count > 0; --count) {
        char name[32];
        hsize_t extent = take(in, 1);
        snprintf(name, sizeof name, "%s%u", count == 2 ? "CLASS" : "a", count);
        hid_t type = take(in, 1) & 1 ? H5Tvlen_create(H5T_STD_I32LE) : choose_type(in);
        hid_t space = extent & 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &extent, NULL);
        hid_t made = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        if (made >= 0) H5Aclose(made);
        H5Sclose(space);
        H5Tclose(type);
    }
}

static void add_scale(hid_t file, hid_t dataset, hsize_t extent, unsigned dimension) {
    hid_t space = H5Screate_simple(1, &extent, NULL);
    hid_t scale =
        H5Dcreate2(file, "scale", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (scale >= 0) {
        H5DSset_scale(scale, "scale");
        H5DSattach_scale(dataset, scale, dimension);
        H5Dclose(scale);
    }
    H5Sclose(space);
}

static void make_file(input *in) {
    hsize_t shape[8];
    const int rank = (int)(take(in, 1) % 7);
    for (int d = 0; d < rank; ++d) {
        shape[d] = take(in, 1) % 40;
        if (take(in, 1) > 250) shape[d] = take(in, 5);
    }
    hid_t file = H5Fcreate(from, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t type = choose_type(in), creation = choose_creation(in, rank);
    hid_t space = rank > 0 ? H5Screate_simple(rank, shape, NULL) : H5Screate(H5S_SCALAR);
    hid_t dataset = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    REQUIRE(file >= 0, "no file");
    add_attributes(file, in);
    if (dataset >= 0) {
        add_attributes(dataset, in);
        if (rank > 0 && take(in, 1) & 1 && shape[0] < 1000) add_scale(file, dataset, shape[0], 0);
        H5Dclose(dataset);
    }
    H5Sclose(space);
    H5Pclose(creation);
    H5Tclose(type);
    H5Fclose(file);
}

static size_t row_bytes(const ae_h5_stack_info *info) {
    static const size_t sizes[] = {1, 2, 4};
    return (size_t)info->width * (size_t)info->channels * sizes[info->pixel];
}

/* The first picture, row by row, from one to the other. */
static void copy(ae_h5_stack *stack) {
    const ae_h5_stack_info *info = ae_h5_stack_describe(stack);
    static unsigned char row[ROWS_MAX], again[ROWS_MAX];
    ae_h5_stack *made = NULL;
    if (row_bytes(info) > ROWS_MAX || info->height > 64 || info->pictures > 64) return;
    ae_status status = ae_h5_stack_create(&made, to, stack);
    for (int64_t h = 0; status == AE_OK && h < info->height; ++h) {
        status = ae_h5_stack_read(stack, 0, h, 1, row);
        if (status == AE_OK) status = ae_h5_stack_write(made, 0, h, 1, row);
    }
    if (status == AE_OK) status = ae_h5_stack_publish(&made);
    if (status != AE_OK) require_message();
    ae_h5_stack_close(&made);
    if (status != AE_OK) return;
    REQUIRE(ae_h5_stack_open(&made, to, "/x", "NHW", 1) == AE_OK || info->channels > 1 ||
                ae_message()[0],
            "not read again");
    if (made && ae_h5_stack_describe(made)->channels == info->channels)
        for (int64_t h = 0; h < info->height; ++h) {
            REQUIRE(ae_h5_stack_read(stack, 0, h, 1, row) == AE_OK, "%s", ae_message());
            REQUIRE(ae_h5_stack_read(made, 0, h, 1, again) == AE_OK, "%s", ae_message());
            REQUIRE(memcmp(row, again, row_bytes(info)) == 0, "other pixels");
        }
    ae_h5_stack_close(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const axes[] = {NULL, "NHW", "NCHW", "NHWC"};
    input in = {data, data + size};
    ae_h5_stack *stack;
    if (!from[0]) name_files();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const char *text = axes[take(&in, 1) % 4];
    const int channels = 1 + (int)(take(&in, 1) % 4);
    make_file(&in);
    if (ae_h5_stack_open(&stack, from, "/x", text, channels) == AE_OK)
        copy(stack);
    else
        require_message();
    ae_h5_stack_close(&stack);
    REQUIRE(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) == 0, "something is left open");
    H5garbage_collect();
    return 0;
}
