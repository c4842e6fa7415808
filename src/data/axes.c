#include "data/axes.h"

enum { VALUES_MAX = 1 << 30 /* of an image */ };

ae_status ae_axes_shape(int64_t *count, ae_shape *shape, ae_axes axes, int rank,
                        const int64_t *dims, const char *where) {
    static const char *const names[] = {"NCHW", "NHWC", "NHW"};
    static const int ranks[] = {4, 4, 3};
    if (rank != ranks[axes])
        return ae_fail(AE_ERROR_DATA,
                       "%s has %d dimensions where data.axes = %s names %d; set data.axes to NHW, "
                       "NCHW or NHWC as its dimensions are",
                       where, rank, names[axes], ranks[axes]);
    const int64_t channels = axes == AE_AXES_NHW ? 1 : dims[axes == AE_AXES_NCHW ? 1 : 3];
    const int64_t height = dims[axes == AE_AXES_NCHW ? 2 : 1];
    const int64_t width = dims[axes == AE_AXES_NCHW ? 3 : 2];
    int64_t values;
    if (channels < 1 || height < 1 || width < 1 || dims[0] < 1)
        return ae_fail(AE_ERROR_DATA, "%s holds no images: one of its dimensions is 0", where);
    if (__builtin_mul_overflow(channels, height, &values) ||
        __builtin_mul_overflow(values, width, &values) || values > VALUES_MAX)
        return ae_fail(AE_ERROR_DATA,
                       "%s has images of %lld x %lld x %lld values (data.axes = %s), which is more "
                       "than any can have (%d)",
                       where, (long long)channels, (long long)height, (long long)width, names[axes],
                       VALUES_MAX);
    *count = dims[0];
    *shape = (ae_shape){(int)channels, (int)height, (int)width};
    return AE_OK;
}

#define TO_PLANAR(name, type)                                                                      \
    static void name(type *planar, const type *pixels, size_t count, size_t channels) {            \
        for (size_t c = 0; c < channels; ++c)                                                      \
            for (size_t p = 0; p < count; ++p) *planar++ = pixels[p * channels + c];               \
    }
TO_PLANAR(bytes_to_planar, uint8_t)
TO_PLANAR(words_to_planar, uint16_t)
TO_PLANAR(quads_to_planar, uint32_t)

void ae_axes_to_planar(void *planar, const void *pixels, ae_shape shape, size_t size) {
    const size_t count = (size_t)shape.height * (size_t)shape.width;
    const size_t channels = (size_t)shape.channels;
    if (size == 1) bytes_to_planar(planar, pixels, count, channels);
    if (size == 2) words_to_planar(planar, pixels, count, channels);
    if (size == 4) quads_to_planar(planar, pixels, count, channels);
}
