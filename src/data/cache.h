/* Images in a file of a node's own disk, which its ranks map: for those larger than memory, and to
 * be decoded once for many runs. */
#ifndef AE_DATA_CACHE_H
#define AE_DATA_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/status.h"
#include "comm/comm.h"

/* What is known of the images once they are all there. */
typedef struct ae_cache_facts {
    char hash[AE_HASH_TEXT_SIZE];
    double low, high; /* the least and largest sample of the training images, of floats */
} ae_cache_facts;

typedef struct ae_cache ae_cache;

/* Maps `size` bytes of the file that `key` names in a folder, of which that of the node's first
 * rank counts: a whole one that is there, if its header and samples of its blocks are right, else a
 * new one, of which no other run writes meanwhile. All of its room on the disk is taken.
 * Collective; the caller owns *cache, NULL on failure. AE_ERROR_DATA: the folder can't be used, or
 * has no room; AE_STOPPED where a rank was asked to stop while another run wrote it. */
ae_status ae_cache_open(ae_cache **cache, ae_comm *comm, const char *folder, const char *key,
                        size_t size);

/* A file that isn't whole goes. Local. */
void ae_cache_close(ae_cache **cache);

/* The bytes. Borrowed. To be written only where they aren't filled, each rank of a node its own;
 * after ae_cache_wait() all see them. Where the disk fails later on, the process ends with a
 * message and AE_ERROR_DATA. */
uint8_t *ae_cache_bytes(const ae_cache *cache);
bool ae_cache_is_filled(const ae_cache *cache);

/* Of a filled one. Borrowed. */
const ae_cache_facts *ae_cache_describe(const ae_cache *cache);

/* Puts the filled file under its name, with the facts, and nobody may write any more. Collective.
 * AE_ERROR_DATA: the disk refuses. */
ae_status ae_cache_finish(ae_cache *cache, const ae_cache_facts *facts);

#endif
