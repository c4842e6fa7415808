/* The time there is, and ranks that take too much of it. */
#ifndef AE_TRAIN_LIMITS_H
#define AE_TRAIN_LIMITS_H

#include "train/clock.h"
#include "train/plan.h"

/* Sets the time at which to stop: after time_limit seconds (0: none), or as the environment says.
 * Local. */
void ae_limits_begin(int64_t time_limit);

/* Is a checkpoint due by the clock? Rank 0's is the one that counts. Local. */
bool ae_limits_checkpoint_is_due(const ae_plan *plan, const ae_clock *clock);

/* A rank's part of an epoch. */
typedef struct ae_share {
    double compute_s;
    int rank;
    int64_t blocks; /* that it computed */
} ae_share;

/* Makes the times those that ranks would have taken for as many blocks as the one with most, and
 * leaves out those without any. Returns how many of shares[size] are left, in front. Local. */
int ae_limits_make_equal(ae_share *shares, int size);

/* Sorts shares[size] (size > 0) by time, the slowest last. Returns how many of them took
 * slow_percent more than the median, of two the lower, and a second at least. Local. */
int ae_limits_find_slow(ae_share *shares, int size, int64_t slow_percent, double *median_s);

/* Warns of ranks whose computing took much longer than the median's in `epoch`, counted from 0; not
 * with slow_percent 0. Collective. */
void ae_limits_warn_slow(const ae_clock *clock, ae_comm *comm, int64_t slow_percent, int64_t epoch);

#endif
