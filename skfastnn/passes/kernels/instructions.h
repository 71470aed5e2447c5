/* Which instruction sets the kernels are compiled for, beside the baseline.
 *
 * The processor picks one of them when the package is loaded. The build option `instructions` leaves the upper ones out,
 * so that on one machine all of them can be tested: 0 the baseline, 1 with fused multiply-add, 2 with AVX-512 too.
 */
#ifndef SKFASTNN_INSTRUCTIONS_H
#define SKFASTNN_INSTRUCTIONS_H

#if !defined(__x86_64__) || !defined(__GNUC__) || defined(__clang__) || !defined(__GLIBC__)
#undef SKFASTNN_INSTRUCTIONS
#define SKFASTNN_INSTRUCTIONS 0
#elif !defined(SKFASTNN_INSTRUCTIONS)
#define SKFASTNN_INSTRUCTIONS 2
#endif

#if SKFASTNN_INSTRUCTIONS == 2
#define VECTOR_CLONES __attribute__((unused, target_clones("default", "fma", "avx512f")))
#elif SKFASTNN_INSTRUCTIONS == 1
#define VECTOR_CLONES __attribute__((unused, target_clones("default", "fma")))
#else
#define VECTOR_CLONES __attribute__((unused))
#endif

/* of kernels that are compiled once more with AVX-512 by hand (wide.h) */
#if SKFASTNN_INSTRUCTIONS > 0
#define SHORT_CLONES __attribute__((unused, target_clones("default", "fma")))
#else
#define SHORT_CLONES __attribute__((unused))
#endif

#endif
