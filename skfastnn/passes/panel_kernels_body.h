/* Included by panel_kernels.h once per floating type: REAL, LANES and NAME are set there. */

#define VEC NAME(vec)
#define QUAD NAME(quad)
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
#define N_VECTORS (PANEL / LANES)
#define PANEL_BYTES (PANEL * (ptrdiff_t)sizeof(REAL))

/* Pre-activations of a panel: z = intercept + <x, start> + a <x, first> + b <x, second>.
 * start has n_start columns, 32 where twins share them or 64; start and second may be NULL. */
VECTOR_CLONES static void NAME(panel_forward)(
    sparse_rows X,
    const REAL *data,
    const REAL *start,        /* IN    (n_features, n_start) or NULL */
    int n_start,
    const REAL *first,        /* IN    (n_features, 64) */
    REAL a,
    const REAL *second,       /* IN    (n_features, 64) or NULL */
    REAL b,
    const REAL *intercept,    /* IN    (64,) */
    REAL *z                   /* OUT   (n_rows, 64) */
) {
    const int64_t end = X.indptr[X.n_rows];
    for (ptrdiff_t i = 0; i < X.n_rows; i++) {
        VEC sum[N_VECTORS], shared[N_VECTORS];
        for (int v = 0; v < N_VECTORS; v++) {
            sum[v] = LOAD(intercept + v * LANES);
            shared[v] = (VEC){0};
        }
        for (int64_t k = X.indptr[i]; k < X.indptr[i + 1]; k++) {
            const ptrdiff_t at = (ptrdiff_t)X.indices[k] * PANEL;
            const REAL ax = a * data[k], bx = b * data[k];
            if (k + AHEAD < end) {
                const ptrdiff_t soon = (ptrdiff_t)X.indices[k + AHEAD] * PANEL;
                prefetch_row(first + soon, PANEL_BYTES);
                if (second)
                    prefetch_row(second + soon, PANEL_BYTES);
            }
            for (int v = 0; v < N_VECTORS; v++)
                sum[v] += ax * LOAD(first + at + v * LANES);
            if (second)
                for (int v = 0; v < N_VECTORS; v++)
                    sum[v] += bx * LOAD(second + at + v * LANES);
            if (start && n_start == PANEL)
                for (int v = 0; v < N_VECTORS; v++)
                    shared[v] += data[k] * LOAD(start + at + v * LANES);
            else if (start)
                for (int v = 0; v < N_VECTORS / 2; v++)
                    shared[v] += data[k] * LOAD(start + at / 2 + v * LANES);
        }
        if (n_start < PANEL)
            for (int v = 0; v < N_VECTORS / 2; v++)
                shared[v + N_VECTORS / 2] = shared[v];
        for (int v = 0; v < N_VECTORS; v++)
            STORE(z + i * PANEL + v * LANES, sum[v] + shared[v]);
    }
}

/* first += a X' signal, second += b X' signal; only vectors that `used` names for a row hold signals. */
VECTOR_CLONES static void NAME(panel_add)(
    sparse_rows X, const REAL *data, const REAL *signal, const uint8_t *used, REAL *first, REAL a, REAL *second,
    REAL b
) {
    const int64_t end = X.indptr[X.n_rows];
    for (ptrdiff_t i = 0; i < X.n_rows; i++) {
        VEC s[N_VECTORS];
        const int mask = used[i];
        if (mask == 0)
            continue;
        for (int v = 0; v < N_VECTORS; v++)
            s[v] = LOAD(signal + i * PANEL + v * LANES);
        for (int64_t k = X.indptr[i]; k < X.indptr[i + 1]; k++) {
            const ptrdiff_t at = (ptrdiff_t)X.indices[k] * PANEL;
            const REAL ax = a * data[k], bx = b * data[k];
            if (k + AHEAD < end) {
                const ptrdiff_t soon = (ptrdiff_t)X.indices[k + AHEAD] * PANEL;
                prefetch_row(first + soon, PANEL_BYTES);
                if (second)
                    prefetch_row(second + soon, PANEL_BYTES);
            }
            for (int v = 0; v < N_VECTORS; v++) {
                if (!(mask >> v & 1))
                    continue;
                REAL *p = first + at + v * LANES;
                STORE(p, LOAD(p) + ax * s[v]);
                if (second) {
                    REAL *q = second + at + v * LANES;
                    STORE(q, LOAD(q) + bx * s[v]);
                }
            }
        }
    }
}

/* One step of Adam on the weights of a panel whose gradient X' signal is not zero. By_feature is X transposed, without
 * the features that no row has; `feature` names those it has. start may be NULL where there is no penalty. */
VECTOR_CLONES static void NAME(panel_adam)(
    sparse_rows by_feature, const int32_t *feature, const REAL *data, const REAL *signal, const uint8_t *used,
    const REAL *start, int n_start, REAL *weights, REAL *mean, REAL *square, const update_rule *rule
) {
    const REAL rate = (REAL)rule->rate, b1 = (REAL)rule->momentum, b2 = (REAL)rule->beta_2;
    const REAL c1 = (REAL)(1 - rule->momentum), c2 = (REAL)(1 - rule->beta_2), eps = (REAL)rule->epsilon;
    const REAL penalty = (REAL)rule->penalty;
    for (ptrdiff_t j = 0; j < by_feature.n_rows; j++) {
        VEC gradient[N_VECTORS];
        int touched = 0;
        if (j + AHEAD < by_feature.n_rows) {
            const ptrdiff_t soon = (ptrdiff_t)feature[j + AHEAD] * PANEL;
            prefetch_row(weights + soon, PANEL_BYTES);
            prefetch_row(mean + soon, PANEL_BYTES);
            prefetch_row(square + soon, PANEL_BYTES);
        }
        for (int v = 0; v < N_VECTORS; v++)
            gradient[v] = (VEC){0};
        for (int64_t k = by_feature.indptr[j]; k < by_feature.indptr[j + 1]; k++) {
            const int32_t i = by_feature.indices[k];
            const int mask = used[i];
            touched |= mask;
            for (int v = 0; v < N_VECTORS; v++)
                if (mask >> v & 1)
                    gradient[v] += data[k] * LOAD(signal + (ptrdiff_t)i * PANEL + v * LANES);
        }
        for (int v = 0; v < N_VECTORS; v++) {
            const ptrdiff_t at = (ptrdiff_t)feature[j] * PANEL + v * LANES;
            if (!(touched >> v & 1))
                continue;
            VEC w = LOAD(weights + at), g = gradient[v], m, s, root;
            if (start) {
                const ptrdiff_t drawn = n_start == PANEL ? at : (ptrdiff_t)feature[j] * n_start + v * LANES % n_start;
                g += penalty * (w - LOAD(start + drawn));
            }
            m = b1 * LOAD(mean + at) + c1 * g;
            s = b2 * LOAD(square + at) + c2 * (g * g);
            root = s;
            NAME(root)(&root);
            w -= rate * m / (root + eps);
            STORE(weights + at, NAME(where)(gradient[v], w, LOAD(weights + at)));
            STORE(mean + at, NAME(where)(gradient[v], m, LOAD(mean + at)));
            STORE(square + at, NAME(where)(gradient[v], s, LOAD(square + at)));
        }
    }
}

/* derivative += <weights of the entry, signals of its row>, weights as in panel_forward; only vectors that `used` names
 * for a row hold signals. Four entries at a time, whose sums make one vector. */
VECTOR_CLONES static void NAME(panel_backward)(
    sparse_rows X, const REAL *signal, const uint8_t *used, const REAL *start, int n_start, const REAL *first, REAL a,
    const REAL *second, REAL b,
    REAL *derivative          /* INOUT (n_entries,) */
) {
    const int64_t end = X.indptr[X.n_rows];
    for (ptrdiff_t i = 0; i < X.n_rows; i++) {
        const int mask = used[i];
        if (mask == 0)
            continue;
        for (int64_t k = X.indptr[i]; k < X.indptr[i + 1]; k += 4) {
            const int64_t left = X.indptr[i + 1] - k < 4 ? X.indptr[i + 1] - k : 4;
            VEC sum[4];
            for (int q = 0; q < 4; q++) {
                const ptrdiff_t feature = X.indices[k + (q < left ? q : left - 1)], at = feature * PANEL;
                if (k + q + AHEAD < end) {
                    const ptrdiff_t soon = (ptrdiff_t)X.indices[k + q + AHEAD] * PANEL;
                    prefetch_row(first + soon, PANEL_BYTES);
                    if (second)
                        prefetch_row(second + soon, PANEL_BYTES);
                }
                sum[q] = (VEC){0};
                for (int v = 0; v < N_VECTORS; v++) {
                    if (!(mask >> v & 1))
                        continue;
                    const VEC s = LOAD(signal + i * PANEL + v * LANES);
                    VEC w = a * LOAD(first + at + v * LANES);
                    if (second)
                        w += b * LOAD(second + at + v * LANES);
                    if (start)
                        w += LOAD(start + feature * n_start + v * LANES % n_start);
                    sum[q] += s * w;
                }
            }
            QUAD sums = NAME(sums4)(sum[0], sum[1], sum[2], sum[3]);
            for (int q = 0; q < left; q++)
                derivative[k + q] += sums[q];
        }
    }
}

#undef VEC
#undef QUAD
#undef LOAD
#undef STORE
#undef N_VECTORS
#undef PANEL_BYTES
