/* Optimisers, step by step as PyTorch's, and learning-rate schedules. Every rank does the same. */
#ifndef AE_NN_OPTIMIZER_H
#define AE_NN_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "config/config.h"
#include "nn/network.h"

/* How parameters are updated. */
typedef struct ae_optimizer_options {
    ae_optimizer_kind kind;
    double beta1, beta2, epsilon; /* of adam and adamw */
    double momentum;              /* of sgd */
    double weight_decay;
    double clip_norm; /* 0 = off */
} ae_optimizer_options;

/* Those of a configuration. */
ae_optimizer_options ae_optimizer_options_of(const ae_settings *settings);

/* State that a checkpoint carries: one flat buffer of floats a moment. */
typedef struct ae_optimizer {
    ae_optimizer_options options;
    size_t size;      /* floats of a moment */
    int moments;      /* 2 for adam and adamw, 1 for sgd */
    float *moment[2]; /* [size] each, owned */
    int64_t steps;    /* updates done */
} ae_optimizer;

/* PyTorch's name of moment i: "exp_avg", "exp_avg_sq"; "momentum_buffer". */
const char *ae_optimizer_moment_name(const ae_optimizer *optimizer, int moment);

ae_status ae_optimizer_init(ae_optimizer *optimizer, const ae_optimizer_options *options,
                            size_t size);
void ae_optimizer_release(ae_optimizer *optimizer);

/* The L2 norm, by sums in double in the order of the elements. */
double ae_gradient_norm(const float *gradient, size_t size);

/* One update of parameters[size] with learning rate `lr` and the mean gradient[size], which is
 * clipped in place to the L2 norm options.clip_norm first, if that isn't 0 (as
 * torch.nn.utils.clip_grad_norm_). */
void ae_optimizer_step(ae_optimizer *optimizer, float *parameters, float *gradient, double lr);

/* The learning rate of update `step` (counted from 0 through both phases) of `total_steps`, with
 * `steps_per_epoch`. Warm-up: lr (step + 1) / warmup_steps for step < warmup_steps. Then constant;
 * or lr * step_factor^(epoch / step_epochs) ("step"); or from lr to min_lr on half a cosine over
 * the steps after the warm-up ("cosine"). */
double ae_schedule_lr(const ae_settings *settings, int64_t step, int64_t steps_per_epoch,
                      int64_t total_steps);

#endif
