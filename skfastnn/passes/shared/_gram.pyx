# The Gram matrix of the network's Jacobian, shared over outputs, straight from the lists of firing pairs.
#
# Problem     K_ij = s^2 [ (1 + <x_i, x_j>) sum over r firing on i and j of q_r  +  sum_r h_ir h_jr ] + 1,
#             q_r the mean of |V_rk|^2 over the outputs k. With one output this is J J' exactly; with several it is the
#             mean of its diagonal blocks, which preconditions the coupled system.
#             The inner products are computed here, or, for rows that are not dense, stand in K beforehand.
# Layout      Lists as in _pairs.pyx with activations. They are turned sample-major once: for each sample the neurons
#             that fire on it, its activations, and its place in each neuron's list. K (n_rows, n_rows), C order, the
#             lower triangle with the diagonal; the upper one is not touched.
# Method      For sample i, the lists of the neurons that fire on it are added to a row of accumulators, up to i. An
#             accumulator holds both sums side by side, so that a common firing costs one load and one store.
# Cost        sum_r |S_r|^2 / 2 additions of a pair of numbers, n_rows^2 d / 2 multiplications for the <x_i, x_j>.
# Threads     Samples, dynamic in small chunks: late rows cost more. Every row is the work of one thread.
# Reference   Deng, Hu, Song, Weinstein, Zhuo 2022 (arXiv 2208.04508), section on the sparse Jacobian.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

from skfastnn.passes.shared._blas cimport gemm_nt
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._worth cimport threads_for

cdef int BLOCK_ROWS = 64


def sample_major(PairLists pairs, Py_ssize_t n_rows):
    """Return firing pairs by sample.

    Parameters
    ----------
    pairs : PairLists
        With activations.
    n_rows : int

    Returns
    -------
    indptr : ndarray of shape (n_rows + 1,), int64
    neurons : ndarray of shape (total,), int32
        Neurons that fire on each sample, ascending.
    places : ndarray of shape (total,), int32
        Place of the sample in the list of the neuron.
    values : ndarray of shape (total,)
        Activations.

    Raises
    ------
    ValueError
        If the lists hold no activations, or rows beyond `n_rows`.
    """
    if pairs.dtype is None:
        raise ValueError("pairs must hold activations")
    indptr = np.zeros(n_rows + 1, dtype=np.int64)
    _count(pairs, indptr)
    np.cumsum(indptr, out=indptr)
    total = indptr[n_rows]
    neurons, places = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    values = np.empty(total, dtype=pairs.dtype)
    if pairs.dtype == np.float32:
        _fill[float](pairs, indptr[:n_rows].copy(), neurons, places, values)
    else:
        _fill[double](pairs, indptr[:n_rows].copy(), neurons, places, values)
    return indptr, neurons, places, values


cdef int _count(PairLists pairs, int64_t[::1] indptr) except -1:
    cdef Py_ssize_t r
    cdef int32_t i
    cdef const int32_t* row
    for r in range(pairs.n_neurons):
        row = pairs.blocks[r // pairs.block_size].rows + pairs.start[r]
        for i in range(pairs.count[r]):
            if row[i] >= indptr.shape[0] - 1:
                raise ValueError("there must be as many rows as the lists name")
            indptr[row[i] + 1] += 1
    return 0


cdef _fill(PairLists pairs, int64_t[::1] at, int32_t[::1] neurons, int32_t[::1] places, floating[::1] values):
    cdef Py_ssize_t r
    cdef int32_t i
    cdef int64_t to
    cdef const int32_t* row
    cdef const floating* value
    for r in range(pairs.n_neurons):
        row = pairs.blocks[r // pairs.block_size].rows + pairs.start[r]
        value = <floating*> pairs.blocks[r // pairs.block_size].values + pairs.start[r]
        for i in range(pairs.count[r]):
            to = at[row[i]]
            neurons[to] = <int32_t> r
            places[to] = i
            values[to] = value[i]
            at[row[i]] = to + 1


# What rows of the matrix are made of; pointers to numbers are to those of its type.
cdef struct Source:
    const void* X                 # (n_rows, ld), or NULL
    Py_ssize_t n_rows, ld
    const int32_t* index          # (n_wanted,)
    Py_ssize_t n_wanted
    bint triangle, with_output
    const int64_t* indptr         # of `sample_major`
    const int32_t* neurons
    const int32_t* places
    const void* values
    const void* weight            # (n_neurons,)
    double square_scale


def gram(
    PairLists pairs,                # IN    firing pairs with activations
    const floating[:, ::1] X,       # IN    (n_rows, ld), or (0, 0): K holds the inner products
    const floating[::1] weight,     # IN    (n_neurons,) q
    floating square_scale,          # IN    s^2
    bint with_output,               # IN    whether the output weights and intercepts take part
    floating[:, ::1] K,             # INOUT (n, n_rows)
    int n_threads,
    wanted=None,                    # IN    (n,) whole rows, int32; None: the lower triangle
):
    """Compute the shared Gram matrix of the Jacobian, its lower triangle or some of its rows."""
    cdef Py_ssize_t n_rows = K.shape[1]
    cdef const int32_t[::1] index = np.arange(K.shape[0], dtype=np.int32) if wanted is None else wanted
    if index.shape[0] and (np.min(index) < 0 or np.max(index) >= n_rows):
        raise ValueError("K has no such rows")
    if pairs.itemsize != sizeof(floating) or weight.shape[0] != pairs.n_neurons:
        raise ValueError("pairs must hold activations of X's dtype and weight one number per neuron")
    if K.shape[0] != index.shape[0] or (X.shape[0] and X.shape[0] != n_rows):
        raise ValueError("K must have one row per row asked for and one column per row of X")
    cdef const int64_t[::1] indptr
    cdef const int32_t[::1] neurons
    cdef const int32_t[::1] places
    cdef const floating[::1] values
    indptr, neurons, places, values = sample_major(pairs, n_rows)
    if index.shape[0] == 0:
        return
    cdef Source of
    of.X, of.n_rows, of.ld = &X[0, 0] if X.shape[0] else NULL, n_rows, X.shape[1]
    of.index, of.n_wanted, of.triangle = &index[0], index.shape[0], wanted is None
    of.with_output, of.square_scale = with_output, square_scale
    of.indptr, of.weight = &indptr[0], &weight[0]
    of.neurons, of.places, of.values = NULL, NULL, NULL
    if neurons.shape[0]:
        of.neurons, of.places, of.values = &neurons[0], &places[0], &values[0]
    cdef Py_ssize_t n_blocks = (of.n_wanted + BLOCK_ROWS - 1) // BLOCK_ROWS
    cdef Py_ssize_t k
    cdef int status = 0
    # each firing meets those of the same neuron
    cdef double work = .5 * values.shape[0] / pairs.n_neurons * values.shape[0] + .5 * K.shape[0] * n_rows
    # the longest rows first, so that no thread is left with one at the end
    for k in prange(n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic", chunksize=1):
        status += _block(pairs, &of, (n_blocks - 1 - k) * BLOCK_ROWS, &K[0, 0])
    if status:
        raise MemoryError("no memory for the sums of the Gram matrix")


cdef int _block(
    PairLists pairs, const Source* of, Py_ssize_t first,
    floating* K,                  # OUT   (n_wanted, n_rows): rows first ... first + BLOCK_ROWS
) noexcept nogil:
    cdef Py_ssize_t k, i, length
    cdef Py_ssize_t n_rows = of.n_rows, ld = of.ld
    cdef Py_ssize_t last = min(first + BLOCK_ROWS, of.n_wanted)
    cdef const floating* X = <const floating*> of.X
    cdef floating* sums = <floating*> malloc(2 * n_rows * sizeof(floating))
    if sums == NULL:
        return -1
    if of.triangle and X != NULL:
        gemm_nt(last - first, last, ld, X + first * ld, ld, X, ld, K + first * n_rows, n_rows)
    for k in range(first, last):
        i = of.index[k]
        length = i + 1 if of.triangle else n_rows
        if not of.triangle and X != NULL:
            gemm_nt(1, n_rows, ld, X + i * ld, ld, X, ld, K + k * n_rows, n_rows)
        memset(sums, 0, 2 * length * sizeof(floating))
        _common_firing(pairs, of, i, sums)
        _combine(sums, length, <floating> of.square_scale, of.with_output, K + k * n_rows)
    free(sums)
    return 0


cdef void _common_firing(
    PairLists pairs, const Source* of, Py_ssize_t i,
    floating* sums,               # INOUT (n_rows, 2): sum of q, sum of h_i h_j
) noexcept nogil:
    cdef int64_t k
    cdef Py_ssize_t r, b
    cdef int32_t t, n_common
    cdef floating q, h
    cdef const int32_t* row
    cdef const floating* value
    for k in range(of.indptr[i], of.indptr[i + 1]):
        r = of.neurons[k]
        b = r // pairs.block_size
        q = (<const floating*> of.weight)[r]
        h = (<const floating*> of.values)[k]
        row = pairs.blocks[b].rows + pairs.start[r]
        value = <floating*> pairs.blocks[b].values + pairs.start[r]
        n_common = of.places[k] + 1 if of.triangle else pairs.count[r]
        for t in range(n_common):
            sums[2 * row[t]] += q
            sums[2 * row[t] + 1] += h * value[t]


cdef void _combine(
    const floating* sums, Py_ssize_t length, floating square_scale, bint with_output,
    floating* K,                  # INOUT (length,): inner products, then entries of the Gram matrix
) noexcept nogil:
    cdef Py_ssize_t j
    if with_output:
        for j in range(length):
            K[j] = square_scale * ((1 + K[j]) * sums[2 * j] + sums[2 * j + 1]) + 1
    else:
        for j in range(length):
            K[j] = square_scale * (1 + K[j]) * sums[2 * j]
