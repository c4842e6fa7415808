/* Checkpoints: whole or not there, refused where damaged or of another run. */
#include "run.h"

#include <math.h>
#include <sys/syscall.h>
#include <time.h>
#include "h5/internal.h"

/* ---- whole files ---- */

/* In the C library's place: a disk that keeps another byte than it was given, if asked to. */
static bool disk_is_faulty;

ssize_t write(int fd, const void *bytes, size_t size) {
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    if (disk_is_faulty) copy[size / 2] ^= 1;
    ssize_t result = syscall(SYS_write, fd, copy, size);
    free(copy);
    return result;
}

/* Nor do pauses between tries take time (unit.retry holds them). */
int nanosleep(const struct timespec *pause, struct timespec *left) {
    (void)pause, (void)left;
    return 0;
}

/* What stood there before, and nothing beside it. */
static void check_old_stands(void) {
    void *bytes;
    size_t size;
    assert_int_equal(count_files(folder), 1);
    check_ok(ae_file_read(path, 3, &bytes, &size));
    assert_memory_equal(bytes, "old", 3);
    free(bytes);
}

static void test_replace_reads_back(void **state) {
    (void)state;
    check_ok(ae_file_replace(path, "old", 3));
    disk_is_faulty = true;
    ae_status status = ae_file_replace(path, "newer", 5);
    disk_is_faulty = false;
    check_refused(status, AE_ERROR_IO, "check that disk");
    check_old_stands();
}

static void test_replace(void **state) {
    (void)state;
    void *bytes;
    size_t size;
    check_ok(ae_file_replace(path, "old", 3));
    check_ok(ae_file_replace(path, "newer", 5));
    check_ok(ae_file_read(path, 5, &bytes, &size));
    assert_int_equal(size, 5);
    assert_memory_equal(bytes, "newer", 5);
    free(bytes);
    assert_int_equal(count_files(folder), 1);
    check_refused(ae_file_read(path, 4, &bytes, &size), AE_ERROR_IO, "too large");
    check_refused(ae_file_read(folder, 9, &bytes, &size), AE_ERROR_IO, "not a regular file");
    check_ok(ae_file_replace(path, "", 0));
    check_refused(ae_file_read(path, 9, &bytes, &size), AE_ERROR_IO, "empty");
}

static void test_replace_fails_whole(void **state) {
    (void)state;
    static char large[100000];
    check_ok(ae_file_replace(path, "old", 3));
    ae_status status;
    WITH_SMALL_FILES(status = ae_file_replace(path, large, sizeof large));
    check_refused(status, AE_ERROR_IO, "ulimit -f");

    check_old_stands();

    snprintf(path, sizeof path, "%s/gone/file.h5", folder);
    check_refused(ae_file_replace(path, "new", 3), AE_ERROR_IO, "No such file");
    snprintf(path, sizeof path, "%s/file.h5/file.h5", folder);
    check_refused(ae_file_replace(path, "new", 3), AE_ERROR_IO, "Not a directory");
}

/* ---- checkpoints ---- */

static void test_checkpoint_round_trip(void **state) {
    (void)state;
    stored_run *written = make_run(NULL, 1.5f), *read = make_run("output.keep=7", 0);
    check_ok(ae_checkpoint_write(path, &written->state, written->config, "avx2"));
    read->state.optimizer.steps = 0;
    memset(&read->state.position, 0, sizeof read->state.position);
    check_ok(ae_checkpoint_read(path, &read->state, read->config));
    size_t bytes = ae_network_size(read->network) * sizeof(float);
    assert_memory_equal(read->state.parameters, written->state.parameters, bytes);
    for (int m = 0; m < 2; ++m)
        assert_memory_equal(read->state.optimizer.moment[m], written->state.optimizer.moment[m],
                            bytes);
    assert_memory_equal(&read->state.position, &written->state.position, sizeof(ae_position));
    assert_int_equal(read->state.optimizer.steps, 1234);
    assert_int_equal(count_files(folder), 1);
    free_run(written);
    free_run(read);
}

static void test_checkpoint_names_and_shapes(void **state) {
    (void)state;
    write_checkpoint();
    ae_h5 *file;
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    check_ok(
        ae_h5_check(file, "/parameters/encoder.0.weight", AE_H5_FLOAT, 4, (int64_t[]){8, 3, 3, 3}));
    check_ok(
        ae_h5_check(file, "/parameters/decoder.2.weight", AE_H5_FLOAT, 4, (int64_t[]){8, 3, 3, 3}));
    check_ok(
        ae_h5_check(file, "/optimizer/exp_avg_sq/decoder.2.bias", AE_H5_FLOAT, 1, (int64_t[]){3}));
    ae_h5_close(&file);
}

/* Cuts and flipped bits are noticed. */
static void test_checkpoint_damaged_on_disk(void **state) {
    (void)state;
    write_checkpoint();
    void *bytes;
    size_t size;
    check_ok(ae_file_read(path, SIZE_MAX, &bytes, &size));
    const size_t cuts[] = {1, 8, 100, 2048, size / 2, size - 60, size - 47, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; ++i) {
        check_ok(ae_file_replace(path, bytes, cuts[i]));
        check_refused(read_checkpoint(NULL), AE_ERROR_IO, path);
    }
    for (size_t at = 0; at < size - 64; at += 997) {
        ((char *)bytes)[at] ^= 4;
        check_ok(ae_file_replace(path, bytes, size));
        check_refused(read_checkpoint(NULL), AE_ERROR_IO, "damaged");
        ((char *)bytes)[at] ^= 4;
    }
    free(bytes);
    check_ok(ae_file_replace(path, "no HDF5 file", 12));
    check_refused(read_checkpoint(NULL), AE_ERROR_IO, "HDF5 file");
    unlink(path);
    check_refused(read_checkpoint(NULL), AE_ERROR_IO, "No such file");
}

/* Ends where HDF5 says: what h5repack and the like leave behind. */
static void test_checkpoint_without_seal(void **state) {
    (void)state;
    write_checkpoint();
    void *bytes;
    size_t size;
    check_ok(ae_file_read(path, SIZE_MAX, &bytes, &size));
    char *mark = memmem(bytes, size, "\nae_dist seal", 13);
    assert_non_null(mark);
    check_ok(ae_file_replace(path, bytes, (size_t)(mark - (char *)bytes)));
    check_ok(read_checkpoint(NULL));

    const char *end = "its end is not that of an HDF5 file";
    size_t unsealed = (size_t)(mark - (char *)bytes);
    check_ok(ae_file_replace(path, bytes, unsealed - 1));
    check_refused(read_checkpoint(NULL), AE_ERROR_IO, end);
    check_ok(ae_file_replace(path, bytes, unsealed + 1));
    check_refused(read_checkpoint(NULL), AE_ERROR_IO, end);
    ((char *)bytes)[8] = 4; /* a superblock of a version that there isn't yet */
    check_ok(ae_file_replace(path, bytes, unsealed));
    check_refused(read_checkpoint(NULL), AE_ERROR_IO, end);
    free(bytes);
}

static const char bias[] = "/parameters/encoder.0.bias";
static const int64_t bias_shape[] = {8};

static void change_nothing(ae_h5 *file) {
    (void)file;
}
static void change_value(ae_h5 *file) {
    float values[8];
    check_ok(ae_h5_read(file, bias, AE_H5_FLOAT, 1, bias_shape, values));
    values[5] = nextafterf(values[5], 1e9f);
    check_ok(ae_h5_write(file, bias, AE_H5_FLOAT, 1, bias_shape, values));
}
static void change_to_nan(ae_h5 *file) {
    float values[8] = {[2] = NAN};
    check_ok(ae_h5_write(file, bias, AE_H5_FLOAT, 1, bias_shape, values));
}
static void change_position(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/position", "step", 18));
}
static void change_position_below_zero(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/position", "step", -1));
}
static void change_position_type(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/position", "step", "18"));
}
static void change_missing(ae_h5 *file) {
    check_ok(ae_h5_delete(file, bias));
}

static void add_tensor(ae_h5 *file, const char *name, ae_h5_type type, int64_t size) {
    static const double zeros[16];
    const char *scale = size == 8 ? "/out_channel_8" : name;
    ae_h5_dataset dataset = {name, type, 1, {size}, false, "1", "x", "x", {scale}};
    check_ok(ae_h5_add(file, &dataset, zeros));
}
static void change_shape(ae_h5 *file) {
    change_missing(file);
    add_tensor(file, bias, AE_H5_FLOAT, 9);
}
static void change_type(ae_h5 *file) {
    change_missing(file);
    add_tensor(file, bias, AE_H5_DOUBLE, 8);
}
static void change_extra(ae_h5 *file) {
    add_tensor(file, "/optimizer/exp_avg/extra", AE_H5_FLOAT, 8);
}
static void change_format(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/", "format", "something else"));
}
static void change_format_version(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/", "format_version", 99));
}
static void change_contract(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/contract", "version", 99));
}
static void change_options(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/config", "train.gone", "1"));
}
static void change_kernel_path(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/contract", "kernel_path", "ref"));
}

/* ---- changes that need HDF5 itself ---- */

/* Puts an empty dataset in the bias's place. */
static void replace_bias(ae_h5 *file, hid_t type, int rank, const hsize_t *shape, hid_t creation) {
    change_missing(file);
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t dataset = H5Dcreate2(file->id, bias, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}
static void change_rank(ae_h5 *file) {
    replace_bias(file, H5T_IEEE_F32LE, 2, (hsize_t[]){8, 1}, H5P_DEFAULT);
}
static void change_to_huge(ae_h5 *file) {
    replace_bias(file, H5T_IEEE_F32LE, 2, (hsize_t[]){1ULL << 40, 1ULL << 10}, H5P_DEFAULT);
}
static void change_to_references(ae_h5 *file) {
    replace_bias(file, H5T_STD_REF_OBJ, 1, (hsize_t[]){8}, H5P_DEFAULT);
}
static void change_to_chunks(ae_h5 *file) { /* of which none is there */
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, (hsize_t[]){1});
    replace_bias(file, H5T_IEEE_F32LE, 1, (hsize_t[]){100000}, creation);
    H5Pclose(creation);
}
static void change_to_outside(ae_h5 *file) {
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, "/dev/zero", 0, H5F_UNLIMITED);
    replace_bias(file, H5T_IEEE_F32LE, 1, (hsize_t[]){8}, creation);
    H5Pclose(creation);
}
static void change_to_soft_link(ae_h5 *file) {
    change_missing(file);
    H5Lcreate_soft("/parameters/encoder.2.bias", file->id, bias, H5P_DEFAULT, H5P_DEFAULT);
}
static void change_to_ring(ae_h5 *file) {
    H5Lcreate_hard(file->id, "/", file->id, "/parameters/ring", H5P_DEFAULT, H5P_DEFAULT);
}
static void change_to_named_type(ae_h5 *file) {
    change_missing(file);
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tcommit2(file->id, bias, type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(type);
}
static void change_to_infinity(ae_h5 *file) {
    const float values[8] = {[7] = INFINITY};
    check_ok(ae_h5_write(file, "/optimizer/exp_avg_sq/encoder.0.bias", AE_H5_FLOAT, 1, bias_shape,
                         values));
}
static void change_no_moment(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/optimizer/exp_avg"));
}
static void change_extra_moment(ae_h5 *file) {
    check_ok(ae_h5_add_group(file, "/optimizer/max_exp_avg_sq", "x"));
}
static void change_no_position(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/position"));
}
static void change_no_config(ae_h5 *file) {
    check_ok(ae_h5_delete(file, "/config"));
}
static void change_no_images(ae_h5 *file) {
    H5Adelete_by_name(file->id, "/position", "images", H5P_DEFAULT);
}
static void change_long_data_hash(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/contract", "data_hash", "0123456789abcdef0123456789abcdef0"));
}

/* Puts an attribute without values in the place of /position's images. */
static void replace_images(ae_h5 *file, hid_t type, hid_t space) {
    change_no_images(file);
    hid_t attribute = H5Acreate_by_name(file->id, "/position", "images", type, space, H5P_DEFAULT,
                                        H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}
static void change_images_shape(ae_h5 *file) {
    replace_images(file, H5T_STD_I64LE, H5Screate_simple(1, (hsize_t[]){2}, NULL));
}
static void change_images_type(ae_h5 *file) {
    replace_images(file, H5T_STD_U64LE, H5Screate(H5S_SCALAR));
}
static void change_images_to_null(ae_h5 *file) {
    replace_images(file, H5T_STD_I64LE, H5Screate(H5S_NULL));
}

/* Objects and attributes that ae_dist doesn't write so: the message names them. Where HDF5 has
 * nothing of that kind to hash, the hash stays as it was. */
static void test_checkpoint_forged_objects(void **state) {
    (void)state;
    static const struct {
        file_change *change;
        bool rehash;
        const char *reason;
    } cases[] = {
        {change_rank, true, "encoder.0.bias has the wrong number of dimensions"},
        {change_to_huge, false, "/parameters/encoder.0.bias is larger than the file could hold"},
        {change_to_references, false, "encoder.0.bias has a type that ae_dist doesn't write"},
        {change_to_chunks, false, "encoder.0.bias is larger than the file could hold"},
        {change_to_outside, false, "encoder.0.bias is larger than the file could hold, or lies"},
        {change_to_soft_link, false, "/parameters/encoder.0.bias is a link"},
        {change_to_ring, false, "/parameters/ring/parameters/ring"},
        {change_to_named_type, false, "encoder.0.bias is an object that ae_dist doesn't write"},
        {change_to_infinity, true, "exp_avg_sq/encoder.0.bias holds a number that is not finite"},
        {change_no_moment, true, "/optimizer/exp_avg/encoder.0.weight"},
        {change_extra_moment, true, "/optimizer holds 3 objects and should hold 2"},
        {change_no_position, true, "epoch of /position"},
        {change_no_config, true, "/config"},
        {change_no_images, true, "images of /position"},
        {change_images_shape, true, "attribute images of /position is not one whole number"},
        {change_images_type, false, "attribute images of /position has a type that"},
        {change_images_to_null, false, "attribute images of /position has a type that"},
        {change_long_data_hash, true, "attribute data_hash of /contract is too long"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        check_refused(read_changed(cases[i].change, cases[i].rehash), AE_ERROR_IO, cases[i].reason);
}

static void test_checkpoint_changed(void **state) {
    (void)state;
    const char *hash = "differs from its content_hash";
    check_ok(read_changed(change_nothing, false));
    check_refused(read_changed(change_value, false), AE_ERROR_IO, hash);
    check_refused(read_changed(change_position, false), AE_ERROR_IO, hash);
    check_refused(read_changed(change_extra, false), AE_ERROR_IO, hash);
    check_refused(read_changed(change_missing, false), AE_ERROR_IO, hash);
    check_refused(read_changed(change_format, false), AE_ERROR_IO, "format is not");
}

/* Files whose hash fits, and that are wrong all the same. */
static void test_checkpoint_forged(void **state) {
    (void)state;
    check_ok(read_changed(change_value, true));
    check_ok(read_changed(change_kernel_path, true));
    check_refused(read_changed(change_to_nan, true), AE_ERROR_IO,
                  "encoder.0.bias holds a number that is not finite");
    check_refused(read_changed(change_position_below_zero, true), AE_ERROR_IO,
                  "step of /position is -1");
    check_refused(read_changed(change_position_type, true), AE_ERROR_IO,
                  "step of /position is not one whole number");
    check_refused(read_changed(change_missing, true), AE_ERROR_IO,
                  "can't open /parameters/encoder.0.bias");
    check_refused(read_changed(change_extra, true), AE_ERROR_IO,
                  "/optimizer/exp_avg holds 9 objects and should hold 8");
    check_refused(read_changed(change_shape, true), AE_ERROR_IO, "encoder.0.bias has the wrong");
    check_refused(read_changed(change_type, true), AE_ERROR_IO, "wrong type");
    check_refused(read_changed(change_format_version, true), AE_ERROR_USAGE, "version 99");
    check_refused(read_changed(change_contract, true), AE_ERROR_USAGE, "was 99, is 2");
    check_refused(read_changed(change_options, true), AE_ERROR_USAGE, "train.gone");
}

static void test_checkpoint_unwritable(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s/gone/file.h5", folder);
    stored_run *run = make_run(NULL, 1.5f);
    check_refused(ae_checkpoint_write(path, &run->state, run->config, "ref"), AE_ERROR_IO,
                  "No such file");
    free_run(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_replace),
        TEST(test_replace_fails_whole),
        TEST(test_replace_reads_back),
        TEST(test_checkpoint_round_trip),
        TEST(test_checkpoint_names_and_shapes),
        TEST(test_checkpoint_damaged_on_disk),
        TEST(test_checkpoint_without_seal),
        TEST(test_checkpoint_changed),
        TEST(test_checkpoint_forged),
        TEST(test_checkpoint_forged_objects),
        TEST(test_checkpoint_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
