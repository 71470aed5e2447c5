/* Included for each version and floating type, see each_version.h. */

typedef REAL NAME(lane) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef int8_t NAME(lane_bytes) __attribute__((vector_size(LANES)));
#define VEC NAME(lane)
#define STRIPS (FAN_OUT / LANES)
#define TREE TYPED(box_tree)
#if BYTES_OF_REAL == 4
#define EPSILON FLT_EPSILON
#define MAXIMUM FLT_MAX
#define ABSOLUTE(x) __builtin_fabsf(x)
#else
#define EPSILON DBL_EPSILON
#define MAXIMUM DBL_MAX
#define ABSOLUTE(x) __builtin_fabs(x)
#endif
#define ABOVE_ZERO(v) ((VEC)((v > (VEC){0}) & (__typeof__(v > v))(v)))

/* bit k: value[k] > bound */
INLINE uint32_t NAME(above)(const VEC *value, REAL bound) {
#if AVX512 && BYTES_OF_REAL == 4
    return _mm512_cmp_ps_mask((__m512)value[0], _mm512_set1_ps(bound), _CMP_GT_OQ);
#elif AVX512
    return _mm512_cmp_pd_mask((__m512d)value[0], _mm512_set1_pd(bound), _CMP_GT_OQ)
        | _mm512_cmp_pd_mask((__m512d)value[1], _mm512_set1_pd(bound), _CMP_GT_OQ) << 8;
#elif AVX2
    uint32_t bits = 0;
    for (int q = 0; q < STRIPS; q++)
#if BYTES_OF_REAL == 4
        bits |= (uint32_t)_mm256_movemask_ps((__m256)(value[q] > bound)) << q * LANES;
#else
        bits |= (uint32_t)_mm256_movemask_pd((__m256d)(value[q] > bound)) << q * LANES;
#endif
    return bits;
#else
    int8_t flags[FAN_OUT];
    for (int q = 0; q < STRIPS; q++) {
        NAME(lane_bytes) bytes = __builtin_convertvector((value[q] > bound) & 1, NAME(lane_bytes));
        memcpy(flags + q * LANES, &bytes, LANES);
    }
    return pack16(flags);
#endif
}

/* Write the positions of a leaf that are named by bits, and their values unless value is NULL; returns their number. */
INLINE int NAME(keep)(uint32_t bits, int32_t first, const VEC *values, int32_t *position, REAL *value) {
#if AVX512
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i all = _mm512_add_epi32(_mm512_set1_epi32(first), lane);
    _mm512_storeu_si512(position, _mm512_maskz_compress_epi32((__mmask16)bits, all));
#if BYTES_OF_REAL == 4
    if (value)
        _mm512_storeu_ps(value, _mm512_maskz_compress_ps((__mmask16)bits, (__m512)values[0]));
#else
    if (value) {
        _mm512_storeu_pd(value, _mm512_maskz_compress_pd((__mmask8)bits, (__m512d)values[0]));
        value += __builtin_popcount(bits & 0xFF);
        _mm512_storeu_pd(value, _mm512_maskz_compress_pd((__mmask8)(bits >> 8), (__m512d)values[1]));
    }
#endif
    return __builtin_popcount(bits);
#else
    REAL flat[FAN_OUT] __attribute__((aligned(64)));
    int n = 0;
    memcpy(flat, values, sizeof(flat));
    for (; bits; bits &= bits - 1) {
        position[n] = first + lowest_set(bits);
        if (value)
            value[n] = flat[lowest_set(bits)];
        n++;
    }
    return n;
#endif
}

/* <a, x> for the sixteen points of a block of coordinates (d, 16) */
INLINE void NAME(products)(const REAL *block, const REAL *a, int d, VEC *sum) {
    for (int q = 0; q < STRIPS; q++)
        sum[q] = (VEC){0};
    for (int j = 0; j < d; j++)
        for (int q = 0; q < STRIPS; q++)
            sum[q] += a[j] * *(const VEC *)(block + j * FAN_OUT + q * LANES);
}

/* Which of sixteen boxes reach into the half-space, and which lie in it? */
INLINE uint32_t NAME(test_group)(
    const REAL *group, const REAL *a, int d, REAL low, REAL high, uint32_t *inside
) {
    VEC centre[STRIPS], reach[STRIPS];
    NAME(products)(group, a, d, centre);
    for (int q = 0; q < STRIPS; q++)
        reach[q] = (VEC){0};
    for (int j = 0; j < d; j++) {
        for (int q = 0; q < STRIPS; q++)
            reach[q] += ABSOLUTE(a[j]) * *(const VEC *)(group + (d + j) * FAN_OUT + q * LANES);
    }
    for (int q = 0; q < STRIPS; q++) {
        VEC least = centre[q] - reach[q];
        reach[q] += centre[q];
        centre[q] = least;
    }
    *inside = NAME(above)(centre, high);
    return NAME(above)(reach, low);
}

INLINE int32_t NAME(n_leaves)(const TREE *tree) { return (tree->n_points + FAN_OUT - 1) / FAN_OUT; }

/* where a search stands on one level: boxes of the group that are still to do, and those that lie inside */
typedef struct {
    int32_t group;
    uint32_t todo, inside;
} NAME(place);

INLINE NAME(place) NAME(enter)(
    const TREE *tree, const int d, int level, int32_t group, const REAL *a, REAL low, REAL high,
    box_counts *counts
) {
    NAME(place) here = {group, 0, 0};
    const ptrdiff_t at = tree->first_group[level] + group;
    /* boxes that the last group repeats are not there */
    const int32_t left = ((NAME(n_leaves)(tree) - 1) >> 4 * level) + 1 - group * FAN_OUT;
    here.todo = NAME(test_group)(tree->groups + at * 2 * d * FAN_OUT, a, d, low, high, &here.inside);
    here.todo &= left < FAN_OUT ? (1u << left) - 1 : 0xFFFF;
    counts->boxes += left < FAN_OUT ? left : FAN_OUT;
    return here;
}

/* The leaves that reach into the half-space, as runs in ascending order; returns their number. runs needs room for
 * every leaf. */
INLINE int32_t NAME(find_leaves)(
    const TREE *tree, const int d, const REAL *a, REAL offset, leaf_run *runs, box_counts *counts
) {
    const int top = tree->n_levels - 1;
    const int32_t n_leaves = NAME(n_leaves)(tree);
    NAME(place) path[MAX_LEVELS];
    REAL size = ABSOLUTE(offset), margin;
    int32_t n_runs = 0;
    int level = top;
    for (int j = 0; j < d; j++)
        size += ABSOLUTE(a[j]) * tree->extent[j];
    /* roundings of the two products, and of the boxes, whose edges are computed level by level */
    margin = (2 * d + 4 * tree->n_levels + 8) * EPSILON * size;
    if (!(margin <= MAXIMUM)) { /* products that overflow say nothing */
        runs[0] = (leaf_run){0, n_leaves, 0};
        return 1;
    }
    path[top] = NAME(enter)(tree, d, top, 0, a, offset - margin, offset + margin, counts);
    for (;;) {
        while (!path[level].todo)
            if (level++ == top)
                return n_runs;
        const int bit = lowest_set(path[level].todo), inside = path[level].inside >> bit & 1;
        const int64_t child = path[level].group * FAN_OUT + bit;
        path[level].todo &= path[level].todo - 1;
        if (level > 0 && !inside) {
            level--;
            path[level] = NAME(enter)(tree, d, level, (int32_t)child, a, offset - margin, offset + margin, counts);
            continue;
        }
        const int64_t first = child << 4 * level, behind = (child + 1) << 4 * level;
        const int32_t last = behind < n_leaves ? (int32_t)behind : n_leaves;
        if (n_runs && runs[n_runs - 1].last == first && runs[n_runs - 1].inside == inside)
            runs[n_runs - 1].last = last;
        else
            runs[n_runs++] = (leaf_run){(int32_t)first, last, inside};
    }
}

INLINE uint32_t NAME(points_of)(const TREE *tree, int32_t leaf) {
    int32_t left = tree->n_points - leaf * FAN_OUT;
    return left < FAN_OUT ? (1u << left) - 1 : 0xFFFF;
}

INLINE int32_t NAME(report)(
    const TREE *tree, const int d, const REAL *a, REAL offset, leaf_run *runs, int32_t *position,
    REAL *value, box_counts *counts
) {
    const int32_t n_runs = NAME(find_leaves)(tree, d, a, offset, runs, counts);
    int32_t n = 0;
    for (int32_t k = 0; k < n_runs; k++) {
        if (runs[k].inside && !value) {
            int32_t last = runs[k].last * FAN_OUT < tree->n_points ? runs[k].last * FAN_OUT : tree->n_points;
            for (int32_t i = runs[k].first * FAN_OUT; i < last; i++)
                position[n++] = i;
            continue;
        }
        counts->points += (int64_t)(runs[k].last - runs[k].first) * FAN_OUT;
        for (int32_t leaf = runs[k].first; leaf < runs[k].last; leaf++) {
            VEC sum[STRIPS];
            NAME(products)(tree->leaves + (ptrdiff_t)leaf * d * FAN_OUT, a, d, sum);
            const uint32_t bits = NAME(above)(sum, offset) & NAME(points_of)(tree, leaf);
            for (int q = 0; q < STRIPS; q++)
                sum[q] -= offset;
            n += NAME(keep)(bits, leaf * FAN_OUT, sum, position + n, value ? value + n : NULL);
        }
    }
    return n;
}

/* Positions of the points above the hyperplane, ascending, and by how much; returns their number. position and value
 * need room for all points and SPARE more, runs for all leaves. value may be NULL: boxes that lie inside are then reported without a
 * look at their points. Loops over two, three or four features are unrolled. */
KERNEL int32_t NAME(points_above)(
    const TREE *tree, const REAL *a, REAL offset, leaf_run *runs, int32_t *position, REAL *value,
    box_counts *counts
) {
    switch (tree->d) {
    case 2: return NAME(report)(tree, 2, a, offset, runs, position, value, counts);
    case 3: return NAME(report)(tree, 3, a, offset, runs, position, value, counts);
    case 4: return NAME(report)(tree, 4, a, offset, runs, position, value, counts);
    default: return NAME(report)(tree, tree->d, a, offset, runs, position, value, counts);
    }
}

/* Adds the neurons of some leaves to sums (n_outputs, 16): activation times output weights, lane by lane. */
INLINE void NAME(add_leaves)(
    const TREE *tree, const int d, const REAL *a, const leaf_run *run, const REAL *V, const int n_outputs,
    VEC *sums
) {
    for (int32_t leaf = run->first; leaf < run->last; leaf++) {
        const REAL *v = V + (ptrdiff_t)leaf * n_outputs * FAN_OUT;
        VEC h[STRIPS];
        NAME(products)(tree->leaves + (ptrdiff_t)leaf * d * FAN_OUT, a, d, h);
        for (int q = 0; q < STRIPS; q++)
            h[q] = ABOVE_ZERO(h[q]);
        for (int j = 0; j < n_outputs; j++)
            for (int q = 0; q < STRIPS; q++)
                sums[j * STRIPS + q] += h[q] * *(const VEC *)(v + j * FAN_OUT + q * LANES);
    }
}

INLINE void NAME(row)(
    const TREE *tree, const int d, const REAL *a, leaf_run *runs, const REAL *V, const int n_outputs,
    REAL *scratch, REAL *out, box_counts *counts
) {
    const int32_t n_runs = NAME(find_leaves)(tree, d, a, 0, runs, counts);
    VEC one[STRIPS], *sums = n_outputs == 1 ? one : (VEC *)scratch; /* a single output stays in registers */
    for (int j = 0; j < n_outputs * STRIPS; j++)
        sums[j] = (VEC){0};
    for (int32_t k = 0; k < n_runs; k++) {
        counts->points += (int64_t)(runs[k].last - runs[k].first) * FAN_OUT;
        NAME(add_leaves)(tree, d, a, runs + k, V, n_outputs, sums);
    }
    for (int j = 0; j < n_outputs; j++) {
        REAL flat[FAN_OUT], total = 0;
        memcpy(flat, sums + j * STRIPS, sizeof(flat));
        for (int q = 0; q < FAN_OUT; q++)
            total += flat[q];
        out[j] += total;
    }
}

/* Output of one row, of which a holds the features and a one; the points of the tree are weights and intercept of the
 * neurons. Sums run in the order of the tree, lane by lane, whatever was left out: it would have added zero. */
KERNEL void NAME(output_of_row)(
    const TREE *tree, const REAL *a, leaf_run *runs,
    const REAL *V,            /* IN    (n_leaves, n_outputs, 16) zero behind the last neuron */
    int n_outputs,
    REAL *scratch,            /* (n_outputs, 16) */
    REAL *out,                /* INOUT (n_outputs,) */
    box_counts *counts
) {
    if (n_outputs != 1)
        NAME(row)(tree, tree->d, a, runs, V, n_outputs, scratch, out, counts);
    else if (tree->d == 3)
        NAME(row)(tree, 3, a, runs, V, 1, scratch, out, counts);
    else if (tree->d == 4)
        NAME(row)(tree, 4, a, runs, V, 1, scratch, out, counts);
    else
        NAME(row)(tree, tree->d, a, runs, V, 1, scratch, out, counts);
}

#undef VEC
#undef STRIPS
#undef ABOVE_ZERO
#undef TREE
#undef EPSILON
#undef MAXIMUM
#undef ABSOLUTE
