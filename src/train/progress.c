/* What the person at the terminal, or the reader of a job's log, sees. */
#include "train/progress.h"

#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"

enum { PATH_SIZE = AE_TEXT_SIZE + 16 }; /* bytes, of what lies in run.dir */

/* "12 s", "3 min 20 s", "2 h 05 min". */
static void duration_text(char text[32], double seconds) {
    long s = (long)(seconds + 0.5);
    if (s < 60)
        snprintf(text, 32, "%ld s", s);
    else if (s < 3600)
        snprintf(text, 32, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(text, 32, "%ld h %02ld min", s / 3600, s / 60 % 60);
}

void ae_progress_step(const ae_plan *plan, const ae_position *position, const ae_clock *clock,
                      double loss) {
    static double shown_s = 0;
    static int on_terminal = -1;
    if (!ae_log_is_speaker()) return;
    if (on_terminal < 0) on_terminal = ae_log_on_terminal();
    double now_s = ae_now_s();
    if (!on_terminal || now_s - shown_s < 0.1) return;
    shown_s = now_s;
    double rate = (double)clock->images_seen / (now_s - clock->steps_begin_s);
    int64_t epochs_left = plan->total_epochs - position->epoch;
    double images_left = (double)(epochs_left * plan->samples - position->images);
    char left[32], line[160];
    duration_text(left, images_left / rate + (double)epochs_left * clock->evaluation_s);
    snprintf(line, sizeof line,
             "epoch %lld/%lld  step %lld/%lld  %.0f images/s  loss %.5f  %s left",
             (long long)position->epoch + 1, (long long)plan->total_epochs,
             (long long)position->step, (long long)plan->steps_per_epoch, rate, loss, left);
    ae_say_progress(line);
}

void ae_progress_epoch(const ae_plan *plan, const ae_epoch_row *row) {
    double share = row->seconds > 0 ? row->part_s[AE_PART_ALLREDUCE][1] / row->seconds : 0;
    char test[96] = "";
    if (!isnan(row->test_loss))
        snprintf(test, sizeof test, "test %.5f  PSNR %.2f dB  SSIM %.4f  ", row->test_loss,
                 row->psnr_db, row->ssim);
    ae_say("epoch %*lld/%lld  loss %.5f  %s%.0f images/s  allreduce %.0f %%",
           plan->total_epochs > 99 ? 3 : 2, (long long)row->epoch, (long long)plan->total_epochs,
           row->train_loss, test, row->images_per_s, 100 * share);
}

void ae_progress_patience(const ae_plan *plan, const ae_position *position) {
    if (position->epoch < plan->total_epochs)
        ae_say("patience ends the run: no epoch after %lld, the best, had a lower validation loss",
               (long long)position->best_epoch);
}

/* quoted = DIR/NAME, to be pasted into a shell. */
static void quote_path(char quoted[AE_TEXT_QUOTED_SIZE(PATH_SIZE)], const char *dir,
                       const char *name) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    ae_text_quote(quoted, path);
}

/* Was one written? Versions before it left checkpoints alone. */
static bool has_model(const char *dir) {
    char path[PATH_SIZE];
    bool exists = false;
    snprintf(path, sizeof path, "%s/model.h5", dir);
    return ae_file_exists(&exists, path) == AE_OK && exists;
}

void ae_progress_end(const ae_plan *plan) {
    if (!ae_log_is_speaker()) return;
    const char *dir = plan->settings->run.dir;
    char quoted[3][AE_TEXT_QUOTED_SIZE(PATH_SIZE)];
    quote_path(quoted[0], dir, "results.h5");
    quote_path(quoted[1], dir, has_model(dir) ? "model.h5" : "checkpoints/");
    ae_text_quote(quoted[2], dir);
    ae_say("results  %s, the network in %s", quoted[0], quoted[1]);
    ae_say("figures  python3 analysis/figures.py %s", quoted[2]);
}
