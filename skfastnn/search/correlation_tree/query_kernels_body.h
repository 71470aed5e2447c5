/* Included for each version, see each_version.h; leaves and what they are compared with are floats alone. */
#if BYTES_OF_REAL == 4

typedef float NAME(query_vec) __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
#define VEC NAME(query_vec)
#define N_STRIPS (GROUP / LANES)
/* rows whose bounds are computed together: as many as the registers hold */
#if AVX512
#define AT_ONCE 4
#else
#define AT_ONCE 1
#endif

/* bit r: leaf[r] * step + change[r] > threshold[r], or the leaf is open */
INLINE uint64_t NAME(passing)(
    const uint8_t *leaf, float step, const VEC *change, const VEC *threshold
) {
#if AVX512
    uint64_t bits = 0;
    for (int g = 0; g < N_STRIPS; g++) {
        const __m512i steps = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(leaf + g * LANES)));
        const __m512 highest = _mm512_fmadd_ps(_mm512_cvtepi32_ps(steps), _mm512_set1_ps(step), (__m512)change[g]);
        const uint64_t above = _mm512_cmp_ps_mask(highest, (__m512)threshold[g], _CMP_GT_OQ);
        const uint64_t open = _mm512_cmpeq_epi32_mask(steps, _mm512_set1_epi32(OPEN_LEAF));
        bits |= (above | open) << (g * LANES);
    }
    return bits;
#elif AVX2
    uint64_t bits = 0;
    for (int g = 0; g < N_STRIPS; g++) {
        const __m256i steps = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(leaf + g * LANES)));
        const __m256 highest = _mm256_fmadd_ps(_mm256_cvtepi32_ps(steps), _mm256_set1_ps(step), (__m256)change[g]);
        const __m256 above = _mm256_cmp_ps(highest, (__m256)threshold[g], _CMP_GT_OQ);
        const __m256i open = _mm256_cmpeq_epi32(steps, _mm256_set1_epi32(OPEN_LEAF));
        const __m256 either = _mm256_or_ps(above, _mm256_castsi256_ps(open));
        bits |= (uint64_t)(uint32_t)_mm256_movemask_ps(either) << (g * LANES);
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
KERNEL void NAME(query_block)(
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
    const VEC *drifts = (const VEC *)drift, *thresholds = (const VEC *)threshold;
    for (int k = 0; k < n_rows; k += AT_ONCE) {
        const int left = n_rows - k < AT_ONCE ? n_rows - k : AT_ONCE;
        VEC change[AT_ONCE][N_STRIPS];
        for (int i = 0; i < AT_ONCE; i++)
            for (int g = 0; g < N_STRIPS; g++)
                change[i][g] = norm[k + (i < left ? i : 0)] * drifts[g];
        if (inside)
            for (int q = 0; q < n_directions; q++) {
                const VEC *direction = (const VEC *)(inside + q * GROUP);
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

/* Leaves of one sample in one group, from the heights of the neurons' correlations above their feet; pair_shift 1: two
 * neurons share a height. Rounds up; the addition covers the rounding of the multiplication. */
KERNEL void NAME(write_line)(
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

#undef VEC
#undef N_STRIPS
#undef AT_ONCE
#endif
