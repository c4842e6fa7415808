/* Pixels of files <-> planes of the network. Local. */
#ifndef AE_APPLY_PIXELS_H
#define AE_APPLY_PIXELS_H

#include "kernels/kernels.h"
#include "picture/picture.h"

/* The pixel values that are 0 and 1 to the network. */
typedef struct ae_scale {
    float zero, one;
} ae_scale;

/* row[count] = (samples - zero) / (one - zero) of one channel of pixels[count][samples]. */
void ae_pixels_load_row(float *row, const void *pixels, const ae_picture_info *info, int channel,
                        int count, ae_scale scale);

/* The same for planes[channels][rows][width], all colours of pixels[rows][width][samples]. On all
 * threads. */
void ae_pixels_load(const ae_planes *planes, const void *pixels, const ae_picture_info *info,
                    ae_scale scale);

/* Are the samples of `rows` rows numbers, if they are floats? Local, on one thread. */
bool ae_pixels_are_finite(const void *pixels, const ae_picture_info *info, int rows);

/* Back into samples of one channel of pixels[count][samples]: of integers rounded to nearest and
 * kept between black and white, where a NaN is black. */
void ae_pixels_store_row(void *pixels, const float *row, const ae_picture_info *info, int channel,
                         int count, ae_scale scale);

/* planes' first channel = the mean of all. */
void ae_pixels_mean(const ae_planes *planes);

/* noisy = clean + sigma * normal, from one stream of random numbers for each row: its sample is
 * channel * height + row. normals[threads][width + 3] is room. On all threads. */
void ae_pixels_add_noise(const ae_planes *noisy, const ae_planes *clean, double sigma,
                         ae_stream stream, const ae_kernels *kernels, float *normals);

#endif
