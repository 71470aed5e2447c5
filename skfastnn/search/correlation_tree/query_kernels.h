/* Comparison of a block of leaves with lazy thresholds: 64 neurons (one cache line of leaves) by 64 rows.
 *
 * A leaf is a byte, the correlation of a row with a reference weight vector, rounded up in steps above the foot of its
 * neuron. Written with the compiler's vector types, as vector_kernels.h; a comparison that gives bits has no portable
 * form.
 */
#ifndef SKFASTNN_QUERY_KERNELS_H
#define SKFASTNN_QUERY_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "versions.h"

#define GROUP 64      /* neurons of a group: one cache line of leaves */
#define OPEN_LEAF 255 /* a byte of 255 says nothing about the correlation from above */

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

#define KERNELS "query_kernels_body.h"
#include "each_version.h"
#undef KERNELS
#define query_block(...) CALL(query_block_f32, __VA_ARGS__)
#define write_line(...) CALL(write_line_f32, __VA_ARGS__)

static inline int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
static inline int count_bits(uint64_t word) { return __builtin_popcountll(word); }

#endif
