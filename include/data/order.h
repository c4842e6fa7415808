/* Which image stands where in an epoch, and which blocks of a batch are whose. */
#ifndef AE_DATA_ORDER_H
#define AE_DATA_ORDER_H

#include <stdint.h>

/* order[count] = the permutation of 0 .. count - 1 of (seed, epoch) (Fisher and Yates). */
void ae_order_shuffle(uint32_t *order, uint32_t count, uint64_t seed, uint32_t epoch);

/* A rank's share of one batch: positions [begin, end) of the epoch in blocks of `block` positions.
 */
typedef struct ae_shard {
    int64_t begin, end;   /* positions of the epoch's order */
    int64_t blocks;       /* of this rank */
    int64_t batch_blocks; /* of the whole batch */
    int64_t batch_images; /* of the whole batch: `batch`, or fewer in an epoch's last */
} ae_shard;

/* Rank `rank` of `size`'s run of blocks of batch `step` of an epoch of `count` images. Only the
 * batch's last block may be short. */
ae_shard ae_order_shard(int64_t count, int64_t batch, int64_t block, int64_t step, int rank,
                        int size);

/* Batches in an epoch. */
int64_t ae_order_steps(int64_t count, int64_t batch);

#endif
