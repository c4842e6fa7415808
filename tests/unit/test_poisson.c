/* base/: Poisson deviates against scipy's distribution. */
#include "law.h"

#include "base/poisson.h"

enum { COUNT = 200000 };

static double draw(double mean, uint32_t element) {
    return ae_poisson(mean, (ae_stream){.seed = 9, .purpose = 3, .epoch = 1, .sample = 5}, element);
}

static tally draw_all(const law *expected, double mean) {
    tally t = {.law = expected};
    for (uint32_t i = 0; i < COUNT; ++i) {
        const double drawn = draw(mean, i);
        assert_true(drawn >= 0 && drawn == floor(drawn));
        tally_add(&t, drawn);
    }
    return t;
}

/* A mean that is three hundredths of a deviation off is another's, at such counts; of the smallest,
 * of which there are 200 counts above 0, one that is half as large again. */
static void deviates_have_the_distribution(void **state) {
    (void)state;
    for (size_t m = 0; m < sizeof poisson_laws / sizeof *poisson_laws; ++m) {
        const double mean = poisson_laws[m].mean;
        const double off = mean < 0.1 ? 0.5 * mean : 0.03 * sqrt(mean);
        const tally right = draw_all(&poisson_laws[m].law, mean);
        const tally wrong = draw_all(&poisson_laws[m].law, mean + off);
        if (!tally_fits(&right)) fail_msg("mean %g: chi-square %g", mean, tally_chi_square(&right));
        if (tally_fits(&wrong)) fail_msg("mean %g is taken for %g", mean + off, mean);
    }
}

/* One of the same mean and variance is told by its bins: a normal one, rounded, of mean 40. */
static void another_distribution_is_noticed(void **state) {
    (void)state;
    const law *expected = NULL;
    for (size_t m = 0; m < sizeof poisson_laws / sizeof *poisson_laws; ++m)
        if (poisson_laws[m].mean == 40) expected = &poisson_laws[m].law;
    assert_non_null(expected);
    tally t = {.law = expected};
    for (uint32_t i = 0; i < COUNT; ++i) {
        double normal = -6;
        for (uint32_t n = 0; n < 3; ++n) {
            uint32_t words[4];
            ae_random_words(words, (ae_stream){.purpose = n}, i);
            for (int w = 0; w < 4; ++w) normal += ae_random_real(words[w], 0);
        }
        tally_add(&t, rint(40 + sqrt(40) * normal));
    }
    assert_true(fabs(t.sum / COUNT) < 5 * sqrt(40.0 / COUNT));
    assert_false(tally_fits(&t));
}

/* scipy adds up terms of that size, each with its rounding. */
static void logarithms_are_scipys(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof poisson_logarithms / sizeof *poisson_logarithms; ++i) {
        const double count = poisson_logarithms[i].count, mean = poisson_logarithms[i].mean;
        const double found = ae_poisson_log(count, mean),
                     expected = poisson_logarithms[i].logarithm;
        const double terms = count * fabs(log(mean)) + mean + lgamma(count + 1);
        const double most = 1e-11 + 1e-15 * terms;
        assert_true(fabs(found - expected) <= most);
        assert_false(fabs(ae_poisson_log(count + 1, mean) - expected) <= most &&
                     count + 1 != mean); /* which is as likely as the count before it */
    }
}

/* Each depends on its stream and element alone, and differs from others'. */
static void deviates_are_named(void **state) {
    (void)state;
    int same = 0;
    for (uint32_t i = 0; i < 1000; ++i) {
        assert_true(draw(1e6, i) == draw(1e6, i));
        same += draw(1e6, i) == draw(1e6, i + 1);
    }
    assert_in_range(same, 0, 5); /* 0.3 are expected */
}

static void means_at_the_edges(void **state) {
    (void)state;
    const double without[] = {0, -0.0, -1, -INFINITY, NAN, 1e-320};
    for (size_t i = 0; i < sizeof without / sizeof *without; ++i)
        assert_true(draw(without[i], 0) == 0);
    assert_true(draw(0x1p53, 0) == 0x1p53 && draw(1e300, 0) == 1e300);
    assert_true(draw(INFINITY, 0) == INFINITY);
    for (uint32_t i = 0; i < 1000; ++i) /* within nine deviations of it */
        assert_true(fabs(draw(0x1p52, i) - 0x1p52) < 9 * 0x1p26);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deviates_have_the_distribution),
        cmocka_unit_test(another_distribution_is_noticed),
        cmocka_unit_test(logarithms_are_scipys),
        cmocka_unit_test(deviates_are_named),
        cmocka_unit_test(means_at_the_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
