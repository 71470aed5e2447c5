/* Kernels for products with the Jacobian of the network, one neuron at a time.
 *
 * Only the pairs that fire appear in the Jacobian: the output of row i has the derivative v 1' (x_i, 1) by the weights
 * and the intercept of a neuron that fires on it, and the activation by its output weights. Written like the kernels
 * of vector_kernels.h, and compiled like them.
 */
#ifndef SKFASTNN_TANGENT_KERNELS_H
#define SKFASTNN_TANGENT_KERNELS_H

#include "vector_kernels.h"

#define REAL float
#define LANES 16
#define NAME(x) x##_f32
#include "tangent_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME

#define REAL double
#define LANES 8
#define NAME(x) x##_f64
#include "tangent_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME

#endif
