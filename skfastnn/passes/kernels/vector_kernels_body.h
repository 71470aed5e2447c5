/* Included for each version and floating type, see each_version.h. */

typedef REAL NAME(vec) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
#if BYTES_OF_REAL == 4
typedef int32_t NAME(bits) __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int64_t NAME(bits) __attribute__((vector_size(VECTOR_BYTES)));
#endif
#define VEC NAME(vec)
#define BITS NAME(bits)
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))

/* Sums of as many vectors as a vector has lanes are a transposition with additions on the way, in two stages: `fold4`
 * of four vectors each, and `sums_of_folds`, which needs LANES / 4 of those. */
#if LANES == 16
INLINE VEC NAME(fold4)(VEC a0, VEC a1, VEC a2, VEC a3) {
    VEC p = SHUFFLE(a0, a1, BITS, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
        + SHUFFLE(a0, a1, BITS, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    VEC q = SHUFFLE(a2, a3, BITS, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
        + SHUFFLE(a2, a3, BITS, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    return SHUFFLE(p, q, BITS, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
        + SHUFFLE(p, q, BITS, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

INLINE VEC NAME(sums_of_folds)(const VEC *fold) {
    VEC p = SHUFFLE(fold[0], fold[1], BITS, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
        + SHUFFLE(fold[0], fold[1], BITS, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    VEC q = SHUFFLE(fold[2], fold[3], BITS, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
        + SHUFFLE(fold[2], fold[3], BITS, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    return SHUFFLE(p, q, BITS, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
        + SHUFFLE(p, q, BITS, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
#elif LANES == 8
INLINE VEC NAME(fold4)(VEC a0, VEC a1, VEC a2, VEC a3) {
    VEC p = SHUFFLE(a0, a1, BITS, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLE(a0, a1, BITS, 1, 9, 3, 11, 5, 13, 7, 15);
    VEC q = SHUFFLE(a2, a3, BITS, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLE(a2, a3, BITS, 1, 9, 3, 11, 5, 13, 7, 15);
    return SHUFFLE(p, q, BITS, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLE(p, q, BITS, 4, 5, 6, 7, 12, 13, 14, 15);
}

INLINE VEC NAME(sums_of_folds)(const VEC *fold) {
    return SHUFFLE(fold[0], fold[1], BITS, 0, 1, 4, 5, 8, 9, 12, 13)
        + SHUFFLE(fold[0], fold[1], BITS, 2, 3, 6, 7, 10, 11, 14, 15);
}
#else
INLINE VEC NAME(fold4)(VEC a0, VEC a1, VEC a2, VEC a3) {
    VEC p = SHUFFLE(a0, a1, BITS, 0, 4, 2, 6) + SHUFFLE(a0, a1, BITS, 1, 5, 3, 7);
    VEC q = SHUFFLE(a2, a3, BITS, 0, 4, 2, 6) + SHUFFLE(a2, a3, BITS, 1, 5, 3, 7);
    return SHUFFLE(p, q, BITS, 0, 1, 4, 5) + SHUFFLE(p, q, BITS, 2, 3, 6, 7);
}

INLINE VEC NAME(sums_of_folds)(const VEC *fold) {
    return fold[0];
}
#endif

INLINE REAL NAME(sum)(VEC a) {
    const VEC zero = {0};
    VEC fold[LANES / 4] = {NAME(fold4)(a, zero, zero, zero)};
    return NAME(sums_of_folds)(fold)[0];
}

/* lane by lane: `yes` where the condition is not zero, else `no` */
INLINE VEC NAME(where)(VEC condition, VEC yes, VEC no) {
    BITS mask = (BITS)(condition != (VEC){0});
    return (VEC)(((BITS)yes & mask) | ((BITS)no & ~mask));
}

/* the first `left` lanes of a vector, zero behind */
INLINE VEC NAME(first_lanes)(VEC a, int32_t left) {
#if LANES == 16
    const BITS lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif LANES == 8
    const BITS lane = {0, 1, 2, 3, 4, 5, 6, 7};
#else
    const BITS lane = {0, 1, 2, 3};
#endif
    return (VEC)((BITS)a & (BITS)(lane < left));
}

/* `fold4` of the products of w with four rows: w is loaded once for four multiplications. Each vector of a line has sums
 * of its own, which need not wait for those of the others. `upcoming`, if not NULL, is a row to ask for. */
INLINE VEC NAME(products4)(
    const REAL *w, const REAL *x0, const REAL *x1, const REAL *x2, const REAL *x3, ptrdiff_t n, const void *upcoming
) {
    VEC a0[PER_LINE], a1[PER_LINE], a2[PER_LINE], a3[PER_LINE];
    for (int q = 0; q < PER_LINE; q++)
        a0[q] = a1[q] = a2[q] = a3[q] = (VEC){0};
    for (ptrdiff_t j = 0; j < n; j += LINE) {
        if (upcoming)
            ASK_FOR_LINE((const REAL *)upcoming + j);
        for (int q = 0; q < PER_LINE; q++) {
            const ptrdiff_t at = j + q * LANES;
            VEC v = LOAD(w + at);
            a0[q] += v * LOAD(x0 + at);
            a1[q] += v * LOAD(x1 + at);
            a2[q] += v * LOAD(x2 + at);
            a3[q] += v * LOAD(x3 + at);
        }
    }
    for (int q = 1; q < PER_LINE; q++) {
        a0[0] += a0[q];
        a1[0] += a1[q];
        a2[0] += a2[q];
        a3[0] += a3[q];
    }
    return NAME(fold4)(a0[0], a1[0], a2[0], a3[0]);
}

/* Inner products of w with up to LANES rows of X, one a lane; lanes behind `left` hold anything that rows give. Each
 * group of four rows asks for one of the upcoming, if that is not NULL, from the row `first` on. */
INLINE VEC NAME(dots)(
    const REAL *w, const REAL *X, ptrdiff_t ld, ptrdiff_t n, const int32_t *row, int32_t left,
    const upcoming_rows *upcoming, int32_t first
) {
    VEC fold[LANES / 4];
    for (int g = 0; g < LANES / 4; g++) {
        const int32_t *r = row + 4 * g, more = left - 4 * g;
        const void *next = upcoming && first + g < upcoming->n ? upcoming->row[first + g] : NULL;
        if (more >= 4)
            fold[g] = NAME(products4)(w, X + r[0] * ld, X + r[1] * ld, X + r[2] * ld, X + r[3] * ld, n, next);
        else if (more > 0) /* a short group repeats its first row: those loads hit the cache */
            fold[g] = NAME(products4)(
                w, X + r[0] * ld, X + r[more > 1] * ld, X + r[more > 2 ? 2 : 0] * ld, X + r[0] * ld, n, next
            );
        else
            fold[g] = (VEC){0};
    }
    return NAME(sums_of_folds)(fold);
}

/* The weights of one neuron where they are now: start + share * (anchor + displacement) + run * velocity. anchor and
 * velocity may be NULL. */
KERNEL void NAME(whole_weights)(
    const REAL *start, const REAL *anchor, const REAL *displacement, const REAL *velocity, REAL share, REAL run,
    ptrdiff_t n, REAL *whole
) {
    if (velocity == NULL && anchor == NULL)
        for (ptrdiff_t j = 0; j < n; j += LANES)
            STORE(whole + j, LOAD(displacement + j) + LOAD(start + j));
    else if (velocity == NULL)
        for (ptrdiff_t j = 0; j < n; j += LANES)
            STORE(whole + j, LOAD(displacement + j) + (LOAD(start + j) + LOAD(anchor + j)));
    else
        for (ptrdiff_t j = 0; j < n; j += LANES) {
            VEC u = LOAD(displacement + j);
            if (anchor)
                u += LOAD(anchor + j);
            STORE(whole + j, LOAD(start + j) + (share * u + run * LOAD(velocity + j)));
        }
}

/* output[row] += value * v for the pairs of one neuron */
INLINE void NAME(add_output)(
    const int32_t *row, const REAL *value, int32_t count, const REAL *v, ptrdiff_t ld_out, REAL *output
) {
    if (ld_out == 1)
        for (int32_t i = 0; i < count; i++)
            output[row[i]] += value[i] * v[0];
    else if (ld_out == LINE) {               /* up to 16 classes: the output weights stay in registers */
        VEC weights[PER_LINE];
        for (int q = 0; q < PER_LINE; q++)
            weights[q] = LOAD(v + q * LANES);
        for (int32_t i = 0; i < count; i++) {
            REAL *out = output + (ptrdiff_t)row[i] * LINE;
            for (int q = 0; q < PER_LINE; q++)
                STORE(out + q * LANES, LOAD(out + q * LANES) + value[i] * weights[q]);
        }
    } else
        for (int32_t i = 0; i < count; i++)
            for (ptrdiff_t j = 0; j < ld_out; j += LANES) {
                REAL *out = output + row[i] * ld_out + j;
                STORE(out, LOAD(out) + value[i] * LOAD(v + j));
            }
}

/* The pairs of one neuron are verified already: only the output is added. */
KERNEL void NAME(output_neuron)(
    const int32_t *row, const REAL *value, int32_t count, const REAL *v, ptrdiff_t ld_out, REAL *output
) {
    NAME(add_output)(row, value, count, v, ld_out, output);
}

/* sum = sum_i weight[i] * rows[row[i]], a strip of n_vectors vectors held in registers, n_chains times: an addition
 * waits for the one before it. */
INLINE void NAME(weighted_strip)(
    const REAL *rows, ptrdiff_t ld, const int32_t *row, const REAL *weight, int32_t count, REAL *sum,
    const int n_vectors, const int n_chains
) {
    VEC total[8];
    for (int j = 0; j < n_chains * n_vectors; j++)
        total[j] = (VEC){0};
    int32_t i = 0;
    for (; i + n_chains <= count; i += n_chains)
        for (int q = 0; q < n_chains; q++) {
            const REAL *x = rows + row[i + q] * ld;
            for (int j = 0; j < n_vectors; j++)
                total[q * n_vectors + j] += weight[i + q] * LOAD(x + j * LANES);
        }
    for (; i < count; i++)
        for (int j = 0; j < n_vectors; j++)
            total[j] += weight[i] * LOAD(rows + row[i] * ld + j * LANES);
    for (int q = 1; q < n_chains; q++)
        for (int j = 0; j < n_vectors; j++)
            total[j] += total[q * n_vectors + j];
    for (int j = 0; j < n_vectors; j++)
        STORE(sum + j * LANES, total[j]);
}

/* The same for whole rows. */
INLINE void NAME(weighted_rows)(
    const REAL *rows, ptrdiff_t ld, ptrdiff_t n, const int32_t *row, const REAL *weight, int32_t count, REAL *sum
) {
    ptrdiff_t j = 0;
    for (; j + 8 * LANES <= n; j += 8 * LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 8, 1);
    for (; j + 4 * LANES <= n; j += 4 * LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 4, 2);
    for (; j + 2 * LANES <= n; j += 2 * LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 2, 4);
    for (; j < n; j += LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 1, 4);
}

/* Signals of one neuron, the derivatives by its pre-activations on the rows it fired on, and the gradient of its
 * output weights. error (n_rows, ld_out) is the derivative of the loss by the output; without outputs, as in a layer
 * below another, ld_out is 0 and error (count,) holds the signals. Returns the gradient of the intercept. */
INLINE REAL NAME(signals)(
    const int32_t *row, const REAL *value, int32_t count, const REAL *error, const REAL *v, ptrdiff_t ld_out,
    REAL *signal,             /* OUT   (count,), and SPARE more */
    REAL *grad_v              /* OUT   (ld_out,) */
) {
    REAL grad_c = 0;
    if (ld_out == 0)
        for (int32_t i = 0; i < count; i++)
            signal[i] = error[i];
    else if (ld_out == 1) {
        REAL s = 0;
        for (int32_t i = 0; i < count; i++) {
            REAL e = error[row[i]];
            signal[i] = e * v[0];
            s += value[i] * e;
        }
        grad_v[0] = s;
    } else {
        VEC total = {0};
        for (int32_t i = 0; i < count; i += LANES) {
            const int32_t left = count - i < LANES ? count - i : LANES;
            VEC s = NAME(first_lanes)(NAME(dots)(v, error, ld_out, ld_out, row + i, left, NULL, 0), left);
            STORE(signal + i, s);
            total += s;
        }
        NAME(weighted_rows)(error, ld_out, ld_out, row, value, count, grad_v);
        return NAME(sum)(total);
    }
    for (int32_t i = 0; i < count; i++)
        grad_c += signal[i];
    return grad_c;
}

/* The same for who does not go on in a kernel. */
KERNEL REAL NAME(signals_of)(
    const int32_t *row, const REAL *value, int32_t count, const REAL *error, const REAL *v, ptrdiff_t ld_out,
    REAL *signal, REAL *grad_v
) {
    return NAME(signals)(row, value, count, error, v, ld_out, signal, grad_v);
}

/* Gradient of one neuron from the rows it fired on: weights (n,), output weights (ld_out,), intercept (returned).
 * signal (count,), and SPARE more, is scratch. */
INLINE REAL NAME(gradient)(
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count,
    const REAL *error, const REAL *v, ptrdiff_t ld_out, REAL *signal, REAL *grad_w, REAL *grad_v
) {
    REAL grad_c = NAME(signals)(row, value, count, error, v, ld_out, signal, grad_v);
    NAME(weighted_rows)(X, ld_x, n, row, signal, count, grad_w);
    return grad_c;
}

#undef VEC
#undef BITS
#undef LOAD
#undef STORE
