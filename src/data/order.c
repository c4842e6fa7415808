#include "data/order.h"

#include "base/random.h"

void ae_order_shuffle(uint32_t *order, uint32_t count, uint64_t seed, uint32_t epoch) {
    ae_stream stream = {.seed = seed, .purpose = AE_RANDOM_SHUFFLE, .epoch = epoch};
    for (uint32_t i = 0; i < count; ++i) order[i] = i;
    for (uint32_t i = count; i > 1; --i) {
        uint32_t words[4];
        ae_random_words(words, stream, i - 1);
        uint32_t other = ae_random_below(words[0], words[1], i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swapped;
    }
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

ae_shard ae_order_shard(int64_t count, int64_t batch, int64_t block, int64_t step, int rank,
                        int size) {
    int64_t batch_begin = step * batch;
    int64_t batch_end = smaller(batch_begin + batch, count);
    int64_t batch_images = batch_end - batch_begin;
    int64_t batch_blocks = (batch_images + block - 1) / block;
    int64_t first = batch_blocks * rank / size;
    int64_t last = batch_blocks * (rank + 1) / size;
    return (ae_shard){
        .begin = smaller(batch_begin + first * block, batch_end),
        .end = smaller(batch_begin + last * block, batch_end),
        .blocks = last - first,
        .batch_blocks = batch_blocks,
        .batch_images = batch_images,
    };
}

int64_t ae_order_steps(int64_t count, int64_t batch) {
    return (count + batch - 1) / batch;
}
