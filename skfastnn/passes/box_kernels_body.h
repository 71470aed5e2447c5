/* Included by box_kernels.h once per floating type: REAL, LANES, EPSILON, MAXIMUM and NAME are set there. */

typedef REAL NAME(lane) __attribute__((vector_size(64), aligned(sizeof(REAL)), may_alias));
typedef int8_t NAME(lane_bytes) __attribute__((vector_size(LANES)));
#define VEC NAME(lane)
#define STRIPS (FAN_OUT / LANES)
#define ABOVE_ZERO(v) ((VEC)((v > (VEC){0}) & (__typeof__(v > v))(v)))

typedef struct {
    const REAL *leaves;       /* (n_leaves, d, 16) coordinates; the last leaf repeats its last point */
    const REAL *groups;       /* (n_groups, 2, d, 16) centres and half-widths; a last group repeats its last box */
    const REAL *extent;       /* (d,) largest absolute coordinates */
    int32_t n_points, d, n_levels;
    int32_t first_group[MAX_LEVELS + 1]; /* of each level, the lowest first, whose boxes hold leaves */
} NAME(box_tree);

/* bit k: value[k] > bound */
INLINE uint32_t NAME(above)(const VEC *value, REAL bound) {
    int8_t flags[FAN_OUT];
    for (int q = 0; q < STRIPS; q++) {
        NAME(lane_bytes) bytes = __builtin_convertvector((value[q] > bound) & 1, NAME(lane_bytes));
        memcpy(flags + q * LANES, &bytes, LANES);
    }
    return pack16(flags);
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
        REAL size = a[j] < 0 ? -a[j] : a[j];
        for (int q = 0; q < STRIPS; q++)
            reach[q] += size * *(const VEC *)(group + (d + j) * FAN_OUT + q * LANES);
    }
    for (int q = 0; q < STRIPS; q++) {
        VEC least = centre[q] - reach[q];
        reach[q] += centre[q];
        centre[q] = least;
    }
    *inside = NAME(above)(centre, high);
    return NAME(above)(reach, low);
}

INLINE int32_t NAME(n_leaves)(const NAME(box_tree) *tree) { return (tree->n_points + FAN_OUT - 1) / FAN_OUT; }

/* where a search stands on one level: boxes of the group that are still to do, and those that lie inside */
typedef struct {
    int32_t group;
    uint32_t todo, inside;
} NAME(place);

INLINE NAME(place) NAME(enter)(
    const NAME(box_tree) *tree, int level, int32_t group, const REAL *a, REAL low, REAL high, box_counts *counts
) {
    NAME(place) here = {group, 0, 0};
    const ptrdiff_t at = tree->first_group[level] + group;
    /* boxes that the last group repeats are not there */
    const int32_t left = ((NAME(n_leaves)(tree) - 1) >> 4 * level) + 1 - group * FAN_OUT;
    here.todo = NAME(test_group)(tree->groups + at * 2 * tree->d * FAN_OUT, a, tree->d, low, high, &here.inside);
    here.todo &= left < FAN_OUT ? (1u << left) - 1 : 0xFFFF;
    counts->boxes += left < FAN_OUT ? left : FAN_OUT;
    return here;
}

/* The leaves that reach into the half-space, as runs in ascending order; returns their number. runs needs room for
 * every leaf. */
INLINE int32_t NAME(find_leaves)(
    const NAME(box_tree) *tree, const REAL *a, REAL offset, leaf_run *runs, box_counts *counts
) {
    const int top = tree->n_levels - 1;
    const int32_t n_leaves = NAME(n_leaves)(tree);
    NAME(place) path[MAX_LEVELS];
    REAL size = offset < 0 ? -offset : offset, margin;
    int32_t n_runs = 0;
    int level = top;
    for (int j = 0; j < tree->d; j++)
        size += (a[j] < 0 ? -a[j] : a[j]) * tree->extent[j];
    /* roundings of the two products, and of the boxes, whose edges are computed level by level */
    margin = (2 * tree->d + 4 * tree->n_levels + 8) * EPSILON * size;
    if (!(margin <= MAXIMUM)) { /* products that overflow say nothing */
        runs[0] = (leaf_run){0, n_leaves, 0};
        return 1;
    }
    path[top] = NAME(enter)(tree, top, 0, a, offset - margin, offset + margin, counts);
    for (;;) {
        while (!path[level].todo)
            if (level++ == top)
                return n_runs;
        const int bit = lowest_set(path[level].todo), inside = path[level].inside >> bit & 1;
        const int64_t child = path[level].group * FAN_OUT + bit;
        path[level].todo &= path[level].todo - 1;
        if (level > 0 && !inside) {
            level--;
            path[level] = NAME(enter)(tree, level, (int32_t)child, a, offset - margin, offset + margin, counts);
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

INLINE uint32_t NAME(points_of)(const NAME(box_tree) *tree, int32_t leaf) {
    int32_t left = tree->n_points - leaf * FAN_OUT;
    return left < FAN_OUT ? (1u << left) - 1 : 0xFFFF;
}

BOX_CLONES static int32_t NAME(leaves_above)(
    const NAME(box_tree) *tree, const REAL *a, REAL offset, leaf_run *runs, box_counts *counts
) {
    return NAME(find_leaves)(tree, a, offset, runs, counts);
}

/* Positions of the points above the hyperplane, ascending, and by how much; those of a run need room for all its
 * points. value may be NULL: runs that lie inside are then reported without a look at their points. */
BOX_CLONES static int32_t NAME(report)(
    const NAME(box_tree) *tree, const REAL *a, REAL offset, const leaf_run *runs, int32_t n_runs,
    int32_t *position,        /* OUT   */
    REAL *value,              /* OUT   */
    box_counts *counts
) {
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
            REAL flat[FAN_OUT] __attribute__((aligned(64)));
            VEC sum[STRIPS];
            NAME(products)(tree->leaves + (ptrdiff_t)leaf * tree->d * FAN_OUT, a, tree->d, sum);
            uint32_t bits = NAME(above)(sum, offset) & NAME(points_of)(tree, leaf);
            memcpy(flat, sum, sizeof(flat));
            for (; bits; bits &= bits - 1) {
                int lane = lowest_set(bits);
                position[n] = leaf * FAN_OUT + lane;
                if (value)
                    value[n] = flat[lane] - offset;
                n++;
            }
        }
    }
    return n;
}

/* Adds the neurons of some leaves to sums (n_outputs, 16): activation times output weights, lane by lane. */
INLINE void NAME(add_leaves)(
    const NAME(box_tree) *tree, const REAL *a, const leaf_run *run, const REAL *V, const int n_outputs, VEC *sums
) {
    for (int32_t leaf = run->first; leaf < run->last; leaf++) {
        const REAL *v = V + (ptrdiff_t)leaf * n_outputs * FAN_OUT;
        VEC h[STRIPS];
        NAME(products)(tree->leaves + (ptrdiff_t)leaf * tree->d * FAN_OUT, a, tree->d, h);
        for (int q = 0; q < STRIPS; q++)
            h[q] = ABOVE_ZERO(h[q]);
        for (int j = 0; j < n_outputs; j++)
            for (int q = 0; q < STRIPS; q++)
                sums[j * STRIPS + q] += h[q] * *(const VEC *)(v + j * FAN_OUT + q * LANES);
    }
}

/* Output of one row, of which a holds the features and a one; the points of the tree are weights and intercept of the
 * neurons. Sums run in the order of the tree, lane by lane, whatever was left out: it would have added zero. */
BOX_CLONES static void NAME(add_row)(
    const NAME(box_tree) *tree, const REAL *a, const leaf_run *runs, int32_t n_runs,
    const REAL *V,            /* IN    (n_leaves, n_outputs, 16) zero behind the last neuron */
    int n_outputs,
    REAL *scratch,            /* (n_outputs, 16) */
    REAL *out,                /* INOUT (n_outputs,) */
    box_counts *counts
) {
    VEC one[STRIPS], *sums = n_outputs == 1 ? one : (VEC *)scratch;
    for (int j = 0; j < n_outputs * STRIPS; j++)
        sums[j] = (VEC){0};
    for (int32_t k = 0; k < n_runs; k++) {
        counts->points += (int64_t)(runs[k].last - runs[k].first) * FAN_OUT;
        if (n_outputs == 1)                  /* the sums stay in registers */
            NAME(add_leaves)(tree, a, runs + k, V, 1, one);
        else
            NAME(add_leaves)(tree, a, runs + k, V, n_outputs, sums);
    }
    for (int j = 0; j < n_outputs; j++) {
        REAL flat[FAN_OUT], total = 0;
        memcpy(flat, sums + j * STRIPS, sizeof(flat));
        for (int q = 0; q < FAN_OUT; q++)
            total += flat[q];
        out[j] += total;
    }
}

#undef VEC
#undef STRIPS
#undef ABOVE_ZERO
