/* A run's folder:
 *
 *     .lock                                   held with flock() while a run is under way; in it the
 *                                             host and process that took it last
 *     results.h5
 *     model.h5                                the network by itself: that of best.h5, or the last
 *     checkpoints/epoch-0003.h5               after three whole epochs
 *     checkpoints/epoch-0003-step-00250.h5    and 250 steps of the fourth
 *     checkpoints/best.h5                     the epoch with the lowest validation loss
 *     checkpoints/epoch-0003.h5.damaged       set aside: it couldn't be read
 *     *.h5.tmp.PID                            half-written by a run that was killed
 */
#include "io/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/launcher.h"
#include "base/file.h"
#include "base/found.h"
#include "base/log.h"
#include "base/retry.h"
#include "base/stop.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "io/folder.h"

enum { NAME_ROOM = 300 }; /* bytes of AE_PATH_SIZE that names in the folder may need */

/* The processes of a run that was killed a moment ago may live on for a while; and a network's disk
 * frees the lock of a host that it lost only after a minute or two, for which a job waits that goes
 * on by itself. */
static const double LOCK_S = 5, JOB_LOCK_S = 120;

struct ae_run_folder {
    char dir[AE_PATH_SIZE];
    char checkpoints[AE_PATH_SIZE];
    char results[AE_PATH_SIZE];
    char model[AE_PATH_SIZE];
    int lock;
};

/* A checkpoint's name, taken apart. */
typedef struct entry {
    long long epoch, step;
} entry;

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
    for (char *slash = part + 1;; ++slash) {
        slash += strcspn(slash, "/");
        char rest = *slash;
        *slash = '\0';
        int error = ae_folder_make(part);
        if (error != 0 || !rest) return error;
        *slash = rest;
    }
}

/* 0, or the errno that tells why it can't be written into. */
static int find_write_error(const char *dir) {
    double waited_s = 0;
    int result;
    while ((result = access(dir, W_OK | X_OK)) != 0 && ae_retry(&waited_s, errno)) continue;
    return result == 0 ? 0 : errno;
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

/* Waits for the lock, if another has it. 0, or the errno. */
static int wait_for_lock(int lock) {
    const double end_s = ae_now_s() + (ae_launcher_job_id()[0] ? JOB_LOCK_S : LOCK_S);
    double waited_s = 0;
    while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            if (!ae_retry(&waited_s, errno)) return errno;
            continue;
        }
        if (ae_stop_requested() || ae_now_s() > end_s) return EWOULDBLOCK;
        ae_watchdog_progress();
        struct timespec pause = {0, 50 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return 0;
}

static ae_status take_lock(ae_run_folder *folder) {
    char path[AE_PATH_SIZE + 8], holder[192];
    double waited_s = 0;
    snprintf(path, sizeof path, "%s/.lock", folder->dir);
    while ((folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0)
        if (!ae_retry(&waited_s, errno)) return ae_file_fail("write", path, errno);
    int error = wait_for_lock(folder->lock);
    if (error == 0) {
        write_holder(folder->lock);
        return AE_OK;
    }
    if (error == EWOULDBLOCK) {
        read_holder(folder->lock, holder, sizeof holder);
        return ae_fail(AE_ERROR_IO,
                       "another run holds %s (%s); wait for it, end it, or choose another run.dir",
                       folder->dir, holder);
    }
    ae_warn("this file system can't lock %s (%s): see to it that no other run uses %s", path,
            strerror(error), folder->dir);
    return AE_OK;
}

static void set_names(ae_run_folder *folder, const char *dir) {
    snprintf(folder->dir, sizeof folder->dir, "%s", dir);
    snprintf(folder->checkpoints, sizeof folder->checkpoints, "%.*s/checkpoints",
             AE_PATH_SIZE - NAME_ROOM, dir);
    snprintf(folder->results, sizeof folder->results, "%.*s/results.h5", AE_PATH_SIZE - NAME_ROOM,
             dir);
    snprintf(folder->model, sizeof folder->model, "%.*s/model.h5", AE_PATH_SIZE - NAME_ROOM, dir);
}

ae_status ae_run_folder_open(ae_run_folder **folder, const char *dir) {
    *folder = NULL;
    if (strlen(dir) == 0 || strlen(dir) >= AE_PATH_SIZE - NAME_ROOM)
        return ae_fail(AE_ERROR_IO, "can't make the run folder '%s': %s; %s", dir,
                       strerror(strlen(dir) == 0 ? ENOENT : ENAMETOOLONG),
                       "choose another run.dir");
    ae_run_folder *made = calloc(1, sizeof *made);
    if (!made) return ae_fail_memory("the run folder's names");
    made->lock = -1;
    set_names(made, dir);

    ae_status status = AE_OK;
    char found[AE_FOUND_SIZE], cure[AE_FILE_CURE_SIZE];
    int error = make_folders(made->checkpoints);
    if (error != 0)
        status = ae_fail(AE_ERROR_IO, "can't make the folder %s: %s (there is %s); %s",
                         made->checkpoints, strerror(error), ae_found_at(found, made->checkpoints),
                         ae_file_cure(cure, error));
    if (status == AE_OK && (error = find_write_error(made->checkpoints)) != 0)
        status = ae_file_fail("write into", made->checkpoints, error);
    if (status == AE_OK) status = take_lock(made);
    *folder = made;
    if (status != AE_OK) ae_run_folder_close(folder);
    return status;
}

void ae_run_folder_close(ae_run_folder **folder) {
    if (!*folder) return;
    if ((*folder)->lock >= 0) close((*folder)->lock);
    free(*folder);
    *folder = NULL;
}

const char *ae_run_folder_results(const ae_run_folder *folder) {
    return folder->results;
}

const char *ae_run_folder_model(const ae_run_folder *folder) {
    return folder->model;
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

/* ---- what is there ---- */

static int is_checkpoint(const struct dirent *file) {
    entry ignored;
    return parse_name(file->d_name, &ignored);
}

static int is_half_written(const struct dirent *file) {
    return strstr(file->d_name, ".h5.tmp.") != NULL;
}

static int newest_first(const struct dirent **left, const struct dirent **right) {
    entry a, b;
    parse_name((*left)->d_name, &a);
    parse_name((*right)->d_name, &b);
    if (a.epoch != b.epoch) return a.epoch < b.epoch ? 1 : -1;
    return (a.step < b.step) - (a.step > b.step);
}

ae_status ae_run_folder_holds_checkpoint(bool *holds, const char *dir) {
    char path[AE_PATH_SIZE];
    ae_listing list = {0};
    snprintf(path, sizeof path, "%s/checkpoints", dir);
    ae_status status = ae_file_exists(holds, path);
    if (status == AE_OK && *holds)
        status = ae_folder_list(&list, path, is_checkpoint, newest_first);
    *holds = list.count > 0;
    ae_listing_release(&list);
    return status;
}

ae_status ae_run_folder_holds_run(bool *holds, const char *dir) {
    char path[AE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/results.h5", dir);
    ae_status status = ae_file_exists(holds, path);
    if (status != AE_OK || *holds) return status;
    return ae_run_folder_holds_checkpoint(holds, dir);
}

ae_status ae_run_folder_list(const ae_run_folder *folder, char (**paths)[AE_PATH_SIZE],
                             int *count) {
    ae_listing list;
    *paths = NULL;
    *count = 0;
    ae_status status = ae_folder_list(&list, folder->checkpoints, is_checkpoint, newest_first);
    if (status != AE_OK) return status;
    *paths = calloc((size_t)list.count + 1, AE_PATH_SIZE);
    if (*paths)
        *count = list.count;
    else
        status = ae_fail_memory("the list of checkpoints");
    for (int i = 0; i < *count; ++i)
        snprintf((*paths)[i], AE_PATH_SIZE, "%.*s/%s", AE_PATH_SIZE - NAME_ROOM,
                 folder->checkpoints, list.files[i]->d_name);
    ae_listing_release(&list);
    return status;
}

ae_status ae_run_folder_weights(char *path, const char *dir) {
    ae_run_folder folder = {.lock = -1};
    char(*paths)[AE_PATH_SIZE] = NULL;
    int count = 0;
    bool exists = false;
    set_names(&folder, dir);
    ae_run_folder_best(&folder, path);
    ae_status status = ae_file_exists(&exists, path);
    if (status != AE_OK || exists) return status;
    path[0] = '\0';
    status = ae_file_exists(&exists, folder.checkpoints);
    if (status == AE_OK && exists) status = ae_run_folder_list(&folder, &paths, &count);
    if (status == AE_OK && count > 0) memcpy(path, paths[0], AE_PATH_SIZE);
    free(paths);
    if (status != AE_OK || count > 0) return status;
    status = ae_file_exists(&exists, folder.model);
    if (status == AE_OK && exists) memcpy(path, folder.model, AE_PATH_SIZE);
    return status;
}

/* ---- changing it ---- */

/* Reads the file's bytes: the first so many, as one that was damaged may be of any size. 0, or the
 * errno. */
static int try_reading(const char *path) {
    enum { READ_MAX = 1 << 26 };
    char bytes[4096];
    size_t done = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno;
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0 && done < READ_MAX) done += (size_t)n;
    int error = n < 0 ? errno : 0;
    close(fd);
    return error;
}

ae_status ae_run_folder_set_aside(const char *path) {
    char aside[AE_PATH_SIZE + 16];
    double waited_s = 0;
    int error;
    while ((error = try_reading(path)) != 0 && ae_retry(&waited_s, error)) continue;
    if (error != 0) return ae_file_fail("read", path, error);
    snprintf(aside, sizeof aside, "%s.damaged", path);
    for (waited_s = 0; rename(path, aside) != 0;) {
        if (errno == ENOENT && waited_s > 0) break; /* the first try did it after all */
        if (!ae_retry(&waited_s, errno)) return ae_file_fail("rename", path, errno);
    }
    error = ae_file_sync_name(path);
    return error == 0 ? AE_OK : ae_file_fail("rename", path, error);
}

/* Deletes the half-written files in one folder. */
static ae_status delete_half_written(const char *dir) {
    ae_listing list;
    ae_status status = ae_folder_list(&list, dir, is_half_written, NULL);
    for (int i = 0; i < list.count && status == AE_OK; ++i)
        status = ae_folder_delete(dir, list.files[i]->d_name);
    ae_listing_release(&list);
    return status;
}

/* Deletes those checkpoints of a listing, newest first, that newer ones make superfluous. */
static ae_status delete_superfluous(const char *dir, const ae_listing *list, int64_t keep) {
    int64_t whole = 0;
    ae_status status = AE_OK;
    for (int i = 0; i < list->count && status == AE_OK; ++i) {
        entry at;
        parse_name(list->files[i]->d_name, &at);
        bool superfluous = at.step > 0 ? i >= keep : ++whole > keep;
        if (superfluous) status = ae_folder_delete(dir, list->files[i]->d_name);
    }
    return status;
}

ae_status ae_run_folder_prune(const ae_run_folder *folder, int64_t keep) {
    ae_listing list;
    ae_status status = ae_folder_list(&list, folder->checkpoints, is_checkpoint, newest_first);
    if (status == AE_OK) status = delete_superfluous(folder->checkpoints, &list, keep);
    ae_listing_release(&list);
    if (status == AE_OK) status = delete_half_written(folder->checkpoints);
    if (status == AE_OK) status = delete_half_written(folder->dir);
    return status;
}
