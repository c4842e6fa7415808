/* Poisson deviates, by an exact method, of IEEE operations alone. */
#ifndef AE_BASE_POISSON_H
#define AE_BASE_POISSON_H

#include "base/random.h"

/* A count of that mean, `element`'s of the stream, which depends on these three alone; 0 where the
 * mean isn't above 0. Its further attempts take streams of their own (AE_RANDOM_ATTEMPT). Above
 * 2^53, where its deviation is less than a float's rounding, it is the mean. */
double ae_poisson(double mean, ae_stream stream, uint32_t element);

/* ln of the probability of a count, a whole number from 0, for a mean above 0: absolute error at
 * most 1e-11 + 4e-16 |value|. */
double ae_poisson_log(double count, double mean);

#endif
