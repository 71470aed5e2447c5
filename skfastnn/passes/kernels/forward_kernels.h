/* Verification of the candidates of one neuron: which of them fire?
 *
 * Written with the compiler's vector types, as vector_kernels.h. That a comparison gives bits, and that bits pack a
 * vector, has no portable form, and listing what fires takes as long as the inner products where rows are short: there
 * is one for each version.
 */
#ifndef SKFASTNN_FORWARD_KERNELS_H
#define SKFASTNN_FORWARD_KERNELS_H

#include "vector_kernels.h"

#if HAVE_AVX2
/* the numbers of the bits that are set, ascending: four lanes take their places by them */
static const int32_t set_bits[16][4] __attribute__((aligned(16), unused)) = {
    {0}, {0}, {1}, {0, 1}, {2}, {0, 2}, {1, 2}, {0, 1, 2},
    {3}, {0, 3}, {1, 3}, {0, 1, 3}, {2, 3}, {0, 2, 3}, {1, 2, 3}, {0, 1, 2, 3},
};
#endif

#define KERNELS "forward_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define forward_neuron_f32(...) CALL(forward_neuron_f32, __VA_ARGS__)
#define forward_neuron_f64(...) CALL(forward_neuron_f64, __VA_ARGS__)
#define list_positive_f32(...) CALL(list_positive_f32, __VA_ARGS__)
#define list_positive_f64(...) CALL(list_positive_f64, __VA_ARGS__)

#endif
