/* Included for each version and floating type, see each_version.h. */

#define VEC NAME(vec)
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
#define N_VECTORS (PANEL / LANES)
#define PANEL_BYTES (PANEL * (ptrdiff_t)sizeof(REAL))
/* vectors of a strip */
#define STRIP (LINES_OF_STRIP * PER_LINE)
#define STRIP_BYTES (64 * LINES_OF_STRIP)

/* Ask for the weights of a feature that is to come; start and second may be NULL. */
INLINE void NAME(ask_for)(
    ptrdiff_t feature, const REAL *start, int n_start, const REAL *first, ptrdiff_t ld, const REAL *second
) {
    prefetch_row(first + feature * ld, PANEL_BYTES);
    if (second)
        prefetch_row(second + feature * PANEL, PANEL_BYTES);
    if (start)
        prefetch_row(start + feature * n_start, n_start * (ptrdiff_t)sizeof(REAL));
}

/* w = start + a first + b second, for one feature; the numbers of a feature in first are ld behind those before */
INLINE void NAME(weights_of)(
    ptrdiff_t feature, const REAL *start, int n_start, const REAL *first, ptrdiff_t ld, REAL a, const REAL *second,
    REAL b,
    VEC *w           /* OUT   (N_VECTORS,) */
) {
    for (int v = 0; v < N_VECTORS; v++) {
        w[v] = a * LOAD(first + feature * ld + v * LANES);
        if (second)
            w[v] += b * LOAD(second + feature * PANEL + v * LANES);
        if (start)
            w[v] += LOAD(start + feature * n_start + v * LANES % n_start);
    }
}

/* Pre-activations of a panel: z = intercept + <x, start + a first + b second>.
 * start has n_start columns, 32 where twins share them or 64; start and second may be NULL. */
INLINE void NAME(pre_activations)(
    feature_entries X,
    const REAL *data,
    const REAL *start,        /* IN    (n_features, n_start) or NULL */
    int n_start,
    const REAL *first,        /* IN    (n_features, 64), rows ld apart */
    ptrdiff_t ld,
    REAL a,
    const REAL *second,       /* IN    (n_features, 64) or NULL */
    REAL b,
    const REAL *intercept,    /* IN    (64,) */
    REAL *z                   /* OUT   (n_rows, 64) */
) {
    for (ptrdiff_t i = 0; i < X.n_rows; i++)
        for (int v = 0; v < N_VECTORS; v++)
            STORE(z + i * TILE_LD + v * LANES, LOAD(intercept + v * LANES));
    for (ptrdiff_t j = 0; j < X.n_present; j++) {
        VEC w[N_VECTORS];
        if (j + AHEAD < X.n_present)
            NAME(ask_for)(X.feature[j + AHEAD], start, n_start, first, ld, second);
        NAME(weights_of)(X.feature[j], start, n_start, first, ld, a, second, b, w);
        for (int64_t k = X.end[j]; k < X.end[j + 1]; k++) {
            REAL *zi = z + (ptrdiff_t)X.row[k] * TILE_LD;
            for (int v = 0; v < N_VECTORS; v++)
                STORE(zi + v * LANES, LOAD(zi + v * LANES) + data[k] * w[v]);
        }
    }
}

KERNEL void NAME(panel_forward)(
    feature_entries X, const REAL *data, const REAL *start, int n_start, const REAL *first, REAL a,
    const REAL *second, REAL b, const REAL *intercept, REAL *z
) {
    NAME(pre_activations)(X, data, start, n_start, first, PANEL, a, second, b, intercept, z);
}

/* The same for 64 columns of a matrix whose rows are ld apart. */
KERNEL void NAME(columns_forward)(
    feature_entries X, const REAL *data, const REAL *W, ptrdiff_t ld, const REAL *intercept, REAL *z
) {
    NAME(pre_activations)(X, data, NULL, PANEL, W, ld, 1, NULL, 0, intercept, z);
}

/* gradient = X' signal for one feature and a strip of neurons, of which the first vector is given; returns the lines of
 * the panel in which a neuron has a signal, as bits. Vectors without signals are added too: a branch for each would cost
 * more. */
INLINE int NAME(gradient_of)(
    feature_entries X, const REAL *data, ptrdiff_t j, int strip, const REAL *signal, const uint8_t *used, VEC *gradient
) {
    int touched = 0;
    for (int v = 0; v < STRIP; v++)
        gradient[v] = (VEC){0};
    for (int64_t k = X.end[j]; k < X.end[j + 1]; k++) {
        const REAL *s = signal + (ptrdiff_t)X.row[k] * TILE_LD + strip * LANES;
        touched |= used[X.row[k]];
        for (int v = 0; v < STRIP; v++)
            gradient[v] += data[k] * LOAD(s + v * LANES);
    }
    return touched;
}

/* first += a X' signal, second += b X' signal, for a strip of neurons; second may be NULL. */
INLINE void NAME(strip_add)(
    feature_entries X, const REAL *data, int strip, const REAL *signal, const uint8_t *used, REAL *first, REAL a,
    REAL *second, REAL b
) {
    for (ptrdiff_t j = 0; j < X.n_present; j++) {
        VEC gradient[STRIP];
        if (j + AHEAD < X.n_present) {
            const ptrdiff_t next = (ptrdiff_t)X.feature[j + AHEAD] * PANEL + strip * LANES;
            prefetch_row(first + next, STRIP_BYTES);
            if (second)
                prefetch_row(second + next, STRIP_BYTES);
        }
        const int touched = NAME(gradient_of)(X, data, j, strip, signal, used, gradient);
        for (int v = 0; v < STRIP; v++) {
            const ptrdiff_t at = (ptrdiff_t)X.feature[j] * PANEL + (strip + v) * LANES;
            if (!(touched >> (strip + v) / PER_LINE & 1))
                continue;
            STORE(first + at, LOAD(first + at) + a * gradient[v]);
            if (second)
                STORE(second + at, LOAD(second + at) + b * gradient[v]);
        }
    }
}

KERNEL void NAME(panel_add)(
    feature_entries X, const REAL *data, const REAL *signal, const uint8_t *used, REAL *first, REAL a, REAL *second,
    REAL b
) {
    for (int strip = 0; strip < N_VECTORS; strip += STRIP)
        NAME(strip_add)(X, data, strip, signal, used, first, a, second, b);
}

/* One step of Adam on the weights of a strip of neurons whose gradient X' signal is not zero. start may be NULL where
 * there is no penalty. */
INLINE void NAME(strip_adam)(
    feature_entries X, const REAL *data, int strip, const REAL *signal, const uint8_t *used, const REAL *start,
    int n_start, REAL *weights, REAL *mean, REAL *square, const update_rule *rule
) {
    const REAL rate = (REAL)rule->rate, b1 = (REAL)rule->momentum, b2 = (REAL)rule->beta_2;
    const REAL c1 = (REAL)(1 - rule->momentum), c2 = (REAL)(1 - rule->beta_2), eps = (REAL)rule->epsilon;
    const REAL penalty = (REAL)rule->penalty;
    for (ptrdiff_t j = 0; j < X.n_present; j++) {
        VEC gradient[STRIP];
        if (j + AHEAD < X.n_present) {
            const ptrdiff_t next = (ptrdiff_t)X.feature[j + AHEAD] * PANEL + strip * LANES;
            prefetch_row(weights + next, STRIP_BYTES);
            prefetch_row(mean + next, STRIP_BYTES);
            prefetch_row(square + next, STRIP_BYTES);
        }
        const int touched = NAME(gradient_of)(X, data, j, strip, signal, used, gradient);
        for (int v = 0; v < STRIP; v++) {
            const ptrdiff_t feature = X.feature[j], column = (strip + v) * LANES, at = feature * PANEL + column;
            if (!(touched >> (strip + v) / PER_LINE & 1))
                continue;
            /* the arrays begin on pages: a load after a store to another would wait for it, as if it were the same */
            const VEC w = LOAD(weights + at), m = LOAD(mean + at), s = LOAD(square + at);
            VEC g = gradient[v];
            if (start)
                g += penalty * (w - LOAD(start + feature * n_start + column % n_start));
            const VEC new_m = b1 * m + c1 * g, new_s = b2 * s + c2 * (g * g);
            VEC root = new_s;
            NAME(root)(&root);
            const VEC new_w = w - rate * new_m / (root + eps);
            STORE(weights + at, NAME(where)(gradient[v], new_w, w));
            STORE(mean + at, NAME(where)(gradient[v], new_m, m));
            STORE(square + at, NAME(where)(gradient[v], new_s, s));
        }
    }
}

KERNEL void NAME(panel_adam)(
    feature_entries X, const REAL *data, const REAL *signal, const uint8_t *used, const REAL *start, int n_start,
    REAL *weights, REAL *mean, REAL *square, const update_rule *rule
) {
    for (int strip = 0; strip < N_VECTORS; strip += STRIP)
        NAME(strip_adam)(X, data, strip, signal, used, start, n_start, weights, mean, square, rule);
}

/* derivative += <weights of the entry, signals of its row>, weights as in panel_forward. As many entries at a
 * time as make one vector of sums. */
KERNEL void NAME(panel_backward)(
    feature_entries X, const REAL *signal, const REAL *start, int n_start, const REAL *first, REAL a,
    const REAL *second, REAL b,
    REAL *derivative          /* INOUT (n_entries,) */
) {
    for (ptrdiff_t j = 0; j < X.n_present; j++) {
        VEC w[N_VECTORS];
        if (j + AHEAD < X.n_present)
            NAME(ask_for)(X.feature[j + AHEAD], start, n_start, first, PANEL, second);
        NAME(weights_of)(X.feature[j], start, n_start, first, PANEL, a, second, b, w);
        for (int64_t k = X.end[j]; k < X.end[j + 1]; k += LANES) {
            const int left = X.end[j + 1] - k < LANES ? (int)(X.end[j + 1] - k) : LANES;
            VEC fold[LANES / 4], sum[4];
            for (int g = 0; g < LANES; g += 4) {
                for (int q = 0; q < 4; q++) {
                    sum[q] = (VEC){0};
                    if (g < left) {
                        const REAL *s = signal + (ptrdiff_t)X.row[k + (g + q < left ? g + q : left - 1)] * TILE_LD;
                        for (int v = 0; v < N_VECTORS; v++)
                            sum[q] += w[v] * LOAD(s + v * LANES);
                    }
                }
                fold[g / 4] = NAME(fold4)(sum[0], sum[1], sum[2], sum[3]);
            }
            const VEC sums = NAME(sums_of_folds)(fold);
            for (int q = 0; q < left; q++)
                derivative[k + q] += sums[q];
        }
    }
}

#undef VEC
#undef LOAD
#undef STORE
#undef N_VECTORS
#undef PANEL_BYTES
#undef STRIP
#undef STRIP_BYTES
