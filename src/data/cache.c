/* The file: a header, the hashes of its blocks, and from the next page on the images' bytes. */
#include "data/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/watchdog.h"
#include "config/config.h"
#include "data/mapping.h"

enum {
    VERSION = 1,
    PAGE = 1 << 16,     /* where the bytes begin is a multiple of it, of any system's */
    BLOCK = 4 << 20,    /* bytes that one hash is of */
    AT_ONCE = 64 << 20, /* bytes that the disk is given at a time */
    SAMPLES = 16,       /* blocks that are verified before a file is used again */
    PATH_SIZE = AE_TEXT_SIZE + 128
};

typedef struct block_hash {
    char text[AE_HASH_TEXT_SIZE];
} block_hash;

/* All numbers are those of this machine: the file is its own disk's. */
typedef struct header {
    char mark[16];
    int64_t version, size, blocks;
    char key[AE_HASH_TEXT_SIZE];
    char table[AE_HASH_TEXT_SIZE]; /* hash of the blocks' hashes */
    ae_cache_facts facts;
    char own[AE_HASH_TEXT_SIZE]; /* hash of what stands before it */
} header;

static const char mark[16] = "ae_dist images\n";

struct ae_cache {
    ae_comm *comm; /* borrowed */
    char path[PATH_SIZE], part[PATH_SIZE];
    size_t size;
    int descriptor; /* of the file in hand */
    int lock;       /* the node's first rank: the file that it may write; else -1 */
    bool is_filled;
    uint8_t *map; /* [begin + size] */
    header head;
};

static int64_t count_blocks(size_t size) {
    return (int64_t)((size + BLOCK - 1) / BLOCK);
}

/* Where the bytes begin. */
static size_t begin_of(size_t size) {
    const size_t head = sizeof(header) + (size_t)count_blocks(size) * sizeof(block_hash);
    return (head + PAGE - 1) / PAGE * PAGE;
}

static block_hash *table_of(const ae_cache *cache) {
    return (block_hash *)(void *)(cache->map + sizeof(header));
}

static ae_status fail(const ae_cache *cache, const char *what, int error) {
    return ae_fail(AE_ERROR_DATA,
                   "can't %s the cache '%s': %s; see to its disk, or choose another "
                   "data.cache",
                   what, cache->path, strerror(error));
}

/* ---- verified ---- */

static void hash_block(const ae_cache *cache, int64_t block, block_hash *hash) {
    const size_t first = (size_t)block * BLOCK;
    const size_t size = cache->size - first < BLOCK ? cache->size - first : BLOCK;
    ae_hash_of(ae_cache_bytes(cache) + first, size, hash->text);
}

/* Of the blocks' hashes, and of what stands before it. */
static void seal(const ae_cache *cache, header *head) {
    ae_hash_of(table_of(cache), (size_t)head->blocks * sizeof(block_hash), head->table);
    ae_hash_of(head, offsetof(header, own), head->own);
}

/* Is the header this file's, and its table whole? */
static bool check_header(const ae_cache *cache, const char *key) {
    header expected;
    memcpy(&expected, cache->map, sizeof expected);
    if (memcmp(expected.mark, mark, sizeof mark) != 0 || expected.version != VERSION ||
        expected.size != (int64_t)cache->size || expected.blocks != count_blocks(cache->size) ||
        memcmp(expected.key, key, AE_HASH_TEXT_SIZE) != 0)
        return false;
    seal(cache, &expected);
    return memcmp(&expected, cache->map, sizeof expected) == 0;
}

/* Are blocks from the first to the last, evenly apart, what was written? */
static bool check_blocks(const ae_cache *cache) {
    const int64_t blocks = count_blocks(cache->size);
    const int64_t samples = blocks < SAMPLES ? blocks : SAMPLES;
    for (int64_t s = 0; s < samples; ++s) {
        const int64_t block = samples == 1 ? 0 : s * (blocks - 1) / (samples - 1);
        block_hash hash;
        hash_block(cache, block, &hash);
        if (memcmp(&hash, &table_of(cache)[block], sizeof hash) != 0) return false;
        ae_watchdog_progress();
    }
    return true;
}

/* ---- opened ---- */

/* Maps the open file. */
static ae_status map(ae_cache *cache, int protection) {
    const size_t whole = begin_of(cache->size) + cache->size;
    void *base = mmap(NULL, whole, protection, MAP_SHARED, cache->descriptor, 0);
    if (base == MAP_FAILED) return fail(cache, "map", errno);
    cache->map = base;
    ae_mapping_guard(base, whole, cache->path);
    return AE_OK;
}

static void unmap(ae_cache *cache) {
    if (cache->map) ae_mapping_release(cache->map);
    if (cache->map) munmap(cache->map, begin_of(cache->size) + cache->size);
    if (cache->descriptor >= 0) close(cache->descriptor);
    cache->map = NULL;
    cache->descriptor = -1;
}

/* Opens a file that is whole. *found: it is there, and right. */
static ae_status open_whole(ae_cache *cache, const char *key, bool *found) {
    struct stat info;
    *found = false;
    cache->descriptor = open(cache->path, O_RDONLY | O_CLOEXEC);
    if (cache->descriptor < 0) return errno == ENOENT ? AE_OK : fail(cache, "open", errno);
    if (fstat(cache->descriptor, &info) != 0) return fail(cache, "look at", errno);
    if ((size_t)info.st_size == begin_of(cache->size) + cache->size) {
        ae_status status = map(cache, PROT_READ);
        if (status != AE_OK) return status;
        *found = check_header(cache, key) && check_blocks(cache);
    }
    if (*found) return AE_OK;
    ae_warn("the cache '%s' is damaged, and is made anew", cache->path);
    unmap(cache);
    return AE_OK;
}

/* Makes the folder with its parents. 0, or the errno. */
static int make_folder(const char *folder) {
    char path[AE_TEXT_SIZE];
    snprintf(path, sizeof path, "%s", folder);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) return errno;
    }
    struct stat info;
    if (mkdir(path, 0777) != 0 && errno != EEXIST) return errno;
    return stat(path, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

/* Does the path still name the open file? */
static bool is_at(const char *path, int descriptor) {
    struct stat named, opened;
    return stat(path, &named) == 0 && fstat(descriptor, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* Takes the right to write, for which it waits while another run has it. *taken: false where that
 * one has put its file in place. */
static ae_status take_lock(ae_cache *cache, bool *taken) {
    const struct timespec pause = {0, 100000000};
    *taken = true;
    cache->lock = open(cache->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (cache->lock < 0) return fail(cache, "make", errno);
    for (bool waits = false; flock(cache->lock, LOCK_EX | LOCK_NB) != 0;) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail(cache, "lock", errno);
        if (ae_stop_requested())
            return ae_fail(AE_STOPPED, "stopped while another run made the cache of images");
        if (!waits) ae_say("cache    another run makes '%s', which is waited for", cache->path);
        waits = true;
        nanosleep(&pause, NULL);
        ae_watchdog_progress();
    }
    *taken = is_at(cache->part, cache->lock);
    if (*taken) return AE_OK;
    close(cache->lock);
    cache->lock = -1;
    return AE_OK;
}

/* Takes all of the new file's room. */
static ae_status allocate(const ae_cache *cache) {
    const off_t whole = (off_t)(begin_of(cache->size) + cache->size);
    struct statvfs info;
    if (ftruncate(cache->lock, 0) != 0) return fail(cache, "make", errno);
    ae_watchdog_doing("taking room for the cache of images");
    int error = 0;
    for (off_t at = 0; at < whole && error == 0; at += AT_ONCE) {
        error = posix_fallocate(cache->lock, at, whole - at < AT_ONCE ? whole - at : AT_ONCE);
        ae_watchdog_progress();
    }
    if (error == 0) return AE_OK;
    if (error != ENOSPC && error != EFBIG && error != EDQUOT) return fail(cache, "make", error);
    const bool known = fstatvfs(cache->lock, &info) == 0;
    if (ftruncate(cache->lock, 0) != 0) return fail(cache, "make", errno);
    return ae_fail(AE_ERROR_DATA,
                   "the cache '%s' needs %.3f GB, and its disk has %.3f GB free; make room, choose "
                   "another data.cache, or leave it empty to keep the images in memory",
                   cache->path, (double)whole / 1e9,
                   known ? (double)info.f_bavail * (double)info.f_frsize / 1e9 : 0);
}

/* The node's first rank: a whole file, or the right to write a new one. */
static ae_status prepare(ae_cache *cache, const char *folder, const char *key) {
    bool taken = false;
    const int error = make_folder(folder);
    if (error != 0) return fail(cache, "make the folder of", error);
    while (!taken) {
        ae_status status = open_whole(cache, key, &cache->is_filled);
        if (status != AE_OK || cache->is_filled) return status;
        status = take_lock(cache, &taken);
        if (status != AE_OK) return status;
    }
    return allocate(cache);
}

/* Maps what the node's first rank has prepared. */
static ae_status join(ae_cache *cache, bool is_first) {
    if (is_first && cache->is_filled) return AE_OK;
    cache->descriptor = cache->is_filled ? open(cache->path, O_RDONLY | O_CLOEXEC)
                                         : open(cache->part, O_RDWR | O_CLOEXEC);
    if (cache->descriptor < 0) return fail(cache, "open", errno);
    return map(cache, cache->is_filled ? PROT_READ : PROT_READ | PROT_WRITE);
}

ae_status ae_cache_open(ae_cache **cache, ae_comm *comm, const char *folder, const char *key,
                        size_t size) {
    const bool is_first = ae_comm_node_rank(comm) == 0;
    char own[AE_TEXT_SIZE];
    ae_cache *made = calloc(1, sizeof *made);
    *cache = NULL;
    ae_status status = ae_comm_agree(comm, made ? AE_OK : ae_fail_memory("the cache of images"));
    if (status != AE_OK) {
        free(made);
        return status;
    }
    snprintf(own, sizeof own, "%s", folder);
    ae_comm_node_broadcast(comm, own, sizeof own);
    *made = (ae_cache){.comm = comm, .size = size, .descriptor = -1, .lock = -1};
    snprintf(made->path, sizeof made->path, "%s/%s.images", own, key);
    snprintf(made->part, sizeof made->part, "%s/%s.part", own, key);
    memcpy(made->head.key, key, AE_HASH_TEXT_SIZE);
    if (is_first) status = prepare(made, own, key);
    status = ae_comm_agree(comm, status);
    ae_comm_node_broadcast(comm, &made->is_filled, sizeof made->is_filled);
    if (status == AE_OK) status = ae_comm_agree(comm, join(made, is_first));
    if (status == AE_OK && made->is_filled) {
        memcpy(&made->head, made->map, sizeof made->head);
        ae_say("cache    the images are in '%s' already", made->path);
    }
    if (status != AE_OK) ae_cache_close(&made);
    *cache = made;
    return status;
}

void ae_cache_close(ae_cache **cache) {
    ae_cache *c = *cache;
    if (!c) return;
    unmap(c);
    if (c->lock >= 0) {
        unlink(c->part); /* before the lock goes, so that who waits for it sees that */
        close(c->lock);
    }
    free(c);
    *cache = NULL;
}

uint8_t *ae_cache_bytes(const ae_cache *cache) {
    return cache->map + begin_of(cache->size);
}

bool ae_cache_is_filled(const ae_cache *cache) {
    return cache->is_filled;
}

const ae_cache_facts *ae_cache_describe(const ae_cache *cache) {
    return &cache->head.facts;
}

/* ---- finished ---- */

/* Brings what was written to the disk. */
static bool sync_pieces(const ae_cache *cache) {
    const size_t whole = begin_of(cache->size) + cache->size;
    for (size_t at = 0; at < whole; at += AT_ONCE) {
        if (msync(cache->map + at, whole - at < AT_ONCE ? whole - at : AT_ONCE, MS_SYNC) != 0)
            return false;
        ae_watchdog_progress();
    }
    return true;
}

/* The node's first rank: writes the header, and puts the file under its name. */
static ae_status publish(ae_cache *cache) {
    header *head = &cache->head;
    memcpy(head->mark, mark, sizeof mark);
    head->version = VERSION;
    head->size = (int64_t)cache->size;
    head->blocks = count_blocks(cache->size);
    for (int64_t b = 0; b < head->blocks; ++b) {
        hash_block(cache, b, &table_of(cache)[b]);
        ae_watchdog_progress();
    }
    seal(cache, head);
    memcpy(cache->map, head, sizeof *head);
    ae_watchdog_doing("writing the cache of images");
    if (!sync_pieces(cache) || fsync(cache->lock) != 0 || rename(cache->part, cache->path) != 0)
        return fail(cache, "write", errno);
    const int error = ae_file_sync_name(cache->path);
    return error == 0 ? AE_OK : fail(cache, "write", error);
}

ae_status ae_cache_finish(ae_cache *cache, const ae_cache_facts *facts) {
    const bool is_first = ae_comm_node_rank(cache->comm) == 0;
    cache->head.facts = *facts;
    ae_status status = is_first && !cache->is_filled ? publish(cache) : AE_OK;
    status = ae_comm_agree(cache->comm, status);
    if (status != AE_OK) return status;
    if (cache->lock >= 0) close(cache->lock);
    cache->lock = -1;
    cache->is_filled = true;
    mprotect(cache->map, begin_of(cache->size) + cache->size, PROT_READ);
    return AE_OK;
}
