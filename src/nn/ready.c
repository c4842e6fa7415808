/* Ready networks: words that stand for whole stacks of layers. */
#include "nn/ready.h"

/* A plain stack (Zhang and others, "Beyond a Gaussian denoiser", 2017; without its batch
 * normalisation). */
static void write_dncnn(ae_writer *w, int channels, int layers, int image_channels,
                        const char *end) {
    for (int l = 1; l < layers; ++l) ae_write(w, "conv %d 3 relu same%s, ", channels, end);
    ae_write(w, "conv %d 3 none same%s", image_channels, end);
}

/* The same on a quarter of the pixels (Zhang and others, "FFDNet", 2018). */
static void write_unshuffle(ae_writer *w, int channels, int layers, int image_channels,
                            const char *end) {
    ae_write(w, "unshuffle, ");
    write_dncnn(w, channels, layers, 4 * image_channels, end);
    ae_write(w, ", shuffle");
}

/* Two levels down and up again, each with the way across (Ronneberger and others, "U-Net", 2015).
 */
static void write_unet(ae_writer *w, int channels, int layers, int image_channels,
                       const char *end) {
    const int c = channels;
    (void)layers;
    ae_write(w, "conv %d 3 relu same%s, conv %d 3 relu same%s as top, ", c, end, c, end);
    ae_write(w, "conv %d 3 relu same stride2%s, conv %d 3 relu same%s as middle, ", 2 * c, end,
             2 * c, end);
    ae_write(w, "conv %d 3 relu same stride2%s, conv %d 3 relu same%s, ", 4 * c, end, 4 * c, end);
    ae_write(w, "tconv %d 2 none stride2%s, concat middle, conv %d 3 relu same%s, ", 2 * c, end,
             2 * c, end);
    ae_write(w, "tconv %d 2 none stride2%s, concat top, conv %d 3 relu same%s, ", c, end, c, end);
    ae_write(w, "conv %d 3 none same%s", image_channels, end);
}

const ae_ready ae_ready_networks[] = {
    {"dncnn", true, 2, AE_CHANNELS_MAX, write_dncnn},
    {"unet", false, 0, AE_CHANNELS_MAX / 4, write_unet},
    {"unshuffle", true, 2, AE_CHANNELS_MAX, write_unshuffle},
};
const int ae_ready_count = sizeof ae_ready_networks / sizeof *ae_ready_networks;
