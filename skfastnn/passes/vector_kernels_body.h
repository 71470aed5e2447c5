/* Included by vector_kernels.h once per floating type: REAL, LANES, NAME and LANE_BITS are set there. */

typedef REAL NAME(vec) __attribute__((vector_size(64), aligned(sizeof(REAL)), may_alias));
typedef LANE_BITS NAME(bits) __attribute__((vector_size(64)));
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
#else
INLINE VEC NAME(fold4)(VEC a0, VEC a1, VEC a2, VEC a3) {
    VEC p = SHUFFLE(a0, a1, BITS, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLE(a0, a1, BITS, 1, 9, 3, 11, 5, 13, 7, 15);
    VEC q = SHUFFLE(a2, a3, BITS, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLE(a2, a3, BITS, 1, 9, 3, 11, 5, 13, 7, 15);
    return SHUFFLE(p, q, BITS, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLE(p, q, BITS, 4, 5, 6, 7, 12, 13, 14, 15);
}

INLINE VEC NAME(sums_of_folds)(const VEC *fold) {
    return SHUFFLE(fold[0], fold[1], BITS, 0, 1, 4, 5, 8, 9, 12, 13)
        + SHUFFLE(fold[0], fold[1], BITS, 2, 3, 6, 7, 10, 11, 14, 15);
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
#else
    const BITS lane = {0, 1, 2, 3, 4, 5, 6, 7};
#endif
    return (VEC)((BITS)a & (BITS)(lane < left));
}

/* `fold4` of the products of w with four rows: w is loaded once for four multiplications. `upcoming`, if not NULL, is a
 * row to ask for. */
INLINE VEC NAME(products4)(
    const REAL *w, const REAL *x0, const REAL *x1, const REAL *x2, const REAL *x3, ptrdiff_t n, const void *upcoming
) {
    VEC a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        VEC v = LOAD(w + j);
        if (upcoming)
            ASK_FOR_LINE(upcoming, j / LANES);
        a0 += v * LOAD(x0 + j);
        a1 += v * LOAD(x1 + j);
        a2 += v * LOAD(x2 + j);
        a3 += v * LOAD(x3 + j);
    }
    return NAME(fold4)(a0, a1, a2, a3);
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
VECTOR_CLONES static void NAME(whole_weights)(
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
    else if (ld_out == LANES) {              /* up to 16 classes: the output weights stay in a register */
        VEC weights = LOAD(v);
        for (int32_t i = 0; i < count; i++) {
            REAL *out = output + row[i] * LANES;
            STORE(out, LOAD(out) + value[i] * weights);
        }
    } else
        for (int32_t i = 0; i < count; i++)
            for (ptrdiff_t j = 0; j < ld_out; j += LANES) {
                REAL *out = output + row[i] * ld_out + j;
                STORE(out, LOAD(out) + value[i] * LOAD(v + j));
            }
}

/* The pairs of one neuron are verified already: only the output is added. */
VECTOR_CLONES static void NAME(output_neuron)(
    const int32_t *row, const REAL *value, int32_t count, const REAL *v, ptrdiff_t ld_out, REAL *output
) {
    NAME(add_output)(row, value, count, v, ld_out, output);
}

/* sum = sum_i weight[i] * rows[row[i]], a strip of n_vectors vectors held in registers, n_chains times: an addition
 * waits for the one before it. `upcoming` as in `weighted_rows`, at the strip's first line. */
INLINE void NAME(weighted_strip)(
    const REAL *rows, ptrdiff_t ld, const int32_t *row, const REAL *weight, int32_t count, REAL *sum,
    const int n_vectors, const int n_chains, const upcoming_rows *upcoming, ptrdiff_t line
) {
    VEC total[8];
    for (int j = 0; j < n_chains * n_vectors; j++)
        total[j] = (VEC){0};
    if (upcoming && n_chains > 1)
        ask_for_lines(upcoming, line, line + n_vectors);
    int32_t i = 0;
    for (; i + n_chains <= count; i += n_chains) {
        if (upcoming && n_chains == 1 && i < n_vectors)
            ask_for_lines(upcoming, line + i, line + i + 1);
        for (int q = 0; q < n_chains; q++) {
            const REAL *x = rows + row[i + q] * ld;
            for (int j = 0; j < n_vectors; j++)
                total[q * n_vectors + j] += weight[i + q] * LOAD(x + j * LANES);
        }
    }
    for (; i < count; i++)
        for (int j = 0; j < n_vectors; j++)
            total[j] += weight[i] * LOAD(rows + row[i] * ld + j * LANES);
    if (upcoming && n_chains == 1 && count < n_vectors)
        ask_for_lines(upcoming, line + count, line + n_vectors);
    for (int q = 1; q < n_chains; q++)
        for (int j = 0; j < n_vectors; j++)
            total[j] += total[q * n_vectors + j];
    for (int j = 0; j < n_vectors; j++)
        STORE(sum + j * LANES, total[j]);
}

/* The same for whole rows; the upcoming ones, if not NULL, are asked for on the way. */
INLINE void NAME(weighted_rows)(
    const REAL *rows, ptrdiff_t ld, ptrdiff_t n, const int32_t *row, const REAL *weight, int32_t count, REAL *sum,
    const upcoming_rows *upcoming
) {
    ptrdiff_t j = 0;
    for (; j + 8 * LANES <= n; j += 8 * LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 8, 1, upcoming, j / LANES);
    for (; j + 4 * LANES <= n; j += 4 * LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 4, 2, upcoming, j / LANES);
    for (; j < n; j += LANES)
        NAME(weighted_strip)(rows + j, ld, row, weight, count, sum + j, 1, 4, upcoming, j / LANES);
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
        NAME(weighted_rows)(error, ld_out, ld_out, row, value, count, grad_v, NULL);
        return NAME(sum)(total);
    }
    for (int32_t i = 0; i < count; i++)
        grad_c += signal[i];
    return grad_c;
}

/* The same for who does not go on in a kernel. */
VECTOR_CLONES static REAL NAME(signals_of)(
    const int32_t *row, const REAL *value, int32_t count, const REAL *error, const REAL *v, ptrdiff_t ld_out,
    REAL *signal, REAL *grad_v
) {
    return NAME(signals)(row, value, count, error, v, ld_out, signal, grad_v);
}

/* Gradient of one neuron from the rows it fired on: weights (n,), output weights (ld_out,), intercept (returned).
 * signal (count,), and SPARE more, is scratch. */
INLINE REAL NAME(gradient)(
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count,
    const REAL *error, const REAL *v, ptrdiff_t ld_out, REAL *signal, REAL *grad_w, REAL *grad_v,
    const upcoming_rows *upcoming
) {
    REAL grad_c = NAME(signals)(row, value, count, error, v, ld_out, signal, grad_v);
    NAME(weighted_rows)(X, ld_x, n, row, signal, count, grad_w, upcoming);
    return grad_c;
}

/* squared norms that the search needs after a touch: displacement, velocity, and the change of the displacement */
typedef struct {
    REAL displacement, velocity, change;
} NAME(touch);

INLINE void NAME(set_touch)(VEC displacement, VEC velocity, VEC change, NAME(touch) *norms) {
    VEC fold[LANES / 4] = {NAME(fold4)(displacement, velocity, change, (VEC){0})};
    VEC sums = NAME(sums_of_folds)(fold);
    norms->displacement = sums[0];
    norms->velocity = sums[1];
    norms->change = sums[2];
}

/* One step of momentum for n numbers; start may be NULL (the displacement is then the distance from the start).
 * pending, if not NULL, is the 2 x 2 matrix of the silent steps before this one, as in catch_up_neuron. */
INLINE void NAME(momentum_step)(
    REAL *p, REAL *velocity, const REAL *grad, const REAL *start, ptrdiff_t n, const update_rule *rule,
    REAL penalty, const double *pending, NAME(touch) *norms
) {
    const REAL rate = (REAL)rule->rate, mu = (REAL)rule->momentum;
    const REAL along = rule->nesterov ? mu : 1, lookahead = rule->nesterov ? 1 : 0;
    VEC sum_p = {0}, sum_v = {0}, sum_c = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        VEC u = LOAD(p + j);
        VEC from_start = u;
        if (start)
            from_start += LOAD(start + j);
        VEC vel = LOAD(velocity + j), change = {0};
        if (pending) {
            VEC moved = (REAL)pending[0] * from_start + (REAL)pending[1] * vel;
            vel = (REAL)pending[2] * from_start + (REAL)pending[3] * vel;
            change = moved - from_start;
            from_start = moved;
        }
        VEC step = rate * (LOAD(grad + j) + penalty * from_start);
        vel = mu * vel - step;
        change += along * vel - lookahead * step;
        u += change;
        STORE(velocity + j, vel);
        STORE(p + j, u);
        sum_p += u * u;
        sum_v += vel * vel;
        sum_c += change * change;
    }
    NAME(set_touch)(sum_p, sum_v, sum_c, norms);
}

INLINE void NAME(root)(VEC *a) {
    for (int q = 0; q < LANES; q++)
        (*a)[q] = sizeof(REAL) == 4 ? (REAL)sqrtf((float)(*a)[q]) : (REAL)sqrt((double)(*a)[q]);
}

/* One step of Adam for n numbers. */
INLINE void NAME(adam_step)(
    REAL *p, REAL *mean, REAL *square, const REAL *grad, const REAL *start, ptrdiff_t n, const update_rule *rule,
    REAL penalty, NAME(touch) *norms
) {
    const REAL rate = (REAL)rule->rate, b1 = (REAL)rule->momentum, b2 = (REAL)rule->beta_2;
    const REAL c1 = (REAL)(1 - rule->momentum), c2 = (REAL)(1 - rule->beta_2), eps = (REAL)rule->epsilon;
    VEC sum_p = {0}, sum_c = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        VEC u = LOAD(p + j);
        VEC from_start = u;
        if (start)
            from_start += LOAD(start + j);
        VEC gradient = LOAD(grad + j);
        VEC g = gradient + penalty * from_start;
        VEC m = b1 * LOAD(mean + j) + c1 * g;
        VEC s = b2 * LOAD(square + j) + c2 * (g * g);
        VEC root = s;
        NAME(root)(&root);
        VEC change = rate * m / (root + eps);
        if (rule->sparse) {                  /* what has no gradient stands still */
            change = NAME(where)(gradient, change, (VEC){0});
            m = NAME(where)(gradient, m, LOAD(mean + j));
            s = NAME(where)(gradient, s, LOAD(square + j));
        }
        u -= change;
        STORE(mean + j, m);
        STORE(square + j, s);
        STORE(p + j, u);
        sum_p += u * u;
        sum_c += change * change;
    }
    NAME(set_touch)(sum_p, (VEC){0}, sum_c, norms);
}

/* Steps of momentum without gradient but with the penalty, taken at once: the state (distance from the start u,
 * velocity) is multiplied by the 2 x 2 matrix a. */
VECTOR_CLONES static void NAME(catch_up_neuron)(
    REAL *p, REAL *velocity, const REAL *start, ptrdiff_t n, const double *a, NAME(touch) *norms
) {
    const REAL a11 = (REAL)a[0], a12 = (REAL)a[1], a21 = (REAL)a[2], a22 = (REAL)a[3], lost = (REAL)(a[0] - 1);
    VEC sum_p = {0}, sum_v = {0}, sum_c = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        VEC u = LOAD(p + j), vel = LOAD(velocity + j);
        VEC new_p = a11 * u + a12 * vel, new_v = a21 * u + a22 * vel;
        if (start) {
            VEC s = LOAD(start + j);
            new_p += lost * s;
            new_v += a21 * s;
        }
        STORE(p + j, new_p);
        STORE(velocity + j, new_v);
        sum_p += new_p * new_p;
        sum_v += new_v * new_v;
        sum_c += (new_p - u) * (new_p - u);
    }
    NAME(set_touch)(sum_p, sum_v, sum_c, norms);
}

/* One step of momentum on the intercept (c: value, velocity) and the output weights of one neuron. They are few, so
 * they take part in every step, with a gradient of zero where the neuron is silent. */
VECTOR_CLONES static void NAME(sgd_small)(
    REAL *c, REAL *v, REAL *velocity_v, const REAL *start_v, ptrdiff_t ld_out, REAL grad_c, const REAL *grad_v,
    const update_rule *rule
) {
    const REAL rate = (REAL)rule->rate, mu = (REAL)rule->momentum, penalty = (REAL)rule->penalty;
    const REAL along = rule->nesterov ? mu : 1, lookahead = rule->nesterov ? 1 : 0;
    c[1] = mu * c[1] - rate * grad_c;
    c[0] += along * c[1] - lookahead * rate * grad_c;
    if (velocity_v == NULL)                  /* a frozen output layer */
        return;
    for (ptrdiff_t j = 0; j < ld_out; j++) {
        REAL step = rate * ((grad_v ? grad_v[j] : 0) + penalty * (v[j] - start_v[j]));
        velocity_v[j] = mu * velocity_v[j] - step;
        v[j] += along * velocity_v[j] - lookahead * step;
    }
}

/* Backward pass and update of one neuron that fired, momentum. */
VECTOR_CLONES static void NAME(sgd_neuron)(
    REAL *p, REAL *velocity, const REAL *start, REAL *c, REAL *v, REAL *velocity_v, const REAL *start_v,
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count,
    const REAL *error, ptrdiff_t ld_out, const update_rule *rule, const double *pending, REAL *scratch,
    const upcoming_rows *upcoming, NAME(touch) *norms
) {
    REAL *grad_w = scratch, *grad_v = scratch + n, *signal = grad_v + ld_out;
    REAL grad_c = NAME(gradient)(X, ld_x, n, row, value, count, error, v, ld_out, signal, grad_w, grad_v, upcoming);
    if (pending)
        NAME(momentum_step)(p, velocity, grad_w, start, n, rule, (REAL)rule->penalty, pending, norms);
    else
        NAME(momentum_step)(p, velocity, grad_w, start, n, rule, (REAL)rule->penalty, NULL, norms);
    NAME(sgd_small)(c, v, velocity_v, start_v, ld_out, grad_c, grad_v, rule);
}

/* One step of Adam on the intercept (c: value and two moments) and the output weights of one neuron. */
VECTOR_CLONES static void NAME(adam_small)(
    REAL *c, REAL *v, REAL *mean_v, REAL *square_v, const REAL *start_v, ptrdiff_t ld_out, REAL grad_c,
    const REAL *grad_v, const update_rule *rule
) {
    const REAL rate = (REAL)rule->rate, b1 = (REAL)rule->momentum, b2 = (REAL)rule->beta_2;
    const REAL eps = (REAL)rule->epsilon, penalty = (REAL)rule->penalty;
    c[1] = b1 * c[1] + (1 - b1) * grad_c;
    c[2] = b2 * c[2] + (1 - b2) * grad_c * grad_c;
    c[0] -= rate * c[1] / ((REAL)sqrt((double)c[2]) + eps);
    if (mean_v == NULL)                      /* a frozen output layer */
        return;
    if (ld_out == 1) {
        REAL g = grad_v[0] + penalty * (v[0] - start_v[0]);
        mean_v[0] = b1 * mean_v[0] + (1 - b1) * g;
        square_v[0] = b2 * square_v[0] + (1 - b2) * g * g;
        v[0] -= rate * mean_v[0] / ((REAL)sqrt((double)square_v[0]) + eps);
        return;
    }
    for (ptrdiff_t j = 0; j < ld_out; j += LANES) {
        const VEC g = LOAD(grad_v + j) + penalty * (LOAD(v + j) - LOAD(start_v + j));
        const VEC m = b1 * LOAD(mean_v + j) + (1 - b1) * g, s = b2 * LOAD(square_v + j) + (1 - b2) * g * g;
        VEC root = s;
        NAME(root)(&root);
        STORE(mean_v + j, m);
        STORE(square_v + j, s);
        STORE(v + j, LOAD(v + j) - rate * m / (root + eps));
    }
}

/* Backward pass and update of one neuron, Adam. */
VECTOR_CLONES static void NAME(adam_neuron)(
    REAL *p, REAL *mean, REAL *square, const REAL *start, REAL *c, REAL *v, REAL *mean_v, REAL *square_v,
    const REAL *start_v, const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value,
    int32_t count, const REAL *error, ptrdiff_t ld_out, const update_rule *rule, REAL *scratch,
    const upcoming_rows *upcoming, NAME(touch) *norms
) {
    REAL *grad_w = scratch, *grad_v = scratch + n, *signal = grad_v + ld_out;
    REAL grad_c = NAME(gradient)(X, ld_x, n, row, value, count, error, v, ld_out, signal, grad_w, grad_v, upcoming);
    NAME(adam_step)(p, mean, square, grad_w, start, n, rule, (REAL)rule->penalty, norms);
    NAME(adam_small)(c, v, mean_v, square_v, start_v, ld_out, grad_c, grad_v, rule);
}

#undef VEC
#undef BITS
#undef LOAD
#undef STORE
