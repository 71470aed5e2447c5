# Forward pass over candidates: verify each pair exactly, keep those that fire, add them to the output.
#
# Problem     pre-activation z = <w, x> + c for the pairs of the lists; a pair with z > 0 fires, its activation is z,
#             and output[row] += z * v. w is put together once per neuron and batch: start + anchor +
#             displacement, moved on by the steps that the solver has not carried out yet; a step that it left to this
#             pass (_updates.pyx) is taken before.
# Layout      X (n_rows, ld), rows padded with zeros to 64 bytes. Weights as in _weights.pyx, lists as in _pairs.pyx.
# Invariants  A block of neurons adds to an output buffer of its own; buffers are summed in block order. Results
#             do not depend on the number of threads.
# Cost        d multiplications a candidate, n_outputs a fired pair; a neuron's weights are read once per batch.
# Threads     blocks of neurons, dynamic; nothing is shared but the summed output.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from skfastnn.passes.dense._catch_up cimport MomentumState
from skfastnn.passes.dense._weights cimport DenseWeights, put_together
from skfastnn.passes.shared._pairs cimport PairLists, sum_over_blocks
from skfastnn.passes.dense._updates cimport NeuronStep, upcoming_rows
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "forward_kernels.h":
    int SPARE
    int32_t forward_neuron_f32(
        const float*, const float*, Py_ssize_t, Py_ssize_t, const int32_t*, int32_t, float, const float*, Py_ssize_t,
        float*, const upcoming_rows*, int32_t*, float*) noexcept nogil
    int32_t forward_neuron_f64(
        const double*, const double*, Py_ssize_t, Py_ssize_t, const int32_t*, int32_t, double, const double*,
        Py_ssize_t, double*, const upcoming_rows*, int32_t*, double*) noexcept nogil

cdef extern from "vector_kernels.h":
    void prefetch_upcoming(const upcoming_rows*, int32_t, Py_ssize_t) noexcept nogil
    void output_neuron_f32(const int32_t*, const float*, int32_t, const float*, Py_ssize_t, float*) noexcept nogil
    void output_neuron_f64(const int32_t*, const double*, int32_t, const double*, Py_ssize_t, double*) noexcept nogil


def forward(
    PairLists candidates,                   # IN
    PairLists fired,                        # OUT   rows that fire, and activations
    DenseWeights weights,                   # IN    moved where the step is taken
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    floating[:, :, ::1] buffers,            # OUT   (n_blocks, n_rows, ld_out) scratch; the sum is in buffers[0]
    int n_threads,
    MomentumState state=None,               # IN    what silent steps have left to do; None: nothing
    NeuronStep step=None,                   # IN    the solver's last, to be taken by each neuron before it is asked
):
    """Verify candidates, list what fires, and sum the output into buffers[0].

    Raises
    ------
    ValueError
        If lists, buffers, weights and rows do not fit each other, or the step has been taken, or needs the lists.
    MemoryError
        If there is none for the lists.
    """
    cdef Py_ssize_t b
    cdef int status = 0
    cdef Py_ssize_t n_rows = X.shape[0], ld_out = weights.ld_out
    # a layer without outputs has none of these
    cdef floating* output = &buffers[0, 0, 0] if ld_out and buffers.shape[0] and buffers.shape[1] else NULL
    cdef const floating* rows = &X[0, 0] if n_rows else NULL
    _check_buffers(fired, buffers.shape[0], buffers.shape[1], buffers.shape[2], n_rows, ld_out)
    if candidates.n_neurons != fired.n_neurons or fired.itemsize != sizeof(floating):
        raise ValueError("candidates and fired must be lists of the same neurons, fired with values of X's dtype")
    weights.check_fits(fired.n_neurons, X.shape[1], sizeof(floating), False)
    if state is not None:
        state.check_fits(weights)
    if step is not None:
        step.begin(fired)
    cdef double work = .1 * candidates.n_before(candidates.n_blocks) * (weights.ld + ld_out)
    if step is not None:
        work += step.work()
    for b in prange(fired.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _forward_block(candidates, fired, b, weights, rows, n_rows,
                                 output + b * buffers.shape[1] * ld_out if output != NULL else NULL, state, step)
    if status:
        raise MemoryError("no memory for the lists of firing pairs")
    sum_over_blocks(buffers, fired.n_blocks, n_rows, n_threads)


def output_of_fired(
    PairLists pairs,
    Py_ssize_t n_rows,
    const floating[:, ::1] V,               # IN    (n_neurons, ld_out)
    floating[:, :, ::1] buffers,            # OUT   (n_blocks, n_rows, ld_out)
    int n_threads,
):
    """Sum the output of lists that hold verified activations already into buffers[0]."""
    cdef Py_ssize_t b
    if pairs.itemsize != sizeof(floating) or pairs.n_neurons != V.shape[0]:
        raise ValueError("pairs must hold values of V's dtype for the neurons of V")
    _check_buffers(pairs, buffers.shape[0], buffers.shape[1], buffers.shape[2], n_rows, V.shape[1])
    if n_rows == 0 or V.shape[1] == 0:
        return
    cdef double work = .1 * (pairs.n_before(pairs.n_blocks) + pairs.n_blocks * n_rows) * V.shape[1]
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        _output_block(pairs, b, n_rows, &V[0, 0], V.shape[1], &buffers[b, 0, 0])
    sum_over_blocks(buffers, pairs.n_blocks, n_rows, n_threads)


cdef _check_buffers(PairLists fired, n_blocks, n_rows, ld_out, n_rows_needed, ld_out_needed):
    if n_blocks < fired.n_blocks or n_rows < n_rows_needed or ld_out != ld_out_needed:
        raise ValueError("buffers do not fit the lists, the rows and V")


cdef int _forward_block(
    PairLists candidates,         # IN
    PairLists fired,              # OUT
    Py_ssize_t block,
    DenseWeights weights,
    const floating* X,            # IN    (n_rows, ld)
    Py_ssize_t n_rows,
    floating* output,             # OUT   (n_rows, ld_out)
    MomentumState state,          # IN    or None
    NeuronStep step,              # IN    or None
) noexcept nogil:
    cdef Py_ssize_t r, at
    cdef Py_ssize_t last = min((block + 1) * fired.block_size, fired.n_neurons)
    cdef Py_ssize_t ld = weights.ld, ld_out = weights.ld_out
    cdef const floating* V = <const floating*> weights.V
    cdef const floating* velocity
    cdef const double* a
    cdef const int32_t* row
    cdef int32_t count
    cdef floating c
    cdef int64_t delay
    cdef int k
    cdef upcoming_rows now, later
    # weights, and scratch of the step
    cdef floating* whole = <floating*> malloc(
        ld * sizeof(floating) + (step.scratch_size() if step is not None else 0))
    if whole == NULL:
        return -1
    if output != NULL:
        memset(output, 0, n_rows * ld_out * sizeof(floating))
    fired.blocks[block].used = 0
    for r in range(block * fired.block_size, last):
        count = candidates.count[r]
        at = fired.blocks[block].used
        fired.start[r] = at
        fired.count[r] = 0
        later.n = 0
        if r + 1 < last:
            _list_upcoming(weights, state, step, r + 1, last, candidates.count[r + 1] > 0, &later)
        if step is not None:
            # one row on the way of the gradient, the others on that of the inner products
            now.n = later.n if count == 0 else min(later.n, 1) if step.pairs.count[r] else 0
            later.n -= now.n
            for k in range(now.n):
                now.row[k] = later.row[later.n + k]
            step.take(r, whole + ld, False, &now)
        if count == 0:
            prefetch_upcoming(&later, 0, ld * sizeof(floating))
            continue
        if fired.reserve(block, count + SPARE) < 0:
            free(whole)
            return -1
        row = candidates.blocks[block].rows + candidates.start[r]
        velocity, a = NULL, NULL
        if state is not None and (step is None or step.pairs.count[r] == 0):
            delay = state.step - state.touched[r]
            if delay:
                velocity, a = <const floating*> state.velocity + r * ld, state.pending + 4 * delay
        put_together(weights, r, velocity, a, whole)
        c = (<const floating*> weights.c_state)[3 * r]
        if floating is float:
            fired.count[r] = forward_neuron_f32(
                whole, X, ld, ld, row, count, c, V + r * ld_out, ld_out, output, &later,
                fired.blocks[block].rows + at, <float*> fired.blocks[block].values + at)
        else:
            fired.count[r] = forward_neuron_f64(
                whole, X, ld, ld, row, count, c, V + r * ld_out, ld_out, output, &later,
                fired.blocks[block].rows + at, <double*> fired.blocks[block].values + at)
        fired.blocks[block].used += fired.count[r]
    free(whole)
    return 0


cdef void _list_upcoming(
    DenseWeights weights,
    MomentumState state,          # IN    or None
    NeuronStep step,              # IN    or None
    Py_ssize_t r,
    Py_ssize_t last,
    bint asked,                   # IN    whether the neuron has candidates
    upcoming_rows* rows,          # OUT
) noexcept nogil:
    """List the rows of weights that neuron r will need."""
    cdef Py_ssize_t size = weights.ld * weights.itemsize
    rows.n = 0
    if step is not None:
        step.list_upcoming(r, last, rows)
    if not asked:
        return
    if rows.n == 0:
        rows.row[0], rows.n = weights.displacement + r * size, 1
        if state is not None and state.touched[r] != state.step:
            rows.row[1], rows.n = state.velocity + r * size, 2
    if (r - 1) >> weights.pair_shift != r >> weights.pair_shift:
        rows.row[rows.n] = weights.start + (r >> weights.pair_shift) * size
        rows.n += 1


cdef void _output_block(
    PairLists pairs,              # IN
    Py_ssize_t block,
    Py_ssize_t n_rows,
    const floating* V,            # IN    (n_neurons, ld_out)
    Py_ssize_t ld_out,
    floating* output,             # OUT   (n_rows, ld_out)
) noexcept nogil:
    cdef Py_ssize_t r
    cdef const int32_t* row
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    memset(output, 0, n_rows * ld_out * sizeof(floating))
    for r in range(block * pairs.block_size, last):
        if pairs.count[r] == 0:
            continue
        row = pairs.blocks[block].rows + pairs.start[r]
        if floating is float:
            output_neuron_f32(row, <float*> pairs.blocks[block].values + pairs.start[r], pairs.count[r],
                              V + r * ld_out, ld_out, output)
        else:
            output_neuron_f64(row, <double*> pairs.blocks[block].values + pairs.start[r], pairs.count[r],
                              V + r * ld_out, ld_out, output)
