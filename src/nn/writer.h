/* Text that grows. */
#ifndef AE_NN_WRITER_H
#define AE_NN_WRITER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

typedef struct ae_writer {
    char *text;
    size_t size, used;
} ae_writer;

/* Appends so much of it as there is room for. */
static inline void ae_write(ae_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void ae_write(ae_writer *w, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (w->used < w->size) {
        int length = vsnprintf(w->text + w->used, w->size - w->used, format, arguments);
        w->used += length > 0 ? (size_t)length : 0;
    }
    va_end(arguments);
}

#endif
