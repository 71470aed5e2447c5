cdef void gemm_nt_f32(int p, int r, int d, const float* A, int lda, const float* B, int ldb, float* out,
                      int ldo) noexcept nogil
cdef void gemm_nt_f64(int p, int r, int d, const double* A, int lda, const double* B, int ldb, double* out,
                      int ldo) noexcept nogil
