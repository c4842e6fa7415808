/* What the tests of random numbers share: are they of a distribution? */
#ifndef AE_TESTS_LAW_H
#define AE_TESTS_LAW_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>

#include "../fixtures/noise.h"

/* What is counted of numbers that a law is said to be of. */
typedef struct tally {
    const law *law;
    double count, bins[LAW_EDGES + 1];
    double sum, squares; /* of what they are off the law's mean, and of its squares */
} tally;

static inline void tally_add(tally *t, double number) {
    int bin = 0;
    while (bin < t->law->edge_count && number >= t->law->edges[bin]) ++bin;
    const double off = number - t->law->mean;
    t->bins[bin] += 1;
    t->count += 1;
    t->sum += off;
    t->squares += off * off;
}

static inline double tally_chi_square(const tally *t) {
    double sum = 0;
    for (int b = 0; b <= t->law->edge_count; ++b) {
        const double expected = t->count * t->law->probabilities[b];
        sum += (t->bins[b] - expected) * (t->bins[b] - expected) / expected;
    }
    return sum;
}

/* Are mean and variance within five standard errors, and the bins' counts such as they are but once
 * in a million times? */
static inline bool tally_fits(const tally *t) {
    const law *l = t->law;
    const double mean_error = sqrt(l->variance / t->count);
    const double variance_error = sqrt((l->fourth - l->variance * l->variance) / t->count);
    return fabs(t->sum / t->count) < 5 * mean_error &&
           fabs(t->squares / t->count - l->variance) < 5 * variance_error &&
           tally_chi_square(t) < l->critical;
}

#endif
