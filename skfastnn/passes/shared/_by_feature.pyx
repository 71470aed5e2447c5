# Rows of a sparse matrix by feature: which rows have it, and with what number.
#
# Problem     Weights of a layer in panels are far more than fit the caches, and what belongs to the rows of a batch is
#             not. So the passes take one feature after the other, with all its entries. The rows of a batch, picked
#             from the compressed rows of the data, are turned that way, and so are dense activations of a fitted
#             network; what fires in training, listed neuron by neuron, is already the next layer's input by feature.
# Layout      Features that some row has, each once; for each the rows that have it, ascending where the data were in
#             canonical form, and their numbers. Of rows of data, features are ascending.
# Invariants  The arrays belong to the object, whose pointers reach into them.
# Cost        Two passes over the entries of the batch, and one over the counts of all features.
# Threads     One.

from cython cimport floating
from libc.stdint cimport INT32_MAX, int32_t, int64_t, uint8_t

import numpy as np
from scipy.sparse import coo_array

cdef extern from "vector_kernels.h":
    void prefetch_row(const void*, Py_ssize_t) noexcept nogil

cdef enum:
    # rows of data that are asked for before their turn: the processor foresees none of a batch
    AHEAD = 4

ctypedef fused place_t:
    int32_t
    int64_t


cdef class FeatureLists:
    """Rows of a sparse matrix by feature.

    Parameters
    ----------
    shape : tuple (n_rows, n_features)
    features : ndarray of shape (n_present,), int32
        Features that some row has, each once.
    ends : ndarray of shape (n_present + 1,), int64
        Entries of ``features[j]`` are those from ``ends[j]`` to ``ends[j + 1]``.
    rows : ndarray of shape (n_entries,), int32
    data : ndarray of shape (n_entries,), float32 or float64

    Raises
    ------
    ValueError
        If the arrays do not describe entries of such a matrix.
    """

    def __init__(self, shape, const int32_t[::1] features, const int64_t[::1] ends, const int32_t[::1] rows, data):
        cdef Py_ssize_t n_rows = shape[0], n_features = shape[1]
        if not _are_entries(n_rows, n_features, features, ends, rows) or data.shape != (rows.shape[0],):
            raise ValueError("features, ends, rows and data must describe entries of a matrix of shape %s" % (shape,))
        self.shape = (n_rows, n_features)
        self.data, self.numbers = data, NULL
        if data.shape[0] and data.dtype == np.float32:
            self.numbers = <const char*> _start_of[float](data)
        elif data.shape[0]:
            self.numbers = <const char*> _start_of[double](data)
        self._features, self._ends, self._rows = features, ends, rows
        self.lists.feature = &features[0] if features.shape[0] else NULL
        self.lists.end = &ends[0]
        self.lists.row = &rows[0] if rows.shape[0] else NULL
        self.lists.n_present, self.lists.n_rows = features.shape[0], n_rows

    @property
    def nnz(self):
        """Number of stored entries."""
        return self._rows.shape[0]

    def to_csr(self, data=None):
        """Return the rows as a csr_array, or such with other numbers in their places."""
        columns = np.repeat(np.asarray(self._features), np.diff(self._ends))
        data = self.data if data is None else data
        return coo_array((data, (np.asarray(self._rows), columns)), shape=self.shape).tocsr()


cdef const floating* _start_of(const floating[::1] data) except NULL:
    return &data[0]


cdef bint _are_entries(
    Py_ssize_t n_rows, Py_ssize_t n_features, const int32_t[::1] features, const int64_t[::1] ends,
    const int32_t[::1] rows,
) noexcept:
    cdef Py_ssize_t j
    cdef uint8_t[::1] seen = np.zeros(n_features, dtype=np.uint8)
    if ends.shape[0] != features.shape[0] + 1 or ends[0] != 0 or ends[features.shape[0]] != rows.shape[0]:
        return False
    for j in range(features.shape[0]):
        if features[j] < 0 or features[j] >= n_features or seen[features[j]] or ends[j + 1] < ends[j]:
            return False
        seen[features[j]] = True
    for j in range(rows.shape[0]):
        if rows[j] < 0 or rows[j] >= n_rows:
            return False
    return True


def rows_by_feature(
    const int64_t[::1] indptr,          # IN    (n_samples + 1,)
    const int32_t[::1] indices,         # IN    (n_entries,)
    const floating[::1] data,           # IN    (n_entries,)
    Py_ssize_t n_features,
    const int32_t[::1] index,           # IN    (n_rows,) rows to take
    floating factor,
):
    """Return rows of a CSR matrix, multiplied by a factor, as `FeatureLists`."""
    cdef Py_ssize_t i
    cdef int64_t n_entries = 0
    for i in range(index.shape[0]):
        n_entries += indptr[index[i] + 1] - indptr[index[i]]
    # the array that is hit at random is kept small
    cdef int32_t[::1] at_32
    cdef int64_t[::1] at_64
    if n_entries <= INT32_MAX:
        at_32 = np.zeros(n_features, dtype=np.int32)
        return _turn(indptr, indices, data, index, factor, n_entries, at_32)
    at_64 = np.zeros(n_features, dtype=np.int64)
    return _turn(indptr, indices, data, index, factor, n_entries, at_64)


cdef _turn(
    const int64_t[::1] indptr,
    const int32_t[::1] indices,
    const floating[::1] data,
    const int32_t[::1] index,
    floating factor,
    int64_t n_entries,
    place_t[::1] at,                    # SCRATCH (n_features,) zeros
):
    cdef Py_ssize_t i, n_present
    cdef int64_t k
    cdef place_t to
    for i in range(index.shape[0]):
        if i + AHEAD < index.shape[0]:
            _ask_for_row(indptr, indices, data, index[i + AHEAD])
        for k in range(indptr[index[i]], indptr[index[i] + 1]):
            at[indices[k]] += 1
    features_array, ends_array = np.empty(n_entries + 1, dtype=np.int32), np.empty(n_entries + 1, dtype=np.int64)
    cdef int32_t[::1] features = features_array
    cdef int64_t[::1] ends = ends_array
    n_present = _counts_to_places(at, features, ends)
    rows_array = np.empty(n_entries, dtype=np.int32)
    data_array = np.empty(n_entries, dtype=np.float32 if floating is float else np.float64)
    cdef int32_t[::1] rows = rows_array
    cdef floating[::1] numbers = data_array
    for i in range(index.shape[0]):
        for k in range(indptr[index[i]], indptr[index[i] + 1]):
            to = at[indices[k]]
            rows[to] = <int32_t> i
            numbers[to] = factor * data[k]
            at[indices[k]] = to + 1
    return FeatureLists(
        (index.shape[0], at.shape[0]), features_array[:n_present], ends_array[:n_present + 1], rows_array, data_array
    )


cdef void _ask_for_row(
    const int64_t[::1] indptr, const int32_t[::1] indices, const floating[::1] data, int32_t row,
) noexcept:
    cdef int64_t first = indptr[row]
    cdef int64_t n = indptr[row + 1] - first
    if n:
        prefetch_row(&indices[first], n * sizeof(int32_t))
        prefetch_row(&data[first], n * sizeof(floating))


cdef Py_ssize_t _counts_to_places(
    place_t[::1] at,              # INOUT (n_features,) how many rows have a feature; then where their entries begin
    int32_t[::1] features,        # OUT   room for one more than there are
    int64_t[::1] ends,            # OUT   the same
):
    """List the features that are there, ascending, and return how many."""
    cdef Py_ssize_t j, k
    cdef Py_ssize_t n_present = 0
    cdef int64_t place = 0
    cdef place_t n
    for j in range(at.shape[0]):
        # written always, counted when there are entries: no branch to mispredict
        features[n_present] = <int32_t> j
        n_present += at[j] > 0
    ends[0] = 0
    for k in range(n_present):
        n = at[features[k]]
        at[features[k]] = <place_t> place
        place += n
        ends[k + 1] = place
    return n_present


def entries_by_feature(const floating[:, ::1] H):
    """Return the entries of a dense matrix other than zero, as `FeatureLists`."""
    cdef Py_ssize_t i, j
    at_array = np.zeros(H.shape[1] + 1, dtype=np.int64)
    cdef int64_t[::1] at = at_array
    for i in range(H.shape[0]):
        for j in range(H.shape[1]):
            at[j + 1] += H[i, j] != 0
    np.cumsum(at_array, out=at_array)
    ends = at_array.copy()
    n_entries = ends[H.shape[1]]
    rows_array = np.empty(n_entries, dtype=np.int32)
    data_array = np.empty(n_entries, dtype=np.asarray(H).dtype)
    cdef int32_t[::1] rows = rows_array
    cdef floating[::1] data = data_array
    for i in range(H.shape[0]):
        for j in range(H.shape[1]):
            if H[i, j] != 0:
                rows[at[j]] = <int32_t> i
                data[at[j]] = H[i, j]
                at[j] += 1
    return FeatureLists(H.shape, np.arange(H.shape[1], dtype=np.int32), ends, rows_array, data_array)
