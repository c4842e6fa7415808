#include "io/config_group.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ae_status ae_config_group_write(ae_h5 *file, const ae_config *config) {
    ae_status status =
        ae_h5_add_group(file, "/config", "The effective configuration, one attribute a key");
    for (int i = 0; i < AE_OPTION_COUNT && status == AE_OK; ++i) {
        char value[AE_VALUE_SIZE];
        ae_config_value(config, i, value);
        status = ae_h5_set_text(file, "/config", ae_config_name(i), value);
    }
    return status;
}

void ae_differ(ae_differences *list, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof list->text - list->length;
    int n = vsnprintf(list->text + list->length, room, format, arguments);
    va_end(arguments);
    if (n > 0) list->length += (size_t)n < room ? (size_t)n : room - 1;
}

/* Does a text of model.layers make the network? */
static bool makes_network(const char *layers, const ae_network *network) {
    const ae_graph *graph = ae_network_graph(network);
    ae_graph other;
    char text[AE_GRAPH_TEXT_SIZE], other_text[AE_GRAPH_TEXT_SIZE];
    if (ae_graph_parse(&other, layers, "", graph->channels) != AE_OK) return false;
    ae_graph_write(graph, text);
    ae_graph_write(&other, other_text);
    return strcmp(text, other_text) == 0;
}

/* Does a text of train.block give blocks of today's size? The batch is compared by itself. */
static bool makes_block(const char *block, const ae_network *network, const ae_settings *settings) {
    ae_settings other = *settings;
    other.train.block = strcmp(block, "auto") == 0 ? AE_BLOCK_AUTO : atoll(block);
    return ae_network_block(network, &other) == ae_network_block(network, settings);
}

/* Does `was` mean the same as today's text? */
static bool means_the_same(ae_option_index option, const char *was, const char *is,
                           const ae_config *config, const ae_network *network) {
    if (strcmp(was, is) == 0) return true;
    if (option == AE_OPTION(model, layers)) return makes_network(was, network);
    if (option == AE_OPTION(train, block))
        return makes_block(was, network, ae_config_settings(config));
    return false;
}

/* Today's options against those of the file. */
static ae_status compare_options(ae_differences *list, ae_h5 *file, const ae_config *config,
                                 const ae_network *network) {
    enum { SHOWN = 300 }; /* bytes of a value */
    for (int i = 0; i < AE_OPTION_COUNT; ++i) {
        char was[AE_VALUE_SIZE], is[AE_VALUE_SIZE];
        const char *name = ae_config_name(i);
        if (ae_config_effect(i) == AE_EFFECT_NONE) continue;
        ae_config_value(config, i, is);
        const bool is_known = ae_h5_has_attribute(file, "/config", name);
        snprintf(was, sizeof was, "%s", ae_config_initial(i));
        ae_status status =
            is_known ? ae_h5_get_text(file, "/config", name, was, sizeof was) : AE_OK;
        if (status != AE_OK) return status;
        if (means_the_same(i, was, is, config, network)) continue;
        bool may_grow = ae_config_effect(i) == AE_EFFECT_EPOCHS &&
                        ae_config_settings(config)->schedule.name != AE_SCHEDULE_COSINE;
        if (may_grow && atoll(is) > atoll(was)) continue;
        ae_differ(list, "\n    %s was %.*s%s, is %.*s%s", name, SHOWN, was,
                  is_known ? "" : " (not yet known)", SHOWN, is,
                  may_grow ? " (it may grow alone)" : "");
    }
    return AE_OK;
}

/* Options of the file that there are no more. */
static ae_status compare_unknown(ae_differences *list, ae_h5 *file) {
    int64_t count;
    ae_status status = ae_h5_attributes(file, "/config", &count);
    for (int64_t a = 0; a < count && status == AE_OK; ++a) {
        char name[AE_H5_NAME_SIZE];
        status = ae_h5_attribute_name(file, "/config", a, name);
        bool known = status != AE_OK || strcmp(name, "description") == 0;
        for (int i = 0; i < AE_OPTION_COUNT && !known; ++i)
            known = strcmp(name, ae_config_name(i)) == 0;
        if (!known) ae_differ(list, "\n    %s was set, is not known", name);
    }
    return status;
}

ae_status ae_config_group_compare(ae_differences *list, ae_h5 *file, const ae_config *config,
                                  const ae_network *network) {
    ae_status status = compare_options(list, file, config, network);
    return status == AE_OK ? compare_unknown(list, file) : status;
}
