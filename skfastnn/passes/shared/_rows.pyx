# Rows of the data in the coordinates of training: centred, scaled, padded to whole vectors.
#
# Problem     X stays as the user gave it (no centred copy of the whole); the rows of a batch are gathered and
#             normalised when they are needed: out[i] = (X[index[i]] - mean) * inverse_scale, in the features that
#             training looks at, runs of neighbours.
# Layout      X (n_samples, n_features) in C order, or its compressed rows: indptr, indices and data of a CSR matrix
#             without duplicates. out (n_rows, ld), ld a multiple of 64 bytes, zero behind n_features.
# Invariants  The same X gives the same bits in either layout.
# Cost        O(n_rows * n_features), memory bound.
# Threads     Rows are independent.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t

from skfastnn.passes.shared._worth cimport threads_for


def gather_rows(
    const floating[:, ::1] X,           # IN    (n_samples, n_features)
    const int64_t[:, ::1] runs,         # IN    (n_runs, 2) features to take, from one to before another
    const int32_t[::1] index,           # IN    (n_rows,)
    const floating[::1] mean,           # IN    (n_taken,)
    floating inverse_scale,
    floating[:, ::1] out,               # OUT   (n_rows, ld)
    floating[::1] norms,                # OUT   (n_rows,) Euclidean norms of the rows of out
    int n_threads,
):
    """Gather, centre and scale rows of X into padded rows."""
    cdef Py_ssize_t i
    cdef Py_ssize_t n_taken = 0
    cdef Py_ssize_t n_rows = index.shape[0]
    cdef Py_ssize_t ld = out.shape[1]
    for i in range(runs.shape[0]):
        if not 0 <= runs[i, 0] <= runs[i, 1] <= X.shape[1]:
            raise ValueError("X has no such features")
        n_taken += runs[i, 1] - runs[i, 0]
    if out.shape[0] < n_rows or norms.shape[0] < n_rows or ld < n_taken or mean.shape[0] != n_taken:
        raise ValueError("out, norms and mean do not fit X and index")
    cdef double work = .5 * n_rows * ld
    for i in prange(n_rows, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        norms[i] = _gather_row(&X[0, 0] + index[i] * X.shape[1], &runs[0, 0], runs.shape[0], &mean[0], inverse_scale,
                               ld, &out[i, 0])


cdef floating _gather_row(
    const floating* x,            # IN    (n_features,)
    const int64_t* runs,          # IN    (n_runs, 2)
    Py_ssize_t n_runs,
    const floating* mean,         # IN    (n_taken,)
    floating inverse_scale,
    Py_ssize_t ld,
    floating* out,                # OUT   (ld,)
) noexcept nogil:
    cdef Py_ssize_t k, j, shift
    cdef Py_ssize_t taken = 0
    for k in range(n_runs):
        shift = runs[2 * k] - taken
        for j in range(taken, runs[2 * k + 1] - shift):
            out[j] = (x[shift + j] - mean[j]) * inverse_scale
        taken = runs[2 * k + 1] - shift
    return _finish_row(taken, ld, out)


cdef floating _finish_row(Py_ssize_t n_features, Py_ssize_t ld, floating* out) noexcept nogil:
    """Fill up with zeros; return the norm."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n_features):
        total += <double> out[j] * out[j]
    for j in range(n_features, ld):
        out[j] = 0
    return <floating> sqrt(total)


def gather_sparse_rows(
    const int64_t[::1] indptr,          # IN    (n_samples + 1,)
    const int32_t[::1] indices,         # IN    (n_entries,) features, no duplicates within a row
    const floating[::1] data,           # IN    (n_entries,)
    const int32_t[::1] index,           # IN    (n_rows,)
    const floating[::1] mean,           # IN    (n_features,)
    floating inverse_scale,
    floating[:, ::1] out,               # OUT   (n_rows, ld)
    floating[::1] norms,                # OUT   (n_rows,) Euclidean norms of the rows of out
    int n_threads,
):
    """Gather, centre and scale rows of a sparse X into padded rows."""
    cdef Py_ssize_t i
    cdef Py_ssize_t n_rows = index.shape[0]
    cdef Py_ssize_t n_features = mean.shape[0]
    cdef Py_ssize_t ld = out.shape[1]
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    cdef const int32_t* indices_start = &indices[0] if data.shape[0] else NULL
    if out.shape[0] < n_rows or norms.shape[0] < n_rows or ld < n_features:
        raise ValueError("out, norms and mean do not fit X and index")
    cdef double work = .5 * n_rows * ld
    for i in prange(n_rows, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        norms[i] = _gather_sparse_row(data_start, indices_start, indptr[index[i]], indptr[index[i] + 1], &mean[0],
                                      inverse_scale, n_features, ld, &out[i, 0])


cdef floating _gather_sparse_row(
    const floating* data,         # IN    (n_entries,)
    const int32_t* indices,       # IN    (n_entries,)
    int64_t first,
    int64_t last,
    const floating* mean,         # IN    (n_features,)
    floating inverse_scale,
    Py_ssize_t n_features,
    Py_ssize_t ld,
    floating* out,                # OUT   (ld,)
) noexcept nogil:
    cdef Py_ssize_t j
    cdef int64_t k
    for j in range(n_features):
        out[j] = (0 - mean[j]) * inverse_scale
    for k in range(first, last):
        j = indices[k]
        out[j] = (data[k] - mean[j]) * inverse_scale
    return _finish_row(n_features, ld, out)
