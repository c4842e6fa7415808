/* Checkpoints: what makes them another run's, and what doesn't; and what they tell of the network.
 */
#include "run.h"

#include "h5/internal.h"

/* As the program wrote it before it knew of blocks by itself, of model.output and model.init, and
 * of noise but Gaussian. */
static void change_to_older(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/config", "train.block", "1"));
    H5Adelete_by_name(file->id, "/config", "model.output", H5P_DEFAULT);
    H5Adelete_by_name(file->id, "/config", "model.init", H5P_DEFAULT);
    H5Adelete_by_name(file->id, "/config", "noise.kind", H5P_DEFAULT);
    H5Adelete_by_name(file->id, "/config", "noise.level", H5P_DEFAULT);
    H5Adelete_by_name(file->id, "/config", "noise.test_level", H5P_DEFAULT);
    H5Adelete_by_name(file->id, "/config", "noise.clamp_on", H5P_DEFAULT);
    H5Adelete_by_name(file->id, "/parameters", "layers", H5P_DEFAULT);
}
static void change_to_older_block(ae_h5 *file) {
    check_ok(ae_h5_set_text(file, "/config", "train.block", "2"));
    check_ok(ae_h5_set_int64(file, "/contract", "block", 2));
}
static void test_checkpoint_of_another_configuration(void **state) {
    (void)state;
    write_checkpoint();
    check_ok(read_checkpoint("output.keep=9"));
    check_refused(read_checkpoint("train.batch=50"), AE_ERROR_USAGE, "train.batch was 100, is 50");
    check_refused(read_checkpoint("train.block=4"), AE_ERROR_USAGE, "train.block was auto, is 4");
    check_refused(read_checkpoint("train.block=4"), AE_ERROR_USAGE,
                  "contract.block (images) was 1, is 4");
    check_refused(read_checkpoint("model.output=residual"), AE_ERROR_USAGE,
                  "model.output was direct, is residual");
    check_refused(read_checkpoint("optimizer.name=sgd"), AE_ERROR_USAGE,
                  "optimizer.name was adam, is sgd");
    check_refused(read_checkpoint("model.layers=conv 4 3 relu, tconv 3 3 sigmoid"), AE_ERROR_USAGE,
                  "model.layers was conv 8");
    stored_run *run = make_run(NULL, 0);
    strcpy(run->state.data_hash, "fedc");
    check_ok(ae_checkpoint_read(path, &run->state, run->config));
    assert_string_equal(run->state.data_hash, "0123456789abcdef0123456789abcdef");
    free_run(run);
}

/* Another text of the same meaning is no other configuration, and options that a file doesn't know
 * had their defaults. */
static void test_checkpoint_of_the_same_meaning(void **state) {
    (void)state;
    write_checkpoint();
    check_ok(read_checkpoint("train.block=1"));
    check_ok(read_checkpoint(
        "model.layers=conv 8 3  relu,conv 8 3 relu,tconv 8 3 relu, tconv 3 3 sigmoid"));
    check_refused(read_checkpoint("model.layers=conv 8 3 relu, conv 8 3 relu, tconv 8 3 none, "
                                  "tconv 3 3 sigmoid"),
                  AE_ERROR_USAGE, "model.layers was conv 8");

    stored_run *run = make_run("model.layers=dncnn 4 3", 1.5f);
    check_ok(ae_checkpoint_write(path, &run->state, run->config, "avx2"));
    free_run(run);
    check_ok(read_checkpoint("model.layers=conv 4 3 relu same, conv 4 3 relu same, "
                             "conv 3 3 none same"));
    check_refused(read_checkpoint("model.layers=dncnn 4 3 nobias"), AE_ERROR_USAGE,
                  "model.layers was dncnn 4 3, is dncnn 4 3 nobias");
    check_refused(read_checkpoint("train.block=2"), AE_ERROR_USAGE, "train.block was auto, is 2");

    check_ok(read_changed(change_to_older, true));
    check_refused(read_changed(change_to_older_block, true), AE_ERROR_USAGE,
                  "train.block was 2, is auto");
}

/* What a checkpoint tells of its network, for those who make one of it. */
static void test_checkpoint_tells_its_network(void **state) {
    (void)state;
    stored_run *run = make_run("model.layers=unshuffle 4 2 nobias", 1.5f);
    check_ok(ae_checkpoint_write(path, &run->state, run->config, "avx2"));
    free_run(run);
    ae_h5 *file;
    char text[256];
    int64_t channels;
    check_ok(ae_h5_open(&file, path, SIZE_MAX));
    check_ok(ae_h5_get_text(file, "/config", "model.layers", text, sizeof text));
    assert_string_equal(text, "unshuffle 4 2 nobias");
    check_ok(ae_h5_get_text(file, "/parameters", "layers", text, sizeof text));
    assert_string_equal(text, "unshuffle, conv 4 3 relu same nobias, "
                              "conv 12 3 none same nobias, shuffle");
    check_ok(ae_h5_get_text(file, "/parameters", "output", text, sizeof text));
    assert_string_equal(text, "direct");
    check_ok(ae_h5_get_int64(file, "/parameters", "channels", &channels));
    assert_int_equal(channels, 3);
    ae_h5_close(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_checkpoint_of_another_configuration),
        TEST(test_checkpoint_of_the_same_meaning),
        TEST(test_checkpoint_tells_its_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
