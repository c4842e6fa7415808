/* 128-bit content hashes: XXH3, from the xxHash library, and MD5, which data sets are published
 * with. Not for use against an adversary. */
#ifndef AE_BASE_HASH_H
#define AE_BASE_HASH_H

#include <stddef.h>
#include "base/status.h"

typedef struct ae_hash ae_hash; /* a hash under way */

enum { AE_HASH_TEXT_SIZE = 33 }; /* 32 hexadecimal digits and a NUL */

ae_status ae_hash_create(ae_hash **hash);
void ae_hash_destroy(ae_hash **hash);
void ae_hash_add(ae_hash *hash, const void *bytes, size_t size);

/* Adds a string with its final NUL, so that "ab" + "c" differs from "a" + "bc". */
void ae_hash_add_text(ae_hash *hash, const char *text);
void ae_hash_text(const ae_hash *hash, char text[AE_HASH_TEXT_SIZE]);

/* The hash of one run of bytes. */
void ae_hash_of(const void *bytes, size_t size, char text[AE_HASH_TEXT_SIZE]);

/* The MD5 (RFC 1321) of one run of bytes. */
void ae_md5_of(const void *bytes, size_t size, char text[AE_HASH_TEXT_SIZE]);

#endif
