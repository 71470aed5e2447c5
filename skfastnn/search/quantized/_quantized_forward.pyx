# Forward pass behind a filter of bytes: all pairs are bounded, those that may fire are computed.
#
# Problem     Dense search multiplies every row with every neuron in floating point to learn that most do not fire.
#             Rows and weights rounded to bytes say as much for most pairs, at a quarter of the multiplications, with a
#             bound on what rounding hides; where the bound is positive the pre-activation is computed exactly.
# Layout      codes (n_samples, ld) bytes of the training rows, about (n_samples, 4) steps, norms, sums and errors,
#             written once. X (n_rows, ld) the rows of the batch in floating point, weights as in _weights.pyx.
#             Weights are put together and rounded a few neurons at a time, and are still in the cache when their exact
#             products are asked for. Panels of rows: see byte_kernels.h. Lists as in _pairs.pyx, with activations.
#             Rows of floats come from the second-level cache more slowly than they are multiplied: those that bytes
#             hold without loss are read in bytes.
# Invariants  Every pair whose computed pre-activation is positive passes: the bound has what both roundings, and the
#             sums of the exact product, can lose. Nothing is pending: the solver has caught up, or its last step is
#             taken here, by each neuron before its weights are put together.
# Cost        A quarter of a multiplication a pair and feature, d multiplications for each pair that passes.
# Threads     blocks of neurons, dynamic. Panels are shared.
# Reference   Weber, Schek, Blott, "A quantitative analysis and performance study for similarity-search methods in
#             high-dimensional spaces", VLDB 1998 (approximations of all vectors, scanned; few are looked at exactly).

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._shapes cimport require_vectors
from skfastnn.passes.dense._updates cimport NeuronStep
from skfastnn.passes.dense._weights cimport DenseWeights, put_together
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "byte_kernels.h":
    int NEURONS_AT_ONCE
    int PANEL_ROWS
    ctypedef struct byte_neuron:
        float shifted
    ctypedef struct byte_panel:
        pass
    int have_byte_products() noexcept nogil
    int c_byte_gain "byte_gain"() noexcept nogil
    void weights_to_bytes_f32(
        const float*, const float*, Py_ssize_t, float, int, int8_t*, byte_neuron*) noexcept nogil
    void weights_to_bytes_f64(
        const double*, const double*, Py_ssize_t, double, int, int8_t*, byte_neuron*) noexcept nogil
    void row_to_bytes_f32(const float*, const float*, Py_ssize_t, float, int, uint8_t*, float*) noexcept nogil
    void row_to_bytes_f64(const double*, const double*, Py_ssize_t, double, int, uint8_t*, float*) noexcept nogil
    void pack_bytes(
        const uint8_t*, const float*, Py_ssize_t, const int32_t*, int, uint8_t*, byte_panel*) noexcept nogil
    void possible(
        const int8_t*, const byte_neuron*, Py_ssize_t, const uint8_t*, const byte_panel*, const char*, const char*,
        uint32_t*) noexcept nogil
    int64_t verify_f32(
        const float*, const float*, const float*, const int32_t*, const float*, Py_ssize_t,
        const uint32_t*, uint32_t, int32_t, int32_t*, float*, Py_ssize_t, int32_t*) noexcept nogil
    int64_t verify_f64(
        const double*, const double*, const double*, const int32_t*, const float*, Py_ssize_t,
        const uint32_t*, uint32_t, int32_t, int32_t*, double*, Py_ssize_t, int32_t*) noexcept nogil
    int64_t verify_bytes(
        const float*, const float*, const uint8_t*, const int32_t*, const float*, Py_ssize_t,
        const uint32_t*, uint32_t, int32_t, int32_t*, float*, Py_ssize_t, int32_t*) noexcept nogil

# The rows of a batch in bytes: all samples, which of them, and panels of these.
cdef struct BatchInBytes:
    const uint8_t* codes
    const float* about
    const int32_t* index
    uint8_t* panels
    byte_panel* known
    Py_ssize_t n_rows
    int zero
    bint lossless

# Features up to which sums of products of bytes are integers of 32 bits.
MAX_FEATURES = 66_000


def byte_products():
    """Return whether this processor multiplies bytes faster than floats."""
    return bool(have_byte_products())


def byte_gain():
    """Return how many products of bytes this processor makes in the time of one of floats; 0: it has none."""
    return c_byte_gain()


def rows_to_bytes(
    const floating[:, ::1] X,       # IN    (n_rows, ld)
    const floating[::1] shift,      # IN    (ld,) added to the rows
    floating base,                  # IN    a step
    int zero,                       # IN    code of a zero, 0 to 254
    uint8_t[:, ::1] codes,          # OUT   (n_rows, ld)
    float[:, ::1] about,            # OUT   (n_rows, 4) step, norm, sum of absolute values, norm of the error
    int n_threads,
):
    """Write rows in bytes.

    Raises
    ------
    ValueError
        If shapes do not fit, or steps are not positive.
    """
    cdef Py_ssize_t i
    cdef Py_ssize_t n_rows = X.shape[0], ld = X.shape[1]
    if codes.shape[0] != n_rows or about.shape[0] != n_rows or about.shape[1] != 4:
        raise ValueError("codes and about must have a row for each of X, about four columns")
    if codes.shape[1] != ld or shift.shape[0] != ld:
        raise ValueError("X, shift and codes must have the same number of columns")
    if not base > 0 or not 0 <= zero < 255:
        raise ValueError("base must be positive, and zero from 0 to 254")
    require_vectors(ld, sizeof(floating))
    for i in prange(n_rows, nogil=True, num_threads=threads_for(1. * n_rows * ld, n_threads), schedule="static"):
        if floating is float:
            row_to_bytes_f32(&X[i, 0], &shift[0], ld, base, zero, &codes[i, 0], &about[i, 0])
        else:
            row_to_bytes_f64(&X[i, 0], &shift[0], ld, base, zero, &codes[i, 0], &about[i, 0])


cdef class RowsInBytes:
    """The rows of the training data in bytes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, ld), uint8
    about : ndarray of shape (n_samples, 4), float32
        Of `rows_to_bytes`.
    shift : ndarray of shape (ld,)
        What was added before rows were written in bytes.
    zero : int
        Code of a zero.
    lossless : bool
        Whether bytes hold the rows as well as floats do, and are to be read.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or bytes do not stand for the rows.
    """

    cdef const uint8_t[:, ::1] codes
    cdef const float[:, ::1] about
    cdef readonly object shift
    cdef int zero
    cdef readonly bint lossless

    def __init__(self, const uint8_t[:, ::1] codes, const float[:, ::1] about, shift, int zero, bint lossless):
        if codes.shape[1] != shift.shape[0]:
            raise ValueError("shift and codes must have the same length")
        if codes.shape[0] != about.shape[0] or about.shape[1] != 4:
            raise ValueError("codes and about must be of the same samples")
        if lossless and (shift.dtype != np.float32 or zero or not have_byte_products()):
            raise ValueError(
                "bytes stand for rows in single precision alone, with a zero of 0, and where they are fast"
            )
        self.codes, self.about, self.shift, self.zero, self.lossless = codes, about, shift, zero, lossless


def quantized_forward(
    PairLists fired,                        # OUT   pairs that fire, with activations
    DenseWeights weights,                   # IN    moved where the step is taken
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const int32_t[::1] index,               # IN    (n_rows,) samples of the rows
    RowsInBytes coded,                      # IN    all samples
    int n_threads,
    NeuronStep step=None,                   # IN    the solver's last, to be taken by each neuron before it is asked
):
    """List what fires, of the pairs that the bytes do not exclude; return how many those were.

    Raises
    ------
    ValueError
        If lists, weights and rows do not fit each other, or the step has been taken, or needs the lists.
    MemoryError
        If there is none for the lists.
    """
    cdef Py_ssize_t b, p
    cdef Py_ssize_t status = 0
    cdef BatchInBytes rows
    cdef const floating[::1] shift = coded.shift
    cdef Py_ssize_t n_rows = X.shape[0], ld = X.shape[1], n_samples = coded.codes.shape[0]
    cdef Py_ssize_t n_panels = (n_rows + PANEL_ROWS - 1) // PANEL_ROWS
    cdef const floating* X_start = &X[0, 0] if n_rows else NULL
    if fired.itemsize != sizeof(floating):
        raise ValueError("lists and weights must be of the same dtype")
    weights.check_fits(fired.n_neurons, ld, sizeof(floating), False)
    if ld != shift.shape[0]:
        raise ValueError("rows and codes must have the same length")
    if index.shape[0] != n_rows:
        raise ValueError("there must be an index for each row")
    if n_rows and (np.min(index) < 0 or np.max(index) >= n_samples):
        raise ValueError("index must hold numbers of samples")
    if step is not None:
        step.begin(fired)
    cdef int64_t[::1] n_possible = np.zeros(fired.n_blocks, dtype=np.int64)
    cdef uint8_t[::1] panels = np.empty(n_panels * PANEL_ROWS * ld + 64, dtype=np.uint8)
    # vectors of the panels must not cross cache lines
    rows.panels = <uint8_t*> (((<size_t> &panels[0]) + 63) // 64 * 64)
    rows.known = <byte_panel*> malloc((n_panels + 1) * sizeof(byte_panel))
    rows.codes, rows.about = NULL, NULL
    if n_samples:
        rows.codes, rows.about = &coded.codes[0, 0], &coded.about[0, 0]
    rows.index = &index[0] if n_rows else NULL
    rows.n_rows, rows.zero, rows.lossless = n_rows, coded.zero, coded.lossless
    if rows.known == NULL:
        raise MemoryError("no memory for the rows in bytes")
    for p in prange(n_panels, nogil=True, num_threads=threads_for(.1 * n_rows * ld, n_threads), schedule="static"):
        pack_bytes(rows.codes, rows.about, ld, rows.index + p * PANEL_ROWS,
                   <int> min(PANEL_ROWS, n_rows - p * PANEL_ROWS), rows.panels + p * PANEL_ROWS * ld, rows.known + p)
    cdef double work = .006 * n_rows * fired.n_neurons * ld
    for b in prange(fired.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _block(fired, b, weights, X_start, rows, &shift[0], step, &n_possible[b])
    free(rows.known)
    if status:
        raise MemoryError("no memory for the lists of firing pairs")
    return int(np.sum(n_possible))


cdef int _block(
    PairLists fired,              # OUT
    Py_ssize_t block,
    DenseWeights weights,
    const floating* X,            # IN    (n_rows, ld)
    BatchInBytes in_bytes,            # IN    the same in bytes
    const floating* shift,        # IN    (ld,)
    NeuronStep step,              # IN    or None
    int64_t* n_possible,          # OUT
) noexcept nogil:
    cdef Py_ssize_t first, r, p, some
    cdef Py_ssize_t end = min((block + 1) * fired.block_size, fired.n_neurons)
    cdef Py_ssize_t ld = weights.ld, n_rows = in_bytes.n_rows
    # a row of a list is written before it is known whether it fires
    cdef Py_ssize_t ld_list = n_rows + 1
    cdef Py_ssize_t n_panels = (n_rows + PANEL_ROWS - 1) // PANEL_ROWS
    cdef int status = 0
    cdef int32_t count[16]
    cdef floating c[16]
    cdef byte_neuron neuron[16]
    cdef Py_ssize_t taking = (step.scratch_size() + 63) // 64 * 64 if step is not None else 0
    # weights, scratch of the step, weights in bytes; lists; what is possible
    cdef char* scratch = <char*> malloc(
        NEURONS_AT_ONCE * (ld * (sizeof(floating) + 1) + ld_list * (sizeof(floating) + sizeof(int32_t)))
        + n_panels * PANEL_ROWS * sizeof(uint32_t) + taking + 64)
    # vectors of the weights must not cross cache lines
    cdef floating* W = <floating*> (((<size_t> scratch) + 63) // 64 * 64)
    cdef void* step_scratch = W + NEURONS_AT_ONCE * ld
    cdef int8_t* codes = <int8_t*> step_scratch + taking
    cdef floating* values = <floating*> (codes + NEURONS_AT_ONCE * ld)
    cdef int32_t* rows = <int32_t*> (values + NEURONS_AT_ONCE * ld_list)
    cdef uint32_t* may = <uint32_t*> (rows + NEURONS_AT_ONCE * ld_list)
    if scratch == NULL:
        return -1
    n_possible[0] = 0
    fired.blocks[block].used = 0
    first = block * fired.block_size
    while first < end and status == 0:
        some = min(NEURONS_AT_ONCE, end - first)
        memset(codes, 0, NEURONS_AT_ONCE * ld)
        memset(neuron, 0, sizeof(neuron))
        for r in range(some):
            if step is not None:
                step.take(first + r, step_scratch, True, NULL)
            put_together(weights, first + r, <const floating*> NULL, NULL, W + r * ld)
            c[r] = (<const floating*> weights.c_state)[3 * (first + r)]
            _to_bytes(W + r * ld, shift, ld, c[r], in_bytes.zero, codes + r * ld, neuron + r)
            if in_bytes.lossless:
                c[r] = neuron[r].shifted
        for p in range(n_panels):
            possible(codes, neuron, ld, in_bytes.panels + p * PANEL_ROWS * ld, in_bytes.known + p,
                     _ahead(2 * p, first + NEURONS_AT_ONCE, end, weights, step, <const char*> W),
                     _ahead(2 * p + 1, first + NEURONS_AT_ONCE, end, weights, step, <const char*> W),
                     may + p * PANEL_ROWS)
        n_possible[0] += _verify(W, c, X, in_bytes, ld, may, (<uint32_t> 1 << some) - 1, <int32_t> n_rows, rows,
                                 values, ld_list, count)
        for r in range(some):
            status += _append(fired, block, first + r, rows + r * ld_list, values + r * ld_list, count[r])
        first += NEURONS_AT_ONCE
    free(scratch)
    return status


cdef const char* _ahead(
    Py_ssize_t part, Py_ssize_t next, Py_ssize_t end, DenseWeights weights, NeuronStep step, const char* nothing,
) noexcept nogil:
    """Return a part of what the next neurons need, 16 * ld bytes; `nothing` when all is under way."""
    cdef Py_ssize_t size = weights.ld * weights.itemsize
    cdef Py_ssize_t parts = NEURONS_AT_ONCE * weights.itemsize // 16
    cdef Py_ssize_t within = part % parts * 16 * weights.ld
    cdef int array = part // parts
    cdef int n_moving = step.n_moving if step is not None else 1
    if (next >= end or array > n_moving
            or array == n_moving and within >= parts * 16 * weights.ld >> weights.pair_shift):
        return nothing
    if array == 0:
        return weights.displacement + next * size + within
    if array == n_moving:
        return weights.start + (next >> weights.pair_shift) * size + within
    return step.moving[array] + next * size + within


cdef void _to_bytes(
    const floating* w, const floating* shift, Py_ssize_t ld, floating c, int zero, int8_t* code, byte_neuron* known,
) noexcept nogil:
    if floating is float:
        weights_to_bytes_f32(w, shift, ld, c, zero, code, known)
    else:
        weights_to_bytes_f64(w, shift, ld, c, zero, code, known)


cdef int64_t _verify(
    const floating* W, const floating* c, const floating* X, BatchInBytes in_bytes, Py_ssize_t ld, const uint32_t* may,
    uint32_t there, int32_t n_rows, int32_t* rows, floating* values, Py_ssize_t ld_list, int32_t* count,
) noexcept nogil:
    if floating is double:
        return verify_f64(W, c, X, NULL, NULL, ld, may, there, n_rows, rows, values, ld_list, count)
    if in_bytes.lossless:
        return verify_bytes(<float*> W, <float*> c, in_bytes.codes, in_bytes.index, in_bytes.about, ld, may, there,
                            n_rows, rows, <float*> values, ld_list, count)
    return verify_f32(<float*> W, <float*> c, <float*> X, NULL, NULL, ld, may, there, n_rows, rows, <float*> values,
                      ld_list, count)


cdef int _append(
    PairLists fired, Py_ssize_t block, Py_ssize_t r, const int32_t* rows, const floating* values, int32_t count,
) noexcept nogil:
    cdef Py_ssize_t at = fired.blocks[block].used
    fired.start[r] = at
    fired.count[r] = count
    if count == 0:  # and there may be no array yet
        return 0
    if fired.reserve(block, count) < 0:
        return -1
    memcpy(fired.blocks[block].rows + at, rows, count * sizeof(int32_t))
    memcpy(<floating*> fired.blocks[block].values + at, values, count * sizeof(floating))
    fired.blocks[block].used += count
    return 0
