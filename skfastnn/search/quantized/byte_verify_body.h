/* Included by byte_kernels_body.h once for each form of the rows: ROW (a number of a row), GET (a vector of them) and
 * OF_ROWS (names) are set there. */

/* Inner products of a row with `some` neurons, up to four, each in four sums whatever its company. */
INLINE void OF_ROWS(row_products)(const ROW *x, const REAL *W, ptrdiff_t n, const int *neuron, const int some, REAL *z) {
    VEC sum[4][4];
    const REAL *w[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        sum[r][0] = sum[r][1] = sum[r][2] = sum[r][3] = (VEC){0};
        w[r] = W + neuron[r < some ? r : 0] * n;
    }
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= n; j += 4 * LANES)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            const VEC a = GET(x + j + q * LANES);
#pragma GCC unroll 4
            for (int r = 0; r < some; r++)
                sum[r][q] += a * LOAD(w[r] + j + q * LANES);
        }
    for (; j < n; j += LANES) {
        const VEC a = GET(x + j);
#pragma GCC unroll 4
        for (int r = 0; r < some; r++)
            sum[r][0] += a * LOAD(w[r] + j);
    }
#pragma GCC unroll 4
    for (int r = 0; r < some; r++)
        sum[r][0] = (sum[r][0] + sum[r][1]) + (sum[r][2] + sum[r][3]);
    VEC fold[LANES / 4] = {NAME(fold4)(sum[0][0], sum[1][0], sum[2][0], sum[3][0])};
    const VEC sums = NAME(sums_of_folds)(fold);
#pragma GCC unroll 4
    for (int r = 0; r < some; r++)
        z[r] = sums[r];
}

/* Compute what is possible, row by row, so that a row is fetched once for all neurons; list what fires. Returns the
 * number of pairs that were possible. */
KERNEL int64_t OF_ROWS(verify)(
    const REAL *W,            /* IN    (NEURONS_AT_ONCE, n) */
    const REAL *c,            /* IN    (NEURONS_AT_ONCE,) intercepts */
    const ROW *X,             /* IN    rows, n apart */
    const int32_t *index,     /* IN    (n_rows,) which of them, or NULL for the first */
    const float *about,       /* IN    what to multiply products of these with, four apart; or NULL */
    ptrdiff_t n,
    const uint32_t *may,      /* IN    (n_rows,) a bit a neuron */
    uint32_t there,           /* neurons that are there */
    int32_t n_rows,
    int32_t *list,            /* OUT   lists of rows, ld_list apart, with room for one more */
    REAL *value,              /* OUT   the same with activations */
    ptrdiff_t ld_list,
    int32_t *count            /* OUT   (NEURONS_AT_ONCE,) */
) {
    int64_t n_possible = 0;
    memset(count, 0, NEURONS_AT_ONCE * sizeof *count);
    for (int32_t i = 0; i < n_rows; i++) {
        int neuron[NEURONS_AT_ONCE], some = 0;
        const ptrdiff_t at = index ? index[i] : i;
        const ROW *x = X + at * n;
        const REAL step = about ? about[4 * at] : 1;
        REAL z[NEURONS_AT_ONCE + 3];
        for (uint32_t bits = may[i] & there; bits; bits &= bits - 1)
            neuron[some++] = __builtin_ctz(bits);
        n_possible += some;
        for (int k = 0; k < some; k += 4)
            if (some - k == 1)
                OF_ROWS(row_products)(x, W, n, neuron + k, 1, z + k);
            else if (some - k == 2)
                OF_ROWS(row_products)(x, W, n, neuron + k, 2, z + k);
            else if (some - k == 3)
                OF_ROWS(row_products)(x, W, n, neuron + k, 3, z + k);
            else
                OF_ROWS(row_products)(x, W, n, neuron + k, 4, z + k);
        for (int k = 0; k < some; k++) {      /* written always, counted when it fires: no branch to mispredict */
            const int r = neuron[k];
            const REAL activation = step * z[k] + c[r];
            list[r * ld_list + count[r]] = i;
            value[r * ld_list + count[r]] = activation;
            count[r] += activation > 0;
        }
    }
    return n_possible;
}
