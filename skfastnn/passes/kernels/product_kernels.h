/* Products of rows with a panel of weights, in registers: the inner part of a matrix product.
 *
 * Libraries of linear algebra choose their kernels by a list of processors, and fall back to shorter vectors on those
 * that came later; where every row meets every neuron, that doubles the time. Compiled where the compiler has AVX-512,
 * for processors that have it; callers ask `have_products` and use the library otherwise.
 *
 * A panel holds PANEL_VECTORS vectors of neurons side by side, feature after feature, so that a number of a row meets
 * all of them at once. ROWS_AT_ONCE rows make as many independent sums as the registers hold.
 */
#ifndef SKFASTNN_PRODUCT_KERNELS_H
#define SKFASTNN_PRODUCT_KERNELS_H

#include <stddef.h>

#include "versions.h"

#define ROWS_AT_ONCE 12
#define PANEL_VECTORS 2

#if HAVE_AVX512
static inline int have_products(void) { return HAS_AVX512; }
#pragma GCC push_options
#pragma GCC target("avx512f")
#define REAL float
#define LANES 16
#define NAME(x) x##_f32
#include "product_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME
#define REAL double
#define LANES 8
#define NAME(x) x##_f64
#include "product_kernels_body.h"
#undef REAL
#undef LANES
#undef NAME
#pragma GCC pop_options
#else
static inline int have_products(void) { return 0; }
static inline void pack_panel_f32(const float *W, ptrdiff_t ld, ptrdiff_t n, int count, float *panel) {}
static inline void pack_panel_f64(const double *W, ptrdiff_t ld, ptrdiff_t n, int count, double *panel) {}
static inline void panel_products_f32(
    const float *X, ptrdiff_t ld, ptrdiff_t n, const float *panel, float *out, ptrdiff_t ld_out
) {}
static inline void panel_products_f64(
    const double *X, ptrdiff_t ld, ptrdiff_t n, const double *panel, double *out, ptrdiff_t ld_out
) {}
#endif

#endif
