/* Kernels that are compiled once more with AVX-512 by hand: `kernel_plain`, and `kernel_wide` where the compiler has
 * the instructions. The processor decides which is called. */
#ifndef SKFASTNN_WIDE_H
#define SKFASTNN_WIDE_H

#include "instructions.h"

#if SKFASTNN_INSTRUCTIONS == 2
#include <immintrin.h>
#define HAVE_WIDE 1
#define CALL(kernel, ...) \
    (__builtin_cpu_supports("avx512f") ? kernel##_wide(__VA_ARGS__) : kernel##_plain(__VA_ARGS__))
#else
#define HAVE_WIDE 0
#define CALL(kernel, ...) kernel##_plain(__VA_ARGS__)
#endif

#endif
