/* Which instruction sets the kernels are compiled for, and which of them this processor has.
 *
 * The bodies of the kernels are written once, with the compiler's vector types, and included by `each_version.h` for
 * every floating type and version: `plain`, for any processor and compiler; `avx2`, with AVX2 and fused multiply-add,
 * which nearly all processors of x86-64 have; `avx512`. Vectors are as long as the registers: a compiler that has to
 * make two registers of one vector does so number by number, where numbers change their places.
 *
 * The processor decides, call by call, which version runs. The build option `instructions` leaves out the upper ones, so
 * that on one machine all of them can be tested: 0 plain alone, 1 with avx2, 2 with avx512, too.
 */
#ifndef SKFASTNN_VERSIONS_H
#define SKFASTNN_VERSIONS_H

/* gcc on Windows aligns the stack to 16 bytes, and still keeps longer vectors there as if they were aligned */
#if !defined(__x86_64__) || !defined(__GNUC__) || defined(__clang__) || defined(_WIN32) || defined(__CYGWIN__)
#undef SKFASTNN_INSTRUCTIONS
#define SKFASTNN_INSTRUCTIONS 0
#elif !defined(SKFASTNN_INSTRUCTIONS)
#define SKFASTNN_INSTRUCTIONS 2
#endif

#define INLINE static inline __attribute__((always_inline))
#define KERNEL __attribute__((unused)) static

#define HAVE_AVX2 (SKFASTNN_INSTRUCTIONS >= 1)
#define HAVE_AVX512 (SKFASTNN_INSTRUCTIONS >= 2)

#if HAVE_AVX2
#include <immintrin.h>
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#endif
#if HAVE_AVX512
#define HAS_AVX512 __builtin_cpu_supports("avx512f")
#endif

/* A kernel in the version for this processor. */
#if HAVE_AVX512
#define CALL(kernel, ...) \
    (HAS_AVX512 ? kernel##_avx512(__VA_ARGS__) : HAS_AVX2 ? kernel##_avx2(__VA_ARGS__) : kernel##_plain(__VA_ARGS__))
#elif HAVE_AVX2
#define CALL(kernel, ...) (HAS_AVX2 ? kernel##_avx2(__VA_ARGS__) : kernel##_plain(__VA_ARGS__))
#else
#define CALL(kernel, ...) kernel##_plain(__VA_ARGS__)
#endif

#endif
