/* Steps of momentum and Adam, one neuron at a time: gradient and step of one that fired, silent steps of one that did
 * not.
 *
 * Written with the compiler's vector types, and compiled for several instruction sets, as vector_kernels.h.
 */
#ifndef SKFASTNN_STEP_KERNELS_H
#define SKFASTNN_STEP_KERNELS_H

#include "vector_kernels.h"

/* numbers in a row from which on its gradient is added up row after row instead of strip after strip */
#define LONG_ROW 256
/* rows that are added at once */
#define TOGETHER 4

/* what one update needs to know besides the neuron; doubles, converted once per neuron */
typedef struct {
    double rate;       /* step length */
    double momentum;   /* sgd: momentum; adam: beta_1 */
    double beta_2;     /* adam */
    double epsilon;    /* adam */
    double penalty;    /* factor of the displacement from the start in the gradient */
    int nesterov;      /* sgd */
    int sparse;        /* adam: whether weights without a gradient stand still */
} update_rule;

#define REAL float
#define LANES 16
#define NAME(x) x##_f32
#include "step_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME

#define REAL double
#define LANES 8
#define NAME(x) x##_f64
#include "step_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME

#endif
