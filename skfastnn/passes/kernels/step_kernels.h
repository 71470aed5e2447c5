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

/* a neuron that fired, as a step takes it; pointers are to numbers of the type of the step */
typedef struct {
    void *p;                 /* (n,) displacement */
    void *first, *second;    /* (n,) velocity; or moments */
    const void *start;       /* (n,) NULL: the displacement is the distance from the start */
    void *c, *v;             /* intercept and what is kept for it; output weights (ld_out,) */
    void *first_v, *second_v; /* (ld_out,) as for the weights; NULL: output weights are frozen */
    const void *start_v;
    const void *X;           /* rows, n numbers apart */
    const int32_t *row;
    const void *value, *error;
    void *scratch;           /* (n + ld_out + count + SPARE,) */
    ptrdiff_t n, ld_out;
    int32_t count;
} firing_neuron;

/* squared norms that the search needs after a touch: displacement, velocity, and the change of the displacement */
typedef struct {
    float displacement, velocity, change;
} touch_f32;

typedef struct {
    double displacement, velocity, change;
} touch_f64;

#define KERNELS "step_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define catch_up_neuron_f32(...) CALL(catch_up_neuron_f32, __VA_ARGS__)
#define catch_up_neuron_f64(...) CALL(catch_up_neuron_f64, __VA_ARGS__)
#define sgd_small_f32(...) CALL(sgd_small_f32, __VA_ARGS__)
#define sgd_small_f64(...) CALL(sgd_small_f64, __VA_ARGS__)
#define sgd_neuron_f32(...) CALL(sgd_neuron_f32, __VA_ARGS__)
#define sgd_neuron_f64(...) CALL(sgd_neuron_f64, __VA_ARGS__)
#define adam_small_f32(...) CALL(adam_small_f32, __VA_ARGS__)
#define adam_small_f64(...) CALL(adam_small_f64, __VA_ARGS__)
#define adam_neuron_f32(...) CALL(adam_neuron_f32, __VA_ARGS__)
#define adam_neuron_f64(...) CALL(adam_neuron_f64, __VA_ARGS__)

#endif
