#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* An ae_hash is the library's state under another name. */

static void hash_text(XXH128_hash_t value, char text[AE_HASH_TEXT_SIZE]) {
    snprintf(text, AE_HASH_TEXT_SIZE, "%016llx%016llx", (unsigned long long)value.high64,
             (unsigned long long)value.low64);
}

ae_status ae_hash_create(ae_hash **hash) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return ae_fail_memory("a hash");
    XXH3_128bits_reset(state);
    *hash = (ae_hash *)state;
    return AE_OK;
}

void ae_hash_destroy(ae_hash **hash) {
    XXH3_freeState((XXH3_state_t *)*hash);
    *hash = NULL;
}

void ae_hash_add(ae_hash *hash, const void *bytes, size_t size) {
    if (size > 0) XXH3_128bits_update((XXH3_state_t *)hash, bytes, size);
}

void ae_hash_add_text(ae_hash *hash, const char *text) {
    ae_hash_add(hash, text, strlen(text) + 1);
}

void ae_hash_text(const ae_hash *hash, char text[AE_HASH_TEXT_SIZE]) {
    hash_text(XXH3_128bits_digest((const XXH3_state_t *)hash), text);
}

void ae_hash_of(const void *bytes, size_t size, char text[AE_HASH_TEXT_SIZE]) {
    hash_text(XXH3_128bits(bytes, size), text);
}
