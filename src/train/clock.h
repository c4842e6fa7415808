/* What a rank's time went into. */
#ifndef AE_TRAIN_CLOCK_H
#define AE_TRAIN_CLOCK_H

#include "comm/comm.h"
#include "io/results.h"

typedef struct ae_clock {
    double part_s[AE_PARTS]; /* since the epoch (or the program) began */
    int64_t blocks;          /* that this rank computed in that time */
    double epoch_begin_s;    /* with the files of the epoch before */
    double steps_begin_s;    /* of the epoch's steps, or of those since the program began */
    int64_t images_seen;     /* by all ranks, since steps_begin_s */
    double saved_s;          /* when the last checkpoint was written, or the program began */
    double evaluation_s;     /* of the last evaluation */
} ae_clock;

/* Begins to count an epoch's time anew, and its steps'. Local. */
void ae_clock_begin_epoch(ae_clock *clock);
void ae_clock_begin_steps(ae_clock *clock);

/* The row's times, from all ranks, and the rate of its steps, which took `steps_s`. Collective. */
void ae_clock_fill(const ae_clock *clock, ae_comm *comm, ae_epoch_row *row, double steps_s);

#endif
