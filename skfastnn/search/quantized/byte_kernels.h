/* Products of bytes with a certified error: which inner products can be positive?
 *
 * Rows of data are written in unsigned bytes and weights in signed ones, x = step (code - zero) and w = step code, each
 * with what the rounding took. Processors multiply and add four bytes where they do one float, and the exact products
 * are left for what the sum and its error bound do not exclude:
 *
 *     <w, x> <= <w~, x~> + min(|w - w~|_2 |x~|_2, |w - w~|_inf |x~|_1) + |w|_2 |x - x~|_2.
 *
 * Compiled where the compiler has the instructions (AVX-512 VNNI), for processors that have them, and in plain C.
 */
#ifndef SKFASTNN_BYTE_KERNELS_H
#define SKFASTNN_BYTE_KERNELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vector_kernels.h"

/* Neurons that meet a panel of rows at once, as many sums as the registers hold; their weights stay in the first-level
 * cache until the rows that need them exactly have passed. */
#define NEURONS_AT_ONCE 12
#define PANEL_ROWS 32
/* Norms and errors are rounded up by this much, more than sums of 66,000 numbers lose in single precision. */
#define UPWARDS 1.001f

/* what is known of a neuron besides the bytes */
typedef struct {
    float step;        /* a code of one, in weights */
    float constant;    /* what goes with the product: the intercept, less what rows were shifted by */
    float error;       /* norm of what rounding took from the weights */
    float largest;     /* its largest entry */
    float length;      /* norm of the weights */
    int32_t at_zero;   /* product in bytes with a row of zeros, whose code is not zero */
    float shifted;     /* the same without what makes a bound of it, for exact products with rows in bytes */
} byte_neuron;

/* what is known of the rows of a panel besides the bytes */
typedef struct {
    float step[PANEL_ROWS];      /* a code of one, in the numbers of a row */
    float length[PANEL_ROWS];    /* norm of the row in bytes */
    float sum[PANEL_ROWS];       /* sum of its absolute values */
    float error[PANEL_ROWS];     /* norm of what rounding took, and what the products lose */
} byte_panel;

#define KERNELS "byte_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define weights_to_bytes_f32(...) CALL(weights_to_bytes_f32, __VA_ARGS__)
#define weights_to_bytes_f64(...) CALL(weights_to_bytes_f64, __VA_ARGS__)
#define row_to_bytes_f32(...) CALL(row_to_bytes_f32, __VA_ARGS__)
#define row_to_bytes_f64(...) CALL(row_to_bytes_f64, __VA_ARGS__)
#define verify_f32(...) CALL(verify_f32, __VA_ARGS__)
#define verify_f64(...) CALL(verify_f64, __VA_ARGS__)

#if !HAVE_AVX512
/* never called: rows are in bytes where products of bytes are */
KERNEL int64_t verify_bytes(
    const float *W, const float *c, const uint8_t *X, const int32_t *index, const float *about, ptrdiff_t n,
    const uint32_t *may, uint32_t there, int32_t n_rows, int32_t *list, float *value, ptrdiff_t ld_list, int32_t *count
) {
    return 0;
}
#endif

/* Lay rows of bytes side by side, four features of each next to each other. */
KERNEL void pack_bytes(
    const uint8_t *codes,     /* IN    rows, n apart */
    const float *about,       /* IN    (rows, 4) step, length, sum, error */
    ptrdiff_t n,              /* a multiple of 4 */
    const int32_t *index,     /* IN    (count,) which rows */
    int count,                /* up to PANEL_ROWS; behind is zero */
    uint8_t *panel,           /* OUT   (n / 4, PANEL_ROWS, 4) */
    byte_panel *rows          /* OUT */
) {
    memset(rows, 0, sizeof *rows);
    memset(panel, 0, n * PANEL_ROWS);
    for (int i = 0; i < count; i++) {
        const uint8_t *code = codes + index[i] * n;
        const float *known = about + 4 * (ptrdiff_t)index[i];
        rows->step[i] = known[0];
        rows->length[i] = known[1];
        rows->sum[i] = known[2];
        rows->error[i] = known[3];
        for (ptrdiff_t k = 0; k < n; k += 4)
            memcpy(panel + k * PANEL_ROWS + 4 * i, code + k, 4);
    }
}

/* Which neurons may fire on the rows of a panel? */
KERNEL void possible_plain(
    const int8_t *W,          /* IN    (NEURONS_AT_ONCE, n) */
    const byte_neuron *neuron,/* IN    (NEURONS_AT_ONCE,) */
    ptrdiff_t n,              /* a multiple of 4 */
    const uint8_t *panel,     /* IN    (n / 4, PANEL_ROWS, 4) */
    const byte_panel *row,
    const char *ahead,        /* 16 * n bytes that are wanted soon: they come from memory while this computes */
    const char *and_ahead,    /* the same */
    uint32_t *may             /* OUT   (PANEL_ROWS,) a bit a neuron */
) {
    memset(may, 0, PANEL_ROWS * sizeof *may);
    for (int r = 0; r < NEURONS_AT_ONCE; r++) {
        const byte_neuron *of = neuron + r;
        for (int i = 0; i < PANEL_ROWS; i++) {
            int32_t sum = 0;
            for (ptrdiff_t k = 0; k < n; k++)
                sum += (int32_t)W[r * n + k] * panel[k / 4 * 4 * PANEL_ROWS + 4 * i + k % 4];
            const float lost = fminf(of->error * row->length[i], of->largest * row->sum[i]) + of->length * row->error[i];
            /* what is not a number is left to the exact product */
            const uint32_t yes = !((float)(sum - of->at_zero) * (of->step * row->step[i]) + of->constant + lost <= 0);
            may[i] |= yes << r;
        }
    }
}

#if HAVE_AVX512
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vnni")
/* sums of products of a panel, in registers */
KERNEL void byte_products(
    const int8_t *W, const byte_neuron *neuron, ptrdiff_t n, const uint8_t *panel, const char *ahead,
    const char *and_ahead, __m512i *out
) {
    __m512i sum[NEURONS_AT_ONCE][2];
#pragma GCC unroll 16
    for (int r = 0; r < NEURONS_AT_ONCE; r++)
        sum[r][0] = sum[r][1] = _mm512_set1_epi32(-neuron[r].at_zero);
    for (ptrdiff_t k = 0; k < n; k += 4) {
        __builtin_prefetch(ahead + 16 * k, 0, 2);
        __builtin_prefetch(and_ahead + 16 * k, 0, 2);
        const __m512i x0 = _mm512_loadu_si512(panel + k * PANEL_ROWS);
        const __m512i x1 = _mm512_loadu_si512(panel + k * PANEL_ROWS + 64);
#pragma GCC unroll 16
        for (int r = 0; r < NEURONS_AT_ONCE; r++) {
            int32_t four;
            memcpy(&four, W + r * n + k, 4);
            const __m512i w = _mm512_set1_epi32(four);
            sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x0, w);
            sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x1, w);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < NEURONS_AT_ONCE; r++) {
        out[2 * r] = sum[r][0];
        out[2 * r + 1] = sum[r][1];
    }
}

KERNEL void possible_wide(
    const int8_t *W, const byte_neuron *neuron, ptrdiff_t n, const uint8_t *panel, const byte_panel *row,
    const char *ahead, const char *and_ahead, uint32_t *may
) {
    __m512i sum[2 * NEURONS_AT_ONCE];
    byte_products(W, neuron, n, panel, ahead, and_ahead, sum);
    for (int half = 0; half < 2; half++) {
        const __m512 step = _mm512_loadu_ps(row->step + 16 * half), length = _mm512_loadu_ps(row->length + 16 * half);
        const __m512 total = _mm512_loadu_ps(row->sum + 16 * half), error = _mm512_loadu_ps(row->error + 16 * half);
        __m512i bits = _mm512_setzero_si512();
        for (int r = 0; r < NEURONS_AT_ONCE; r++) {
            const byte_neuron *of = neuron + r;
            __m512 bound = _mm512_min_ps(
                _mm512_mul_ps(_mm512_set1_ps(of->error), length), _mm512_mul_ps(_mm512_set1_ps(of->largest), total)
            );
            bound = _mm512_fmadd_ps(_mm512_set1_ps(of->length), error, bound);
            bound = _mm512_add_ps(bound, _mm512_set1_ps(of->constant));
            bound = _mm512_fmadd_ps(
                _mm512_cvtepi32_ps(sum[2 * r + half]), _mm512_mul_ps(_mm512_set1_ps(of->step), step), bound
            );
            bits = _mm512_mask_or_epi32(
                bits, _mm512_cmp_ps_mask(bound, _mm512_setzero_ps(), _CMP_NLE_UQ), bits, _mm512_set1_epi32(1 << r)
            );
        }
        _mm512_storeu_si512(may + 16 * half, bits);
    }
}
#pragma GCC pop_options

static inline int have_byte_products(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

/* Products of bytes in the time of one of floats. Intel's servers start two vectors of floats a cycle, one of bytes. */
static inline int byte_gain(void) { return !have_byte_products() ? 0 : __builtin_cpu_is("intel") ? 2 : 4; }
#else
static inline int have_byte_products(void) { return 0; }
static inline int byte_gain(void) { return 0; }
#endif

INLINE void possible(
    const int8_t *W, const byte_neuron *neuron, ptrdiff_t n, const uint8_t *panel, const byte_panel *row,
    const char *ahead, const char *and_ahead, uint32_t *may
) {
#if HAVE_AVX512
    if (have_byte_products()) {
        possible_wide(W, neuron, n, panel, row, ahead, and_ahead, may);
        return;
    }
#endif
    possible_plain(W, neuron, n, panel, row, ahead, and_ahead, may);
}

#endif
