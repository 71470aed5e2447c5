/* Half-spaces against points in boxes: which points have <a, x> > offset?
 *
 * Sixteen consecutive points make a leaf, sixteen leaves a group, sixteen groups a group of the next level, up to one
 * group. Coordinates, and the centres and half-widths of the boxes, lie feature by feature for sixteen at a time, so
 * that one vector of them (float; two, double) is compared at once. A group is tested by
 *     <a, centre> + <|a|, half-width> > offset      some point of the box may lie inside: go down
 *     <a, centre> - <|a|, half-width> > offset      all of it lies inside: no more tests below
 * with a margin for rounding on the side of going down, so that nothing is missed.
 * Compiled for several instruction sets, as vector_kernels.h.
 */
#ifndef SKFASTNN_BOX_KERNELS_H
#define SKFASTNN_BOX_KERNELS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#define BOX_CLONES __attribute__((unused, target_clones("default", "fma", "avx512f")))
#else
#define BOX_CLONES __attribute__((unused))
#endif
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

#define FAN_OUT 16
#define MAX_LEVELS 8 /* 16^8 points and more are not numbered by 32 bits */

/* consecutive leaves, and whether all their points are known to lie inside */
typedef struct {
    int32_t first, last, inside;
} leaf_run;

/* what queries cost */
typedef struct {
    int64_t boxes, points;
} box_counts;

INLINE int lowest_set(uint32_t word) { return __builtin_ctz(word); }

/* sixteen bytes of 0 or 1 to sixteen bits */
INLINE uint32_t pack16(const int8_t *flags) {
    uint64_t word[2];
    memcpy(word, flags, 16);
    return (uint32_t)((word[0] * 0x0102040810204080ull) >> 56 | (word[1] * 0x0102040810204080ull) >> 56 << 8);
}

#define REAL float
#define LANES 16
#define EPSILON FLT_EPSILON
#define MAXIMUM FLT_MAX
#define NAME(x) x##_f32
#include "box_kernels_body.h"
#undef REAL
#undef LANES
#undef EPSILON
#undef MAXIMUM
#undef NAME

#define REAL double
#define LANES 8
#define EPSILON DBL_EPSILON
#define MAXIMUM DBL_MAX
#define NAME(x) x##_f64
#include "box_kernels_body.h"
#undef REAL
#undef LANES
#undef EPSILON
#undef MAXIMUM
#undef NAME

#endif
