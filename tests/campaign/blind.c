/* A library for LD_PRELOAD under which everything has the same hash, so that damage can't be
 * noticed by it: the campaign of flipped bits must then see wrong values. */
#include <stddef.h>
#include <xxhash.h>

static const XXH128_hash_t same = {1, 2};

XXH128_hash_t XXH3_128bits(const void *bytes, size_t size) {
    (void)bytes, (void)size;
    return same;
}

XXH128_hash_t XXH3_128bits_digest(const XXH3_state_t *state) {
    (void)state;
    return same;
}
