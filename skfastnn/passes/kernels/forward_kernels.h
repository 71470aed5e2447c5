/* Verification of the candidates of one neuron: which of them fire?
 *
 * Written with the compiler's vector types, as vector_kernels.h. That a comparison gives bits, and that bits pack a
 * vector, has no portable form, and listing what fires takes as long as the inner products where rows are short: where
 * the compiler has those instructions of AVX-512, the kernel is compiled once more, and the processor decides.
 */
#ifndef SKFASTNN_FORWARD_KERNELS_H
#define SKFASTNN_FORWARD_KERNELS_H

#include "vector_kernels.h"
#include "wide.h"

#define REAL float
#define LANES 16
#define TYPED(x) x##_f32
#define WIDE 0
#define NAME(x) x##_f32_plain
#include "forward_kernels_body.h"
#undef WIDE
#undef NAME
#if HAVE_WIDE
#pragma GCC push_options
#pragma GCC target("avx512f")
#define WIDE 1
#define NAME(x) x##_f32_wide
#include "forward_kernels_body.h"
#undef WIDE
#undef NAME
#pragma GCC pop_options
#endif
#undef REAL
#undef LANES
#undef TYPED

#define REAL double
#define LANES 8
#define TYPED(x) x##_f64
#define WIDE 0
#define NAME(x) x##_f64_plain
#include "forward_kernels_body.h"
#undef WIDE
#undef NAME
#if HAVE_WIDE
#pragma GCC push_options
#pragma GCC target("avx512f")
#define WIDE 1
#define NAME(x) x##_f64_wide
#include "forward_kernels_body.h"
#undef WIDE
#undef NAME
#pragma GCC pop_options
#endif
#undef REAL
#undef LANES
#undef TYPED

INLINE int32_t forward_neuron_f32(
    const float *w, const float *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, int32_t count, float c,
    const float *v, ptrdiff_t ld_out, float *output, const upcoming_rows *upcoming, int32_t *fired_row, float *value
) {
    return CALL(forward_neuron_f32, w, X, ld_x, n, row, count, c, v, ld_out, output, upcoming, fired_row, value);
}

INLINE int32_t forward_neuron_f64(
    const double *w, const double *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, int32_t count, double c,
    const double *v, ptrdiff_t ld_out, double *output, const upcoming_rows *upcoming, int32_t *fired_row, double *value
) {
    return CALL(forward_neuron_f64, w, X, ld_x, n, row, count, c, v, ld_out, output, upcoming, fired_row, value);
}

INLINE int32_t list_positive_f32(
    const float *z, int32_t count, float c, const int32_t *index, int32_t *fired_row, float *value
) {
    return CALL(list_positive_f32, z, count, c, index, fired_row, value);
}

INLINE int32_t list_positive_f64(
    const double *z, int32_t count, double c, const int32_t *index, int32_t *fired_row, double *value
) {
    return CALL(list_positive_f64, z, count, c, index, fired_row, value);
}

#endif
