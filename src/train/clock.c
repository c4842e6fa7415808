/* What a rank's time went into. */
#include "train/clock.h"

#include <string.h>

#include "base/timer.h"

void ae_clock_begin_epoch(ae_clock *clock) {
    memset(clock->part_s, 0, sizeof clock->part_s);
    clock->blocks = 0;
    clock->epoch_begin_s = ae_now_s();
}

void ae_clock_begin_steps(ae_clock *clock) {
    clock->steps_begin_s = ae_now_s();
    clock->images_seen = 0;
}

void ae_clock_fill(const ae_clock *clock, ae_comm *comm, ae_epoch_row *row, double steps_s) {
    double lowest[AE_PARTS] = {0}, mean[AE_PARTS] = {0}, highest[AE_PARTS] = {0};
    ae_comm_spread(comm, clock->part_s, AE_PARTS, lowest, mean, highest);
    for (int p = 0; p < AE_PARTS; ++p) {
        row->part_s[p][0] = lowest[p];
        row->part_s[p][1] = mean[p];
        row->part_s[p][2] = highest[p];
    }
    row->seconds = ae_now_s() - clock->epoch_begin_s;
    row->images_per_s = steps_s > 0 ? (double)clock->images_seen / steps_s : 0;
}
