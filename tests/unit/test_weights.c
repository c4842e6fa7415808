/* Weights of another run's checkpoint: taken, or refused with the tables of both; and what a
 * checkpoint tells of them. */
#include "run.h"

#include <math.h>

/* Reads them into a run made with `override`, which must have those of write_checkpoint() then. */
static ae_status read_parameters(const char *override) {
    stored_run *read = make_run(override, 0), *written = make_run(NULL, 1.5f);
    ae_status status = ae_checkpoint_read_parameters(path, read->network, read->state.parameters);
    const size_t bytes = ae_network_size(written->network) * sizeof(float);
    if (status == AE_OK)
        assert_memory_equal(read->state.parameters, written->state.parameters, bytes);
    free_run(read);
    free_run(written);
    return status;
}

static void test_parameters_of_another_configuration(void **state) {
    (void)state;
    write_checkpoint();
    check_ok(read_parameters(NULL));
    check_ok(read_parameters("optimizer.name=sgd"));
    check_ok(read_parameters("train.batch=50"));
    check_refused(read_parameters("model.layers=conv 4 3 relu, tconv 3 3 sigmoid"), AE_ERROR_USAGE,
                  "\n    encoder.0.weight     8 x 3 x 3 x 3        4 x 3 x 3 x 3"
                  "\n    encoder.0.bias       8                    4"
                  "\n    decoder.0.weight     8 x 8 x 3 x 3        4 x 3 x 3 x 3"
                  "\n    decoder.0.bias       8                    3"
                  "\n    decoder.2.bias       3                    -");
}

static void change_contract(ae_h5 *file) {
    check_ok(ae_h5_set_int64(file, "/contract", "version", 1));
    check_ok(ae_h5_set_int64(file, "/contract", "fraction_bits", 30));
}
static void change_options(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/config", "train.gone", "1"));
}
static void change_rest(ae_h5 *file) {
    static const char *const groups[] = {"/optimizer", "/position", "/config", "/contract"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; ++i)
        check_ok(ae_h5_delete(file, groups[i]));
}

/* Whatever else is in the file: another contract or program, another optimiser, nothing. */
static void test_parameters_of_another_contract(void **state) {
    (void)state;
    file_change *const others[] = {change_contract, change_options, change_rest};
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
        write_checkpoint();
        change_file(others[i], true);
        stored_run *run = make_run(NULL, 0);
        assert_int_not_equal(ae_checkpoint_read(path, &run->state, run->config), AE_OK);
        free_run(run);
        check_ok(read_parameters(NULL));
    }
}

static const char bias[] = "/parameters/encoder.0.bias";

static void change_missing(ae_h5 *file) {
    check_ok(ae_h5_delete(file, bias));
}
static void add_bias(ae_h5 *file, const char *name, ae_h5_type type, int64_t size) {
    static const double zeros[16];
    ae_h5_dataset dataset = {name, type, 1, {size}, false, "1", "x", "x", {name}};
    check_ok(ae_h5_add(file, &dataset, zeros));
}
static void change_size(ae_h5 *file) {
    change_missing(file);
    add_bias(file, bias, AE_H5_FLOAT, 9);
}
static void change_type(ae_h5 *file) {
    change_missing(file);
    add_bias(file, bias, AE_H5_DOUBLE, 8);
}
static void change_extra(ae_h5 *file) {
    add_bias(file, "/parameters/encoder.9.bias", AE_H5_FLOAT, 8);
}
static void change_to_nan(ae_h5 *file) {
    const float values[8] = {[2] = NAN};
    check_ok(ae_h5_write(file, bias, AE_H5_FLOAT, 1, (int64_t[]){8}, values));
}
static void change_format(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/", "format", "something else"));
}

static void test_parameters_at_fault(void **state) {
    (void)state;
    static const struct {
        file_change *change;
        ae_status status;
        const char *reason;
    } cases[] = {
        {change_missing, AE_ERROR_USAGE, "\n    encoder.0.bias       -                    8\n"},
        {change_size, AE_ERROR_USAGE, "\n    encoder.0.bias       9                    8\n"},
        {change_type, AE_ERROR_USAGE, "\n    encoder.0.bias       no tensor            8\n"},
        {change_extra, AE_ERROR_USAGE, "\n    encoder.9.bias       8                    -"},
        {change_to_nan, AE_ERROR_IO, "encoder.0.bias holds a number that is not finite"},
        {change_format, AE_ERROR_IO, "its format is not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_checkpoint();
        change_file(cases[i].change, true);
        check_refused(read_parameters(NULL), cases[i].status, cases[i].reason);
    }
    check_ok(ae_file_replace(path, "no HDF5 file", 12));
    check_refused(read_parameters(NULL), AE_ERROR_IO, "HDF5 file");
    unlink(path);
    check_refused(read_parameters(NULL), AE_ERROR_IO, "No such file");
}

static void test_origin(void **state) {
    (void)state;
    stored_run *written = make_run(NULL, 1.5f), *read = make_run(NULL, 0);
    strcpy(written->state.origin.init_from, "runs/other");
    strcpy(written->state.origin.parameters_hash, "fedcba9876543210fedcba9876543210");
    check_ok(ae_checkpoint_write(path, &written->state, written->config, "avx2"));
    check_ok(ae_checkpoint_read(path, &read->state, read->config));
    assert_string_equal(read->state.origin.init_from, "runs/other");
    assert_string_equal(read->state.origin.parameters_hash, "fedcba9876543210fedcba9876543210");
    write_checkpoint(); /* one with none */
    check_ok(ae_checkpoint_read(path, &read->state, read->config));
    assert_string_equal(read->state.origin.init_from, "");
    assert_string_equal(read->state.origin.parameters_hash, "");
    free_run(written);
    free_run(read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_parameters_of_another_configuration),
        TEST(test_parameters_of_another_contract),
        TEST(test_parameters_at_fault),
        TEST(test_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
