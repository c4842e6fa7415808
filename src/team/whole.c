#include "team/whole.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static size_t floats_of(const ae_image_place *place, int channels) {
    return ae_planes_floats(channels, place->height, place->width, 0);
}

/* The floats of the largest. */
static size_t most_floats(const ae_images *images) {
    size_t most = 0;
    for (int64_t i = 0; i < images->count; ++i) {
        const size_t its = floats_of(ae_images_place(images, i), images->channels);
        if (its > most) most = its;
    }
    return most + 4; /* its deviates fit too */
}

ae_status ae_whole_create(ae_whole **whole, const ae_model *model, const ae_images *images,
                          int threads) {
    ae_whole *made = calloc(1, sizeof *made);
    *whole = made;
    if (!made) return ae_fail_memory("whole pictures");
    made->model = model;
    made->floats = most_floats(images);
    ae_status status = AE_OK;
    for (int m = 0; m < 3 && status == AE_OK; ++m) {
        made->memory[m] = ae_calloc(made->floats, sizeof(float));
        if (!made->memory[m]) status = ae_fail_memory("whole pictures");
    }
    if (status == AE_OK)
        status = ae_tiles_create(&made->tiles, model, ae_tiles_quick_side(model->network), threads);
    if (status != AE_OK) ae_whole_destroy(whole);
    return status;
}

void ae_whole_destroy(ae_whole **whole) {
    if (!*whole) return;
    ae_tiles_destroy(&(*whole)->tiles);
    for (int m = 0; m < 3; ++m) free((*whole)->memory[m]);
    free(*whole);
    *whole = NULL;
}

/* A picture of that size in one of the memories, all zeros. */
static ae_planes lay_out(ae_whole *whole, int memory, const ae_image_place *place, int channels) {
    memset(whole->memory[memory], 0, floats_of(place, channels) * sizeof(float));
    return ae_planes_view(whole->memory[memory], channels, place->height, place->width, 0);
}

void ae_whole_load(ae_whole *whole, const ae_task *task, int64_t index, ae_stream stream) {
    const ae_image_place *place = ae_images_place(&task->images, index);
    const ae_draw draw = {.image = index, .stream = stream};
    whole->target = lay_out(whole, 0, place, task->images.channels);
    whole->input = lay_out(whole, 1, place, task->images.channels);
    ae_task_load(&whole->input, &whole->target, task, &draw, NULL, whole->memory[2],
                 whole->model->kernels);
    whole->output = lay_out(whole, 2, place, task->images.channels);
}

bool ae_whole_apply(ae_whole *whole) {
    return ae_tiles_apply(whole->tiles, &whole->output, &whole->input);
}

double ae_whole_loss(ae_whole *whole, ae_loss loss) {
    const ae_kernels *kernels = whole->model->kernels;
    return loss == AE_LOSS_L1 ? kernels->loss_l1(&whole->input, &whole->output, &whole->target)
                              : kernels->loss_mse(&whole->input, &whole->output, &whole->target);
}
