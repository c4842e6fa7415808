/* Initial parameters. All arithmetic is exact or correctly rounded, the same on every machine. */
#include <math.h>
#include <stdlib.h>

#include "base/maths.h"
#include "base/random.h"
#include "nn/internal.h"

double ae_node_gain(const ae_node *node) {
    if (node->activation == AE_ACTIVATION_RELU) return sqrt(2);
    if (node->activation == AE_ACTIVATION_LEAKY)
        return sqrt(2 / (1 + (double)node->slope * (double)node->slope));
    return 1;
}

static void fill_uniform(float *values, size_t count, float bound, ae_stream stream) {
    uint32_t words[4];
    for (size_t e = 0; e < count; ++e) {
        if (e % 4 == 0) ae_random_words(words, stream, (uint32_t)(e / 4));
        /* The odd multiples of 2^-24 in (-1, 1): exact in float, and symmetric. */
        float u = 2 * ae_random_unit(words[e % 4]) - (1 - 0x1p-24f);
        values[e] = u * bound;
    }
}

/* The middle of one of 2^32 equal parts of (0, 1). */
static double open_unit(uint32_t word) {
    return (word + 0.5) * 0x1p-32;
}

/* Standard normal deviates by Box and Muller, four from each block of random words. */
static void fill_normal(double *values, size_t count, ae_stream stream) {
    for (size_t e = 0; e < count; e += 4) {
        uint32_t words[4];
        double four[4];
        ae_random_words(words, stream, (uint32_t)(e / 4));
        for (int pair = 0; pair < 4; pair += 2) {
            const double radius = sqrt(-2 * ae_log(open_unit(words[pair])));
            const double turn = 2 * open_unit(words[pair + 1]) - 1;
            four[pair] = radius * ae_cospi(turn);
            four[pair + 1] = radius * ae_cospi(turn > 0 ? turn - 0.5 : turn + 0.5);
            if (turn <= 0) four[pair + 1] = -four[pair + 1];
        }
        for (size_t i = 0; i < 4 && e + i < count; ++i) values[e + i] = four[i];
    }
}

static double product(const double *a, const double *b, size_t count, size_t stride) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += a[i * stride] * b[i * stride];
    return sum;
}

/* Makes the `rows` vectors of `count` numbers, `stride` apart and the vectors `step`, orthonormal:
 * Gram and Schmidt's way, twice over, after which they are so to a few roundings (Giraud, Langou,
 * Rozloznik, 2005). */
static void orthonormalize(double *values, size_t rows, size_t count, size_t step, size_t stride) {
    for (size_t r = 0; r < rows; ++r) {
        double *row = values + r * step;
        for (int pass = 0; pass < 2; ++pass)
            for (size_t q = 0; q < r; ++q) {
                const double *other = values + q * step;
                const double share = product(row, other, count, stride);
                for (size_t i = 0; i < count; ++i) row[i * stride] -= share * other[i * stride];
            }
        const double length = sqrt(product(row, row, count, stride));
        for (size_t i = 0; i < count; ++i) row[i * stride] /= length;
    }
}

/* The standard deviation that He's initialisation gives a convolution's weights. */
static double he_deviation(const ae_node *node) {
    const ae_conv *conv = &node->conv;
    double products = (double)conv->in_channels * conv->kernel * conv->kernel;
    if (conv->transposed) products /= conv->stride * conv->stride;
    return ae_node_gain(node) / sqrt(products);
}

static ae_status fill_weights(float *values, const ae_parameter *parameter, const ae_node *node,
                              ae_init init, ae_stream stream) {
    const size_t rows = (size_t)parameter->shape[0], columns = parameter->count / rows;
    double *drawn = malloc(parameter->count * sizeof *drawn);
    double scale = he_deviation(node);
    if (!drawn) return ae_fail_memory("the initial weights");
    fill_normal(drawn, parameter->count, stream);
    if (init == AE_INIT_ORTHOGONAL) {
        if (rows <= columns)
            orthonormalize(drawn, rows, columns, columns, 1);
        else
            orthonormalize(drawn, columns, rows, 1, columns);
        scale = ae_node_gain(node);
    }
    for (size_t e = 0; e < parameter->count; ++e) values[e] = (float)(drawn[e] * scale);
    free(drawn);
    return AE_OK;
}

ae_status ae_network_initialize(const ae_network *network, float *parameters, ae_init init,
                                uint64_t seed) {
    ae_status status = AE_OK;
    for (int p = 0; p < network->parameter_count && status == AE_OK; ++p) {
        const ae_parameter *parameter = &network->parameter[p];
        float *values = parameters + parameter->offset;
        ae_stream stream = {.seed = seed, .purpose = AE_RANDOM_INIT, .sample = (uint32_t)p};
        if (init == AE_INIT_PYTORCH)
            fill_uniform(values, parameter->count, (float)(1 / sqrt(parameter->fan_in)), stream);
        else if (parameter->rank == 1)
            for (size_t e = 0; e < parameter->count; ++e) values[e] = 0;
        else
            status = fill_weights(values, parameter, &network->graph.node[parameter->node], init,
                                  stream);
    }
    return status;
}
