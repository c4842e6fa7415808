/* The language of model.layers: text to nodes, and back. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/ready.h"

enum { WORDS_MAX = 12 }; /* more than any layer can have, each once */

/* A piece of the configuration's text, without its surrounding blanks. */
typedef struct piece {
    const char *start;
    int length;
} piece;

/* A layer's text as it is read: `next` is the first of its words not yet understood. */
typedef struct layer_text {
    const char *where;
    int number; /* counted from 1 */
    piece text;
    piece word[WORDS_MAX];
    int words, next;
} layer_text;

static piece trim(const char *start, const char *end) {
    while (start < end && isspace((unsigned char)*start)) ++start;
    while (start < end && isspace((unsigned char)end[-1])) --end;
    return (piece){start, (int)(end - start)};
}

static bool is(piece word, const char *name) {
    return (size_t)word.length == strlen(name) && memcmp(word.start, name, strlen(name)) == 0;
}

/* Splits a layer's text at blanks into at most WORDS_MAX words. */
static void split(layer_text *layer) {
    const char *next = layer->text.start, *end = next + layer->text.length;
    layer->words = layer->next = 0;
    while (layer->words < WORDS_MAX) {
        while (next < end && isspace((unsigned char)*next)) ++next;
        if (next == end) break;
        piece *word = &layer->word[layer->words++];
        word->start = next;
        while (next < end && !isspace((unsigned char)*next)) ++next;
        word->length = (int)(next - word->start);
    }
}

/* AE_ERROR_USAGE: "WHERE: layer N, "TEXT": WHAT, not "WORD"". */
static ae_status refuse(const layer_text *layer, const char *what, piece word) {
    return ae_fail(AE_ERROR_USAGE, "%s: layer %d, \"%.*s\": %s, not \"%.*s\"", layer->where,
                   layer->number, layer->text.length, layer->text.start, what, word.length,
                   word.start);
}

/* The same without a word. */
static ae_status refuse_layer(const layer_text *layer, const char *what) {
    return ae_fail(AE_ERROR_USAGE, "%s: layer %d, \"%.*s\"%s", layer->where, layer->number,
                   layer->text.length, layer->text.start, what);
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

/* Reads "leaky:0.1"; false where the word is anything else. */
static bool read_leaky(float *slope, piece word) {
    static const char prefix[] = "leaky:";
    const int length = sizeof prefix - 1;
    char number[32];
    if (word.length <= length || word.length - length >= (int)sizeof number ||
        memcmp(word.start, prefix, (size_t)length) != 0)
        return false;
    snprintf(number, sizeof number, "%.*s", word.length - length, word.start + length);
    if (strspn(number, "0123456789.e-") != strlen(number)) return false;
    char *end;
    *slope = strtof(number, &end);
    return *end == '\0' && *slope > 0 && *slope < 1;
}

static bool read_activation(ae_node *node, piece word) {
    node->slope = 0;
    if (is(word, "none"))
        node->activation = AE_ACTIVATION_NONE;
    else if (is(word, "relu"))
        node->activation = AE_ACTIVATION_RELU;
    else if (is(word, "sigmoid"))
        node->activation = AE_ACTIVATION_SIGMOID;
    else if (read_leaky(&node->slope, word))
        node->activation = AE_ACTIVATION_LEAKY;
    else
        return false;
    return true;
}

static bool has_word(const layer_text *layer) {
    return layer->next < layer->words;
}

/* Which image is called `word`? -1: none. */
static int find_image(const ae_graph *graph, piece word) {
    if (is(word, "input")) return 0;
    for (int n = 0; n < graph->count; ++n)
        if (graph->node[n].name[0] && is(word, graph->node[n].name)) return n + 1;
    return -1;
}

static int channels_of(const ae_graph *graph, int image) {
    return image == 0 ? graph->channels : graph->node[image - 1].channels;
}

/* Reads NAME after "as". */
static ae_status read_name(ae_node *node, layer_text *layer, const ae_graph *graph) {
    if (!has_word(layer)) return refuse_layer(layer, ": as is followed by a name");
    piece word = layer->word[layer->next++];
    bool is_good = word.length < AE_NODE_NAME_SIZE && isalpha((unsigned char)word.start[0]);
    for (int i = 0; i < word.length; ++i)
        is_good = is_good && (isalnum((unsigned char)word.start[i]) || word.start[i] == '_');
    if (!is_good)
        return refuse(layer, "a name begins with a letter and has letters, digits and _ in it",
                      word);
    if (find_image(graph, word) >= 0) return refuse(layer, "each name is given once", word);
    snprintf(node->name, sizeof node->name, "%.*s", word.length, word.start);
    return AE_OK;
}

/* Reads the words that may follow in any order: of a convolution all, of others "as NAME". */
static ae_status read_options(ae_node *node, layer_text *layer, const ae_graph *graph) {
    const bool is_conv = node->kind == AE_NODE_CONV;
    bool same = false;
    while (has_word(layer)) {
        piece word = layer->word[layer->next++];
        const bool repeats = (is(word, "as") && node->name[0]) || (is(word, "same") && same) ||
                             (is(word, "stride2") && node->conv.stride == 2) ||
                             (is_conv && is(word, "nobias") && !node->has_bias);
        if (repeats) return refuse(layer, "each word is given once", word);
        if (is(word, "as")) {
            ae_status status = read_name(node, layer, graph);
            if (status != AE_OK) return status;
        } else if (is_conv && is(word, "same")) {
            same = true;
        } else if (is_conv && is(word, "stride2")) {
            node->conv.stride = 2;
        } else if (is_conv && is(word, "nobias")) {
            node->has_bias = false;
        } else {
            return refuse(layer,
                          is_conv
                              ? "after the activation there may be same, stride2, nobias and as "
                                "NAME"
                              : "what may follow is as NAME",
                          word);
        }
    }
    if (!is_conv) return AE_OK;
    if (node->conv.stride == 2 && node->conv.kernel != (node->conv.transposed ? 2 : 3))
        return refuse_layer(layer,
                            ": stride2 goes with conv and a kernel side of 3, or tconv and 2");
    if (same && node->conv.kernel % 2 == 0 && node->conv.stride == 1)
        return refuse_layer(layer, ": same goes with an odd kernel side");
    if (same) node->conv.padding = (node->conv.kernel - 1) / 2;
    return AE_OK;
}

static ae_status read_conv(ae_node *node, layer_text *layer, const ae_graph *graph) {
    enum { KIND, CHANNELS, KERNEL, ACTIVATION, WORDS };
    ae_conv *conv = &node->conv;
    char allowed[96];
    if (layer->words < WORDS)
        return refuse_layer(layer, ", is not four words: kind, output channels, kernel side, "
                                   "activation, such as \"conv 8 3 relu\"");
    conv->transposed = is(layer->word[KIND], "tconv");
    conv->in_channels = channels_of(graph, node->input[0]);
    conv->stride = 1;
    node->has_bias = true;
    snprintf(allowed, sizeof allowed, "the output channels are a whole number from 1 to %d",
             AE_CHANNELS_MAX);
    if (!read_number(&conv->out_channels, layer->word[CHANNELS], AE_CHANNELS_MAX))
        return refuse(layer, allowed, layer->word[CHANNELS]);
    snprintf(allowed, sizeof allowed, "the kernel side is a whole number from 1 to %d",
             AE_KERNEL_MAX);
    if (!read_number(&conv->kernel, layer->word[KERNEL], AE_KERNEL_MAX))
        return refuse(layer, allowed, layer->word[KERNEL]);
    if (!read_activation(node, layer->word[ACTIVATION]))
        return refuse(layer, "the activation is relu, leaky:SLOPE (0 < SLOPE < 1), sigmoid or none",
                      layer->word[ACTIVATION]);
    layer->next = WORDS;
    node->channels = conv->out_channels;
    return read_options(node, layer, graph);
}

/* Reads "add NAME [ACTIVATION]" and "concat NAME". */
static ae_status read_joint(ae_node *node, layer_text *layer, const ae_graph *graph) {
    layer->next = 1;
    if (!has_word(layer)) return refuse_layer(layer, ": needs the name of a layer before it");
    piece name = layer->word[layer->next++];
    node->inputs = 2;
    node->input[1] = find_image(graph, name);
    if (node->input[1] < 0)
        return refuse(layer, "it names a layer before it that has \"as NAME\", or input", name);
    const int first = channels_of(graph, node->input[0]);
    const int second = channels_of(graph, node->input[1]);
    node->channels = node->kind == AE_NODE_ADD ? first : first + second;
    if (node->kind == AE_NODE_ADD && first != second)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: layer %d, \"%.*s\": both images have equally many channels, not %d and "
                       "%d",
                       layer->where, layer->number, layer->text.length, layer->text.start, first,
                       second);
    if (node->kind == AE_NODE_ADD && has_word(layer) &&
        read_activation(node, layer->word[layer->next]))
        ++layer->next;
    return read_options(node, layer, graph);
}

/* Reads "unshuffle", "shuffle" and "maxpool". */
static ae_status read_plain(ae_node *node, layer_text *layer, const ae_graph *graph) {
    const int channels = channels_of(graph, node->input[0]);
    layer->next = 1;
    node->channels = channels;
    if (node->kind == AE_NODE_UNSHUFFLE) node->channels = 4 * channels;
    if (node->kind == AE_NODE_SHUFFLE) {
        if (channels % 4 != 0)
            return ae_fail(AE_ERROR_USAGE,
                           "%s: layer %d, \"%.*s\": it makes one channel of four, and there are %d",
                           layer->where, layer->number, layer->text.length, layer->text.start,
                           channels);
        node->channels = channels / 4;
    }
    return read_options(node, layer, graph);
}

typedef ae_status read_function(ae_node *node, layer_text *layer, const ae_graph *graph);

static const struct kind {
    const char *word;
    ae_node_kind kind;
    read_function *read;
} kinds[] = {
    {"conv", AE_NODE_CONV, read_conv},
    {"tconv", AE_NODE_CONV, read_conv},
    {"add", AE_NODE_ADD, read_joint},
    {"concat", AE_NODE_CONCAT, read_joint},
    {"unshuffle", AE_NODE_UNSHUFFLE, read_plain},
    {"shuffle", AE_NODE_SHUFFLE, read_plain},
    {"maxpool", AE_NODE_MAX_POOL, read_plain},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Reads a layer into the graph's next node. */
static ae_status read_layer(ae_graph *graph, layer_text *layer) {
    ae_node *node = &graph->node[graph->count];
    *node = (ae_node){.inputs = 1, .input = {graph->count}};
    split(layer);
    if (layer->words == 0) return read_conv(node, layer, graph);
    for (int k = 0; k < KINDS; ++k) {
        if (!is(layer->word[0], kinds[k].word)) continue;
        node->kind = kinds[k].kind;
        ae_status status = kinds[k].read(node, layer, graph);
        if (status != AE_OK) return status;
        if (node->channels > 4 * AE_CHANNELS_MAX)
            return refuse_layer(layer, ": makes too many channels");
        ++graph->count;
        return AE_OK;
    }
    return refuse(
        layer,
        "the kind is conv, tconv, add, concat, unshuffle, shuffle or maxpool (or the whole "
        "text a ready network: dncnn 64 17, unet 32, unshuffle 48 7)",
        layer->word[0]);
}

static ae_status read_layers(ae_graph *graph, const char *text, const char *where) {
    layer_text layer = {.where = where};
    for (const char *next = text; next;) {
        const char *comma = strchr(next, ',');
        if (graph->count == AE_NODES_MAX)
            return ae_fail(AE_ERROR_USAGE, "%s: more than %d layers", where, AE_NODES_MAX);
        layer.number = graph->count + 1;
        layer.text = trim(next, comma ? comma : next + strlen(next));
        ae_status status = read_layer(graph, &layer);
        if (status != AE_OK) return status;
        next = comma ? comma + 1 : NULL;
    }
    return AE_OK;
}

/* ---- ready networks ---- */

/* The ready network that the text's only layer is, or NULL. */
static const ae_ready *find_ready(layer_text *layer, const char *text) {
    if (strchr(text, ',')) return NULL;
    layer->text = trim(text, text + strlen(text));
    split(layer);
    for (int r = 0; r < ae_ready_count && layer->words > 0; ++r)
        if (is(layer->word[0], ae_ready_networks[r].word) &&
            (layer->words > 1 || strcmp(ae_ready_networks[r].word, "unshuffle") != 0))
            return &ae_ready_networks[r];
    return NULL;
}

bool ae_graph_is_ready(const char *text) {
    layer_text layer = {0};
    return find_ready(&layer, text) != NULL;
}

/* Writes the ready network's layers. */
static ae_status write_ready(char text[AE_GRAPH_TEXT_SIZE], const ae_ready *ready,
                             const layer_text *layer, int image_channels) {
    ae_writer w = {text, AE_GRAPH_TEXT_SIZE, 0};
    const int numbers = ready->has_layers ? 2 : 1;
    const bool nobias = layer->words > numbers + 1 && is(layer->word[numbers + 1], "nobias");
    int channels = 0, layers = 0;
    if (layer->words != numbers + 1 + nobias ||
        !read_number(&channels, layer->word[1], ready->most_channels) ||
        (ready->has_layers && (!read_number(&layers, layer->word[2], AE_NODES_MAX - 2) ||
                               layers < ready->fewest_layers)))
        return ae_fail(AE_ERROR_USAGE,
                       "%s: \"%.*s\": a ready network is %s CHANNELS%s, with nobias after it or "
                       "not; CHANNELS from 1 to %d%s",
                       layer->where, layer->text.length, layer->text.start, ready->word,
                       ready->has_layers ? " LAYERS" : "", ready->most_channels,
                       ready->has_layers ? ", LAYERS from 2 to 126" : "");
    ready->write(&w, channels, layers, image_channels, nobias ? " nobias" : "");
    return AE_OK;
}

/* ---- all of it ---- */

int ae_node_shrinking(const ae_node *node) {
    switch (node->kind) {
    case AE_NODE_CONV:
        return node->conv.stride == 1 ? 0 : node->conv.transposed ? -1 : 1;
    case AE_NODE_UNSHUFFLE:
    case AE_NODE_MAX_POOL:
        return 1;
    case AE_NODE_SHUFFLE:
        return -1;
    case AE_NODE_ADD:
    case AE_NODE_CONCAT:
        break;
    }
    return 0;
}

static bool is_plain(const ae_node *node) {
    return node->kind == AE_NODE_CONV && node->has_bias && node->conv.stride == 1 &&
           node->conv.padding == 0 && node->activation != AE_ACTIVATION_LEAKY && !node->name[0];
}

/* Fills in what follows from the nodes, and refuses what is too large. */
static ae_status conclude(ae_graph *graph, const char *where) {
    enum { HALVINGS_MAX = 10, DOUBLINGS_MAX = 4 };
    int power[AE_NODES_MAX + 1] = {0}, most = 0, least = 0;
    double parameters = 0;
    graph->is_chain = true;
    for (int n = 0; n < graph->count; ++n) {
        const ae_node *node = &graph->node[n];
        power[n + 1] = power[node->input[0]] + ae_node_shrinking(node);
        if (power[n + 1] > most) most = power[n + 1];
        if (power[n + 1] < least) least = power[n + 1];
        graph->is_chain = graph->is_chain && is_plain(node);
        if (node->kind == AE_NODE_CONV)
            parameters += (double)ae_conv_weights(&node->conv) +
                          (node->has_bias ? node->conv.out_channels : 0);
    }
    if (most > HALVINGS_MAX || least < -DOUBLINGS_MAX)
        return ae_fail(AE_ERROR_USAGE,
                       "%s: images are halved %d times and doubled %d times; allowed: at most %d "
                       "and %d",
                       where, most, -least, HALVINGS_MAX, DOUBLINGS_MAX);
    graph->stride = 1 << most;
    if (parameters > AE_PARAMETERS_MAX)
        return ae_fail(AE_ERROR_USAGE, "%s: has %.0f parameters; allowed: at most %d", where,
                       parameters, AE_PARAMETERS_MAX);
    if (parameters == 0)
        return ae_fail(AE_ERROR_USAGE, "%s: has no conv or tconv, and so nothing to learn", where);
    return AE_OK;
}

ae_status ae_graph_parse(ae_graph *graph, const char *text, const char *where, int channels) {
    layer_text layer = {.where = where, .number = 1};
    char full[AE_GRAPH_TEXT_SIZE];
    memset(graph, 0, sizeof *graph);
    graph->channels = channels;
    const ae_ready *ready = find_ready(&layer, text);
    if (ready) {
        ae_status status = write_ready(full, ready, &layer, channels);
        if (status != AE_OK) return status;
        text = full;
    }
    ae_status status = read_layers(graph, text, where);
    return status == AE_OK ? conclude(graph, where) : status;
}

/* ---- and back ---- */

/* The shortest text that reads back to the same number. */
static void write_slope(ae_writer *w, float slope) {
    char text[32];
    for (int digits = 1; digits <= 9; ++digits) {
        snprintf(text, sizeof text, "%.*g", digits, (double)slope);
        if (strtof(text, NULL) == slope) break;
    }
    ae_write(w, "leaky:%s", text);
}

static void write_activation(ae_writer *w, const ae_node *node) {
    if (node->activation == AE_ACTIVATION_NONE) ae_write(w, "none");
    if (node->activation == AE_ACTIVATION_RELU) ae_write(w, "relu");
    if (node->activation == AE_ACTIVATION_SIGMOID) ae_write(w, "sigmoid");
    if (node->activation == AE_ACTIVATION_LEAKY) write_slope(w, node->slope);
}

static const char *image_name(const ae_graph *graph, int image) {
    return image == 0 ? "input" : graph->node[image - 1].name;
}

static void write_node(ae_writer *w, const ae_graph *graph, int n) {
    const ae_node *node = &graph->node[n];
    const char *word = NULL;
    for (int k = 0; k < KINDS && !word; ++k)
        if (kinds[k].kind == node->kind) word = kinds[k].word;
    if (node->kind == AE_NODE_CONV) {
        ae_write(w, "%s %d %d ", node->conv.transposed ? "tconv" : "conv", node->conv.out_channels,
                 node->conv.kernel);
        write_activation(w, node);
        ae_write(w, "%s%s%s", node->conv.padding > 0 ? " same" : "",
                 node->conv.stride == 2 ? " stride2" : "", node->has_bias ? "" : " nobias");
    } else {
        ae_write(w, "%s", word);
    }
    if (node->inputs == 2) ae_write(w, " %s", image_name(graph, node->input[1]));
    if (node->kind == AE_NODE_ADD && node->activation != AE_ACTIVATION_NONE) {
        ae_write(w, " ");
        write_activation(w, node);
    }
    if (node->name[0]) ae_write(w, " as %s", node->name);
}

void ae_node_write(const ae_graph *graph, int n, char *text, size_t size) {
    ae_writer w = {text, size, 0};
    write_node(&w, graph, n);
}

void ae_graph_write(const ae_graph *graph, char text[AE_GRAPH_TEXT_SIZE]) {
    ae_writer w = {text, AE_GRAPH_TEXT_SIZE, 0};
    for (int n = 0; n < graph->count; ++n) {
        if (n > 0) ae_write(&w, ", ");
        write_node(&w, graph, n);
    }
}
