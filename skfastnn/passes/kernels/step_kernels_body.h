/* Included for each version and floating type, see each_version.h. */

#define VEC NAME(vec)
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))

INLINE void NAME(set_touch)(VEC displacement, VEC velocity, VEC change, TYPED(touch) *norms) {
    VEC fold[LANES / 4] = {NAME(fold4)(displacement, velocity, change, (VEC){0})};
    VEC sums = NAME(sums_of_folds)(fold);
    norms->displacement = sums[0];
    norms->velocity = sums[1];
    norms->change = sums[2];
}

/* Weighted rows that a gradient still lacks, up to TOGETHER of them, and how many is known where this is compiled. */
typedef struct {
    const REAL *row[TOGETHER];
    REAL weight[TOGETHER];
} NAME(group);

INLINE NAME(group) NAME(group_of)(const REAL *X, ptrdiff_t ld, const int32_t *row, const REAL *weight, const int n) {
    NAME(group) of;
    for (int q = 0; q < n; q++) {
        of.row[q] = X + row[q] * ld;
        of.weight[q] = weight[q];
    }
    return of;
}

/* a vector of the sum so far, if it has begun, and of the rows */
INLINE VEC NAME(with_group)(const REAL *sum, const NAME(group) *of, ptrdiff_t j, const int n, const int begun) {
    VEC total = {0};
    if (begun)
        total = LOAD(sum + j);
    for (int q = 0; q < n; q++)
        total += of->weight[q] * LOAD(of->row[q] + j);
    return total;
}

/* The gradient of a neuron's weights as its step takes it: what is added up, or NULL, and the rows that are not; a row
 * of weights to ask for meanwhile, or NULL. */
typedef struct {
    const REAL *sum;
    const REAL *X;
    ptrdiff_t ld_x;
    const int32_t *row;
    const REAL *signal;
    int32_t left;
    const void *upcoming;
} NAME(open_gradient);

/* Gradient of a neuron from the rows it fired on. A long one is left open: rows come from the second-level cache, and
 * the last of them while the arrays that the step moves come from there or from memory, too. The sum is in registers
 * for short rows, a strip at a time; for long ones it is in the first-level cache, and four rows go by from end to end,
 * so that a loop is long and the processor sees where it goes. Output weights and the intercept (returned) as in
 * `gradient`. */
INLINE REAL NAME(begin_gradient)(
    const firing_neuron *of, REAL *grad_w, REAL *grad_v, const upcoming_rows *upcoming, NAME(open_gradient) *open
) {
    const REAL *X = of->X, *value = of->value, *error = of->error, *v = of->v;
    const int32_t *row = of->row, count = of->count;
    const ptrdiff_t n = of->n, ld_out = of->ld_out;
    REAL *signal = grad_v + ld_out;
    if (n < LONG_ROW) {
        *open = (NAME(open_gradient)){.sum = grad_w};
        prefetch_upcoming(upcoming, 0, n * (ptrdiff_t)sizeof(REAL));
        return NAME(gradient)(X, n, n, row, value, count, error, v, ld_out, signal, grad_w, grad_v);
    }
    const REAL grad_c = NAME(signals)(row, value, count, error, v, ld_out, signal, grad_v);
    prefetch_upcoming(upcoming, 1, n * (ptrdiff_t)sizeof(REAL));
    const void *next = upcoming && upcoming->n ? upcoming->row[0] : NULL;
    int32_t i = 0;
    for (; i + TOGETHER < count; i += TOGETHER) {
        const NAME(group) rows = NAME(group_of)(X, n, row + i, signal + i, TOGETHER);
        if (i == 0)
            for (ptrdiff_t j = 0; j < n; j += LANES)
                STORE(grad_w + j, NAME(with_group)(NULL, &rows, j, TOGETHER, 0));
        else
            for (ptrdiff_t j = 0; j < n; j += LANES)
                STORE(grad_w + j, NAME(with_group)(grad_w, &rows, j, TOGETHER, 1));
    }
    *open = (NAME(open_gradient)){i ? grad_w : NULL, X, n, row + i, signal + i, count - i, next};
    return grad_c;
}

/* `step(n, begun)`, an expression, for as many rows as are left and whether the sum has begun: constants there */
#define FOR_ROWS_LEFT(open, step) \
    switch ((open)->left + ((open)->sum ? 8 : 0)) { \
    case 8: step(0, 1); break; \
    case 9: step(1, 1); break; \
    case 10: step(2, 1); break; \
    case 11: step(3, 1); break; \
    case 12: step(4, 1); break; \
    case 1: step(1, 0); break; \
    case 2: step(2, 0); break; \
    case 3: step(3, 0); break; \
    default: step(4, 0); \
    }

/* One step of momentum for n numbers; start may be NULL (the displacement is then the distance from the start).
 * pending, if not NULL, is the 2 x 2 matrix of the silent steps before this one, as in catch_up_neuron. */
INLINE void NAME(momentum_step)(
    REAL *p, REAL *velocity, const NAME(open_gradient) *open, const int n_left, const int begun, const REAL *start,
    ptrdiff_t n, const update_rule *rule, REAL penalty, const double *pending, TYPED(touch) *norms
) {
    const REAL rate = (REAL)rule->rate, mu = (REAL)rule->momentum;
    const REAL along = rule->nesterov ? mu : 1, lookahead = rule->nesterov ? 1 : 0;
    const NAME(group) of = NAME(group_of)(open->X, open->ld_x, open->row, open->signal, n_left);
    const REAL *sum = open->sum;
    const void *upcoming = open->upcoming;
    VEC sum_p = {0}, sum_v = {0}, sum_c = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        if (n_left && upcoming)
            ASK_FOR_LINE((const REAL *)upcoming + j);
        const VEC gradient = NAME(with_group)(sum, &of, j, n_left, begun);
        VEC u = LOAD(p + j);
        VEC from_start = u;
        if (start)
            from_start += LOAD(start + j);
        VEC vel = LOAD(velocity + j), silent;
        if (pending) {
            VEC moved = (REAL)pending[0] * from_start + (REAL)pending[1] * vel;
            vel = (REAL)pending[2] * from_start + (REAL)pending[3] * vel;
            silent = moved - from_start;
            from_start = moved;
        }
        VEC step = rate * (gradient + penalty * from_start);
        vel = mu * vel - step;
        VEC change = along * vel - lookahead * step;
        if (pending)
            change += silent;
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
    REAL *p, REAL *mean, REAL *square, const NAME(open_gradient) *open, const int n_left, const int begun,
    const REAL *start, ptrdiff_t n, const update_rule *rule, REAL penalty, TYPED(touch) *norms
) {
    const REAL rate = (REAL)rule->rate, b1 = (REAL)rule->momentum, b2 = (REAL)rule->beta_2;
    const REAL c1 = (REAL)(1 - rule->momentum), c2 = (REAL)(1 - rule->beta_2), eps = (REAL)rule->epsilon;
    const NAME(group) of = NAME(group_of)(open->X, open->ld_x, open->row, open->signal, n_left);
    const REAL *sum = open->sum;
    const void *upcoming = open->upcoming;
    VEC sum_p = {0}, sum_c = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        if (n_left && upcoming)
            ASK_FOR_LINE((const REAL *)upcoming + j);
        const VEC gradient = NAME(with_group)(sum, &of, j, n_left, begun);
        VEC u = LOAD(p + j);
        VEC from_start = u;
        if (start)
            from_start += LOAD(start + j);
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
KERNEL void NAME(catch_up_neuron)(
    REAL *p, REAL *velocity, const REAL *start, ptrdiff_t n, const double *a, TYPED(touch) *norms
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
KERNEL void NAME(sgd_small)(
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
KERNEL void NAME(sgd_neuron)(
    const firing_neuron *of, const update_rule *rule, const double *pending, const upcoming_rows *upcoming,
    TYPED(touch) *norms
) {
    const ptrdiff_t n = of->n;
    REAL *p = of->p, *velocity = of->first, *grad_w = of->scratch, *grad_v = grad_w + n;
    const REAL *start = of->start;
    NAME(open_gradient) open;
    const REAL grad_c = NAME(begin_gradient)(of, grad_w, grad_v, upcoming, &open);
    const REAL penalty = (REAL)rule->penalty;
#define STEP(n_left, begun) NAME(momentum_step)(p, velocity, &open, n_left, begun, start, n, rule, penalty, NULL, norms)
#define STEP_AFTER_SILENCE(n_left, begun) \
    NAME(momentum_step)(p, velocity, &open, n_left, begun, start, n, rule, penalty, pending, norms)
    if (pending)
        FOR_ROWS_LEFT(&open, STEP_AFTER_SILENCE)
    else
        FOR_ROWS_LEFT(&open, STEP)
#undef STEP
#undef STEP_AFTER_SILENCE
    NAME(sgd_small)(of->c, of->v, of->first_v, of->start_v, of->ld_out, grad_c, grad_v, rule);
}

/* One step of Adam on the intercept (c: value and two moments) and the output weights of one neuron. */
KERNEL void NAME(adam_small)(
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
KERNEL void NAME(adam_neuron)(
    const firing_neuron *of, const update_rule *rule, const upcoming_rows *upcoming, TYPED(touch) *norms
) {
    const ptrdiff_t n = of->n;
    REAL *p = of->p, *mean = of->first, *square = of->second, *grad_w = of->scratch, *grad_v = grad_w + n;
    const REAL *start = of->start;
    NAME(open_gradient) open;
    const REAL grad_c = NAME(begin_gradient)(of, grad_w, grad_v, upcoming, &open);
    const REAL penalty = (REAL)rule->penalty;
#define STEP(n_left, begun) NAME(adam_step)(p, mean, square, &open, n_left, begun, start, n, rule, penalty, norms)
    FOR_ROWS_LEFT(&open, STEP)
#undef STEP
    NAME(adam_small)(of->c, of->v, of->first_v, of->second_v, of->start_v, of->ld_out, grad_c, grad_v, rule);
}

#undef FOR_ROWS_LEFT
#undef VEC
#undef LOAD
#undef STORE
