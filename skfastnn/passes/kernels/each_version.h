/* Includes the file that KERNELS names for each version that is compiled and each floating type, with these set:
 *
 * REAL, BYTES_OF_REAL     the type, and how long it is
 * VECTOR_BYTES, LANES     how long vectors are, in bytes and in numbers
 * LINE                    numbers in 64 bytes: rows are padded to these, so that loops over lines need no remainders
 * PER_LINE                vectors in them
 * AVX2, AVX512            whether these instructions are there
 * NAME(x), TYPED(x)       x of this type and version, and of this type in all versions
 *
 * No include guard: it is used again and again.
 */
#define NAME(x) JOIN_NAME(x, TYPE_NAME, VERSION)
#define TYPED(x) JOIN_TYPE(x, TYPE_NAME)
#define JOIN_NAME(x, type, version) JOIN_NAME_(x, type, version)
#define JOIN_NAME_(x, type, version) x##_##type##_##version
#define JOIN_TYPE(x, type) JOIN_TYPE_(x, type)
#define JOIN_TYPE_(x, type) x##_##type
#define LANES (VECTOR_BYTES / BYTES_OF_REAL)
#define LINE (64 / BYTES_OF_REAL)
#define PER_LINE (64 / VECTOR_BYTES)

#define VERSION plain
#define VECTOR_BYTES 32
#define AVX2 0
#define AVX512 0
#include "each_type.h"

#if HAVE_AVX2
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define VERSION avx2
#define VECTOR_BYTES 32
#define AVX2 1
#define AVX512 0
#include "each_type.h"
#pragma GCC pop_options
#endif

#if HAVE_AVX512
#pragma GCC push_options
#pragma GCC target("avx512f")
#define VERSION avx512
#define VECTOR_BYTES 64
#define AVX2 1
#define AVX512 1
#include "each_type.h"
#pragma GCC pop_options
#endif

#undef NAME
#undef TYPED
#undef JOIN_NAME
#undef JOIN_NAME_
#undef JOIN_TYPE
#undef JOIN_TYPE_
#undef LANES
#undef LINE
#undef PER_LINE
