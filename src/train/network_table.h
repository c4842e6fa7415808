/* What a network is, layer by layer, for the reader. */
#ifndef AE_TRAIN_NETWORK_TABLE_H
#define AE_TRAIN_NETWORK_TABLE_H

#include "team/model.h"

/* A line a layer: its text, the shape of its output on such pictures, parameters, and the
 * multiply-adds of its forward pass a pixel of the picture; then all of them, the receptive field
 * and a thread's memory. */
void ae_network_table_print(const ae_model *model, ae_shape picture, int64_t block);

#endif
