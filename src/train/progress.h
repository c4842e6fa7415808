/* What the person at the terminal, or the reader of a job's log, sees. Local. */
#ifndef AE_TRAIN_PROGRESS_H
#define AE_TRAIN_PROGRESS_H

#include "train/clock.h"
#include "train/plan.h"

/* After a step, whose mean loss over its batch is `loss`. */
void ae_progress_step(const ae_plan *plan, const ae_position *position, const ae_clock *clock,
                      double loss);
void ae_progress_epoch(const ae_plan *plan, const ae_epoch_row *row);

/* After the last epoch, or before going on: is it train.patience that ended the run? */
void ae_progress_patience(const ae_plan *plan, const ae_position *position);

/* Where to find what the run made. */
void ae_progress_end(const ae_plan *plan);

#endif
