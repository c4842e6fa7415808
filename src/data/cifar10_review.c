/* Size and labels don't tell what the images are: their files' hashes do. */
#include "data/cifar10_review.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/log.h"
#include "base/watchdog.h"

enum { FILES = AE_CIFAR10_FILES, LIST_SIZE = 512 };

/* Of the six files in cifar-10-binary.tar.gz (whose own is in cifar10_fetch.cmake). */
const char *const ae_cifar10_md5[FILES] = {
    "5dd7e06a14cb22eb9f671a540d1b7c25", "5ea93a67294ea407fff1d09f752e9692",
    "942cd6a4bcdd0dd3c604fbe906cb4421", "ae636b3ba5c66a11e91e8cb52e771fcb",
    "53f37980c15c3d472c316c40844f3f0d", "803d5f7f4d78ea53de84dbe85f74fb6d"};

void ae_cifar10_split(ae_cifar10_part parts[FILES], const uint8_t *records, int64_t train,
                      int64_t test) {
    int64_t start = 0;
    for (int i = 0; i < FILES; ++i) {
        int64_t left = i == FILES - 1 ? test : train - start;
        int64_t count = left < AE_CIFAR10_FILE_RECORDS ? left : AE_CIFAR10_FILE_RECORDS;
        parts[i] =
            (ae_cifar10_part){ae_cifar10_names[i], records + start * AE_CIFAR10_RECORD, count};
        start += count;
    }
}

bool ae_cifar10_is_published(const ae_cifar10_part *part, const char *md5) {
    char found[AE_HASH_TEXT_SIZE];
    if (part->count < AE_CIFAR10_FILE_RECORDS) return true;
    ae_md5_of(part->records, (size_t)part->count * AE_CIFAR10_RECORD, found);
    return strcmp(found, md5) == 0;
}

int64_t ae_cifar10_blank(const ae_cifar10_part *part) {
    int64_t blank = 0;
    for (int64_t i = 0; i < part->count; ++i) {
        const uint8_t *pixels = part->records + i * AE_CIFAR10_RECORD + 1;
        blank += memcmp(pixels, pixels + 1, AE_CIFAR_VALUES - 1) == 0;
    }
    return blank;
}

int ae_cifar10_repeats(const ae_cifar10_part parts[FILES], int index) {
    for (int i = 0; i < index; ++i) {
        int64_t count = parts[i].count < parts[index].count ? parts[i].count : parts[index].count;
        size_t size = (size_t)count * AE_CIFAR10_RECORD;
        if (size > 0 && memcmp(parts[i].records, parts[index].records, size) == 0) return i;
    }
    return -1;
}

/* Adds to a list of what was found, after a comma; what has no room is cut. */
__attribute__((format(printf, 2, 3))) static void list_add(char list[LIST_SIZE], const char *format,
                                                           ...) {
    size_t used = strlen(list);
    if (used > 0) used += (size_t)snprintf(list + used, LIST_SIZE - used, ", ");
    if (used >= LIST_SIZE) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(list + used, LIST_SIZE - used, format, arguments);
    va_end(arguments);
}

/* What the ranks found of each file. */
typedef struct findings {
    int64_t changed[FILES], blank[FILES];
} findings;

static void report(const ae_cifar10_part parts[FILES], const findings *found, const char *dir) {
    char changed[LIST_SIZE] = "", blank[LIST_SIZE] = "";
    for (int i = 0; i < FILES; ++i) {
        int first = ae_cifar10_repeats(parts, i);
        if (first >= 0)
            list_add(changed, "%s (the same as %s)", parts[i].name, parts[first].name);
        else if (found->changed[i])
            list_add(changed, "%s", parts[i].name);
        if (found->blank[i])
            list_add(blank, "%lld of %s", (long long)found->blank[i], parts[i].name);
    }
    if (changed[0]) {
        ae_warn("the images in data.dir '%s' are not CIFAR-10 as published: %s. They are used as "
                "they are; " AE_CIFAR10_CURE,
                dir, changed);
    }
    if (blank[0]) {
        ae_warn("images in data.dir '%s' have one value in every pixel: %s. They are used as they "
                "are, but a copy that broke off leaves such holes: compare the files with their "
                "source",
                dir, blank);
    }
}

void ae_cifar10_review(ae_comm *comm, const uint8_t *records, const char *dir, int64_t train,
                       int64_t test) {
    findings found = {{0}, {0}};
    ae_cifar10_part parts[FILES];
    ae_cifar10_split(parts, records, train, test);
    for (int i = ae_comm_rank(comm); i < FILES; i += ae_comm_size(comm)) {
        found.changed[i] = !ae_cifar10_is_published(&parts[i], ae_cifar10_md5[i]);
        found.blank[i] = ae_cifar10_blank(&parts[i]);
        ae_watchdog_progress();
    }
    ae_comm_sum(comm, found.changed, FILES);
    ae_comm_sum(comm, found.blank, FILES);
    if (ae_comm_rank(comm) == 0) report(parts, &found, dir);
}
