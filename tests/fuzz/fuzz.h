/* What the fuzz targets share: taking an input apart, and checks, of which a failed one aborts. */
#ifndef AE_TESTS_FUZZ_H
#define AE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The rest of an input. */
typedef struct input {
    const uint8_t *next, *end;
} input;

/* Takes the next bytes, 8 at most, as a number, little-endian; zeros follow the input's end. */
static inline uint64_t take(input *in, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes && in->next < in->end; ++i) value |= (uint64_t)*in->next++ << 8 * i;
    return value;
}

/* Checks that the message of a refusal has text, and nothing that would upset a terminal. */
static inline void require_message(void) {
    const char *message = ae_message();
    REQUIRE(message[0] != '\0', "no message");
    for (const unsigned char *c = (const void *)message; *c; ++c)
        REQUIRE((*c >= 0x20 && *c != 0x7F) || *c == '\n' || *c == '\t', "byte %d", *c);
}

/* A file in memory: its descriptor, and a path by which it can be opened. */
typedef struct memory_file {
    int descriptor;
    char path[64];
} memory_file;

static inline memory_file memory_file_make(void) {
    memory_file file = {.descriptor = memfd_create("fuzz", MFD_CLOEXEC)};
    REQUIRE(file.descriptor >= 0, "no file in memory");
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
    return file;
}

static inline void memory_file_fill(const memory_file *file, const void *bytes, size_t size) {
    REQUIRE(ftruncate(file->descriptor, 0) == 0, "can't empty it");
    REQUIRE(pwrite(file->descriptor, bytes, size, 0) == (ssize_t)size, "can't write it");
}

#endif
