/* Half-spaces against points in boxes: which points have <a, x> > offset?
 *
 * Sixteen consecutive points make a leaf, sixteen leaves a group, sixteen groups a group of the next level, up to one
 * group. Coordinates, and the centres and half-widths of the boxes, lie feature by feature for sixteen at a time, so
 * that whole vectors of them are compared at once. A group is tested by
 *     <a, centre> + <|a|, half-width> > offset      some point of the box may lie inside: go down
 *     <a, centre> - <|a|, half-width> > offset      all of it lies inside: no more tests below
 * with a margin for rounding on the side of going down, so that nothing is missed.
 * Written with the compiler's vector types, as vector_kernels.h. What these cannot say is that a comparison gives bits,
 * and that bits pack a vector.
 */
#ifndef SKFASTNN_BOX_KERNELS_H
#define SKFASTNN_BOX_KERNELS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "versions.h"

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

/* room for points that a packed vector writes behind the last one that counts */
#define SPARE FAN_OUT

/* sixteen bytes of 0 or 1 to sixteen bits */
INLINE uint32_t pack16(const int8_t *flags) {
    uint64_t word[2];
    memcpy(word, flags, 16);
    return (uint32_t)((word[0] * 0x0102040810204080ull) >> 56 | (word[1] * 0x0102040810204080ull) >> 56 << 8);
}

typedef struct {
    const float *leaves;      /* (n_leaves, d, 16) coordinates; the last leaf repeats its last point */
    const float *groups;      /* (n_groups, 2, d, 16) centres and half-widths; a last group repeats its last box */
    const float *extent;      /* (d,) largest absolute coordinates */
    int32_t n_points, d, n_levels;
    int32_t first_group[MAX_LEVELS + 1]; /* of each level, the lowest first, whose boxes hold leaves */
} box_tree_f32;

typedef struct {
    const double *leaves, *groups, *extent;
    int32_t n_points, d, n_levels;
    int32_t first_group[MAX_LEVELS + 1];
} box_tree_f64;

#define KERNELS "box_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define points_above_f32(...) CALL(points_above_f32, __VA_ARGS__)
#define points_above_f64(...) CALL(points_above_f64, __VA_ARGS__)
#define output_of_row_f32(...) CALL(output_of_row_f32, __VA_ARGS__)
#define output_of_row_f64(...) CALL(output_of_row_f64, __VA_ARGS__)

#endif
