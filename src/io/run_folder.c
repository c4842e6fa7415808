/* A run's folder:
 *
 *     .lock                                   held with flock() while a run is under way; in it the
 *                                             host and process that took it last
 *     results.h5
 *     checkpoints/epoch-0003.h5               after three whole epochs
 *     checkpoints/epoch-0003-step-00250.h5    and 250 steps of the fourth
 *     checkpoints/best.h5                     the epoch with the lowest validation loss
 *     checkpoints/epoch-0003.h5.damaged       set aside: it couldn't be read
 *     *.h5.tmp.PID                            half-written by a run that was killed
 */
#include "io/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/environment.h"
#include "base/found.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "h5/file.h"

enum { NAME_ROOM = 300 }; /* bytes of AE_PATH_SIZE that names in the folder may need */

/* The processes of a run that was killed a moment ago may live on for a while; and a network's disk
 * frees the lock of a host that it lost only after a minute or two, for which a job waits that goes
 * on by itself. */
static const double LOCK_S = 5, JOB_LOCK_S = 120;

struct ae_run_folder {
    char dir[AE_PATH_SIZE];
    char checkpoints[AE_PATH_SIZE];
    char results[AE_PATH_SIZE];
    int lock;
};

/* A checkpoint's name, taken apart. */
typedef struct entry {
    long long epoch, step;
} entry;

static ae_status fail(const char *what, const char *path, int error) {
    return ae_fail(AE_ERROR_IO, "can't %s %s: %s; %s", what, path, strerror(error),
                   ae_file_cure(error));
}

static void checkpoint_name(char *name, size_t size, long long epoch, long long step) {
    if (step == 0)
        snprintf(name, size, "epoch-%04lld.h5", epoch);
    else
        snprintf(name, size, "epoch-%04lld-step-%05lld.h5", epoch, step);
}

/* Is it a checkpoint's name, letter by letter? */
static bool parse_name(const char *name, entry *found) {
    char again[64];
    found->step = 0;
    if (sscanf(name, "epoch-%lld-step-%lld", &found->epoch, &found->step) < 1) return false;
    if (found->epoch < 0 || found->step < 0) return false;
    checkpoint_name(again, sizeof again, found->epoch, found->step);
    return strcmp(name, again) == 0;
}

/* Makes a folder and its parents. 0, or the errno. */
static int make_folders(const char *path) {
    char part[AE_PATH_SIZE];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1;; slash++) {
        slash += strcspn(slash, "/");
        char rest = *slash;
        *slash = '\0';
        struct stat info;
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            int error = errno;
            /* Some systems answer otherwise (EROFS, EACCES) for a folder that is there. */
            if (stat(part, &info) != 0 || !S_ISDIR(info.st_mode)) return error;
        }
        if (!rest) return stat(part, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
        *slash = rest;
    }
}

/* Tells others who holds the lock; no matter if it can't be written. */
static void write_holder(int lock) {
    char host[128] = "", text[192];
    gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
    if (ftruncate(lock, 0) == 0 && pwrite(lock, text, (size_t)length, 0) != length)
        (void)!ftruncate(lock, 0);
}

static void read_holder(int lock, char *text, size_t size) {
    ssize_t length = pread(lock, text, size - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (!text[0]) snprintf(text, size, "nobody knows which");
}

static ae_status take_lock(ae_run_folder *folder) {
    const bool is_job = ae_environment_text("SLURM_JOB_ID") || ae_environment_text("PBS_JOBID");
    char path[AE_PATH_SIZE + 8], holder[192];
    snprintf(path, sizeof path, "%s/.lock", folder->dir);
    folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (folder->lock < 0) return fail("write", path, errno);
    int result;
    for (double begin_s = ae_now_s(); (result = flock(folder->lock, LOCK_EX | LOCK_NB)) != 0;) {
        bool may_come = errno == EINTR || (errno == EWOULDBLOCK && !ae_stop_requested());
        if (!may_come || ae_now_s() - begin_s > (is_job ? JOB_LOCK_S : LOCK_S)) break;
        ae_watchdog_progress();
        struct timespec pause = {0, 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    if (result == 0) {
        write_holder(folder->lock);
        return AE_OK;
    }
    if (errno == EWOULDBLOCK) {
        read_holder(folder->lock, holder, sizeof holder);
        return ae_fail(AE_ERROR_IO,
                       "another run holds %s (%s); wait for it, end it, or choose another run.dir",
                       folder->dir, holder);
    }
    ae_warn("this file system can't lock %s (%s): see to it that no other run uses %s", path,
            strerror(errno), folder->dir);
    return AE_OK;
}

static void set_names(ae_run_folder *folder, const char *dir) {
    snprintf(folder->dir, sizeof folder->dir, "%s", dir);
    snprintf(folder->checkpoints, sizeof folder->checkpoints, "%.*s/checkpoints",
             AE_PATH_SIZE - NAME_ROOM, dir);
    snprintf(folder->results, sizeof folder->results, "%.*s/results.h5", AE_PATH_SIZE - NAME_ROOM,
             dir);
}

ae_status ae_run_folder_open(ae_run_folder **folder, const char *dir) {
    *folder = NULL;
    if (strlen(dir) == 0 || strlen(dir) >= AE_PATH_SIZE - NAME_ROOM)
        return ae_fail(AE_ERROR_IO, "can't make the run folder '%s': %s; %s", dir,
                       strerror(strlen(dir) == 0 ? ENOENT : ENAMETOOLONG),
                       "choose another run.dir");
    ae_run_folder *new = calloc(1, sizeof *new);
    if (!new) return ae_fail_memory("the run folder's names");
    new->lock = -1;
    set_names(new, dir);

    ae_status status = AE_OK;
    char found[AE_FOUND_SIZE];
    int error = make_folders(new->checkpoints);
    if (error != 0)
        status =
            ae_fail(AE_ERROR_IO, "can't make the folder %s: %s (there is %s); %s", new->checkpoints,
                    strerror(error), ae_found_at(found, new->checkpoints), ae_file_cure(error));
    else if (access(new->checkpoints, W_OK | X_OK) != 0)
        status = fail("write into", new->checkpoints, errno);
    else
        status = take_lock(new);
    *folder = new;
    if (status != AE_OK) ae_run_folder_close(folder);
    return status;
}

void ae_run_folder_close(ae_run_folder **folder) {
    if (!*folder) return;
    if ((*folder)->lock >= 0) close((*folder)->lock);
    free(*folder);
    *folder = NULL;
}

bool ae_run_folder_holds_run(const char *dir) {
    char path[AE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/results.h5", dir);
    return access(path, F_OK) == 0 || ae_run_folder_holds_checkpoint(dir);
}

bool ae_run_folder_holds_checkpoint(const char *dir) {
    char path[AE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/checkpoints", dir);
    DIR *stream = opendir(path);
    if (!stream) return false;
    bool found = false;
    entry ignored;
    for (struct dirent *file; !found && (file = readdir(stream));)
        found = parse_name(file->d_name, &ignored);
    closedir(stream);
    return found;
}

const char *ae_run_folder_results(const ae_run_folder *folder) {
    return folder->results;
}

void ae_run_folder_checkpoint(const ae_run_folder *folder, char *path, int64_t epoch,
                              int64_t step) {
    char name[64];
    checkpoint_name(name, sizeof name, epoch, step);
    snprintf(path, AE_PATH_SIZE, "%.*s/%s", AE_PATH_SIZE - (int)sizeof name - 1,
             folder->checkpoints, name);
}

void ae_run_folder_best(const ae_run_folder *folder, char *path) {
    static const char name[] = "best.h5";
    snprintf(path, AE_PATH_SIZE, "%.*s/%s", AE_PATH_SIZE - (int)sizeof name - 1,
             folder->checkpoints, name);
}

static int newest_first(const void *left, const void *right) {
    const entry *a = left, *b = right;
    if (a->epoch != b->epoch) return a->epoch < b->epoch ? 1 : -1;
    return (a->step < b->step) - (a->step > b->step);
}

/* The checkpoints there, newest first; the caller frees *entries. */
static ae_status find(const ae_run_folder *folder, entry **entries, int *count) {
    ae_status status = AE_OK;
    int room = 0;
    *entries = NULL;
    *count = 0;
    DIR *stream = opendir(folder->checkpoints);
    if (!stream) return fail("look into", folder->checkpoints, errno);
    for (;;) {
        errno = 0;
        struct dirent *file = readdir(stream);
        if (!file && errno != 0) status = fail("look into", folder->checkpoints, errno);
        if (!file) break;
        entry found;
        if (!parse_name(file->d_name, &found)) continue;
        if (*count == room) {
            room = 2 * room + 16;
            entry *larger = realloc(*entries, (size_t)room * sizeof **entries);
            if (!larger) {
                status = ae_fail_memory("the list of checkpoints");
                break;
            }
            *entries = larger;
        }
        (*entries)[(*count)++] = found;
    }
    closedir(stream);
    if (status != AE_OK) {
        free(*entries);
        *entries = NULL;
        *count = 0;
    } else if (*count > 0) {
        qsort(*entries, (size_t)*count, sizeof **entries, newest_first);
    }
    return status;
}

ae_status ae_run_folder_list(const ae_run_folder *folder, char (**paths)[AE_PATH_SIZE],
                             int *count) {
    entry *entries;
    *paths = NULL;
    ae_status status = find(folder, &entries, count);
    if (status != AE_OK) return status;
    *paths = calloc((size_t)*count + 1, AE_PATH_SIZE);
    if (!*paths) {
        *count = 0;
        status = ae_fail_memory("the list of checkpoints");
    }
    for (int i = 0; i < *count; i++)
        ae_run_folder_checkpoint(folder, (*paths)[i], entries[i].epoch, entries[i].step);
    free(entries);
    return status;
}

bool ae_run_folder_weights(const char *dir, char *path) {
    ae_run_folder folder = {.lock = -1};
    set_names(&folder, dir);
    ae_run_folder_best(&folder, path);
    if (access(path, F_OK) == 0) return true;
    entry *entries;
    int count;
    if (find(&folder, &entries, &count) != AE_OK || count == 0) return false;
    ae_run_folder_checkpoint(&folder, path, entries[0].epoch, entries[0].step);
    free(entries);
    return true;
}

/* 0, or the error that reading the file's bytes gives; the first so many, as one that was damaged
 * may be of any size. */
static int read_error(const char *path) {
    enum { READ_MAX = 1 << 26 };
    char bytes[4096];
    size_t done = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno;
    ssize_t n;
    do {
        n = read(fd, bytes, sizeof bytes);
        if (n > 0) done += (size_t)n;
    } while ((n > 0 && done < READ_MAX) || (n < 0 && errno == EINTR));
    int error = n < 0 ? errno : 0;
    close(fd);
    return error;
}

ae_status ae_run_folder_set_aside(const char *path) {
    int error = read_error(path);
    if (error != 0) return fail("read", path, error);
    char aside[AE_PATH_SIZE + 16];
    snprintf(aside, sizeof aside, "%s.damaged", path);
    return rename(path, aside) != 0 ? fail("rename", path, errno) : AE_OK;
}

static ae_status delete_file(const char *path) {
    return unlink(path) != 0 && errno != ENOENT ? fail("delete", path, errno) : AE_OK;
}

/* Deletes the half-written files in one folder. */
static ae_status delete_half_written(const char *dir) {
    DIR *stream = opendir(dir);
    if (!stream) return fail("look into", dir, errno);
    ae_status status = AE_OK;
    for (struct dirent *file; status == AE_OK && (file = readdir(stream));) {
        if (!strstr(file->d_name, ".h5.tmp.")) continue;
        char path[2 * AE_PATH_SIZE];
        snprintf(path, sizeof path, "%s/%s", dir, file->d_name);
        status = delete_file(path);
    }
    closedir(stream);
    return status;
}

ae_status ae_run_folder_prune(const ae_run_folder *folder, int64_t keep) {
    entry *entries;
    int count;
    ae_status status = find(folder, &entries, &count);
    int64_t whole = 0;
    for (int i = 0; i < count && status == AE_OK; i++) {
        bool superfluous = entries[i].step > 0 ? i >= keep : ++whole > keep;
        if (!superfluous) continue;
        char path[AE_PATH_SIZE];
        ae_run_folder_checkpoint(folder, path, entries[i].epoch, entries[i].step);
        status = delete_file(path);
    }
    free(entries);
    if (status == AE_OK) status = delete_half_written(folder->checkpoints);
    if (status == AE_OK) status = delete_half_written(folder->dir);
    return status;
}
