/* The processor time that control groups (cgroups, of both versions) leave to this process, as
 * `docker --cpus` and Kubernetes' limits set it. For this room. */
#ifndef AE_COMM_QUOTA_H
#define AE_COMM_QUOTA_H

#include <stdint.h>

/* A process is in a group, which is in another. Those that have a quota, each of which counts. */
enum { AE_QUOTA_GROUPS = 8 };
typedef struct ae_quota {
    int count;
    struct {
        uint64_t id;  /* the same for all processes of this machine that are in the group */
        double cores; /* so many cores' time */
    } group[AE_QUOTA_GROUPS];
} ae_quota;

/* Fills *quota with what /proc and /sys say below `root`, "" for this machine's own. */
void ae_quota_find(ae_quota *quota, const char *root);

/* How many cores' time the process with the quota `mine` has, if the processes of a node with the
 * quotas all[count], it among them, take like shares of what they share; infinite without a quota.
 */
double ae_quota_share(const ae_quota *mine, const ae_quota *all, int count);

#endif
