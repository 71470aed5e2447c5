cdef int threads_for(double work, int n_threads) noexcept nogil
