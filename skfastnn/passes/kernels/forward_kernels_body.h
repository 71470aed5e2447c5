/* Included by forward_kernels.h for each floating type, plain and wide: REAL, LANES, TYPED, WIDE and NAME are set there. */

#define VEC TYPED(vec)
#define LOAD(p) (*(const VEC *)(p))
#if WIDE
#define ATTRIBUTES __attribute__((unused))
#else
#define ATTRIBUTES VECTOR_CLONES
#endif

/* Append those of up to LANES candidates that fire, rows and activations; returns their number. Both lists have room
 * for a whole vector. */
INLINE int32_t NAME(keep)(VEC z, const int32_t *row, int32_t left, int32_t *fired_row, REAL *value) {
#if WIDE && LANES == 16
    const __mmask16 there = (__mmask16)(0xFFFFu >> (16 - left));
    const __mmask16 fires = _mm512_mask_cmp_ps_mask(there, (__m512)z, _mm512_setzero_ps(), _CMP_GT_OQ);
    _mm512_storeu_ps(value, _mm512_maskz_compress_ps(fires, (__m512)z));
#elif WIDE
    const __mmask16 there = (__mmask16)(0xFFu >> (8 - left));
    const __mmask16 fires = _mm512_mask_cmp_pd_mask((__mmask8)there, (__m512d)z, _mm512_setzero_pd(), _CMP_GT_OQ);
    _mm512_storeu_pd(value, _mm512_maskz_compress_pd((__mmask8)fires, (__m512d)z));
#endif
#if WIDE
    _mm512_storeu_si512(fired_row, _mm512_maskz_compress_epi32(fires, _mm512_maskz_loadu_epi32(there, row)));
    return __builtin_popcount(fires);
#else
    int32_t fired = 0;
    for (int32_t q = 0; q < left; q++) {     /* written always, counted when it fires: no branch to mispredict */
        fired_row[fired] = row[q];
        value[fired] = z[q];
        fired += z[q] > 0;
    }
    return fired;
#endif
}

/* List the rows on which a neuron fires, of all whose inner products z are known; returns their number. */
ATTRIBUTES static int32_t NAME(list_positive)(
    const REAL *z,            /* IN    (count,), readable to whole vectors */
    int32_t count,
    REAL c,                   /* intercept */
    const int32_t *index,     /* IN    (count,) 0, 1, 2, ... */
    int32_t *fired_row,       /* OUT   (count,), and SPARE more */
    REAL *value               /* OUT   (count,), and SPARE more */
) {
    int32_t fired = 0;
    for (int32_t i = 0; i < count; i += LANES) {
        const int32_t left = count - i < LANES ? count - i : LANES;
        fired += NAME(keep)(LOAD(z + i) + c, index + i, left, fired_row + fired, value + fired);
    }
    return fired;
}

/* Verify the candidates of one neuron and add what fires to the output.
 * The rows on which the neuron fires go to fired_row, in the order they came, and its activations to value. output has
 * stride ld_out; with one output no padding is used. Upcoming rows are asked for. Returns the fired count. */
ATTRIBUTES static int32_t NAME(forward_neuron)(
    const REAL *w,            /* IN    (n,) weights */
    const REAL *X,            /* IN    rows of the batch, ld_x apart */
    ptrdiff_t ld_x,
    ptrdiff_t n,
    const int32_t *row,       /* IN    (count,) candidates */
    int32_t count,
    REAL c,                   /* intercept */
    const REAL *v,            /* IN    (ld_out,) output weights of the neuron */
    ptrdiff_t ld_out,
    REAL *output,             /* INOUT (n_rows, ld_out) */
    const upcoming_rows *upcoming,
    int32_t *fired_row,       /* OUT   (count,), and SPARE more */
    REAL *value               /* OUT   (count,), and SPARE more */
) {
    int32_t fired = 0;
    prefetch_upcoming(upcoming, (count + 3) / 4, n * (ptrdiff_t)sizeof(REAL));
    for (int32_t i = 0; i < count; i += LANES) {
        const int32_t left = count - i < LANES ? count - i : LANES;
        const VEC z = TYPED(dots)(w, X, ld_x, n, row + i, left, upcoming, i / 4) + c;
        fired += NAME(keep)(z, row + i, left, fired_row + fired, value + fired);
    }
    TYPED(add_output)(fired_row, value, fired, v, ld_out, output);
    return fired;
}

#undef VEC
#undef LOAD
#undef ATTRIBUTES
