# Products with the Jacobian of the network for dense rows; see shared/_jacobian.pyx for what they are.
#
# Layout      X (n_rows, ld), changes of the weights (n_neurons, ld): rows padded with zeros to 64 bytes.
# Cost        2 ld + 3 ld_out multiplications a firing pair for J J' u, half of it for the others; weights of neurons
#             are read once.

from cython cimport floating
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from skfastnn.passes.shared._jacobian cimport GRAM, TIMES, TRANSPOSED, Change, Jacobian, product
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

    cdef int block(
        self, product which, Py_ssize_t block, Change change, bint with_output, char* output,
    ) noexcept nogil:
        if self.itemsize == 4:
            return _block(self, which, block, change, with_output, <float*> output)
        return _block(self, which, block, change, with_output, <double*> output)


cdef int _take_rows(DenseJacobian of, const floating[:, ::1] X) except -1:
    require_vectors(X.shape[1], sizeof(floating))
    of.ld, of.X = X.shape[1], <const char*> &X[0, 0]
    of.work = .2 * of.pairs.n_before(of.pairs.n_blocks) * (of.ld + of.ld_out)
    return 0


cdef int _block(
    DenseJacobian of, product which, Py_ssize_t block, Change change, bint with_output, floating* output,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef Py_ssize_t ld = of.ld, ld_out = of.ld_out
    cdef const floating* X = <const floating*> of.X
    cdef const floating* u = <const floating*> of.u
    cdef const floating* v
    cdef const int32_t* row
    cdef const floating* value
    cdef int32_t count
    cdef floating* change_w = NULL
    cdef floating* change_c = NULL
    cdef floating* change_v = NULL
    cdef floating* scratch = <floating*> malloc((ld + ld_out + of.n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    if which != TRANSPOSED:
        memset(output, 0, of.n_rows * ld_out * sizeof(floating))
    for r in range(block * of.pairs.block_size, last):
        count = of.pairs.count[r]
        if count == 0 and which != TRANSPOSED:
            continue
        row = of.pairs.blocks[block].rows + of.pairs.start[r]
        value = <floating*> of.pairs.blocks[block].values + of.pairs.start[r]
        v = <const floating*> of.V + r * ld_out
        if which != GRAM:
            change_w, change_c = <floating*> change.W + r * ld, <floating*> change.c + r
            change_v = <floating*> change.V + r * ld_out
        if floating is float:
            if which == TIMES:
                tangent_neuron_f32(X, ld, ld, row, value, count, change_w, change_c[0], v, change_v, ld_out, scratch,
                                   output)
            elif which == TRANSPOSED:
                change_c[0] = cotangent_neuron_f32(X, ld, ld, row, value, count, u, v, ld_out, scratch, change_w,
                                                   change_v)
            else:
                gram_neuron_f32(X, ld, ld, row, value, count, u, v, ld_out, with_output, scratch, output)
        elif which == TIMES:
            tangent_neuron_f64(X, ld, ld, row, value, count, change_w, change_c[0], v, change_v, ld_out, scratch,
                               output)
        elif which == TRANSPOSED:
            change_c[0] = cotangent_neuron_f64(X, ld, ld, row, value, count, u, v, ld_out, scratch, change_w, change_v)
        else:
            gram_neuron_f64(X, ld, ld, row, value, count, u, v, ld_out, with_output, scratch, output)
    free(scratch)
    return 0
