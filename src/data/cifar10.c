#include "cifar10.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/found.h"
#include "base/retry.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "data/source.h"

enum {
    FILES = AE_CIFAR10_FILES,
    FILE_RECORDS = AE_CIFAR10_FILE_RECORDS,
    CHUNK_RECORDS = 1000, /* read between two looks at the stop request */
    PATH_SIZE = AE_TEXT_SIZE + 32
};
_Static_assert(AE_CIFAR10_TRAIN % FILE_RECORDS == 0, "training images fill whole files");

const char *const ae_cifar10_names[FILES] = {"data_batch_1.bin", "data_batch_2.bin",
                                             "data_batch_3.bin", "data_batch_4.bin",
                                             "data_batch_5.bin", "test_batch.bin"};

#define CURE AE_CIFAR10_CURE

/* What to do about a failed file operation, from its errno. */
static const char *cure(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return CURE;
    case EACCES:
    case EPERM:
        return "change the permissions, or point data.dir at another copy";
    default:
        return "check that disk, or point data.dir at another copy";
    }
}

static ae_status fail(const char *what, const char *path, int error) {
    return ae_fail(AE_ERROR_DATA, "cannot %s '%s': %s; %s", what, path, strerror(error),
                   cure(error));
}

typedef struct cifar_file {
    char path[PATH_SIZE];
    int descriptor; /* -1: not open */
} cifar_file;

/* Does the size fit? */
static ae_status file_check(const cifar_file *file, const struct stat *info) {
    const long long expected = (long long)FILE_RECORDS * AE_CIFAR10_RECORD;
    if (!S_ISREG(info->st_mode))
        return ae_fail(AE_ERROR_DATA, "'%s' is not a regular file; " CURE, file->path);
    if (info->st_size == 0) {
        return ae_fail(AE_ERROR_DATA, "'%s' is empty, %lld bytes were expected; " CURE, file->path,
                       expected);
    }
    if (info->st_size != expected) {
        char head[512];
        ssize_t size = pread(file->descriptor, head, sizeof head, 0);
        const char *kind = ae_found_kind(head, size > 0 ? (size_t)size : 0);
        if (!kind) kind = info->st_size < expected ? "cut short" : "not a CIFAR-10 binary file";
        return ae_fail(AE_ERROR_DATA,
                       "'%s' has %lld bytes where %lld were expected: it is %s; " CURE, file->path,
                       (long long)info->st_size, expected, kind);
    }
    return AE_OK;
}

/* Tells why a batch can't be opened, and what is there in its place. */
static ae_status refuse_open(const char *dir, const char *path, int error) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    if (error == EACCES) {
        return ae_fail(AE_ERROR_DATA, "cannot open '%s': %s; it is %s: make it readable (chmod)",
                       path, strerror(error), ae_found_at(found, path));
    }
    if (error != ENOENT) return fail("open", path, error);
    bool is_link = lstat(path, &info) == 0;
    return ae_fail(AE_ERROR_DATA, "the batch '%s' is missing; there is %s; %s", path,
                   ae_found_at(found, is_link ? path : dir), ae_cifar10_advice(dir));
}

/* Opens the file at its path, in place of what is open. 0, or the errno: nothing has changed. */
static int try_opening(cifar_file *file, struct stat *info) {
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    if (fstat(descriptor, info) != 0) {
        int error = errno;
        close(descriptor);
        return error;
    }
    if (file->descriptor >= 0) close(file->descriptor);
    file->descriptor = descriptor;
    return 0;
}

/* Opens file `index` of the folder and checks its size. Where it fails, nothing stays open. */
static ae_status file_open(cifar_file *file, const char *dir, int index) {
    struct stat info;
    double waited_s = 0;
    int error;
    file->descriptor = -1;
    snprintf(file->path, sizeof file->path, "%s/%s", dir, ae_cifar10_names[index]);
    while ((error = try_opening(file, &info)) != 0 && ae_retry(&waited_s, error)) continue;
    if (error != 0) return refuse_open(dir, file->path, error);
    ae_status status = file_check(file, &info);
    if (status != AE_OK) close(file->descriptor);
    return status;
}

/* Reads `count` records from record `first` on and checks their labels. */
static ae_status file_read(uint8_t *records, cifar_file *file, int64_t first, int64_t count) {
    size_t size = (size_t)count * AE_CIFAR10_RECORD, done = 0;
    off_t offset = (off_t)first * AE_CIFAR10_RECORD;
    struct stat ignored;
    double waited_s = 0;
    while (done < size) {
        ssize_t got = pread(file->descriptor, records + done, size - done, offset + (off_t)done);
        if (got < 0 && ae_retry(&waited_s, errno)) {
            try_opening(file, &ignored); /* a stale descriptor stays so */
            continue;
        }
        if (got < 0) {
            return ae_fail(AE_ERROR_DATA, "cannot read '%s' at byte %lld: %s; %s", file->path,
                           (long long)(offset + (off_t)done), strerror(errno), cure(errno));
        }
        if (got == 0) {
            return ae_fail(AE_ERROR_DATA, "'%s' ended at byte %lld while it was read; " CURE,
                           file->path, (long long)(offset + (off_t)done));
        }
        done += (size_t)got;
    }
    for (int64_t i = 0; i < count; ++i) {
        int label = records[i * AE_CIFAR10_RECORD];
        if (label >= AE_CIFAR10_LABELS) {
            return ae_fail(AE_ERROR_DATA,
                           "record %lld (from 0) of '%s' has label %d, where labels are 0 to %d: "
                           "the file is damaged or of another format; " CURE,
                           (long long)(first + i), file->path, label, AE_CIFAR10_LABELS - 1);
        }
    }
    return AE_OK;
}

ae_status ae_cifar10_check(const char *dir) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    double waited_s = 0;
    while (stat(dir, &info) != 0) {
        if (ae_retry(&waited_s, errno)) continue;
        int error = errno;
        return ae_fail(AE_ERROR_DATA, "the data folder '%s' %s%s; there is %s; %s", dir,
                       error == ENOENT ? "does not exist" : "cannot be used: ",
                       error == ENOENT ? "" : strerror(error), ae_found_at(found, dir),
                       error == ENOENT || error == ENOTDIR ? ae_cifar10_advice(dir) : cure(error));
    }
    if (!S_ISDIR(info.st_mode)) {
        return ae_fail(AE_ERROR_DATA, "data.dir '%s' is not a folder, but %s; %s", dir,
                       ae_found_at(found, dir), ae_cifar10_advice(dir));
    }
    for (int i = 0; i < FILES; ++i) {
        cifar_file file;
        ae_status status = file_open(&file, dir, i);
        if (status != AE_OK) return status;
        close(file.descriptor);
    }
    return AE_OK;
}

/* Reads what [begin, end) holds of the `count` records of file `index` that are asked for, the
 * first of which is number `start` of the whole. */
static ae_status read_part(uint8_t *records, const char *dir, int index, int64_t start,
                           int64_t count, int64_t begin, int64_t end) {
    int64_t first = begin > start ? begin : start;
    int64_t last = end < start + count ? end : start + count;
    if (first >= last) return AE_OK;
    cifar_file file;
    ae_status status = file_open(&file, dir, index);
    if (status != AE_OK) return status;
    for (int64_t i = first; i < last && status == AE_OK; i += CHUNK_RECORDS) {
        if (ae_stop_requested()) {
            status = ae_fail(AE_STOPPED, "stopped while the images were being read");
            break;
        }
        ae_watchdog_progress();
        int64_t chunk = last - i < CHUNK_RECORDS ? last - i : CHUNK_RECORDS;
        status = file_read(records + (i - begin) * AE_CIFAR10_RECORD, &file, i - start, chunk);
    }
    close(file.descriptor);
    return status;
}

ae_status ae_cifar10_read(uint8_t *records, const char *dir, int64_t train, int64_t begin,
                          int64_t end) {
    int64_t start = 0;
    for (int i = 0; i < FILES; ++i) {
        bool is_test = i == FILES - 1;
        int64_t left = is_test ? FILE_RECORDS : train - start;
        int64_t count = left < FILE_RECORDS ? left : FILE_RECORDS;
        ae_status status = read_part(records, dir, i, start, count, begin, end);
        if (status != AE_OK) return status;
        start += count;
    }
    return AE_OK;
}

void ae_cifar10_split(ae_cifar10_part parts[FILES], const uint8_t *records, int64_t train,
                      int64_t test) {
    int64_t start = 0;
    for (int i = 0; i < FILES; ++i) {
        int64_t left = i == FILES - 1 ? test : train - start;
        int64_t count = left < FILE_RECORDS ? left : FILE_RECORDS;
        parts[i] =
            (ae_cifar10_part){ae_cifar10_names[i], records + start * AE_CIFAR10_RECORD, count};
        start += count;
    }
}

/* ---- the source ---- */

static ae_status describe(ae_data_info *info, const ae_settings *settings) {
    *info = (ae_data_info){
        {AE_CIFAR10_CHANNELS, AE_CIFAR10_SIDE, AE_CIFAR10_SIDE}, AE_CIFAR10_TRAIN, AE_CIFAR10_TEST};
    return ae_cifar10_check(settings->data.dir);
}

static ae_status fill(uint8_t *records, const ae_settings *settings, int64_t train, int64_t begin,
                      int64_t end) {
    return ae_cifar10_read(records, settings->data.dir, train, begin, end);
}

static void review(ae_comm *comm, const uint8_t *records, const ae_settings *settings,
                   int64_t train, int64_t test) {
    ae_cifar10_review(comm, records, settings->data.dir, train, test);
}

const ae_source_row ae_source_cifar10 = {
    .channels = AE_CIFAR10_CHANNELS, .describe = describe, .fill = fill, .review = review};
