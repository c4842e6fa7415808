/* comm/quota: what /proc and /sys say, in a folder that stands for the machine's top one. */
#include "files.h"

#include <math.h>

#include "comm/quota.h"

/* Writes a file below the folder, and the folders that it is in. */
static void write_file(const char *name, const char *text) {
    snprintf(path, sizeof path, "%s%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); ++slash) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The share of a process alone on its node, infinite for none. */
static double share(void) {
    ae_quota quota;
    ae_quota_find(&quota, folder);
    return ae_quota_share(&quota, &quota, 1);
}

static void write_v2(const char *group) {
    char line[256];
    snprintf(line, sizeof line, "0::%s\n", group);
    write_file("/proc/self/cgroup", line);
    write_file("/proc/self/mountinfo",
               "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
               "31 25 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
}

static void a_machine_without_groups(void **state) {
    (void)state;
    assert_true(isinf(share()));
    write_file("/proc/self/mountinfo", "25 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n");
    write_file("/proc/self/cgroup", "0::/\n");
    assert_true(isinf(share()));
}

static void second_version(void **state) {
    (void)state;
    write_v2("/user/job");
    assert_true(isinf(share()));
    write_file("/sys/fs/cgroup/user/job/cpu.max", "max 100000\n");
    assert_true(isinf(share()));
    write_file("/sys/fs/cgroup/user/job/cpu.max", "150000 100000\n");
    assert_true(share() == 1.5);
    write_file("/sys/fs/cgroup/other/cpu.max", "10000 100000\n"); /* not this process's */
    assert_true(share() == 1.5);
    write_file("/sys/fs/cgroup/user/cpu.max", "50000 100000\n"); /* the group around it */
    assert_true(share() == 0.5);
    write_file("/sys/fs/cgroup/user/job/cpu.max", "20000 50000\n");
    assert_true(share() == 0.4);
}

/* A container on a version 2 machine sees its own group as the top one. */
static void second_version_in_a_container(void **state) {
    (void)state;
    write_v2("/");
    write_file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_true(share() == 1);
}

static void write_v1(const char *group, const char *top) {
    char text[512];
    snprintf(text, sizeof text, "9:name=systemd:/\n4:cpuset:/elsewhere\n3:cpu,cpuacct:%s\n0::/\n",
             group);
    write_file("/proc/self/cgroup", text);
    snprintf(text, sizeof text,
             "31 25 0:28 /elsewhere /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
             "32 25 0:29 %s /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
             "33 25 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
             top);
    write_file("/proc/self/mountinfo", text);
}

#define V1 "/sys/fs/cgroup/cpu,cpuacct"

static void first_version(void **state) {
    (void)state;
    write_v1("/batch/job", "/");
    assert_true(isinf(share()));
    write_file(V1 "/batch/job/cpu.cfs_period_us", "50000\n");
    write_file(V1 "/batch/job/cpu.cfs_quota_us", "-1\n");
    assert_true(isinf(share()));
    write_file(V1 "/batch/job/cpu.cfs_quota_us", "100000\n");
    assert_true(share() == 2);
    write_file(V1 "/batch/cpu.cfs_period_us", "100000\n");
    write_file(V1 "/batch/cpu.cfs_quota_us", "125000\n");
    assert_true(share() == 1.25);
    write_file("/sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n"); /* of another hierarchy */
    write_file("/sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "1000\n");
    assert_true(share() == 1.25);
}

/* A container on a version 1 machine knows its group by the name outside. */
static void first_version_in_a_container(void **state) {
    (void)state;
    write_v1("/docker/ab/sub", "/docker/ab");
    write_file(V1 "/cpu.cfs_period_us", "100000\n");
    write_file(V1 "/cpu.cfs_quota_us", "400000\n");
    write_file(V1 "/sub/cpu.cfs_period_us", "100000\n");
    write_file(V1 "/sub/cpu.cfs_quota_us", "300000\n");
    assert_true(share() == 3);
    write_v1("/docker/abc/sub", "/docker/ab"); /* another one, which isn't to be seen */
    assert_true(share() == 4);
}

static void what_is_no_quota(void **state) {
    (void)state;
    write_v2("/job");
    static const char *const texts[] = {"",           "\n",       "x 100000\n", "0 100000\n",
                                        "100000 0\n", "100000\n", "-1 100000\n"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; ++t) {
        write_file("/sys/fs/cgroup/job/cpu.max", texts[t]);
        assert_true(isinf(share()));
    }
}

/* A job of three processes with 6 cores' time, of which the third one's own group leaves it 1. */
static void shares_of_a_group(void **state) {
    (void)state;
    ae_quota all[4];
    write_v2("/job");
    write_file("/sys/fs/cgroup/job/cpu.max", "600000 100000\n");
    ae_quota_find(&all[0], folder);
    ae_quota_find(&all[1], folder);
    write_v2("/job/task");
    write_file("/sys/fs/cgroup/job/task/cpu.max", "100000 100000\n");
    ae_quota_find(&all[2], folder);
    write_v2("/other"); /* and one that has nothing to do with it */
    write_file("/sys/fs/cgroup/other/cpu.max", "350000 100000\n");
    ae_quota_find(&all[3], folder);
    assert_true(ae_quota_share(&all[0], all, 4) == 2);
    assert_true(ae_quota_share(&all[1], all, 4) == 2);
    assert_true(ae_quota_share(&all[2], all, 4) == 1);
    assert_true(ae_quota_share(&all[3], all, 4) == 3.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(a_machine_without_groups),
                                       TEST(second_version),
                                       TEST(second_version_in_a_container),
                                       TEST(first_version),
                                       TEST(first_version_in_a_container),
                                       TEST(what_is_no_quota),
                                       TEST(shares_of_a_group)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
