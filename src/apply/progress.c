#include "apply/progress.h"

#include <stdio.h>

#include "base/log.h"
#include "base/timer.h"

void ae_apply_progress_begin(ae_apply_progress *progress, int64_t files, double total) {
    *progress = (ae_apply_progress){.total = total, .files = files, .begin_s = ae_now_s()};
}

void ae_apply_progress_file(ae_apply_progress *progress, double bytes) {
    progress->file += 1;
    progress->item = bytes;
}

void ae_apply_progress_add(ae_apply_progress *progress, double pixels, double share) {
    const double now_s = ae_now_s(), passed_s = now_s - progress->begin_s;
    progress->pixels += pixels;
    progress->done += share * progress->item;
    if (!ae_log_is_speaker() || now_s - progress->shown_s < 0.1 || !ae_log_on_terminal()) return;
    progress->shown_s = now_s;
    const double left_s =
        progress->done > 0 ? passed_s * (progress->total / progress->done - 1) : 0;
    char line[120];
    snprintf(line, sizeof line, "picture %lld/%lld  %.1f megapixel/s  %.0f s left",
             (long long)progress->file, (long long)progress->files,
             progress->pixels / 1e6 / passed_s, left_s);
    ae_say_progress(line);
}
