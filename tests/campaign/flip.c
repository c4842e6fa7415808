/* Damages copies of a checkpoint, one bit or a cut each, and reads them:
 *
 *     campaign_flip CONFIG CHECKPOINT COPY SEED FIRST COUNT
 *
 * where COPY is the file to write them to. The damage of a case follows from SEED and its number,
 * which counts from FIRST. Each must be refused as damaged, or be read with every value right;
 * prints what each case did, and leaves with 1 at the first that did neither. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "base/file.h"
#include "io/checkpoint.h"

/* What is read from a checkpoint. */
typedef struct stored_run {
    ae_config *config;
    ae_network *network;
    ae_state state;
} stored_run;

typedef struct damage {
    const char *what;
    size_t place; /* byte, or size that is left */
    int bit;
} damage;

static void need(ae_status status) {
    if (status == AE_OK) return;
    fprintf(stderr, "campaign_flip: %s\n", ae_message());
    exit(2);
}

static void create_run(stored_run *run, const char *config_path) {
    memset(run, 0, sizeof *run);
    void *text;
    size_t size;
    need(ae_file_read(config_path, 1 << 20, &text, &size));
    need(ae_config_create(&run->config, config_path, text, size, NULL, 0));
    free(text);
    const ae_settings *settings = ae_config_settings(run->config);
    need(ae_network_create(&run->network, settings->model.layers, "layers", (ae_shape){3, 32, 32},
                           AE_OUTPUT_DIRECT));
    const ae_optimizer_options options = ae_optimizer_options_of(settings);
    need(ae_state_init(&run->state, run->network, &options));
}

static void destroy_run(stored_run *run) {
    ae_state_release(&run->state);
    ae_network_destroy(&run->network);
    ae_config_destroy(&run->config);
}

/* Forgets what was read before, so that nothing of it can pass for what is read next. */
static void clear(stored_run *run) {
    const size_t bytes = ae_network_size(run->network) * sizeof(float);
    memset(run->state.parameters, 0xff, bytes);
    for (int m = 0; m < run->state.optimizer.moments; ++m)
        memset(run->state.optimizer.moment[m], 0xff, bytes);
    run->state.optimizer.steps = -1;
    memset(&run->state.position, 0xff, sizeof run->state.position);
    memset(run->state.data_hash, 0, sizeof run->state.data_hash);
}

static bool equal(const stored_run *a, const stored_run *b) {
    const size_t bytes = ae_network_size(a->network) * sizeof(float);
    for (int m = 0; m < a->state.optimizer.moments; ++m)
        if (memcmp(a->state.optimizer.moment[m], b->state.optimizer.moment[m], bytes) != 0)
            return false;
    return memcmp(a->state.parameters, b->state.parameters, bytes) == 0 &&
           a->state.optimizer.steps == b->state.optimizer.steps &&
           memcmp(&a->state.position, &b->state.position, sizeof a->state.position) == 0 &&
           strcmp(a->state.data_hash, b->state.data_hash) == 0;
}

/* Three of four are a flipped bit, the others a cut. */
static damage choose(uint64_t seed, uint32_t number, size_t size) {
    uint32_t words[4];
    ae_random_words(words, (ae_stream){.seed = seed}, number);
    size_t place = (size_t)(((uint64_t)words[0] << 32 | words[1]) % size);
    return words[2] % 4 ? (damage){"flipped", place, (int)(words[3] % 8)}
                        : (damage){"cut", place, 0};
}

/* The undamaged `bytes` are as before afterwards. */
static void write_damaged(const char *path, char *bytes, size_t size, const damage *d) {
    const bool cut = strcmp(d->what, "cut") == 0;
    if (!cut) bytes[d->place] ^= (char)(1 << d->bit);
    FILE *file = fopen(path, "wb");
    const size_t count = cut ? d->place : size;
    bool failed = !file || fwrite(bytes, 1, count, file) != count;
    if (file && fclose(file) != 0) failed = true;
    if (failed) need(ae_fail(AE_ERROR_IO, "can't write %s", path));
    if (!cut) bytes[d->place] ^= (char)(1 << d->bit);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fputs("usage: campaign_flip CONFIG CHECKPOINT COPY SEED FIRST COUNT\n", stderr);
        return 2;
    }
    const char *checkpoint = argv[2], *copy = argv[3];
    const uint64_t seed = strtoull(argv[4], NULL, 10);
    const uint32_t first = (uint32_t)strtoul(argv[5], NULL, 10);
    const uint32_t count = (uint32_t)strtoul(argv[6], NULL, 10);
    stored_run original, found;
    create_run(&original, argv[1]);
    create_run(&found, argv[1]);
    void *bytes;
    size_t size;
    need(ae_checkpoint_read(checkpoint, &original.state, original.config));
    need(ae_file_read(checkpoint, SIZE_MAX, &bytes, &size));
    int wrong = 0;
    for (uint32_t number = first; !wrong && number < first + count; ++number) {
        damage d = choose(seed, number, size);
        write_damaged(copy, bytes, size, &d);
        printf("%u %s at %zu bit %d: ", number, d.what, d.place, d.bit);
        fflush(stdout); /* stands there if it crashes */
        clear(&found);
        ae_status status = ae_checkpoint_read(copy, &found.state, found.config);
        const bool right = status == AE_OK && equal(&original, &found);
        wrong = !right && status != AE_ERROR_IO;
        printf("%s%s\n", wrong ? "WRONG, " : "", status ? ae_message() : right ? "read" : "taken");
    }
    free(bytes);
    destroy_run(&original);
    destroy_run(&found);
    return wrong;
}
