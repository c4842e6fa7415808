/* data/: datasets of HDF5 files of any type, order of dimensions, chunks and filters; and what is
 * said of those that hold no images. */
#include "source.h"

#include <hdf5.h>

enum { COUNT = 11, CHANNELS = 2, HEIGHT = 3, WIDTH = 5, VALUES = CHANNELS * HEIGHT * WIDTH };

/* What a test writes. */
typedef struct array {
    hid_t type;
    int rank;
    hsize_t dims[5];
    hsize_t chunk[5]; /* first 0: none */
    bool deflate;
} array;

static array planar_array(hid_t type) {
    return (array){.type = type, .rank = 4, .dims = {COUNT, CHANNELS, HEIGHT, WIDTH}};
}

/* /images in the file of that name holds offset + scale * 0, 1, 2, ... */
static void write_array(const char *name, const array *a, double offset, double scale) {
    size_t count = 1;
    for (int d = 0; d < a->rank; ++d) count *= a->dims[d];
    double *values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    for (size_t v = 0; v < count; ++v) values[v] = offset + scale * (double)v;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (a->chunk[0]) assert_true(H5Pset_chunk(properties, a->rank, a->chunk) >= 0);
    if (a->deflate)
        assert_true(H5Pset_shuffle(properties) >= 0 && H5Pset_deflate(properties, 1) >= 0);
    hid_t space = H5Screate_simple(a->rank, a->dims, NULL);
    hid_t id = H5Dcreate2(file, "/images", a->type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    assert_true(id >= 0);
    if (count > 0)
        assert_true(H5Dwrite(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(id);
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
    free(values);
}

static ae_settings settings_for(const char *train, const char *test) {
    ae_settings settings = {.data = {.source = AE_SOURCE_HDF5}};
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/%s:/images", folder, train);
    if (test) snprintf(settings.data.test, AE_TEXT_SIZE, "%s/%s:/images", folder, test);
    return settings;
}

static double value_at(const loaded *l, int set, int64_t image, int v) {
    const void *samples = loaded_samples(l, set, image);
    if (l->info.type == AE_SAMPLE_U8) return ((const uint8_t *)samples)[v];
    if (l->info.type == AE_SAMPLE_U16) return ((const uint16_t *)samples)[v];
    return (double)((const float *)samples)[v];
}

static void check_values(const loaded *l, int set, double offset, double scale) {
    const int64_t count = set ? l->info.test.count : l->info.train.count;
    for (int64_t i = 0; i < count; ++i)
        for (int v = 0; v < VALUES; ++v)
            assert_true(value_at(l, set, i, v) == offset + scale * (double)(i * VALUES + v));
}

static hid_t half_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static hid_t twelve_bits(void) {
    hid_t type = H5Tcopy(H5T_STD_U16BE);
    H5Tset_precision(type, 12);
    return type;
}

static void types_are_read(void **state) {
    (void)state;
    const struct {
        hid_t type;
        ae_sample_type is;
        double low, high, offset, scale;
    } cases[] = {
        {H5T_STD_U16LE, AE_SAMPLE_U16, 0, 65535, 7, 100},
        {H5T_STD_U16BE, AE_SAMPLE_U16, 0, 65535, 7, 100},
        {twelve_bits(), AE_SAMPLE_U16, 0, 4095, 1, 12},
        {H5T_STD_I16BE, AE_SAMPLE_F32, -32768, 32767, -32768, 100},
        {half_type(), AE_SAMPLE_F32, 0, 0, -8, 0.25},
        {H5T_IEEE_F32BE, AE_SAMPLE_F32, 0, 0, -8, 0.25},
        {H5T_IEEE_F64LE, AE_SAMPLE_F32, 0, 0, 1e6, 0.5},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        const array a = planar_array(cases[c].type);
        loaded l;
        write_array("a.h5", &a, cases[c].offset, cases[c].scale);
        const ae_settings settings = settings_for("a.h5", "a.h5");
        source_load(&l, &ae_source_hdf5, &settings, 3);
        assert_int_equal(l.info.type, cases[c].is);
        assert_true(l.info.low == cases[c].low && l.info.high == cases[c].high);
        check_values(&l, 0, cases[c].offset, cases[c].scale);
        check_values(&l, 1, cases[c].offset, cases[c].scale);
        source_release(&l);
    }
}

/* Of eight bits, signed and not, there are as many values as fit. */
static void eight_bits_are_read(void **state) {
    (void)state;
    for (int is_signed = 0; is_signed < 2; ++is_signed) {
        array a = planar_array(is_signed ? H5T_STD_I8LE : H5T_STD_U8LE);
        const double offset = is_signed ? -128 : 0;
        a.dims[0] = 8;
        write_array("a.h5", &a, offset, 1);
        const ae_settings settings = settings_for("a.h5", "a.h5");
        loaded l;
        source_load(&l, &ae_source_hdf5, &settings, 2);
        assert_int_equal(l.info.type, is_signed ? AE_SAMPLE_F32 : AE_SAMPLE_U8);
        assert_true(l.info.low == offset && l.info.high == offset + 255);
        check_values(&l, 0, offset, 1);
        source_release(&l);
    }
}

/* Chunks along any dimension, compressed or not, shared out among any ranks. */
static void chunks_are_read(void **state) {
    (void)state;
    const hsize_t chunks[][4] = {{1, 2, 3, 5}, {4, 1, 2, 3}, {11, 2, 3, 5}, {3, 2, 3, 5}};
    for (size_t c = 0; c < sizeof chunks / sizeof *chunks; ++c)
        for (int ranks = 1; ranks <= 4; ++ranks) {
            array a = planar_array(H5T_STD_U16LE);
            memcpy(a.chunk, chunks[c], sizeof chunks[c]);
            a.deflate = c % 2;
            write_array("a.h5", &a, 3, 1);
            write_array("b.h5", &a, 5, 2);
            ae_settings settings = settings_for("a.h5", "b.h5");
            settings.data.test_images = 10;
            loaded l;
            source_load(&l, &ae_source_hdf5, &settings, ranks);
            assert_int_equal(l.catalog.together[0], (int64_t)chunks[c][0]);
            check_values(&l, 0, 3, 1);
            check_values(&l, 1, 5, 2);
            source_release(&l);
        }
}

static void pixels_become_planes(void **state) {
    (void)state;
    const array a = {.type = H5T_IEEE_F32LE, .rank = 4, .dims = {COUNT, HEIGHT, WIDTH, CHANNELS}};
    write_array("a.h5", &a, 0, 1);
    ae_settings settings = settings_for("a.h5", "a.h5");
    settings.data.axes = AE_AXES_NHWC;
    loaded l;
    source_load(&l, &ae_source_hdf5, &settings, 3);
    assert_int_equal(l.info.train.shape.channels, CHANNELS);
    assert_int_equal(l.info.train.shape.height, HEIGHT);
    for (int i = 0; i < COUNT; ++i)
        for (int c = 0; c < CHANNELS; ++c)
            for (int p = 0; p < HEIGHT * WIDTH; ++p)
                assert_true(value_at(&l, 0, i, c * HEIGHT * WIDTH + p) ==
                            i * VALUES + p * CHANNELS + c);
    source_release(&l);
}

static void a_fraction_is_held_out(void **state) {
    (void)state;
    array a = planar_array(H5T_STD_U16LE);
    a.chunk[0] = 4, a.chunk[1] = CHANNELS, a.chunk[2] = HEIGHT, a.chunk[3] = WIDTH;
    write_array("a.h5", &a, 0, 1);
    ae_settings settings = settings_for("a.h5", NULL);
    settings.data.test_fraction = 0.4;
    settings.data.train_images = 3;
    loaded l;
    source_load(&l, &ae_source_hdf5, &settings, 3);
    for (int set = 0; set < 2; ++set)
        for (int i = 0; i < (set ? l.info.test.count : 3); ++i) {
            const uint32_t number = l.selection.numbers[l.selection.chosen[set][i]];
            assert_true(value_at(&l, set, i, 4) == number * VALUES + 4);
            assert_int_equal(ae_selection_trains(&l.selection, l.selection.chosen[set][i]), !set);
        }
    source_release(&l);
}

static void check_file(const ae_settings *settings, const char *words) {
    loaded l;
    ae_status status = source_describe(&l, &ae_source_hdf5, settings);
    if (status == AE_OK) status = source_fill(&l, &ae_source_hdf5, settings, 2);
    check_refused(status, AE_ERROR_DATA, words);
    source_release(&l);
}

static void check_array(array a, const char *words) {
    write_array("a.h5", &a, 0, 1);
    const ae_settings settings = settings_for("a.h5", "a.h5");
    check_file(&settings, words);
}

static void wrong_types_are_refused(void **state) {
    (void)state;
    check_array(planar_array(H5T_STD_I32LE), "holds integers of 32 bits");
    check_array(planar_array(H5T_STD_U64LE), "holds integers of 64 bits");
    array a = planar_array(H5T_STD_U8LE);
    a.rank = 3;
    check_array(a, "has 3 dimensions where data.axes = NCHW names 4; set data.axes to NHW");
    a.rank = 5;
    a.dims[4] = 1;
    check_array(a, "has 5 dimensions");
    a = planar_array(H5T_STD_U8LE);
    a.dims[2] = 0;
    check_array(a, "holds no images");
    a = planar_array(H5T_STD_U8LE);
    write_array("a.h5", &a, 0, 1);
    a.type = H5T_STD_U16LE;
    write_array("b.h5", &a, 0, 1);
    ae_settings settings = settings_for("a.h5", "b.h5");
    check_file(&settings, "hold numbers of other types");
}

static void wrong_paths_are_refused(void **state) {
    (void)state;
    ae_settings settings = settings_for("a.h5", "a.h5");
    check_file(&settings, "an empty folder, where an HDF5 file was expected");
    write_file("a.h5", "\x1f\x8b\b and so on", 12);
    check_file(&settings, "a gzip archive, where an HDF5 file was expected");
    const array a = planar_array(H5T_STD_U8LE);
    write_array("a.h5", &a, 0, 1);
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/a.h5", folder);
    check_file(&settings, "names no dataset of an HDF5 file; write FILE.h5:/DATASET");
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/a.h5:/", folder);
    check_file(&settings, "names no dataset");
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/a.h5:/other", folder);
    check_file(&settings, "has no dataset /other");
}

/* Values that a dataset tells to lie in some other file aren't followed. */
static void other_files_are_not_read(void **state) {
    (void)state;
    const hsize_t dims[] = {COUNT, CHANNELS, HEIGHT, WIDTH};
    snprintf(path, sizeof path, "%s/a.h5", folder);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(4, dims, NULL);
    H5Pset_external(properties, "/dev/zero", 0, H5F_UNLIMITED);
    H5Dclose(
        H5Dcreate2(file, "/images", H5T_STD_U8LE, space, H5P_DEFAULT, properties, H5P_DEFAULT));
    H5Gclose(H5Gcreate2(file, "/group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(properties);
    H5Fclose(file);
    ae_settings settings = settings_for("a.h5", "a.h5");
    check_file(&settings, "keeps its values in files that aren't HDF5's");
    snprintf(settings.data.train, AE_TEXT_SIZE, "%s/a.h5:/group", folder);
    check_file(&settings, "is a group or a type, where a dataset was expected");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(types_are_read),          TEST(eight_bits_are_read),
        TEST(chunks_are_read),         TEST(pixels_become_planes),
        TEST(a_fraction_is_held_out),  TEST(wrong_types_are_refused),
        TEST(wrong_paths_are_refused), TEST(other_files_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
