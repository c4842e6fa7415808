#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

static _Thread_local char message[AE_MESSAGE_SIZE];

ae_status ae_fail(ae_status status, const char *format, ...) {
    char text[AE_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ae_text_show(message, sizeof message, text);
    return status;
}

ae_status ae_fail_memory(const char *what) {
    return ae_fail(AE_FAILED,
                   "no memory for %s; use fewer ranks on a node, or one with more memory", what);
}

const char *ae_message(void) {
    return message;
}
