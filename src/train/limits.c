/* The time there is, and ranks that take too much of it. */
#include "train/limits.h"

#include <stdlib.h>

#include "base/launcher.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/timer.h"

/* Kept free for a checkpoint before a batch system ends the job: a tenth of the time left, at most
 * half a minute. */
static double margin(double left_s) {
    return left_s < 300 ? 0.1 * left_s : 30;
}

/* Warns of what isn't a time. */
static double left_s(ae_launcher_end end) {
    if (end.wrong)
        ae_warn("%s=%s is taken as unset, as it isn't the seconds since 1970: the run doesn't stop "
                "by itself before the job ends; run.time_limit makes it",
                end.variable, end.wrong);
    return end.left_s;
}

void ae_limits_begin(int64_t time_limit) {
    const double now_s = ae_now_s();
    if (time_limit > 0) ae_stop_at(now_s + (double)time_limit);
    ae_stop_at(now_s + left_s(ae_launcher_stop_time()));
    const double job_s = left_s(ae_launcher_job_end());
    if (job_s > 0) ae_stop_at(now_s + job_s - margin(job_s)); /* else it is another job's */
}

bool ae_limits_checkpoint_is_due(const ae_plan *plan, const ae_clock *clock) {
    const double minutes = plan->settings->output.checkpoint_minutes;
    return minutes > 0 && plan->rank == 0 && ae_now_s() - clock->saved_s >= 60 * minutes;
}

int ae_limits_make_equal(ae_share *shares, int size) {
    int64_t most = 0;
    int left = 0;
    for (int s = 0; s < size; ++s) most = shares[s].blocks > most ? shares[s].blocks : most;
    for (int s = 0; s < size; ++s) {
        if (shares[s].blocks == 0) continue;
        shares[left] = shares[s];
        shares[left].compute_s *= (double)most / (double)shares[s].blocks;
        shares[left++].blocks = most;
    }
    return left;
}

static int by_time(const void *left, const void *right) {
    const ae_share *a = left, *b = right;
    return (a->compute_s > b->compute_s) - (a->compute_s < b->compute_s);
}

int ae_limits_find_slow(ae_share *shares, int size, int64_t slow_percent, double *median_s) {
    const double LEAST_S = 1; /* less is noise */
    qsort(shares, (size_t)size, sizeof *shares, by_time);
    *median_s = shares[(size - 1) / 2].compute_s;
    const double limit_s = *median_s * (1 + 0.01 * (double)slow_percent);
    int slow = 0;
    while (slow < size && shares[size - 1 - slow].compute_s > limit_s &&
           shares[size - 1 - slow].compute_s >= LEAST_S)
        ++slow;
    return slow;
}

/* On rank 0: slow ones of shares[size], the slowest last. */
static void warn(const ae_comm *comm, const ae_share *shares, int size, int slow, double median_s,
                 int64_t epoch) {
    enum { SHOWN = 4 };
    for (int s = 0; s < slow && s < SHOWN; ++s) {
        const ae_share *its = &shares[size - 1 - s];
        ae_warn("rank %d on %s computed for %.1f s in epoch %lld, the median rank for %.1f s: its "
                "host is slower, or others work there; all ranks wait for it",
                its->rank, ae_comm_host_of(comm, its->rank), its->compute_s, (long long)epoch + 1,
                median_s);
    }
}

void ae_limits_warn_slow(const ae_clock *clock, ae_comm *comm, int64_t slow_percent,
                         int64_t epoch) {
    const int size = ae_comm_size(comm);
    if (slow_percent == 0 || size == 1) return;
    const bool is_first = ae_comm_rank(comm) == 0;
    const ae_share mine = {clock->part_s[AE_PART_COMPUTE], ae_comm_rank(comm), clock->blocks};
    ae_share *shares = is_first ? malloc((size_t)size * sizeof *shares) : NULL;
    ae_status status = is_first && !shares ? ae_fail_memory("the ranks' times") : AE_OK;
    if (ae_comm_agree(comm, status) != AE_OK) return; /* it was but a warning */
    ae_comm_gather(comm, &mine, sizeof mine, shares);
    double median_s;
    const int equal = is_first ? ae_limits_make_equal(shares, size) : 0;
    const int slow = equal > 0 ? ae_limits_find_slow(shares, equal, slow_percent, &median_s) : 0;
    if (slow > 0) warn(comm, shares, equal, slow, median_s, epoch);
    free(shares);
}
