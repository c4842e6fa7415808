/* Checkpoints damaged as disks and networks do it. What is read must be what was written, or be
 * refused. None gets a seal anew: HDF5 1.10 crashes on some such files, which only a forger makes.
 * The first byte of an input chooses:
 *
 *     even   the rest is the file
 *     odd    the rest are edits of a checkpoint, 7 bytes each: kind, offset (4), length (2):
 *            bits flipped, zeros, another part of the file in its place, an end cut off, bytes
 * added */
#include "checkpoint.h"

static stored_run written;
static char *whole;
static size_t whole_size;
static memory_file file;

static void make_whole(void) {
    run_make(&written, false);
    whole = run_checkpoint(&written, &whole_size);
    file = memory_file_make();
}

/* Makes one edit of bytes[*size], of which there is room for twice as many as in `whole`. */
static void edit(char *bytes, size_t *size, input *in) {
    enum { FLIP, ZERO, MOVE, CUT, ADD, KINDS };
    int kind = (int)(take(in, 1) % KINDS);
    size_t at = take(in, 4) % *size, length = take(in, 2), most = *size - at;
    size_t count = length < most ? length : most;
    if (kind == FLIP) {
        bytes[at] ^= (char)(length % 255 + 1);
    } else if (kind == ZERO) {
        memset(bytes + at, 0, count);
    } else if (kind == MOVE) {
        memmove(bytes + at, bytes + (at * 31 + length) % (*size - count + 1), count);
    } else if (kind == CUT) {
        *size = at > 0 ? at : 1;
    } else if (*size + length <= 2 * whole_size) {
        memset(bytes + *size, (int)at, length);
        *size += length;
    }
}

/* Reads the file: the state written, or a refusal that names the file. */
static ae_status check_file(void) {
    stored_run read;
    run_make(&read, true);
    ae_status status = ae_checkpoint_read(file.path, &read.state, read.config);
    if (status == AE_OK) {
        size_t bytes = written.size * sizeof(float);
        REQUIRE(memcmp(read.state.parameters, written.state.parameters, bytes) == 0, "parameters");
        for (int m = 0; m < read.state.optimizer.moments; ++m)
            REQUIRE(memcmp(read.state.optimizer.moment[m], written.state.optimizer.moment[m],
                           bytes) == 0,
                    "moment %d", m);
        REQUIRE(memcmp(&read.state.position, &written.state.position, sizeof(ae_position)) == 0,
                "position");
        REQUIRE(read.state.optimizer.steps == written.state.optimizer.steps, "updates");
    } else {
        REQUIRE(status == AE_ERROR_IO, "status %d: %s", (int)status, ae_message());
        REQUIRE(strstr(ae_message(), file.path), "%s", ae_message());
    }
    bool verified = ae_checkpoint_verify(file.path, &read.state) == AE_OK;
    REQUIRE(verified == (status == AE_OK), "verified: %d, read: %d", verified, (int)status);
    require_all_closed();
    run_free(&read);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!whole) make_whole();
    input in = {data, data + size};
    if (take(&in, 1) % 2 == 0) {
        memory_file_fill(&file, in.next, (size_t)(in.end - in.next));
        check_file();
        return 0;
    }
    char *bytes = malloc(2 * whole_size);
    size_t bytes_size = whole_size;
    REQUIRE(bytes, "no memory");
    memcpy(bytes, whole, whole_size);
    while (in.next < in.end) edit(bytes, &bytes_size, &in);
    bool same = bytes_size == whole_size && memcmp(bytes, whole, whole_size) == 0;
    memory_file_fill(&file, bytes, bytes_size);
    ae_status status = check_file();
    if (same) REQUIRE(status == AE_OK, "%s", ae_message());
    free(bytes);
    return 0;
}
