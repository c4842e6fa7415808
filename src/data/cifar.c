#include "data/cifar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/found.h"
#include "base/retry.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "data/data_file.h"

enum { CHUNK_RECORDS = 1000 /* read between two looks at the stop request */ };

int ae_cifar_record(const ae_cifar *set) {
    return (set->labels[0] > 0) + (set->labels[1] > 0) + AE_CIFAR_VALUES;
}

int64_t ae_cifar_test(const ae_cifar *set) {
    return set->file_records[set->file_count - 1];
}

int64_t ae_cifar_train(const ae_cifar *set) {
    int64_t count = 0;
    for (int i = 0; i < set->file_count - 1; ++i) count += set->file_records[i];
    return count;
}

/* ---- files ---- */

/* Does the size fit that of file `index`? */
static ae_status check_size(const ae_cifar *set, const ae_data_file *file, int index) {
    const long long expected = set->file_records[index] * (long long)ae_cifar_record(set);
    const long long size = file->info.st_size;
    if (!S_ISREG(file->info.st_mode))
        return ae_fail(AE_ERROR_DATA, "'%s' is not a regular file; %s", file->path, set->cure);
    if (size == 0)
        return ae_fail(AE_ERROR_DATA, "'%s' is empty, %lld bytes were expected; %s", file->path,
                       expected, set->cure);
    if (size == expected) return AE_OK;
    char head[512], wrong[64];
    ssize_t read = pread(file->descriptor, head, sizeof head, 0);
    const char *kind = ae_found_kind(head, read > 0 ? (size_t)read : 0);
    snprintf(wrong, sizeof wrong, "not a %s binary file", set->name);
    if (!kind) kind = size < expected ? "cut short" : wrong;
    return ae_fail(AE_ERROR_DATA, "'%s' has %lld bytes where %lld were expected: it is %s; %s",
                   file->path, size, expected, kind, set->cure);
}

/* Tells why a file can't be opened, and what is there in its place. */
static ae_status refuse_open(const ae_cifar *set, const ae_data_file *file, const char *dir,
                             int error) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    if (error == EACCES)
        return ae_fail(AE_ERROR_DATA, "cannot open '%s': %s; it is %s: make it readable (chmod)",
                       file->path, strerror(error), ae_found_at(found, file->path));
    if (error != ENOENT) return ae_data_file_fail(file, "open", error);
    const bool is_link = lstat(file->path, &info) == 0;
    return ae_fail(AE_ERROR_DATA, "the %s '%s' is missing; there is %s; %s", set->files_name,
                   file->path, ae_found_at(found, is_link ? file->path : dir), set->advice(dir));
}

/* Opens file `index` of the folder and checks its size. Where it fails, nothing stays open. */
static ae_status open_file(ae_data_file *file, const ae_cifar *set, const char *dir, int index) {
    *file = (ae_data_file){.key = "data.dir", .cure = set->cure};
    snprintf(file->path, sizeof file->path, "%s/%s", dir, set->files[index]);
    const int error = ae_data_file_open(file);
    if (error != 0) return refuse_open(set, file, dir, error);
    ae_status status = check_size(set, file, index);
    if (status != AE_OK) ae_data_file_close(file);
    return status;
}

/* Are the labels of records[count], the first of which is number `first` of the file, such as there
 * are? */
static ae_status check_labels(const ae_cifar *set, const ae_data_file *file, const uint8_t *records,
                              int64_t first, int64_t count) {
    const int size = ae_cifar_record(set);
    for (int64_t i = 0; i < count; ++i)
        for (int l = 0; l < size - AE_CIFAR_VALUES; ++l) {
            const int label = records[i * size + l];
            if (label < set->labels[l]) continue;
            return ae_fail(AE_ERROR_DATA,
                           "record %lld (from 0) of '%s' has label %d, where labels are 0 to %d: "
                           "the file is damaged or of another format; %s",
                           (long long)(first + i), file->path, label, set->labels[l] - 1,
                           set->cure);
        }
    return AE_OK;
}

static ae_status refuse_folder(const ae_cifar *set, const char *dir, int error) {
    char found[AE_FOUND_SIZE], fault[256] = "does not exist";
    if (error != ENOENT) snprintf(fault, sizeof fault, "cannot be used: %s", strerror(error));
    ae_found_at(found, dir);
    if (error == ENOENT || error == ENOTDIR)
        return ae_fail(AE_ERROR_DATA, "the data folder '%s' %s; there is %s; %s", dir, fault, found,
                       set->advice(dir));
    return ae_fail(AE_ERROR_DATA,
                   "the data folder '%s' %s; there is %s; %s, or point data.dir at another copy",
                   dir, fault, found, ae_data_file_remedy(error));
}

ae_status ae_cifar_check(const ae_cifar *set, const char *dir) {
    char found[AE_FOUND_SIZE];
    struct stat info;
    double waited_s = 0;
    while (stat(dir, &info) != 0)
        if (!ae_retry(&waited_s, errno)) return refuse_folder(set, dir, errno);
    if (!S_ISDIR(info.st_mode))
        return ae_fail(AE_ERROR_DATA, "data.dir '%s' is not a folder, but %s; %s", dir,
                       ae_found_at(found, dir), set->advice(dir));
    for (int i = 0; i < set->file_count; ++i) {
        ae_data_file file;
        ae_status status = open_file(&file, set, dir, i);
        if (status != AE_OK) return status;
        ae_data_file_close(&file);
    }
    return AE_OK;
}

/* ---- records ---- */

/* Reads what [begin, end) holds of the `count` records of file `index` that are asked for, the
 * first of which is number `start` of the whole. */
static ae_status read_part(uint8_t *records, const ae_cifar *set, const char *dir, int index,
                           int64_t start, int64_t count, int64_t begin, int64_t end) {
    const int64_t first = begin > start ? begin : start;
    const int64_t last = end < start + count ? end : start + count;
    const int64_t size = ae_cifar_record(set);
    if (first >= last) return AE_OK;
    ae_data_file file;
    ae_status status = open_file(&file, set, dir, index);
    if (status != AE_OK) return status;
    for (int64_t i = first; i < last && status == AE_OK; i += CHUNK_RECORDS) {
        if (ae_stop_requested()) {
            status = ae_fail(AE_STOPPED, "stopped while the images were being read");
            break;
        }
        ae_watchdog_progress();
        const int64_t chunk = last - i < CHUNK_RECORDS ? last - i : CHUNK_RECORDS;
        uint8_t *read = records + (i - begin) * size;
        status = ae_data_file_read(&file, read, (i - start) * size, (size_t)(chunk * size));
        if (status == AE_OK) status = check_labels(set, &file, read, i - start, chunk);
    }
    ae_data_file_close(&file);
    return status;
}

ae_status ae_cifar_read(uint8_t *records, const ae_cifar *set, const char *dir, int64_t train,
                        int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int i = 0; i < set->file_count; ++i) {
        const bool is_test = i == set->file_count - 1;
        const int64_t left = is_test ? set->file_records[i] : train - start;
        const int64_t count = left < set->file_records[i] ? left : set->file_records[i];
        ae_status status = read_part(records, set, dir, i, start, count, begin, end);
        if (status != AE_OK) return status;
        start += count;
    }
    return AE_OK;
}

/* ---- the source ---- */

int ae_cifar_channels(const ae_settings *settings) {
    (void)settings;
    return AE_CIFAR_CHANNELS;
}

ae_status ae_cifar_describe(ae_catalog *catalog, const ae_cifar *set, const ae_settings *settings) {
    const ae_shape shape = {AE_CIFAR_CHANNELS, AE_CIFAR_SIDE, AE_CIFAR_SIDE};
    catalog->info = (ae_data_info){.type = AE_SAMPLE_U8,
                                   .has_labels = true,
                                   .high = UINT8_MAX,
                                   .train = {.count = ae_cifar_train(set), .shape = shape},
                                   .test = {.count = ae_cifar_test(set), .shape = shape}};
    catalog->has_test = true;
    catalog->prefix = ae_cifar_record(set) - AE_CIFAR_VALUES;
    return ae_cifar_check(set, settings->data.dir);
}

ae_status ae_cifar_identify(ae_hash *hash, const ae_cifar *set, const ae_settings *settings) {
    ae_status status = AE_OK;
    for (int i = 0; i < set->file_count && status == AE_OK; ++i) {
        char path[AE_TEXT_SIZE + 64];
        snprintf(path, sizeof path, "%s/%s", settings->data.dir, set->files[i]);
        status = ae_source_add_file(hash, path);
    }
    return status;
}

ae_status ae_cifar_fill(const ae_filling *filling, const ae_cifar *set) {
    uint8_t *records = filling->samples + filling->begin * ae_cifar_record(set);
    ae_status status = ae_cifar_read(records, set, filling->settings->data.dir, filling->train,
                                     filling->begin, filling->end);
    for (int64_t p = filling->begin; p < filling->end && status == AE_OK; ++p)
        filling->places[p].label = filling->samples[filling->places[p].offset - 1];
    return status;
}
