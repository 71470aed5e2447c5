/* Included for each version and floating type, see each_version.h. */

typedef int8_t NAME(signed_bytes) __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef uint8_t NAME(unsigned_bytes) __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int32_t NAME(ints) __attribute__((vector_size(4 * LANES)));
#if BYTES_OF_REAL == 4
#define MAGIC 12582912.0f
#else
#define MAGIC 6755399441055744.0
#endif
#define VEC NAME(vec)
#define BITS NAME(bits)
#define LOAD(p) (*(const VEC *)(p))

/* lane by lane */
INLINE VEC NAME(larger)(VEC a, VEC b) {
    const BITS mask = (BITS)(a > b);
    return (VEC)(((BITS)a & mask) | ((BITS)b & ~mask));
}

INLINE VEC NAME(absolute)(VEC a) {
    return (VEC)((BITS)a & ~(BITS)(-(VEC){0}));
}

INLINE REAL NAME(largest)(VEC a) {
    REAL most = a[0];
    for (int q = 1; q < LANES; q++)
        most = a[q] > most ? a[q] : most;
    return most;
}

/* to whole numbers, which no conversion does: adding the magic number leaves no bits for the rest */
INLINE VEC NAME(whole)(VEC a) {
    return (a + (REAL)MAGIC) - (REAL)MAGIC;
}

/* what one pass over weights learns: sums that wait for themselves take longer than the weights, so there are two */
typedef struct {
    VEC most, square, shifted;
} NAME(weight_sums);

INLINE void NAME(measure)(NAME(weight_sums) *of, VEC w, VEC shift) {
    of->most = NAME(larger)(of->most, NAME(absolute)(w));
    of->square += w * w;
    of->shifted += w * shift;
}

/* one vector of weights in bytes; returns what rounding takes from them */
INLINE VEC NAME(round_weights)(VEC w, VEC step, VEC inverse, int8_t *code, NAME(ints) *sum) {
    const VEC b = NAME(whole)(inverse * w);
    const NAME(ints) number = __builtin_convertvector(b, NAME(ints));
    *sum += number;
    *(NAME(signed_bytes) *)code = __builtin_convertvector(number, NAME(signed_bytes));
    return w - step * b;
}

/* Write weights in bytes. */
KERNEL void NAME(weights_to_bytes)(
    const REAL *w,            /* IN    (n,) */
    const REAL *shift,        /* IN    (n,) what was added to the rows */
    ptrdiff_t n,              /* whole vectors */
    REAL c,                   /* intercept */
    int zero,                 /* code of a zero in the rows */
    int8_t *code,             /* OUT   (n,) */
    byte_neuron *known        /* OUT */
) {
    NAME(weight_sums) even = {{0}, {0}, {0}}, odd = even;
    ptrdiff_t j = 0;
    for (; j + 2 * LANES <= n; j += 2 * LANES) {
        NAME(measure)(&even, LOAD(w + j), LOAD(shift + j));
        NAME(measure)(&odd, LOAD(w + j + LANES), LOAD(shift + j + LANES));
    }
    if (j < n)
        NAME(measure)(&even, LOAD(w + j), LOAD(shift + j));
    const REAL largest = NAME(largest)(NAME(larger)(even.most, odd.most));
    /* weights that are too small for their inverse are all error */
    const REAL step = largest > (REAL)1e-30 ? largest / 127 : 0, inverse = step > 0 ? 1 / step : 0;
    const VEC steps = (VEC){0} + step, inverses = (VEC){0} + inverse;
    VEC lost[2] = {{0}, {0}};
    NAME(ints) sum = {0};
    for (j = 0; j + 2 * LANES <= n; j += 2 * LANES) {
        const VEC a = NAME(round_weights)(LOAD(w + j), steps, inverses, code + j, &sum);
        const VEC b = NAME(round_weights)(LOAD(w + j + LANES), steps, inverses, code + j + LANES, &sum);
        lost[0] += a * a;
        lost[1] += b * b;
    }
    if (j < n) {
        const VEC a = NAME(round_weights)(LOAD(w + j), steps, inverses, code + j, &sum);
        lost[0] += a * a;
    }
    int32_t total = 0;
    for (int q = 0; q < LANES; q++)
        total += sum[q];
    /* three sums in one */
    VEC fold[LANES / 4] = {
        NAME(fold4)(even.square + odd.square, even.shifted + odd.shifted, lost[0] + lost[1], (VEC){0})
    };
    const VEC sums = NAME(sums_of_folds)(fold);
    known->step = (float)step;
    /* the additions: what single precision takes from the intercept, and from weights whose squares it does not hold */
    known->constant = (float)(c - sums[1]) + 1e-5f * fabsf((float)c) + 1e-15f;
    known->length = UPWARDS * sqrtf((float)sums[0]);
    /* the addition: what the step itself loses in single precision */
    known->error = UPWARDS * sqrtf((float)sums[2]) + 1e-6f * known->length;
    known->largest = UPWARDS * (float)(step > 0 ? step / 2 : largest) + 1e-6f * (float)largest;
    known->at_zero = zero * total;
    known->shifted = (float)(c - sums[1]);
}

/* Write a row of data in unsigned bytes, in the smallest step that reaches far enough among base times powers of two:
 * numbers that are multiples of base, as those of images, lose nothing. */
KERNEL void NAME(row_to_bytes)(
    const REAL *x,            /* IN    (n,) */
    const REAL *shift,        /* IN    (n,) added to x */
    ptrdiff_t n,              /* whole vectors */
    REAL base,                /* a step */
    int zero,                 /* code of a zero */
    uint8_t *code,            /* OUT   (n,) */
    float *known              /* OUT   (4,) step, norm, sum of absolute values, norm of the error */
) {
    VEC up = {0}, down = {0}, square = {0}, total = {0}, lost = {0};
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const VEC a = LOAD(x + j) + LOAD(shift + j);
        up = NAME(larger)(up, a);
        down = NAME(larger)(down, -a);
    }
    const REAL above = NAME(largest)(up) / ((255 - zero) * base), below = zero ? NAME(largest)(down) / (zero * base) : 0;
    const REAL reach = above > below ? above : below;
    /* a bit less, so that rounding does not double the step; what is cut off counts as error */
    const REAL step = base * (REAL)exp2(reach > 0 ? ceil(log2((double)reach) - 1e-4) : 0);
    const REAL inverse = 1 / step;
    const VEC least = (VEC){0} - (REAL)zero, most = least + (REAL)255;
    for (ptrdiff_t j = 0; j < n; j += LANES) {
        const VEC a = LOAD(x + j) + LOAD(shift + j);
        const VEC b = -NAME(larger)(-most, -NAME(larger)(least, NAME(whole)(inverse * a)));
        const VEC y = step * b, rest = a - y;
        square += y * y;
        total += NAME(absolute)(y);
        lost += rest * rest;
        *(NAME(unsigned_bytes) *)(code + j) =
            __builtin_convertvector(__builtin_convertvector(b, NAME(ints)) + zero, NAME(unsigned_bytes));
    }
    known[0] = (float)step;
    known[1] = UPWARDS * sqrtf((float)NAME(sum)(square));
    known[2] = UPWARDS * (float)NAME(sum)(total);
    known[3] = UPWARDS * sqrtf((float)NAME(sum)(lost));
}

#define ROW REAL
#define GET(p) LOAD(p)
#define OF_ROWS(x) NAME(x)
#include "byte_verify_body.h"
#undef ROW
#undef GET
#undef OF_ROWS

#if AVX512 && BYTES_OF_REAL == 4
#define ROW uint8_t
#define GET(p) ((VEC)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p)))))
#define OF_ROWS(x) x##_bytes
#include "byte_verify_body.h"
#undef ROW
#undef GET
#undef OF_ROWS
#endif

#undef VEC
#undef BITS
#undef MAGIC
#undef LOAD
