#include "nn/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include "base/maths.h"
#include "base/memory.h"

const char *ae_optimizer_moment_name(const ae_optimizer *optimizer, int moment) {
    if (optimizer->moments == 1) return "momentum_buffer";
    return moment == 0 ? "exp_avg" : "exp_avg_sq";
}

ae_optimizer_options ae_optimizer_options_of(const ae_settings *settings) {
    return (ae_optimizer_options){.kind = (ae_optimizer_kind)settings->optimizer.name,
                                  .beta1 = settings->optimizer.beta1,
                                  .beta2 = settings->optimizer.beta2,
                                  .epsilon = settings->optimizer.epsilon,
                                  .momentum = settings->optimizer.momentum,
                                  .weight_decay = settings->optimizer.weight_decay,
                                  .clip_norm = settings->optimizer.clip_norm};
}

ae_status ae_optimizer_init(ae_optimizer *optimizer, const ae_optimizer_options *options,
                            size_t size) {
    *optimizer = (ae_optimizer){
        .options = *options, .size = size, .moments = options->kind == AE_SGD ? 1 : 2};
    for (int m = 0; m < optimizer->moments; ++m) {
        optimizer->moment[m] = ae_calloc(size, sizeof *optimizer->moment[m]);
        if (!optimizer->moment[m]) {
            ae_optimizer_release(optimizer);
            return ae_fail_memory("the optimiser's state");
        }
    }
    return AE_OK;
}

void ae_optimizer_release(ae_optimizer *optimizer) {
    for (int m = 0; m < optimizer->moments; ++m) {
        free(optimizer->moment[m]);
        optimizer->moment[m] = NULL;
    }
}

double ae_gradient_norm(const float *gradient, size_t size) {
    double squares = 0;
    for (size_t e = 0; e < size; ++e) squares += (double)gradient[e] * gradient[e];
    return sqrt(squares);
}

/* As torch.nn.utils.clip_grad_norm_, with the norm in double. */
static void clip(float *gradient, size_t size, double max_norm) {
    double coefficient = max_norm / (ae_gradient_norm(gradient, size) + 1e-6);
    if (coefficient >= 1) return;
    float scale = (float)coefficient;
#pragma omp parallel for simd if (parallel : size >= AE_SHARED_FROM)
    for (size_t e = 0; e < size; ++e) gradient[e] *= scale;
}

/* gradient += decay * parameters: the L2 term. */
static void add_decay(float *restrict gradient, const float *restrict parameters, size_t size,
                      double decay) {
    float factor = (float)decay;
#pragma omp parallel for simd if (parallel : size >= AE_SHARED_FROM)
    for (size_t e = 0; e < size; ++e) gradient[e] += factor * parameters[e];
}

/* parameters *= 1 - lr * decay: decoupled weight decay (Loshchilov and Hutter, ICLR 2019). */
static void decay_parameters(float *parameters, size_t size, double lr, double decay) {
    float factor = (float)(1 - lr * decay);
#pragma omp parallel for simd if (parallel : size >= AE_SHARED_FROM)
    for (size_t e = 0; e < size; ++e) parameters[e] *= factor;
}

/* Kingma and Ba, ICLR 2015, with torch.optim.Adam's order of operations; no multiply-add fused. */
static void step_adam(ae_optimizer *optimizer, float *restrict parameters,
                      const float *restrict gradient, double lr) {
    double beta1 = optimizer->options.beta1;
    double beta2 = optimizer->options.beta2;
    double correction1 = 1 - ae_power(beta1, (unsigned long)optimizer->steps);
    double correction2 = 1 - ae_power(beta2, (unsigned long)optimizer->steps);
    float keep1 = (float)beta1, take1 = (float)(1 - beta1);
    float keep2 = (float)beta2, take2 = (float)(1 - beta2);
    float size = (float)(lr / correction1), root2 = (float)sqrt(correction2);
    float epsilon = (float)optimizer->options.epsilon;
    float *restrict mean = optimizer->moment[0], *restrict square = optimizer->moment[1];
#pragma omp parallel for simd if (parallel : optimizer->size >= AE_SHARED_FROM)
    for (size_t e = 0; e < optimizer->size; ++e) {
        float g = gradient[e];
        mean[e] = keep1 * mean[e] + take1 * g;
        square[e] = keep2 * square[e] + take2 * g * g;
        parameters[e] -= size * (mean[e] / (sqrtf(square[e]) / root2 + epsilon));
    }
}

/* As torch.optim.SGD: velocity = momentum * velocity + gradient; parameters -= lr * velocity. */
static void step_sgd(ae_optimizer *optimizer, float *restrict parameters,
                     const float *restrict gradient, double lr) {
    float momentum = (float)optimizer->options.momentum, rate = (float)lr;
    float *restrict velocity = optimizer->moment[0];
#pragma omp parallel for simd if (parallel : optimizer->size >= AE_SHARED_FROM)
    for (size_t e = 0; e < optimizer->size; ++e) {
        velocity[e] = momentum * velocity[e] + gradient[e];
        parameters[e] -= rate * velocity[e];
    }
}

void ae_optimizer_step(ae_optimizer *optimizer, float *parameters, float *gradient, double lr) {
    const ae_optimizer_kind kind = optimizer->options.kind;
    const double decay = optimizer->options.weight_decay;
    ++optimizer->steps;
    const double max_norm = optimizer->options.clip_norm;
    if (max_norm > 0) clip(gradient, optimizer->size, max_norm);
    if (decay > 0 && kind == AE_ADAMW) decay_parameters(parameters, optimizer->size, lr, decay);
    if (decay > 0 && kind != AE_ADAMW) add_decay(gradient, parameters, optimizer->size, decay);
    if (kind == AE_SGD)
        step_sgd(optimizer, parameters, gradient, lr);
    else
        step_adam(optimizer, parameters, gradient, lr);
}
