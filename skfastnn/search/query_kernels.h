/* Comparison of a block of leaves with lazy thresholds: 64 neurons (one cache line of leaves) by 64 rows.
 *
 * A leaf is a byte, the correlation of a row with a reference weight vector, rounded up in steps above the foot of its
 * neuron. Written with the compiler's vector types and compiled for several instruction sets, as vector_kernels.h.
 */
#ifndef SKFASTNN_QUERY_KERNELS_H
#define SKFASTNN_QUERY_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define QUERY_CLONES __attribute__((unused, target_clones("default", "fma", "avx512f")))
#else
#define QUERY_CLONES __attribute__((unused))
#endif

#define GROUP 64      /* neurons of a group: one cache line of leaves */
#define WIDTH 16
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

/* Which of 64 neurons may fire on which of n_rows <= 64 rows? bits[r] gets bit k when
 *     leaf[k, r] * step + change > threshold[r]      or the leaf is open,
 * change = drift[r] * norm[k] without directions, else <inside[:, r], x_inside[k]> + drift[r] * norm[k], where drift
 * and norm are then those outside the subspace, plus margin[r]. */
QUERY_CLONES static void query_block(
    const uint8_t *leaves,       /* IN    first leaf of the group */
    ptrdiff_t ld_leaves,
    const int32_t *index,        /* IN    (n_rows,) rows of the leaves */
    int n_rows,
    float step,
    const float *threshold,      /* IN    (64,) */
    const float *drift,          /* IN    (64,) */
    const float *norm,           /* IN    (n_rows,) */
    const float *inside,         /* IN    (n_directions, 64) or NULL */
    const float *x_inside,       /* IN    (n_rows, n_directions) */
    int n_directions,
    uint64_t *bits               /* OUT   (64,) */
) {
    int8_t flags[GROUP] __attribute__((aligned(64)));
    float change[GROUP] __attribute__((aligned(64)));
    for (int k = 0; k < n_rows; k++) {
        const uint8_t *leaf = leaves + (ptrdiff_t)index[k] * ld_leaves;
        __builtin_prefetch(leaf + 2 * GROUP); /* the group after the next: time enough to come */
        if (inside) {
            query_vec bound[GROUP / WIDTH];
            for (int g = 0; g < GROUP / WIDTH; g++)
                bound[g] = norm[k] * *(const query_vec *)(drift + g * WIDTH);
            for (int q = 0; q < n_directions; q++) {
                float x = x_inside[(ptrdiff_t)k * n_directions + q];
                for (int g = 0; g < GROUP / WIDTH; g++)
                    bound[g] += x * *(const query_vec *)(inside + q * GROUP + g * WIDTH);
            }
            memcpy(change, bound, sizeof(change));
        } else
            for (int r = 0; r < GROUP; r++)
                change[r] = norm[k] * drift[r];
        /* a plain loop: the compiler's own vectoriser knows the conversions between bytes and floats */
        for (int r = 0; r < GROUP; r++)
            flags[r] = ((float)leaf[r] * step + change[r] > threshold[r]) | (leaf[r] == OPEN_LEAF);
        bits[k] = pack64(flags);
    }
    for (int k = n_rows; k < 64; k++)
        bits[k] = 0;
    transpose64(bits);
}

/* Leaves of one sample in one group, from the correlations of the group's neurons; pair_shift 1: two neurons share a
 * correlation. Rounds up; the addition covers the rounding of the multiplication. */
QUERY_CLONES static void write_line(
    const float *correlation, /* IN    (64 >> pair_shift,) */
    float foot,
    float steps_per_unit,
    int pair_shift,
    uint8_t *leaf             /* OUT   (64,) */
) {
    int32_t whole[GROUP] __attribute__((aligned(64)));
    const int n = GROUP >> pair_shift;
    for (int r = 0; r < n; r++) {
        float steps = (correlation[r] - foot) * steps_per_unit + 1.001f; /* truncation after + 1 rounds up */
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
