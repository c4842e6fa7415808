#include "nn/layers.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "kernels/kernels.h"

static const char *const activation_names[] = {
    [AE_ACTIVATION_NONE] = "none",
    [AE_ACTIVATION_RELU] = "relu",
    [AE_ACTIVATION_SIGMOID] = "sigmoid",
};
enum { ACTIVATIONS = sizeof activation_names / sizeof *activation_names };

/* A piece of the configuration's text, without its surrounding blanks. */
typedef struct piece {
    const char *start;
    int length;
} piece;

static piece trim(const char *start, const char *end) {
    while (start < end && isspace((unsigned char)*start)) ++start;
    while (start < end && isspace((unsigned char)end[-1])) --end;
    return (piece){start, (int)(end - start)};
}

static bool is(piece word, const char *name) {
    return (size_t)word.length == strlen(name) && memcmp(word.start, name, strlen(name)) == 0;
}

/* Splits `text` at blanks into at most `max` words; returns how many. */
static int split(piece *words, int max, piece text) {
    const char *next = text.start, *end = text.start + text.length;
    int count = 0;
    while (count < max) {
        while (next < end && isspace((unsigned char)*next)) ++next;
        if (next == end) break;
        words[count].start = next;
        while (next < end && !isspace((unsigned char)*next)) ++next;
        words[count].length = (int)(next - words[count].start);
        ++count;
    }
    return count;
}

/* Reads a whole number in 1..max; false where the word is anything else. */
static bool read_number(int *number, piece word, int max) {
    int value = 0;
    for (int n = 0; n < word.length; ++n) {
        if (!isdigit((unsigned char)word.start[n])) return false;
        value = value * 10 + (word.start[n] - '0');
        if (value > max) return false;
    }
    *number = value;
    return value >= 1;
}

static bool read_activation(ae_activation *activation, piece word) {
    for (int n = 0; n < ACTIVATIONS; ++n)
        if (is(word, activation_names[n])) {
            *activation = (ae_activation)n;
            return true;
        }
    return false;
}

/* Reads "conv 8 3 relu", the `number`-th layer of the stack. */
static ae_status read_layer(ae_layer *layer, piece text, const char *where, int number) {
    enum { KIND, CHANNELS, KERNEL, ACTIVATION, WORDS };
    piece word[WORDS + 1];
    if (split(word, WORDS + 1, text) != WORDS)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: layer %d, \"%.*s\", is not four words: kind, output channels, kernel "
                       "side, activation, such as \"conv 8 3 relu\"",
                       where, number, text.length, text.start);
    layer->transposed = is(word[KIND], "tconv");
    if (!layer->transposed && !is(word[KIND], "conv"))
        return ae_fail(AE_ERROR_USAGE,
                       "%s: layer %d, \"%.*s\": the kind is conv or tconv, not \"%.*s\"", where,
                       number, text.length, text.start, word[KIND].length, word[KIND].start);
    if (!read_number(&layer->out_channels, word[CHANNELS], AE_CHANNELS_MAX))
        return ae_fail(AE_ERROR_USAGE,
                       "%s: layer %d, \"%.*s\": the output channels are a whole number from 1 to "
                       "%d, not \"%.*s\"",
                       where, number, text.length, text.start, AE_CHANNELS_MAX,
                       word[CHANNELS].length, word[CHANNELS].start);
    if (!read_number(&layer->kernel, word[KERNEL], AE_KERNEL_MAX))
        return ae_fail(AE_ERROR_USAGE,
                       "%s: layer %d, \"%.*s\": the kernel side is a whole number from 1 to %d, "
                       "not \"%.*s\"",
                       where, number, text.length, text.start, AE_KERNEL_MAX, word[KERNEL].length,
                       word[KERNEL].start);
    if (!read_activation(&layer->activation, word[ACTIVATION]))
        return ae_fail(AE_ERROR_USAGE,
                       "%s: layer %d, \"%.*s\": the activation is relu, sigmoid or none, not "
                       "\"%.*s\"",
                       where, number, text.length, text.start, word[ACTIVATION].length,
                       word[ACTIVATION].start);
    return AE_OK;
}

/* Fills in the layers' shapes, in order. Returns how many fit: all, or those up to and including
 * the first whose output would be smaller than 1x1. */
static int find_shapes(ae_layers *layers, int channels, int height, int width) {
    for (int l = 0; l < layers->count; ++l) {
        ae_layer *layer = &layers->layer[l];
        int growth = layer->transposed ? layer->kernel - 1 : 1 - layer->kernel;
        layer->in_channels = channels;
        layer->in_height = height;
        layer->in_width = width;
        channels = layer->out_channels;
        layer->out_height = height += growth;
        layer->out_width = width += growth;
        if (height < 1 || width < 1) return l + 1;
    }
    return layers->count;
}

enum { LINE_SIZE = 64, TABLE_SIZE = (AE_LAYERS_MAX + 2) * LINE_SIZE };

/* Writes a line for the input and for each of the first `count` layers with its output's shape. */
static void write_table(char table[TABLE_SIZE], const ae_layers *layers, int count) {
    const ae_layer *first = &layers->layer[0];
    char *next = table;
    next += snprintf(next, LINE_SIZE, "\n  %-22s %4d x %d x %d", "input", first->in_channels,
                     first->in_height, first->in_width);
    for (int l = 0; l < count; ++l) {
        const ae_layer *layer = &layers->layer[l];
        char text[LINE_SIZE / 2];
        snprintf(text, sizeof text, "%s %d %d %s", layer->transposed ? "tconv" : "conv",
                 layer->out_channels, layer->kernel, activation_names[layer->activation]);
        next += snprintf(next, LINE_SIZE, "\n  %-22s %4d x %d x %d", text, layer->out_channels,
                         layer->out_height, layer->out_width);
    }
    snprintf(next, LINE_SIZE, "\n");
}

/* Fills in the shapes and refuses a stack that doesn't return to its input's shape. */
static ae_status fit_shapes(ae_layers *layers, const char *where, int channels, int height,
                            int width) {
    static const char rule[] = "a conv takes kernel - 1 off height and width, a tconv adds it";
    char table[TABLE_SIZE];
    int fitting = find_shapes(layers, channels, height, width);
    const ae_layer *last = &layers->layer[fitting - 1];
    if (last->out_height < 1 || last->out_width < 1) {
        write_table(table, layers, fitting);
        return ae_fail(AE_ERROR_USAGE,
                       "%s: nothing is left of the image after layer %d "
                       "(channels x rows x columns):%s%s",
                       where, fitting, table, rule);
    }
    if (last->out_channels != channels || last->out_height != height || last->out_width != width) {
        write_table(table, layers, fitting);
        return ae_fail(AE_ERROR_USAGE,
                       "%s: the last layer doesn't return to the input's shape, %d x %d x %d "
                       "(channels x rows x columns):%s%s",
                       where, channels, height, width, table, rule);
    }
    return AE_OK;
}

ae_status ae_layers_parse(ae_layers *layers, const char *text, const char *where, int channels,
                          int height, int width) {
    memset(layers, 0, sizeof *layers);
    for (const char *next = text; next;) {
        const char *comma = strchr(next, ',');
        if (layers->count == AE_LAYERS_MAX)
            return ae_fail(AE_ERROR_USAGE, "%s: more than %d layers", where, AE_LAYERS_MAX);
        ae_status status =
            read_layer(&layers->layer[layers->count],
                       trim(next, comma ? comma : next + strlen(next)), where, layers->count + 1);
        if (status != AE_OK) return status;
        ++layers->count;
        next = comma ? comma + 1 : NULL;
    }
    return fit_shapes(layers, where, channels, height, width);
}
