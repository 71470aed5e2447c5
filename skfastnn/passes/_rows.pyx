# Rows of the data in the coordinates of training: centred, scaled, padded to whole vectors.
#
# Problem     X stays as the user gave it (no centred copy of the whole); the rows of a batch are gathered and
#             normalised when they are needed: out[i] = (X[index[i]] - mean) * inverse_scale.
# Layout      X (n_samples, n_features) C order; out (n_rows, ld), ld a multiple of 64 bytes, zero behind n_features.
# Cost        O(n_rows * n_features), memory bound.
# Threads     Rows are independent.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int32_t


def gather_rows(
    const floating[:, ::1] X,           # IN    (n_samples, n_features)
    const int32_t[::1] index,           # IN    (n_rows,)
    const floating[::1] mean,           # IN    (n_features,)
    floating inverse_scale,
    floating[:, ::1] out,               # OUT   (n_rows, ld)
    floating[::1] norms,                # OUT   (n_rows,) Euclidean norms of the rows of out
    int n_threads,
):
    """Gather, centre and scale rows of X into padded rows."""
    cdef Py_ssize_t i
    cdef Py_ssize_t n_rows = index.shape[0]
    cdef Py_ssize_t n_features = X.shape[1]
    cdef Py_ssize_t ld = out.shape[1]
    if out.shape[0] < n_rows or norms.shape[0] < n_rows or ld < n_features or mean.shape[0] != n_features:
        raise ValueError("out, norms and mean do not fit X and index")
    for i in prange(n_rows, nogil=True, num_threads=n_threads, schedule="static"):
        norms[i] = _gather_row(&X[0, 0] + index[i] * n_features, &mean[0], inverse_scale, n_features, ld, &out[i, 0])


cdef floating _gather_row(
    const floating* x,            # IN    (n_features,)
    const floating* mean,         # IN    (n_features,)
    floating inverse_scale,
    Py_ssize_t n_features,
    Py_ssize_t ld,
    floating* out,                # OUT   (ld,)
) noexcept nogil:
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(n_features):
        out[j] = (x[j] - mean[j]) * inverse_scale
    for j in range(n_features):
        total += <double> out[j] * out[j]
    for j in range(n_features, ld):
        out[j] = 0
    return <floating> sqrt(total)
