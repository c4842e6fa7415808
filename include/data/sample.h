/* Samples: pictures as the network takes them. Local, safe in threads. */
#ifndef AE_DATA_SAMPLE_H
#define AE_DATA_SAMPLE_H

#include "data/dataset.h"
#include "kernels/kernels.h"

/* planes = the samples[channel][row][column] as pixels: (sample - low) / (high - low), calculated
 * in double. */
void ae_sample_to_planes(const ae_planes *planes, const void *samples, const ae_images *images,
                         const ae_kernels *kernels);

#endif
