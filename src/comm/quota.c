#include "comm/quota.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, LINE_SIZE = 3 * PATH_SIZE };

/* A hierarchy of groups: the folder that shows it, and the group that this folder is. */
typedef struct hierarchy {
    bool is_first_version;
    char point[PATH_SIZE], top[PATH_SIZE];
} hierarchy;

static FILE *open_below(const char *root, const char *path) {
    char name[2 * PATH_SIZE];
    snprintf(name, sizeof name, "%s%s", root, path);
    return fopen(name, "r");
}

/* Is `word` one of the words of `list`, which have commas between them? */
static bool has_word(const char *list, const char *word) {
    const size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, word, length) == 0 && strchr(",\n", at[length])) return true;
    return false;
}

/* Reads a line of /proc/self/mountinfo: "36 35 98:0 TOP POINT OPTIONS ... - TYPE SOURCE OPTIONS".
 * False where it shows no groups that can have a quota. */
static bool read_mount(hierarchy *h, const char *line) {
    char type[64], options[PATH_SIZE];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", h->top, h->point) != 2 ||
        sscanf(rest, " - %63s %*s %4095s", type, options) != 2)
        return false;
    h->is_first_version = strcmp(type, "cgroup") == 0;
    return strcmp(type, "cgroup2") == 0 || (h->is_first_version && has_word(options, "cpu"));
}

/* path = the process's own group in the hierarchy, from /proc/self/cgroup's "0::/path" or
 * "4:cpu,cpuacct:/path". */
static bool find_group(char path[PATH_SIZE], const hierarchy *h, const char *root) {
    char line[LINE_SIZE];
    bool found = false;
    FILE *file = open_below(root, "/proc/self/cgroup");
    while (file && !found && fgets(line, sizeof line, file)) {
        char *kinds = strchr(line, ':'), *group = kinds ? strchr(kinds + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        found = h->is_first_version ? has_word(kinds + 1, "cpu") : strcmp(line, "0:") == 0;
        if (found) snprintf(path, PATH_SIZE, "%s", group);
    }
    if (file) fclose(file);
    return found;
}

/* The first two numbers of a group's file; false where it has none, as in "max 100000". */
static bool read_numbers(double *first, double *second, const char *folder, const char *name) {
    char path[3 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    const int found = file ? fscanf(file, "%lf %lf", first, second) : 0;
    if (file) fclose(file);
    return found >= 1;
}

/* The quota of the group with this folder, in microseconds of time in every period of so many. */
static bool read_quota(double *cores, bool is_first_version, const char *folder) {
    double quota = 0, period = 0, none;
    bool found = is_first_version ? read_numbers(&quota, &none, folder, "cpu.cfs_quota_us") &&
                                        read_numbers(&period, &none, folder, "cpu.cfs_period_us")
                                  : read_numbers(&quota, &period, folder, "cpu.max");
    if (!found || quota <= 0 || period <= 0) return false; /* -1: none */
    *cores = quota / period;
    return true;
}

static bool is_in(const ae_quota *quota, uint64_t id) {
    for (int g = 0; g < quota->count; ++g)
        if (quota->group[g].id == id) return true;
    return false;
}

static void add_group(ae_quota *quota, bool is_first_version, const char *folder) {
    struct stat info;
    double cores;
    if (quota->count == AE_QUOTA_GROUPS || !read_quota(&cores, is_first_version, folder)) return;
    if (stat(folder, &info) != 0 || is_in(quota, (uint64_t)info.st_ino)) return;
    quota->group[quota->count].id = (uint64_t)info.st_ino;
    quota->group[quota->count++].cores = cores;
}

/* Adds the process's group in the hierarchy, and all that are around it. */
static void add_groups(ae_quota *quota, const hierarchy *h, const char *root) {
    char path[PATH_SIZE], folder[3 * PATH_SIZE];
    if (!find_group(path, h, root)) return;
    /* A container may see its own group as the top one, and know it by its name outside. */
    const size_t top = strcmp(h->top, "/") == 0 ? 0 : strlen(h->top);
    const bool is_below = strncmp(path, h->top, top) == 0 && (path[top] == '/' || !path[top]);
    const int shortest = snprintf(folder, sizeof folder, "%s%s", root, h->point);
    snprintf(folder + shortest, sizeof folder - (size_t)shortest, "%s", is_below ? path + top : "");
    for (char *end; (end = strrchr(folder, '/')) && end >= folder + shortest; *end = '\0')
        if (end[1]) add_group(quota, h->is_first_version, folder);
    add_group(quota, h->is_first_version, folder);
}

void ae_quota_find(ae_quota *quota, const char *root) {
    char line[LINE_SIZE];
    hierarchy h;
    *quota = (ae_quota){0};
    FILE *file = open_below(root, "/proc/self/mountinfo");
    while (file && fgets(line, sizeof line, file))
        if (read_mount(&h, line)) add_groups(quota, &h, root);
    if (file) fclose(file);
}

double ae_quota_share(const ae_quota *mine, const ae_quota *all, int count) {
    double least = INFINITY;
    for (int g = 0; g < mine->count; ++g) {
        int sharers = 0;
        for (int r = 0; r < count; ++r) sharers += is_in(&all[r], mine->group[g].id);
        least = fmin(least, mine->group[g].cores / sharers);
    }
    return least;
}
