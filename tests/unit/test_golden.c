/* Numbers of the contract against those of an independent script, to the bit and on every path:
 * what is the same everywhere may still be wrong, or have changed, everywhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../fixtures/golden.h"
#include "base/hash.h"
#include "base/maths.h"
#include "data/order.h"
#include "kernels/kernels.h"
#include "nn/network.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void words_are_those_of_the_paper(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(golden_words); ++i) {
        uint32_t words[4];
        ae_random_words(words, golden_words[i].stream, 0);
        assert_memory_equal(words, golden_words[i].first, sizeof words);
        ae_random_words(words, golden_words[i].stream, 7);
        assert_memory_equal(words, golden_words[i].eighth, sizeof words);
    }
}

/* The table is worth something: no two streams of it begin alike. */
static void streams_differ(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(golden_words); ++i)
        for (size_t j = 0; j < i; ++j)
            assert_memory_not_equal(golden_words[i].first, golden_words[j].first, 16);
}

static void purposes_keep_their_numbers(void **state) {
    (void)state;
    assert_int_equal(AE_RANDOM_INIT, 1);
    assert_int_equal(AE_RANDOM_SHUFFLE, 2);
    assert_int_equal(AE_RANDOM_TRAIN_NOISE, 3);
    assert_int_equal(AE_RANDOM_TEST_NOISE, 4);
    assert_int_equal(AE_RANDOM_PICTURE, 5);
    assert_int_equal(AE_RANDOM_VALIDATION_NOISE, 6);
}

static void orders_are_those_of_the_script(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(golden_orders); ++i) {
        uint32_t order[COUNT(golden_orders[i].order)];
        ae_order_shuffle(order, COUNT(order), golden_orders[i].seed, golden_orders[i].epoch);
        assert_memory_equal(order, golden_orders[i].order, sizeof order);
    }
}

/* An epoch's noise isn't the next one's, an image's not another's, a seed's not another's, and that
 * of training not that of tests: the table holds one of each, on every path. */
static void noise_is_that_of_the_script(void **state) {
    (void)state;
    enum { SIZE = 4 * GOLDEN_QUARTER };
    float normals[COUNT(golden_noise)][SIZE];
    for (int level = 0; level < ae_kernels_count(); ++level) {
        const ae_kernels *kernels = ae_kernels_at(level);
        for (size_t i = 0; kernels && i < COUNT(golden_noise); ++i) {
            kernels->normals(normals[i], GOLDEN_QUARTER, golden_noise[i].stream);
            assert_memory_equal(normals[i], golden_noise[i].normals, sizeof normals[i]);
            for (size_t j = 0; j < i; ++j)
                assert_memory_not_equal(normals[i], normals[j], sizeof normals[i]);
        }
    }
    normals[0][SIZE - 1] = nextafterf(normals[0][SIZE - 1], 9); /* one bit more is noticed */
    assert_memory_not_equal(normals[0], golden_noise[0].normals, sizeof normals[0]);
}

/* Three million deviates on every path: a change too small to show in the few of the script. */
static void noise_keeps_its_bits(void **state) {
    (void)state;
    enum { QUARTER = 768, SAMPLES = 1000 };
    static float normals[4 * QUARTER];
    for (int level = 0; level < ae_kernels_count(); ++level) {
        const ae_kernels *kernels = ae_kernels_at(level);
        char text[AE_HASH_TEXT_SIZE];
        ae_hash *hash = NULL;
        if (!kernels) continue;
        assert_int_equal(ae_hash_create(&hash), AE_OK);
        for (uint32_t sample = 0; sample < SAMPLES; ++sample) {
            kernels->normals(normals, QUARTER, (ae_stream){1, AE_RANDOM_TRAIN_NOISE, 0, sample});
            ae_hash_add(hash, normals, sizeof normals);
        }
        ae_hash_text(hash, text);
        ae_hash_destroy(&hash);
        assert_string_equal(text, "79c7079a4dbae3b993c7460c25e33eec");
    }
}

static void weights_begin_as_the_script_says(void **state) {
    (void)state;
    ae_network *network;
    int tensors;
    static const char text[] = "conv 8 3 relu, conv 8 3 relu, tconv 8 3 relu, tconv 3 3 sigmoid";
    assert_int_equal(
        ae_network_create(&network, text, "test", (ae_shape){3, 32, 32}, AE_OUTPUT_DIRECT), AE_OK);
    const ae_parameter *parameter = ae_network_parameters(network, &tensors);
    float *values = calloc(ae_network_size(network), sizeof *values);
    assert_non_null(values);
    assert_int_equal(ae_network_initialize(network, values, AE_INIT_PYTORCH, 7), AE_OK);
    for (size_t i = 0; i < COUNT(golden_weights); ++i) {
        assert_in_range(golden_weights[i].tensor, 0, tensors - 1);
        const ae_parameter *tensor = &parameter[golden_weights[i].tensor];
        assert_in_range(golden_weights[i].element, 0, tensor->count - 1);
        assert_true(values[tensor->offset + (size_t)golden_weights[i].element] ==
                    golden_weights[i].value);
    }
    free(values);
    ae_network_destroy(&network);
}

static void functions_are_those_of_the_script(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(golden_functions); ++i) {
        assert_true(ae_log(golden_functions[i].x) == golden_functions[i].log);
        assert_true(ae_cospi(golden_functions[i].y) == golden_functions[i].cosine);
        assert_true(ae_power(golden_functions[i].z, golden_functions[i].n) ==
                    golden_functions[i].power);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_paper),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(purposes_keep_their_numbers),
        cmocka_unit_test(orders_are_those_of_the_script),
        cmocka_unit_test(noise_is_that_of_the_script),
        cmocka_unit_test(noise_keeps_its_bits),
        cmocka_unit_test(weights_begin_as_the_script_says),
        cmocka_unit_test(functions_are_those_of_the_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
