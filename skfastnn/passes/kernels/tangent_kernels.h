/* Kernels for products with the Jacobian of the network, one neuron at a time.
 *
 * Only the pairs that fire appear in the Jacobian: the output of row i has the derivative v 1' (x_i, 1) by the weights
 * and the intercept of a neuron that fires on it, and the activation by its output weights. Written like the kernels
 * of vector_kernels.h, and compiled like them.
 */
#ifndef SKFASTNN_TANGENT_KERNELS_H
#define SKFASTNN_TANGENT_KERNELS_H

#include "vector_kernels.h"

#define KERNELS "tangent_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define changed_output_f32(...) CALL(changed_output_f32, __VA_ARGS__)
#define changed_output_f64(...) CALL(changed_output_f64, __VA_ARGS__)
#define tangent_neuron_f32(...) CALL(tangent_neuron_f32, __VA_ARGS__)
#define tangent_neuron_f64(...) CALL(tangent_neuron_f64, __VA_ARGS__)
#define cotangent_neuron_f32(...) CALL(cotangent_neuron_f32, __VA_ARGS__)
#define cotangent_neuron_f64(...) CALL(cotangent_neuron_f64, __VA_ARGS__)
#define gram_neuron_f32(...) CALL(gram_neuron_f32, __VA_ARGS__)
#define gram_neuron_f64(...) CALL(gram_neuron_f64, __VA_ARGS__)

#endif
