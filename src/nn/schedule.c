/* The learning rate of each update. */
#include "nn/optimizer.h"

#include "base/maths.h"

double ae_schedule_lr(const ae_settings *settings, int64_t step, int64_t steps_per_epoch,
                      int64_t total_steps) {
    double lr = settings->optimizer.lr;
    int64_t warmup = settings->schedule.warmup_steps;
    if (step < warmup) return lr * (double)(step + 1) / (double)warmup;
    switch (settings->schedule.name) {
    case AE_SCHEDULE_STEP: {
        int64_t falls = step / steps_per_epoch / settings->schedule.step_epochs;
        return lr * ae_power(settings->schedule.step_factor, (unsigned long)falls);
    }
    case AE_SCHEDULE_COSINE: {
        /* Loshchilov and Hutter, ICLR 2017, equation 5, without restarts. */
        double progress = (double)(step - warmup) / (double)(total_steps - warmup);
        double low = settings->schedule.min_lr;
        return low + (lr - low) * (1 + ae_cospi(progress)) / 2;
    }
    default:
        return lr;
    }
}
