# Products with the Jacobian of the network for dense rows; see shared/_jacobian.pyx for what they are.
#
# Layout      X (n_rows, ld), changes of the weights (n_neurons, ld): rows padded with zeros to 64 bytes.
# Cost        2 ld + 3 ld_out multiplications a firing pair for J J' u, half of it for the others; weights of neurons
#             are read once.

from cython cimport floating
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from skfastnn.passes.shared._jacobian cimport Change, Jacobian
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._shapes cimport require_vectors

cdef extern from "tangent_kernels.h":
    int SPARE
    void tangent_neuron_f32(
        const float*, Py_ssize_t, Py_ssize_t, const int32_t*, const float*, int32_t, const float*, float,
        const float*, const float*, Py_ssize_t, float*, float*) noexcept nogil
    void tangent_neuron_f64(
        const double*, Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, double,
        const double*, const double*, Py_ssize_t, double*, double*) noexcept nogil
    float cotangent_neuron_f32(
        const float*, Py_ssize_t, Py_ssize_t, const int32_t*, const float*, int32_t, const float*, const float*,
        Py_ssize_t, float*, float*, float*) noexcept nogil
    double cotangent_neuron_f64(
        const double*, Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, const double*,
        Py_ssize_t, double*, double*, double*) noexcept nogil
    void gram_neuron_f32(
        const float*, Py_ssize_t, Py_ssize_t, const int32_t*, const float*, int32_t, const float*, const float*,
        Py_ssize_t, int, float*, float*) noexcept nogil
    void gram_neuron_f64(
        const double*, Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, const double*,
        Py_ssize_t, int, double*, double*) noexcept nogil


cdef class DenseJacobian(Jacobian):
    """The Jacobian of a network whose rows are dense.

    Parameters
    ----------
    pairs : PairLists
        Firing pairs with activations.
    X : ndarray of shape (n_rows, ld)
    V : ndarray of shape (n_neurons, ld_out)
    u : ndarray of shape (n_rows, ld_out)
        What transposed products are taken with.
    buffers : ndarray of shape (n_blocks, n_rows, ld_out)
        Overwritten; other products are in the first.

    Raises
    ------
    ValueError
        If lists and arrays do not fit each other.
    """

    cdef Py_ssize_t ld
    cdef object rows
    cdef const char* X

    def __init__(self, PairLists pairs, X, V, u, buffers):
        self.set_up(pairs, V, u, buffers, X.shape[0], (V.shape[0], X.shape[1]))
        self.rows = X
        if self.itemsize == 4:
            _take_rows[float](self, X)
        else:
            _take_rows[double](self, X)

    cdef int times_block(self, Py_ssize_t block, Change change, char* output) noexcept nogil:
        if self.itemsize == 4:
            return _times_block(self, block, change, <float*> output)
        return _times_block(self, block, change, <double*> output)

    cdef int transposed_block(self, Py_ssize_t block, Change change) noexcept nogil:
        if self.itemsize == 4:
            return _transposed_block(self, block, change, <float*> self.u)
        return _transposed_block(self, block, change, <double*> self.u)

    cdef int gram_block(self, Py_ssize_t block, bint with_output, char* output) noexcept nogil:
        if self.itemsize == 4:
            return _gram_block(self, block, with_output, <float*> output)
        return _gram_block(self, block, with_output, <double*> output)


cdef int _take_rows(DenseJacobian of, const floating[:, ::1] X) except -1:
    require_vectors(X.shape[1], sizeof(floating))
    of.ld, of.X = X.shape[1], <const char*> &X[0, 0]
    of.work = .2 * of.pairs.n_before(of.pairs.n_blocks) * (of.ld + of.ld_out)
    return 0


cdef int _times_block(DenseJacobian of, Py_ssize_t block, Change change, floating* output) noexcept nogil:
    cdef Py_ssize_t ld = of.ld, ld_out = of.ld_out
    cdef const floating* X = <const floating*> of.X
    cdef const floating* V = <const floating*> of.V
    cdef floating* change_w = <floating*> change.W
    cdef floating* change_c = <floating*> change.c
    cdef floating* change_v = <floating*> change.V
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((of.n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    memset(output, 0, of.n_rows * ld_out * sizeof(floating))
    for r in range(block * of.pairs.block_size, last):
        if of.pairs.count[r] == 0:
            continue
        row = of.pairs.blocks[block].rows + of.pairs.start[r]
        value = <floating*> of.pairs.blocks[block].values + of.pairs.start[r]
        if floating is float:
            tangent_neuron_f32(X, ld, ld, row, value, of.pairs.count[r], change_w + r * ld, change_c[r],
                               V + r * ld_out, change_v + r * ld_out, ld_out, scratch, output)
        else:
            tangent_neuron_f64(X, ld, ld, row, value, of.pairs.count[r], change_w + r * ld, change_c[r],
                               V + r * ld_out, change_v + r * ld_out, ld_out, scratch, output)
    free(scratch)
    return 0


cdef int _transposed_block(DenseJacobian of, Py_ssize_t block, Change change, const floating* u) noexcept nogil:
    cdef Py_ssize_t ld = of.ld, ld_out = of.ld_out
    cdef const floating* X = <const floating*> of.X
    cdef const floating* V = <const floating*> of.V
    cdef floating* change_w = <floating*> change.W
    cdef floating* change_c = <floating*> change.c
    cdef floating* change_v = <floating*> change.V
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((of.n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    for r in range(block * of.pairs.block_size, last):
        row = of.pairs.blocks[block].rows + of.pairs.start[r]
        value = <floating*> of.pairs.blocks[block].values + of.pairs.start[r]
        if floating is float:
            change_c[r] = cotangent_neuron_f32(X, ld, ld, row, value, of.pairs.count[r], u, V + r * ld_out,
                                               ld_out, scratch, change_w + r * ld, change_v + r * ld_out)
        else:
            change_c[r] = cotangent_neuron_f64(X, ld, ld, row, value, of.pairs.count[r], u, V + r * ld_out,
                                               ld_out, scratch, change_w + r * ld, change_v + r * ld_out)
    free(scratch)
    return 0


cdef int _gram_block(DenseJacobian of, Py_ssize_t block, bint with_output, floating* output) noexcept nogil:
    cdef Py_ssize_t ld = of.ld, ld_out = of.ld_out
    cdef const floating* X = <const floating*> of.X
    cdef const floating* V = <const floating*> of.V
    cdef const floating* u = <const floating*> of.u
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((ld + ld_out + of.n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    memset(output, 0, of.n_rows * ld_out * sizeof(floating))
    for r in range(block * of.pairs.block_size, last):
        if of.pairs.count[r] == 0:
            continue
        row = of.pairs.blocks[block].rows + of.pairs.start[r]
        value = <floating*> of.pairs.blocks[block].values + of.pairs.start[r]
        if floating is float:
            gram_neuron_f32(X, ld, ld, row, value, of.pairs.count[r], u, V + r * ld_out, ld_out, with_output,
                            scratch, output)
        else:
            gram_neuron_f64(X, ld, ld, row, value, of.pairs.count[r], u, V + r * ld_out, ld_out, with_output,
                            scratch, output)
    free(scratch)
    return 0
