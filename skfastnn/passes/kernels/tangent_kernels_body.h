/* Included for each version and floating type, see each_version.h. */

#define VEC NAME(vec)
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))

/* output[row] += change[i] * v + value[i] * change_v for the pairs of one neuron */
INLINE void NAME(add_change)(
    const int32_t *row, const REAL *change, const REAL *value, int32_t count, const REAL *v, const REAL *change_v,
    ptrdiff_t ld_out, REAL *output
) {
    if (ld_out == 1)
        for (int32_t i = 0; i < count; i++)
            output[row[i]] += change[i] * v[0] + value[i] * change_v[0];
    else if (ld_out == LINE) {               /* up to 16 classes: the output weights stay in registers */
        VEC weights[PER_LINE], moved[PER_LINE];
        for (int q = 0; q < PER_LINE; q++) {
            weights[q] = LOAD(v + q * LANES);
            moved[q] = LOAD(change_v + q * LANES);
        }
        for (int32_t i = 0; i < count; i++) {
            REAL *out = output + (ptrdiff_t)row[i] * LINE;
            for (int q = 0; q < PER_LINE; q++)
                STORE(out + q * LANES, LOAD(out + q * LANES) + (change[i] * weights[q] + value[i] * moved[q]));
        }
    } else
        for (int32_t i = 0; i < count; i++)
            for (ptrdiff_t j = 0; j < ld_out; j += LANES) {
                REAL *out = output + row[i] * ld_out + j;
                STORE(out, LOAD(out) + (change[i] * LOAD(v + j) + value[i] * LOAD(change_v + j)));
            }
}

/* Change of the output when weights, intercept and output weights of one neuron change, to first order. */
INLINE void NAME(tangent_output)(
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count,
    const REAL *change_w, REAL change_c, const REAL *v, const REAL *change_v, ptrdiff_t ld_out,
    REAL *change,             /* OUT   (count,), and SPARE more, change of the pre-activations */
    REAL *output              /* INOUT (n_rows, ld_out) */
) {
    for (int32_t i = 0; i < count; i += LANES) {
        const int32_t left = count - i < LANES ? count - i : LANES;
        STORE(change + i, NAME(dots)(change_w, X, ld_x, n, row + i, left, NULL, 0) + change_c);
    }
    NAME(add_change)(row, change, value, count, v, change_v, ld_out, output);
}

/* The change of the output where the change of the pre-activations is known, (count,) numbers a stride apart. */
KERNEL void NAME(changed_output)(
    const int32_t *row, const REAL *by_row, ptrdiff_t stride, const REAL *value, int32_t count, const REAL *v,
    const REAL *change_v, ptrdiff_t ld_out, REAL *change, REAL *output
) {
    for (int32_t i = 0; i < count; i++)
        change[i] = by_row[row[i] * stride];
    NAME(add_change)(row, change, value, count, v, change_v, ld_out, output);
}

/* J d for one neuron. */
KERNEL void NAME(tangent_neuron)(
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count,
    const REAL *change_w, REAL change_c, const REAL *v, const REAL *change_v, ptrdiff_t ld_out, REAL *scratch,
    REAL *output
) {
    NAME(tangent_output)(X, ld_x, n, row, value, count, change_w, change_c, v, change_v, ld_out, scratch, output);
}

/* J' u for one neuron; scratch (count + SPARE,). Returns the part of the intercept. */
KERNEL REAL NAME(cotangent_neuron)(
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count, const REAL *u,
    const REAL *v, ptrdiff_t ld_out, REAL *scratch, REAL *change_w, REAL *change_v
) {
    return NAME(gradient)(X, ld_x, n, row, value, count, u, v, ld_out, scratch, change_w, change_v);
}

/* J J' u for one neuron: what J' u gives stays in scratch (n + ld_out + count + SPARE,), which the caches hold. */
KERNEL void NAME(gram_neuron)(
    const REAL *X, ptrdiff_t ld_x, ptrdiff_t n, const int32_t *row, const REAL *value, int32_t count, const REAL *u,
    const REAL *v, ptrdiff_t ld_out, int with_output, REAL *scratch, REAL *output
) {
    REAL *change_w = scratch, *change_v = scratch + n, *change = change_v + ld_out;
    REAL change_c = NAME(gradient)(X, ld_x, n, row, value, count, u, v, ld_out, change, change_w, change_v);
    if (!with_output)
        for (ptrdiff_t j = 0; j < ld_out; j++)
            change_v[j] = 0;
    NAME(tangent_output)(X, ld_x, n, row, value, count, change_w, change_c, v, change_v, ld_out, change, output);
}

#undef VEC
#undef LOAD
#undef STORE
