/* What fails for a moment is tried again, and what doesn't isn't: calls of the C library that fail
 * as asked, and a clock that only counts. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include "base/retry.h"
#include "data/cifar10.h"
#include "io/run_folder.h"

/* ---- in the C library's place ---- */

typedef enum call {
    NONE,
    OPEN_NEW,
    OPEN,
    OPEN_FOLDER,
    WRITE,
    READ,
    FSYNC,
    FSYNC_FOLDER,
    RENAME,
    UNLINK,
    MKDIR,
    SCANDIR,
    LSTAT,
    FLOCK,
    CLOSE_NEW,
    CALLS
} call;

static struct {
    call call;
    int error, times; /* the call's next so many fail with it */
    bool is_done;     /* and have done their work all the same: an answer lost on the network */
} fault;
static int made[CALLS];  /* calls so far */
static int written = -1; /* the file that was opened last to be written */
static double slept_s, longest_s, before_s;
static bool shrank; /* was a pause shorter than the one before? */

static bool fails(call which) {
    ++made[which];
    if (which != fault.call || fault.times == 0) return false;
    --fault.times;
    errno = fault.error;
    return true;
}

/* Of a call that changed a folder, whose result is this: what it answers. */
static int answer(call which, int result) {
    return fault.is_done && fails(which) ? -1 : result;
}

static bool fails_undone(call which) {
    return !fault.is_done && fails(which);
}

static bool is_folder(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

int nanosleep(const struct timespec *pause, struct timespec *left) {
    (void)left;
    double pause_s = (double)pause->tv_sec + 1e-9 * (double)pause->tv_nsec;
    shrank |= pause_s < before_s;
    before_s = pause_s;
    slept_s += pause_s;
    if (pause_s > longest_s) longest_s = pause_s;
    return 0;
}

int open(const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    call which = flags & O_CREAT ? OPEN_NEW : flags & O_DIRECTORY ? OPEN_FOLDER : OPEN;
    if (fails(which)) return -1;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
    if (which == OPEN_NEW) written = fd;
    return fd;
}

/* Of a file that was written: it is closed, whatever is said of it. */
int close(int fd) {
    const int result = (int)syscall(SYS_close, fd);
    if (fd != written) return result;
    written = -1;
    return fails(CLOSE_NEW) ? -1 : result;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    return fails(WRITE) ? -1 : syscall(SYS_write, fd, bytes, size);
}

ssize_t read(int fd, void *bytes, size_t size) {
    return fails(READ) ? -1 : syscall(SYS_read, fd, bytes, size);
}

/* What the next pread() reads is stale from then on, until it is opened anew. */
static bool goes_stale;
static int stale = -1;

ssize_t pread(int fd, void *bytes, size_t size, off_t offset) {
    if (goes_stale) stale = fd;
    goes_stale = false;
    if (fd != stale) return syscall(SYS_pread64, fd, bytes, size, offset);
    errno = ESTALE;
    return -1;
}

int fsync(int fd) {
    return fails(is_folder(fd) ? FSYNC_FOLDER : FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to) {
    if (fails_undone(RENAME)) return -1;
    return answer(RENAME, (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char *name) {
    if (fails_undone(UNLINK)) return -1;
    return answer(UNLINK, (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0));
}

int mkdir(const char *name, mode_t mode) {
    if (fails_undone(MKDIR)) return -1;
    return answer(MKDIR, (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode));
}

int lstat(const char *name, struct stat *info) {
    return fails(LSTAT) ? -1 : fstatat(AT_FDCWD, name, info, AT_SYMLINK_NOFOLLOW);
}

int flock(int fd, int operation) {
    return fails(FLOCK) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int scandir(const char *name, struct dirent ***files, int (*filter)(const struct dirent *),
            int (*order)(const struct dirent **, const struct dirent **)) {
    return fails(SCANDIR) ? -1 : scandirat(AT_FDCWD, name, files, filter, order);
}

/* The next `times` calls fail. */
static void let_fail(call which, int error, int times) {
    fault.call = which;
    fault.error = error;
    fault.times = times;
    fault.is_done = false;
    memset(made, 0, sizeof made);
    slept_s = longest_s = before_s = 0;
    shrank = false;
}

static const int passing[] = {EBUSY, EIO, EACCES, ESTALE, EINTR, EAGAIN, ETIMEDOUT, ENOLCK};
static const int lasting[] = {ENOSPC, EDQUOT, EROFS, ENOSYS, ENOENT, EFBIG, ENAMETOOLONG};
enum {
    PASSING = sizeof passing / sizeof *passing,
    LASTING = sizeof lasting / sizeof *lasting,
    ALWAYS = 1000
};

/* ---- the pauses ---- */

static void test_pauses(void **state) {
    (void)state;
    for (int e = 0; e < PASSING; ++e) {
        double waited_s = 0;
        int tries = 0;
        let_fail(NONE, 0, 0);
        while (ae_retry(&waited_s, passing[e])) assert_true(++tries < 100);
        assert_int_equal(errno, passing[e]);
        assert_true(tries >= 10 && !shrank);
        assert_true(longest_s == 0.5 && slept_s >= 5 && slept_s <= 5.5);
    }
    for (int e = 0; e < LASTING; ++e) {
        double waited_s = 0;
        let_fail(NONE, 0, 0);
        assert_false(ae_retry(&waited_s, lasting[e]));
        assert_int_equal(errno, lasting[e]);
        assert_true(slept_s == 0);
    }
}

/* ---- a file written and read ---- */

static void check_content(const char *expected) {
    void *bytes;
    size_t size;
    check_ok(ae_file_read(path, 100, &bytes, &size));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
    free(bytes);
    assert_int_equal(count_files(folder), 1);
}

static const call writing[] = {OPEN_NEW, WRITE,  FSYNC,       OPEN,
                               READ,     RENAME, OPEN_FOLDER, FSYNC_FOLDER};
enum { WRITING = sizeof writing / sizeof *writing };

static void test_write_that_fails_once(void **state) {
    (void)state;
    for (int c = 0; c < WRITING; ++c)
        for (int e = 0; e < PASSING; ++e) {
            check_ok(ae_file_replace(path, "old", 3));
            let_fail(writing[c], passing[e], 1);
            check_ok(ae_file_replace(path, "newer", 5));
            assert_int_equal(fault.times, 0);
            assert_true(slept_s > 0);
            check_content("newer");
        }
}

/* What a failed fsync may have lost a second one wouldn't tell: the file is written again. */
static void test_failed_sync_writes_again(void **state) {
    (void)state;
    const call syncs[] = {FSYNC, FSYNC_FOLDER};
    for (int s = 0; s < 2; ++s) {
        let_fail(syncs[s], EIO, 2);
        check_ok(ae_file_replace(path, "new", 3));
        assert_int_equal(made[OPEN_NEW], 3);
        assert_int_equal(made[WRITE], 3);
        assert_int_equal(made[FSYNC], 3);
    }
}

static void test_write_that_fails_always(void **state) {
    (void)state;
    for (int c = 0; c < WRITING; ++c) {
        check_ok(ae_file_replace(path, "old", 3));
        let_fail(writing[c], EBUSY, ALWAYS);
        check_refused(ae_file_replace(path, "newer", 5), AE_ERROR_IO, strerror(EBUSY));
        assert_true(slept_s >= 5 && slept_s <= 5.5);
        let_fail(NONE, 0, 0);
        const bool in_place = writing[c] == OPEN_FOLDER || writing[c] == FSYNC_FOLDER;
        check_content(in_place ? "newer" : "old");
    }
}

/* A network's disk may tell only then that it is full, or has failed; EINTR is no fault there. */
static void test_close_that_fails(void **state) {
    (void)state;
    check_ok(ae_file_replace(path, "old", 3));
    let_fail(CLOSE_NEW, EIO, 1);
    check_ok(ae_file_replace(path, "newer", 5));
    assert_true(fault.times == 0 && slept_s > 0);
    check_content("newer");
    for (int e = 0; e < LASTING; ++e) {
        let_fail(CLOSE_NEW, lasting[e], 1);
        check_refused(ae_file_replace(path, "last", 4), AE_ERROR_IO, strerror(lasting[e]));
        assert_true(slept_s == 0);
        check_content("newer");
    }
    let_fail(CLOSE_NEW, EINTR, 1);
    check_ok(ae_file_replace(path, "last", 4));
    assert_true(fault.times == 0 && slept_s == 0);
    check_content("last");
}

static void test_write_to_a_full_disk(void **state) {
    (void)state;
    const call calls[] = {OPEN_NEW, WRITE, FSYNC, RENAME, FSYNC_FOLDER};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; ++c)
        for (int e = 0; e < LASTING; ++e) {
            let_fail(calls[c], lasting[e], 1);
            check_refused(ae_file_replace(path, "new", 3), AE_ERROR_IO, strerror(lasting[e]));
            assert_true(slept_s == 0);
        }
}

/* A file system that can't sync folders has done with the rename what it can. */
static void test_folder_that_cannot_be_synced(void **state) {
    (void)state;
    const int errors[] = {EINVAL, EBADF, EPERM, ENOTSUP};
    for (int e = 0; e < 4; ++e) {
        let_fail(FSYNC_FOLDER, errors[e], ALWAYS);
        check_ok(ae_file_replace(path, "new", 3));
        assert_true(fault.times < ALWAYS && slept_s == 0);
        check_content("new");
        let_fail(FSYNC, errors[e], 1); /* of a file it's a fault */
        check_refused(ae_file_replace(path, "newer", 5), AE_ERROR_IO, strerror(errors[e]));
        check_content("new");
    }
}

static void test_read(void **state) {
    (void)state;
    const call calls[] = {OPEN, READ};
    void *bytes;
    size_t size;
    let_fail(NONE, 0, 0);
    check_ok(ae_file_replace(path, "new", 3));
    for (int c = 0; c < 2; ++c) {
        for (int e = 0; e < PASSING; ++e) {
            let_fail(calls[c], passing[e], 2);
            check_content("new");
            assert_true(fault.times == 0 && slept_s > 0);
        }
        let_fail(calls[c], ESTALE, ALWAYS);
        check_refused(ae_file_read(path, 100, &bytes, &size), AE_ERROR_IO, strerror(ESTALE));
        assert_null(bytes);
    }
}

static void test_read_some(void **state) {
    (void)state;
    const call calls[] = {OPEN, READ};
    char bytes[5];
    size_t size;
    let_fail(NONE, 0, 0);
    check_ok(ae_file_replace(path, "new", 3));
    assert_int_equal(ae_file_read_some(path, 2, bytes, &size), 0);
    assert_int_equal(size, 2);
    assert_memory_equal(bytes, "ne", 2);
    for (int c = 0; c < 2; ++c) {
        for (int e = 0; e < PASSING; ++e) {
            let_fail(calls[c], passing[e], 2);
            assert_int_equal(ae_file_read_some(path, 5, bytes, &size), 0);
            assert_int_equal(size, 3);
            assert_memory_equal(bytes, "new", 3);
            assert_true(fault.times == 0 && slept_s > 0);
        }
        let_fail(calls[c], ESTALE, ALWAYS);
        assert_int_equal(ae_file_read_some(path, 5, bytes, &size), ESTALE);
        assert_int_equal(size, 0);
    }
}

static void test_exists(void **state) {
    (void)state;
    bool exists;
    let_fail(NONE, 0, 0);
    check_ok(ae_file_exists(&exists, path));
    assert_false(exists);
    check_ok(ae_file_replace(path, "new", 3));
    let_fail(LSTAT, ESTALE, 3);
    check_ok(ae_file_exists(&exists, path));
    assert_true(exists && slept_s > 0);
    let_fail(LSTAT, EIO, ALWAYS);
    check_refused(ae_file_exists(&exists, path), AE_ERROR_IO, strerror(EIO));
}

/* ---- the run's folder ---- */

/* Opens it, lists, sets one aside and prunes the rest but one. */
static ae_status use_folder(const char *dir) {
    ae_run_folder *run;
    char(*paths)[AE_PATH_SIZE] = NULL;
    int count = 0;
    bool holds = false;
    ae_status status = ae_run_folder_open(&run, dir);
    if (status != AE_OK) return status;
    for (int64_t epoch = 1; epoch <= 3 && status == AE_OK; ++epoch) {
        ae_run_folder_checkpoint(run, path, epoch, 0);
        status = ae_file_replace(path, "x", 1);
    }
    if (status == AE_OK) status = ae_run_folder_holds_run(&holds, dir);
    if (status == AE_OK) status = ae_run_folder_set_aside(path);
    if (status == AE_OK) status = ae_run_folder_prune(run, 1);
    if (status == AE_OK) status = ae_run_folder_list(run, &paths, &count);
    if (status == AE_OK) assert_true(holds && count == 1 && strstr(paths[0], "epoch-0002.h5"));
    free(paths);
    ae_run_folder_close(&run);
    return status;
}

static void test_run_folder(void **state) {
    (void)state;
    const call calls[] = {MKDIR, OPEN_NEW, FLOCK,  LSTAT,       SCANDIR,     OPEN,
                          READ,  RENAME,   UNLINK, OPEN_FOLDER, FSYNC_FOLDER};
    char dir[128];
    for (size_t c = 0; c < sizeof calls / sizeof *calls; ++c) {
        snprintf(dir, sizeof dir, "%s/run-%zu", folder, c);
        let_fail(calls[c], ESTALE, 2);
        check_ok(use_folder(dir));
        assert_int_equal(fault.times, 0);
        if (calls[c] == FLOCK || calls[c] == OPEN || calls[c] == READ) continue; /* said below */
        snprintf(dir, sizeof dir, "%s/always-%zu", folder, c);
        let_fail(calls[c], ESTALE, ALWAYS);
        check_refused(use_folder(dir), AE_ERROR_IO, strerror(ESTALE));
        snprintf(dir, sizeof dir, "%s/full-%zu", folder, c);
        let_fail(calls[c], ENOSPC, ALWAYS);
        check_refused(use_folder(dir), AE_ERROR_IO, strerror(ENOSPC));
        assert_true(slept_s == 0);
    }
    let_fail(FLOCK, ENOLCK, ALWAYS); /* a warning */
    snprintf(dir, sizeof dir, "%s/unlocked", folder);
    check_ok(use_folder(dir));
    assert_true(slept_s >= 5);
}

/* What was done though it was said to have failed is taken as done, and made to last. */
static void test_answers_lost(void **state) {
    (void)state;
    const call calls[] = {MKDIR, RENAME, UNLINK};
    char dir[128];
    for (int c = 0; c < 3; ++c) {
        snprintf(dir, sizeof dir, "%s/run-%d", folder, c);
        let_fail(calls[c], EIO, 1);
        fault.is_done = true;
        check_ok(use_folder(dir));
        assert_int_equal(fault.times, 0);
    }
    snprintf(dir, sizeof dir, "%s/sync", folder);
    let_fail(MKDIR, EIO, 1);
    fault.is_done = true;
    check_ok(use_folder(dir));
    int lost = made[FSYNC_FOLDER];
    snprintf(dir, sizeof dir, "%s/sync too", folder);
    let_fail(NONE, 0, 0);
    check_ok(use_folder(dir));
    assert_int_equal(lost, made[FSYNC_FOLDER]);
    snprintf(path, sizeof path, "%s/gone", folder);
    check_refused(ae_run_folder_set_aside(path), AE_ERROR_IO, strerror(ENOENT));
}

/* ---- images ---- */

static void test_a_stale_file_of_images(void **state) {
    (void)state;
    static uint8_t records[3][AE_CIFAR10_RECORD];
    const off_t size = (off_t)AE_CIFAR10_FILE_RECORDS * AE_CIFAR10_RECORD;
    snprintf(path, sizeof path, "%s/%s", folder, ae_cifar10_names[0]);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("\003abc", file);
    fclose(file);
    assert_int_equal(truncate(path, size), 0);
    let_fail(NONE, 0, 0);
    goes_stale = true;
    check_ok(ae_cifar_read(records[0], &ae_cifar10, folder, AE_CIFAR10_TRAIN, 0, 3));
    assert_true(stale >= 0 && slept_s > 0);
    assert_memory_equal(records[0], "\003abc\0", 5);
    stale = -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_pauses),
        TEST(test_write_that_fails_once),
        TEST(test_failed_sync_writes_again),
        TEST(test_write_that_fails_always),
        TEST(test_close_that_fails),
        TEST(test_write_to_a_full_disk),
        TEST(test_folder_that_cannot_be_synced),
        TEST(test_read),
        TEST(test_read_some),
        TEST(test_exists),
        TEST(test_run_folder),
        TEST(test_answers_lost),
        TEST(test_a_stale_file_of_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
