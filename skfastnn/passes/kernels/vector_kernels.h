/* Vector kernels for one neuron against the rows that concern it.
 *
 * All loops are written once, with the compiler's vector types, and compiled for several instruction sets (versions.h).
 * Nothing here depends on the machine that builds.
 *
 * Rows are padded with zeros to whole lines of 64 bytes, so there are no remainders in the direction of the features.
 * Sums run in an order fixed by the code, never by the thread: equal input gives equal bits on one machine.
 */
#ifndef SKFASTNN_VECTOR_KERNELS_H
#define SKFASTNN_VECTOR_KERNELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "versions.h"

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, MASK, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, MASK, ...) __builtin_shuffle(a, b, (MASK){__VA_ARGS__})
#endif

/* Numbers that kernels may write behind the last one of a list: the rest of the longest vector. */
#define SPARE 16

/* Ask for a row of weights that the next neuron needs while this one computes: rows come from memory once per batch,
 * and the processor does not look that far ahead by itself. */
INLINE void prefetch_row(const void *row, ptrdiff_t n_bytes) {
    for (ptrdiff_t at = 0; at < n_bytes; at += 64)
        __builtin_prefetch((const char *)row + at, 0, 2);
}

/* Rows that the next neuron needs, as long as those of this one. Loops over products ask for them line by line on the
 * way: asked for at once, they take the few places for lines under way that the rows of the products need as well. */
#define MAX_UPCOMING 4
typedef struct {
    const void *row[MAX_UPCOMING];
    int32_t n;
} upcoming_rows;

#define ASK_FOR_LINE(address) __builtin_prefetch(address, 0, 2)

/* Ask for those from `first` on, for which there are no products; `upcoming` may be NULL. */
INLINE void prefetch_upcoming(const upcoming_rows *upcoming, int32_t first, ptrdiff_t n_bytes) {
    for (int32_t q = first; upcoming && q < upcoming->n; q++)
        prefetch_row(upcoming->row[q], n_bytes);
}

/* From here on this thread takes numbers too small for all their digits (denormal) as zero, until what is returned is
 * given to `keep_denormals`. Squares of gradients on rows that are learned are such numbers; the processor takes a
 * hundred cycles for each, and a second moment that small is nothing beside epsilon. */
#if defined(__SSE2__)
#include <xmmintrin.h>
INLINE unsigned flush_denormals(void) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
}
INLINE void keep_denormals(unsigned before) { _mm_setcsr(before); }
#else
INLINE unsigned flush_denormals(void) { return 0; }
INLINE void keep_denormals(unsigned before) { (void)before; }
#endif

#define KERNELS "vector_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define whole_weights_f32(...) CALL(whole_weights_f32, __VA_ARGS__)
#define whole_weights_f64(...) CALL(whole_weights_f64, __VA_ARGS__)
#define output_neuron_f32(...) CALL(output_neuron_f32, __VA_ARGS__)
#define output_neuron_f64(...) CALL(output_neuron_f64, __VA_ARGS__)
#define signals_of_f32(...) CALL(signals_of_f32, __VA_ARGS__)
#define signals_of_f64(...) CALL(signals_of_f64, __VA_ARGS__)

#endif
