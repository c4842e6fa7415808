/* What the person at the terminal sees while pictures are worked on: of rank 0's share. Local. */
#ifndef AE_APPLY_PROGRESS_H
#define AE_APPLY_PROGRESS_H

#include <stdint.h>

typedef struct ae_apply_progress {
    double total, done;  /* work, in bytes of the files that are read */
    double item;         /* work of the file in hand */
    int64_t files, file; /* how many, and which, from 1 on */
    double pixels, begin_s, shown_s;
} ae_apply_progress;

/* Before `files` files of `total` bytes. */
void ae_apply_progress_begin(ae_apply_progress *progress, int64_t files, double total);

/* The next file, of so many bytes. */
void ae_apply_progress_file(ae_apply_progress *progress, double bytes);

/* So many pixels more are done, which are that share of the file. */
void ae_apply_progress_add(ae_apply_progress *progress, double pixels, double share);

#endif
