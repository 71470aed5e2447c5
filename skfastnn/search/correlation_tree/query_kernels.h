/* Comparison of a block of leaves with lazy thresholds: 64 neurons (one cache line of leaves) by 64 rows.
 *
 * A leaf is a byte, the correlation of a row with a reference weight vector, rounded up in steps above the foot of its
 * neuron. Written with the compiler's vector types and compiled for several instruction sets, as vector_kernels.h; a
 * comparison that gives bits has no portable form, so that the comparison is compiled once more with those of AVX-512.
 */
#ifndef SKFASTNN_QUERY_KERNELS_H
#define SKFASTNN_QUERY_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wide.h"

#define GROUP 64      /* neurons of a group: one cache line of leaves */
#define WIDTH 16
#define N_STRIPS (GROUP / WIDTH)
#define OPEN_LEAF 255 /* a byte of 255 says nothing about the correlation from above */

typedef float query_vec __attribute__((vector_size(64), aligned(4), may_alias));

/* eight bytes of 0 or 1 to eight bits */
static inline uint64_t pack8(uint64_t flags) {
    return (flags * 0x0102040810204080ull) >> 56;
}

static inline uint64_t pack64(const int8_t *flags) {
    uint64_t word[8], bits = 0;
    memcpy(word, flags, 64);
    for (int k = 0; k < 8; k++)
        bits |= pack8(word[k]) << (8 * k);
    return bits;
}

/* rows[k] bit r -> columns: after the call word r has bit k */
static inline void transpose64(uint64_t a[64]) {
    uint64_t mask = 0x00000000FFFFFFFFull;
    for (int j = 32; j; j >>= 1, mask ^= mask << j)
        for (int base = 0; base < 64; base += 2 * j)
            for (int k = base; k < base + j; k++) {
                uint64_t t = ((a[k] >> j) ^ a[k + j]) & mask;
                a[k] ^= t << j;
                a[k + j] ^= t;
            }
}

#define WIDE 0
#define NAME(x) x##_plain
#include "query_kernels_body.h"
#undef WIDE
#undef NAME
#if HAVE_WIDE
#pragma GCC push_options
#pragma GCC target("avx512f")
#define WIDE 1
#define NAME(x) x##_wide
#include "query_kernels_body.h"
#undef WIDE
#undef NAME
#pragma GCC pop_options
#endif

static inline void query_block(
    const uint8_t *leaves, ptrdiff_t ld_leaves, const int32_t *index, int n_rows, float step, const float *threshold,
    const float *drift, const float *norm, const float *inside, const float *x_inside, int n_directions, uint64_t *bits
) {
    CALL(
        query_block, leaves, ld_leaves, index, n_rows, step, threshold, drift, norm, inside, x_inside, n_directions,
        bits
    );
}

/* Leaves of one sample in one group, from the heights of the neurons' correlations above their feet; pair_shift 1: two
 * neurons share a height. Rounds up; the addition covers the rounding of the multiplication. */
VECTOR_CLONES static void write_line(
    const float *height,      /* IN    (64 >> pair_shift,) */
    float steps_per_unit,
    int pair_shift,
    uint8_t *leaf             /* OUT   (64,) */
) {
    int32_t whole[GROUP] __attribute__((aligned(64)));
    const int n = GROUP >> pair_shift;
    for (int r = 0; r < n; r++) {
        float steps = height[r] * steps_per_unit + 1.001f; /* truncation after + 1 rounds up */
        steps = steps > 0 ? steps : 0;
        whole[r] = (int32_t)(steps < 255 ? steps : 255);
    }
    if (pair_shift)
        for (int r = 0; r < GROUP / 2; r++)
            leaf[2 * r] = leaf[2 * r + 1] = (uint8_t)whole[r];
    else
        for (int r = 0; r < GROUP; r++)
            leaf[r] = (uint8_t)whole[r];
}

static inline int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
static inline int count_bits(uint64_t word) { return __builtin_popcountll(word); }

#endif
