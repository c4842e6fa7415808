/* A network applied to pictures of any size, in tiles that a rank's threads share. The bits are
 * those of the whole picture at once, whatever the tiles, threads and kernel path are. Local. */
#ifndef AE_TEAM_TILES_H
#define AE_TEAM_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"
#include "kernels/planes.h"
#include "team/model.h"

typedef struct ae_tiles ae_tiles;

/* Side of output tiles that is quick where memory is no concern: with its margins a power of two,
 * which whole vectors divide; small, for the sake of caches, but large beside the margins. */
int ae_tiles_quick_side(const ae_network *network);

/* Memory to apply the model in output tiles of up to `side` x `side`, rounded up to a multiple of
 * its phase, on `threads` threads. Borrows the model, whose parameters may change between uses. The
 * caller owns *tiles, NULL on failure. AE_FAILED: memory or threads. */
ae_status ae_tiles_create(ae_tiles **tiles, const ae_model *model, int side, int threads);
void ae_tiles_destroy(ae_tiles **tiles);

/* The side as it was rounded. */
int ae_tiles_side(const ae_tiles *tiles);

/* Bytes of such tiles. */
size_t ae_tiles_bytes(const ae_model *model, int side, int threads);

/* Can the network be applied to a picture of height x width: do its layers return to its size? */
bool ae_tiles_fit(const ae_network *network, int height, int width);

/* out = the network's picture of in: both of its channels and of one size that fits; their borders
 * (ae_planes) are neither read nor written. Returns false, with part of it done, when asked to
 * stop. */
bool ae_tiles_apply(ae_tiles *tiles, const ae_planes *out, const ae_planes *in);

/* Where a picture's pixels come from and go to. Several threads call both at once. */
typedef struct ae_tile_ends {
    /* row[end - begin] = columns [begin, end) of row h of one channel of the network's input. */
    void (*load)(float *row, const void *from, int channel, int h, int begin, int end);
    /* Takes a tile of the network's output, whose first pixel is at row h and column w of the
     * picture; it may change it. */
    void (*store)(void *to, const ae_planes *tile, int h, int w);
    const void *from;
    void *to;
} ae_tile_ends;

/* Makes the rows [begin, end) of the network's picture of one of height x width, and reads of this
 * the rows that ae_tiles_needed() tells. False: as above. */
bool ae_tiles_apply_rows(ae_tiles *tiles, const ae_tile_ends *ends, int begin, int end, int height,
                         int width);

/* Rows [first, first + planes.height) of a picture. */
typedef struct ae_strip {
    int first;
    ae_planes planes;
} ae_strip;

/* The same, of rows that lie in planes. */
bool ae_tiles_apply_strip(ae_tiles *tiles, const ae_strip *out, const ae_strip *in, int height);

/* [*begin, *end) = the rows of a picture of `height` that rows [begin, end) of the output need. */
void ae_tiles_needed(const ae_network *network, int height, int *begin, int *end);

#endif
