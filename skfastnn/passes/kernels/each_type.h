/* Includes the file that KERNELS names for float and for double, and forgets the version; see each_version.h. */
#define REAL float
#define TYPE_NAME f32
#define BYTES_OF_REAL 4
#include KERNELS
#undef REAL
#undef TYPE_NAME
#undef BYTES_OF_REAL

#define REAL double
#define TYPE_NAME f64
#define BYTES_OF_REAL 8
#include KERNELS
#undef REAL
#undef TYPE_NAME
#undef BYTES_OF_REAL

#undef VERSION
#undef VECTOR_BYTES
#undef AVX2
#undef AVX512
