/* Included by query_kernels.h, plain and wide: WIDE and NAME are set there. */

#if WIDE
#define ATTRIBUTES __attribute__((unused))
#define AT_ONCE 4 /* rows whose bounds are computed together: as many as the registers hold */
#else
#define ATTRIBUTES VECTOR_CLONES
#define AT_ONCE 1
#endif

/* bit r: leaf[r] * step + change[r] > threshold[r], or the leaf is open */
static inline __attribute__((always_inline)) uint64_t NAME(passing)(
    const uint8_t *leaf, float step, const query_vec *change, const query_vec *threshold
) {
#if WIDE
    uint64_t bits = 0;
    for (int g = 0; g < N_STRIPS; g++) {
        const __m512i steps = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(leaf + g * WIDTH)));
        const __m512 highest = _mm512_fmadd_ps(_mm512_cvtepi32_ps(steps), _mm512_set1_ps(step), (__m512)change[g]);
        const uint64_t above = _mm512_cmp_ps_mask(highest, (__m512)threshold[g], _CMP_GT_OQ);
        const uint64_t open = _mm512_cmpeq_epi32_mask(steps, _mm512_set1_epi32(OPEN_LEAF));
        bits |= (above | open) << (g * WIDTH);
    }
    return bits;
#else
    int8_t flags[GROUP] __attribute__((aligned(64)));
    float flat[2][GROUP] __attribute__((aligned(64)));
    memcpy(flat[0], change, sizeof(flat[0]));
    memcpy(flat[1], threshold, sizeof(flat[1]));
    /* a plain loop: the compiler's own vectoriser knows the conversions between bytes and floats */
    for (int r = 0; r < GROUP; r++)
        flags[r] = ((float)leaf[r] * step + flat[0][r] > flat[1][r]) | (leaf[r] == OPEN_LEAF);
    return pack64(flags);
#endif
}

/* Which of 64 neurons may fire on which of n_rows <= 64 rows? bits[r] gets bit k when
 *     leaf[k, r] * step + change > threshold[r]      or the leaf is open,
 * change = drift[r] * norm[k] without directions, else <inside[:, r], x_inside[k]> + drift[r] * norm[k], where drift
 * and norm are then those outside the subspace. */
ATTRIBUTES static void NAME(query_block)(
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
    const query_vec *drifts = (const query_vec *)drift, *thresholds = (const query_vec *)threshold;
    for (int k = 0; k < n_rows; k += AT_ONCE) {
        const int left = n_rows - k < AT_ONCE ? n_rows - k : AT_ONCE;
        query_vec change[AT_ONCE][N_STRIPS];
        for (int i = 0; i < AT_ONCE; i++)
            for (int g = 0; g < N_STRIPS; g++)
                change[i][g] = norm[k + (i < left ? i : 0)] * drifts[g];
        if (inside)
            for (int q = 0; q < n_directions; q++) {
                const query_vec *direction = (const query_vec *)(inside + q * GROUP);
                for (int i = 0; i < AT_ONCE; i++) {
                    const float x = x_inside[(ptrdiff_t)(k + (i < left ? i : 0)) * n_directions + q];
                    for (int g = 0; g < N_STRIPS; g++)
                        change[i][g] += x * direction[g];
                }
            }
        for (int i = 0; i < left; i++) {
            const uint8_t *leaf = leaves + (ptrdiff_t)index[k + i] * ld_leaves;
            __builtin_prefetch(leaf + 2 * GROUP); /* the group after the next: time enough to come */
            bits[k + i] = NAME(passing)(leaf, step, change[i], thresholds);
        }
    }
    for (int k = n_rows; k < 64; k++)
        bits[k] = 0;
    transpose64(bits);
}

#undef ATTRIBUTES
#undef AT_ONCE
