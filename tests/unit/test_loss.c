/* Losses and their gradients, of whole targets and of masked ones. On every kernel path of this
 * processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "each_path.h"
#include "rig.h"

static float *copy(const float *values, size_t count) {
    float *made = ae_calloc(count, sizeof *made);
    assert_non_null(made);
    memcpy(made, values, count * sizeof *made);
    return made;
}

/* Loss at parameters + step * direction on one tensor. */
static double loss_beside(rig *r, const ae_parameter *tensor, const float *direction, float step,
                          ae_criterion criterion) {
    float *moved = copy(r->parameters, r->size);
    for (size_t e = 0; e < tensor->count; ++e) moved[tensor->offset + e] += step * direction[e];
    ae_network_pack(r->network, r->kernels, r->packed, moved);
    ae_network_forward(r->workspace, r->packed, 1);
    free(moved);
    return ae_network_loss(r->workspace, 0, criterion);
}

static bool agree(double derivative, double difference, double tolerance) {
    return fabs(derivative - difference) <= tolerance;
}

/* Central differences of the loss along a random direction of one tensor against gradient *
 * direction. D(h) = derivative + c h^2 + O(h^4), so D(2h) - D(h) = 3 c h^2 is three times D(h)'s
 * error. Rounding: outputs in (0, 1) err by some 2^-21 (test_pytorch.c), mostly independently, the
 * mean over the P pixels that count by 2^-21 / sqrt(P), the loss by at most twice that, the
 * quotient by that over h. The gradient's own error is nothing beside it. */
static void check_tensor(rig *r, const ae_parameter *tensor, const float *gradient,
                         ae_criterion criterion, uint32_t stream) {
    const float step = 0x1p-6f; /* h */
    float *direction = ae_calloc(tensor->count, sizeof *direction);
    double derivative = 0, squares = 0;
    assert_non_null(direction);
    for (size_t e = 0; e < tensor->count; ++e) {
        double g = gradient[tensor->offset + e];
        direction[e] = noise(1000 + stream, e) < 0.5f ? -1 : 1;
        derivative += g * direction[e];
        squares += g * g;
    }
    double near = (loss_beside(r, tensor, direction, step, criterion) -
                   loss_beside(r, tensor, direction, -step, criterion)) /
                  (2 * step);
    double far = (loss_beside(r, tensor, direction, 2 * step, criterion) -
                  loss_beside(r, tensor, direction, -2 * step, criterion)) /
                 (4 * step);
    const double pixels = (double)(criterion.is_masked ? r->pixels / 8 : r->pixels);
    double tolerance = fabs(far - near) + 0x1p-20 / sqrt(pixels) / step;
    if (!agree(derivative, near, tolerance))
        print_error("%s: %g, by differences %g, tolerance %g\n", tensor->name, derivative, near,
                    tolerance);
    assert_true(agree(derivative, near, tolerance));
    assert_false(agree(derivative + 0.1 * sqrt(squares), near, tolerance));
    free(direction);
}

/* Makes the loss a smooth function of the parameters for small steps: targets of 0 and 1, on one
 * side of every output; half of the ReLU channels always on and half always off. */
static void smooth_out(rig *r) {
    int count;
    const ae_parameter *table = ae_network_parameters(r->network, &count);
    const ae_graph *graph = ae_network_graph(r->network);
    for (int p = 0; p < count; ++p) {
        float *values = r->parameters + table[p].offset;
        bool relu = graph->node[table[p].node].activation == AE_ACTIVATION_RELU;
        for (size_t e = 0; e < table[p].count; ++e) {
            if (!relu) values[e] *= 2;
            if (relu && table[p].rank == 1) values[e] = e % 2 ? 3 : -3;
            if (relu && table[p].rank == 4) values[e] /= 2;
        }
    }
    for (size_t e = 0; e < r->pixels; ++e) r->image[e] = noise(3, e) < 0.5f ? 0 : 1;
    planes_from_dense(ae_workspace_target(r->workspace, 0), r->image);
}

/* Of the target only each eighth value is left a number. */
static void mask_target(rig *r) {
    for (size_t e = 0; e < r->pixels; ++e) r->image[e] = e % 8 == 3 ? r->image[e] : NAN;
    planes_from_dense(ae_workspace_target(r->workspace, 0), r->image);
}

static void check_differences(int path) {
    static const char *const texts[] = {reference, smooth, joined};
    for (int t = 0; t < 3; ++t) {
        rig r;
        int count;
        const int height = texts[t] == joined ? 17 : 20; /* extended to 20 x 24 */
        open_rig(&r, texts[t], 3, height, 23, path);
        set_images(&r, 0, 0);
        smooth_out(&r);
        const ae_parameter *table = ae_network_parameters(r.network, &count);
        for (int kind = 0; kind < 4; ++kind) {
            const ae_criterion criterion = {kind % 2 ? AE_LOSS_L1 : AE_LOSS_MSE, kind >= 2};
            if (kind == 2) mask_target(&r);
            ae_network_pack(r.network, r.kernels, r.packed, r.parameters);
            ae_network_begin_block(r.workspace);
            double value;
            ae_network_forward(r.workspace, r.packed, 1);
            ae_network_backward(&value, r.workspace, r.packed, 1, criterion);
            const float *gradient = ae_network_end_block(r.workspace);
            for (int p = 0; p < count; ++p)
                check_tensor(&r, &table[p], gradient, criterion, (uint32_t)p);
        }
        close_rig(&r);
    }
}

static void check_losses(int path) {
    rig r;
    open_rig(&r, reference, 3, 32, 27, path);
    for (int loss = AE_LOSS_MSE; loss <= AE_LOSS_L1; ++loss) {
        const ae_criterion criterion = {.loss = (ae_loss)loss};
        double alone[TOGETHER], together[TOGETHER];
        for (int p = 0; p < TOGETHER; ++p) set_images(&r, p, (uint32_t)p);
        ae_network_forward(r.workspace, r.packed, TOGETHER);
        for (int p = 0; p < TOGETHER; ++p) alone[p] = ae_network_loss(r.workspace, p, criterion);
        ae_network_backward(together, r.workspace, r.packed, TOGETHER, criterion);
        for (int p = 0; p < TOGETHER; ++p) {
            assert_true(together[p] == alone[p] && alone[p] > 0);
            assert_true(p == 0 || together[p] != together[p - 1]);
        }
    }
    assert_true(ae_workspace_bytes(r.network, r.kernels, 1, 32, 32) >
                1611 * AE_LANES * sizeof(float));
    close_rig(&r);
}

/* The mean over the numbers of the target of the loss of each, in the order of memory. */
static double loss_by_hand(const rig *r, ae_loss loss) {
    const ae_planes *output = ae_workspace_output(r->workspace, 0);
    double sum = 0, count = 0;
    for (size_t e = 0; e < r->pixels; ++e) {
        const int w = (int)e % output->width, row = (int)e / output->width;
        const float *y = ae_planes_row(output, row / output->height, row % output->height);
        const double difference = y[w] - r->image[e];
        if (isnan(r->image[e])) continue;
        sum += loss == AE_LOSS_MSE ? difference * difference : fabs(difference);
        count += 1;
    }
    return sum / count;
}

/* Only what is a number in the target counts, each as much: one more, or one fewer, is another
 * loss. Where all are, it is the plain loss but for the order of its sum: 2,592 terms, each of
 * whose roundings is 2^-53 of the sum at most. */
static void check_masked_loss(int path) {
    rig r;
    open_rig(&r, reference, 3, 32, 27, path);
    set_images(&r, 0, 5);
    ae_network_forward(r.workspace, r.packed, 1);
    for (int loss = AE_LOSS_MSE; loss <= AE_LOSS_L1; ++loss) {
        const ae_criterion plain = {(ae_loss)loss, false}, masked = {(ae_loss)loss, true};
        set_images(&r, 0, 5);
        const double all = ae_network_loss(r.workspace, 0, plain);
        assert_true(agree(ae_network_loss(r.workspace, 0, masked), all, 2592 * 0x1p-53 * all));
        mask_target(&r);
        const double some = ae_network_loss(r.workspace, 0, masked);
        assert_true(some == loss_by_hand(&r, (ae_loss)loss));
        r.image[3] = NAN;
        assert_true(some != loss_by_hand(&r, (ae_loss)loss));
        planes_from_dense(ae_workspace_target(r.workspace, 0), r.image);
        assert_true(ae_network_loss(r.workspace, 0, masked) == loss_by_hand(&r, (ae_loss)loss));
    }
    close_rig(&r);
}

ON_EACH_PATH(differences)
ON_EACH_PATH(losses)
ON_EACH_PATH(masked_loss)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differences),
                                       cmocka_unit_test(test_losses),
                                       cmocka_unit_test(test_masked_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
