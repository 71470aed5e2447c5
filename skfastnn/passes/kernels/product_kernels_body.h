/* Included by product_kernels.h once per floating type: REAL, LANES and NAME are set there. */

#define PANEL (PANEL_VECTORS * LANES)
typedef REAL NAME(product_vec) __attribute__((vector_size(64), aligned(sizeof(REAL)), may_alias));
#define VEC NAME(product_vec)

/* Lay the weights of up to PANEL neurons side by side; those that are missing are zero. n is a number of whole
 * vectors, so that reads come in lines. */
__attribute__((unused)) static void NAME(pack_panel)(
    const REAL *W,            /* IN    (count, n), ld apart */
    ptrdiff_t ld,
    ptrdiff_t n,
    int count,
    REAL *panel               /* OUT   (n, PANEL) */
) {
    for (ptrdiff_t k = 0; k < n; k += LANES)
        for (int c = 0; c < PANEL; c++)
            for (int q = 0; q < LANES; q++)
                panel[(k + q) * PANEL + c] = c < count ? W[c * ld + k + q] : 0;
}

/* out = rows times panel */
__attribute__((unused)) static void NAME(panel_products)(
    const REAL *X,            /* IN    (ROWS_AT_ONCE, n), ld apart */
    ptrdiff_t ld,
    ptrdiff_t n,
    const REAL *panel,        /* IN    (n, PANEL) */
    REAL *out,                /* OUT   (ROWS_AT_ONCE, PANEL), ld_out apart */
    ptrdiff_t ld_out
) {
    VEC sum[ROWS_AT_ONCE][PANEL_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < ROWS_AT_ONCE; i++)
        sum[i][0] = sum[i][1] = (VEC){0};
    for (ptrdiff_t k = 0; k < n; k++) {
        const VEC w0 = *(const VEC *)(panel + k * PANEL), w1 = *(const VEC *)(panel + k * PANEL + LANES);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS_AT_ONCE; i++) {
            const REAL x = X[i * ld + k];
            sum[i][0] += x * w0;
            sum[i][1] += x * w1;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS_AT_ONCE; i++) {
        *(VEC *)(out + i * ld_out) = sum[i][0];
        *(VEC *)(out + i * ld_out + LANES) = sum[i][1];
    }
}

#undef PANEL
#undef VEC
