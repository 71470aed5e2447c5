/* Vector kernels for a panel of 64 neurons against rows of a sparse matrix.
 *
 * A panel holds 64 numbers per feature, which are consecutive: a stored entry of a row costs a few whole vectors, with
 * no gathering. Compiled as vector_kernels.h is, from which the vector types come.
 */
#ifndef SKFASTNN_PANEL_KERNELS_H
#define SKFASTNN_PANEL_KERNELS_H

#include "vector_kernels.h"

#define PANEL 64
/* entries ahead of which the weights are asked for: they come from memory in no order that the processor foresees */
#define AHEAD 8

/* rows of a sparse matrix: of its rows, or of its transpose */
typedef struct {
    const int64_t *indptr;
    const int32_t *indices;
    ptrdiff_t n_rows;
} sparse_rows;

#define REAL float
#define LANES 16
#define NAME(x) x##_f32
#include "panel_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME

#define REAL double
#define LANES 8
#define NAME(x) x##_f64
#include "panel_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME

#endif
