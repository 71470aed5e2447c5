/* Included for each version and floating type, see each_version.h. */

#define VEC NAME(vec)
#define LOAD(p) (*(const VEC *)(p))

#if AVX512 && BYTES_OF_REAL == 4
INLINE int32_t NAME(pack)(VEC z, const int32_t *row, int32_t left, int32_t *fired_row, REAL *value) {
    const __mmask16 there = (__mmask16)(0xFFFFu >> (16 - left));
    const __mmask16 fires = _mm512_mask_cmp_ps_mask(there, (__m512)z, _mm512_setzero_ps(), _CMP_GT_OQ);
    _mm512_storeu_ps(value, _mm512_maskz_compress_ps(fires, (__m512)z));
    _mm512_storeu_si512(fired_row, _mm512_maskz_compress_epi32(fires, _mm512_maskz_loadu_epi32(there, row)));
    return __builtin_popcount(fires);
}
#elif AVX512
INLINE int32_t NAME(pack)(VEC z, const int32_t *row, int32_t left, int32_t *fired_row, REAL *value) {
    const __mmask16 there = (__mmask16)(0xFFu >> (8 - left));
    const __mmask16 fires = _mm512_mask_cmp_pd_mask((__mmask8)there, (__m512d)z, _mm512_setzero_pd(), _CMP_GT_OQ);
    _mm512_storeu_pd(value, _mm512_maskz_compress_pd((__mmask8)fires, (__m512d)z));
    _mm512_storeu_si512(fired_row, _mm512_maskz_compress_epi32(fires, _mm512_maskz_loadu_epi32(there, row)));
    return __builtin_popcount(fires);
}
#elif AVX2 && BYTES_OF_REAL == 4
/* of a whole vector, as `keep` sees to; its halves one after the other */
INLINE int32_t NAME(pack)(VEC z, const int32_t *row, int32_t left, int32_t *fired_row, REAL *value) {
    const __m256i rows = _mm256_loadu_si256((const __m256i *)row);
    const int fires = _mm256_movemask_ps(_mm256_cmp_ps((__m256)z, _mm256_setzero_ps(), _CMP_GT_OQ));
    const __m128i low = _mm_load_si128((const __m128i *)set_bits[fires & 15]);
    const __m128i high = _mm_load_si128((const __m128i *)set_bits[fires >> 4]);
    const int n_low = __builtin_popcount(fires & 15);
    _mm_storeu_ps(value, _mm_permutevar_ps(_mm256_castps256_ps128((__m256)z), low));
    _mm_storeu_ps(value + n_low, _mm_permutevar_ps(_mm256_extractf128_ps((__m256)z, 1), high));
    const __m256 places = _mm256_castsi256_ps(rows);
    _mm_storeu_ps((float *)fired_row, _mm_permutevar_ps(_mm256_castps256_ps128(places), low));
    _mm_storeu_ps((float *)fired_row + n_low, _mm_permutevar_ps(_mm256_extractf128_ps(places, 1), high));
    return __builtin_popcount(fires);
}
#elif AVX2
INLINE int32_t NAME(pack)(VEC z, const int32_t *row, int32_t left, int32_t *fired_row, REAL *value) {
    const int fires = _mm256_movemask_pd(_mm256_cmp_pd((__m256d)z, _mm256_setzero_pd(), _CMP_GT_OQ));
    const __m128i places = _mm_load_si128((const __m128i *)set_bits[fires]);
    /* a double moves as its two halves */
    const __m256i twice = _mm256_slli_epi64(_mm256_cvtepu32_epi64(places), 1);
    const __m256i halves = _mm256_or_si256(twice, _mm256_slli_epi64(_mm256_or_si256(twice, _mm256_set1_epi64x(1)), 32));
    _mm256_storeu_ps((float *)value, _mm256_permutevar8x32_ps(_mm256_castpd_ps((__m256d)z), halves));
    _mm_storeu_ps((float *)fired_row, _mm_permutevar_ps(_mm_loadu_ps((const float *)row), places));
    return __builtin_popcount(fires);
}
#endif

/* Append those of up to LANES candidates that fire, rows and activations; returns their number. Both lists have SPARE
 * places more. */
INLINE int32_t NAME(keep)(VEC z, const int32_t *row, int32_t left, int32_t *fired_row, REAL *value) {
#if AVX2
    if (AVX512 || left == LANES)             /* no row is read behind the last */
        return NAME(pack)(z, row, left, fired_row, value);
#endif
    int32_t fired = 0;
    for (int32_t q = 0; q < left; q++) {     /* written always, counted when it fires: no branch to mispredict */
        fired_row[fired] = row[q];
        value[fired] = z[q];
        fired += z[q] > 0;
    }
    return fired;
}

/* List the rows on which a neuron fires, of all whose inner products z are known; returns their number. */
KERNEL int32_t NAME(list_positive)(
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
KERNEL int32_t NAME(forward_neuron)(
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
        const VEC z = NAME(dots)(w, X, ld_x, n, row + i, left, upcoming, i / 4) + c;
        fired += NAME(keep)(z, row + i, left, fired_row + fired, value + fired);
    }
    NAME(add_output)(fired_row, value, fired, v, ld_out, output);
    return fired;
}

#undef VEC
#undef LOAD
