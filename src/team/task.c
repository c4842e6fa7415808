#include "team/task.h"

/* The target's own noise, in place. */
static void add_target_noise(const ae_planes *target, const ae_task *task, ae_stream stream,
                             float *normals, const ae_kernels *kernels) {
    if (ae_noise_is_none(&task->target_noise)) return;
    stream.purpose += AE_RANDOM_TARGET;
    ae_noise_add(target, target, &task->target_noise, stream, normals, kernels);
}

void ae_task_load(const ae_planes *input, const ae_planes *target, const ae_task *task,
                  const ae_draw *draw, void *room, float *normals, const ae_kernels *kernels) {
    ae_sample_load(target, &task->images, draw->image, draw->cut, kernels, room);
    ae_noise_add(input, target, &task->noise, draw->stream, normals, kernels);
    if (task->others.count > 0)
        ae_sample_load(target, &task->others, draw->image, draw->cut, kernels, room);
    add_target_noise(target, task, draw->stream, normals, kernels);
    if (task->mask.share > 0) ae_mask_put(input, target, &task->mask, draw->stream, room);
}
