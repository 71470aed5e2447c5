# Products with the Jacobian of the network through the lists of firing pairs; the Jacobian itself is never formed.
#
# Problem     f_i = s sum_r h_ir V_r + v. With J the derivative of f by (weights, intercepts, output weights; the
#             intercepts of the output are left to the caller, their part is constant), and without the factor s:
#                 (J d)_i  = sum over r firing on i of  (<d_r, x_i> + dc_r) V_r + h_ir dV_r
#                 (J' u)_r = sum over i in S_r of       (<V_r, u_i> (x_i, 1), h_ir u_i)
#                 J J' u   = the one after the other, neuron by neuron, without storing J' u.
#             What a layout of weights adds are the products of a block of neurons: dense/_tangent.pyx for rows that are
#             dense, panels/_panel_tangent.pyx for sparse ones.
# Layout      Lists as in _pairs.pyx with activations; V and dV (n_neurons, ld_out), u and outputs (n_rows, ld_out),
#             rows padded with zeros to 64 bytes. dc is column 0 of (n_neurons, 1), and what d is depends on the layout.
# Invariants  A block of neurons adds to an output buffer of its own; buffers are summed in block order, so results do
#             not depend on the number of threads. Arrays may be written to while an object lives, and not be replaced.
# Threads     Blocks of neurons, dynamic.
# Reference   Deng, Hu, Song, Weinstein, Zhuo 2022 (arXiv 2208.04508) for the sparsity; products neuron by neuron ours.

from cython cimport floating
from cython.parallel cimport prange

import numpy as np

from skfastnn.passes.shared._pairs cimport PairLists, sum_over_blocks
from skfastnn.passes.shared._shapes cimport require, require_outputs
from skfastnn.passes.shared._worth cimport threads_for


cdef class Change:
    """A change of the parameters that belong to neurons, as products with a Jacobian take it, and give it.

    Parameters
    ----------
    W : ndarray of shape (n_neurons, ld), or (n_panels, n_features, 64)
        Of the weights, in their layout.
    c : ndarray of shape (n_neurons, 1)
    V : ndarray of shape (n_neurons, ld_out)

    Raises
    ------
    ValueError
        If shapes or types do not fit each other.
    """

    def __init__(self, W, c, V):
        self.kept, self.hidden_shape = (W, c, V), W.shape
        if not W.flags.c_contiguous:
            raise ValueError("changes must be in C order")
        if c.dtype == np.float32:
            _take_change[float](self, W.reshape(len(W), -1), c, V)
        else:
            _take_change[double](self, W.reshape(len(W), -1), c, V)


cdef int _take_change(Change of, floating[:, ::1] W, floating[:, ::1] c, floating[:, ::1] V) except -1:
    if W.shape[0] < 1 or W.shape[1] < 1 or V.shape[1] < 1:
        raise ValueError("there must be a neuron, a feature and an output")
    require("c", c.shape[0], c.shape[1], V.shape[0], 1)
    require_outputs("V", V.shape[0], V.shape[1], V.shape[0], sizeof(floating))
    of.n_neurons, of.ld_out, of.itemsize = V.shape[0], V.shape[1], sizeof(floating)
    of.W, of.c, of.V = <char*> &W[0, 0], <char*> &c[0, 0], <char*> &V[0, 0]
    return 0


cdef class Jacobian:
    """The derivative of what a network gives for some rows, by the parameters of its neurons, as a factor.

    What it is multiplied with is read at the call, from arrays that were given to the constructor.
    """

    cdef int set_up(self, PairLists pairs, V, u, buffers, Py_ssize_t n_rows, hidden_shape) except -1:
        """Set what the Jacobians of all layouts have, if lists and arrays fit each other."""
        self.pairs, self.n_rows, self.hidden_shape = pairs, n_rows, hidden_shape
        self.kept = (V, u, buffers)
        if V.dtype == np.float32:
            return _take[float](self, V, u, buffers)
        return _take[double](self, V, u, buffers)

    def times(self, Change change, int n_threads):
        """Write ``J d`` to buffers[0]: the change of the output to first order."""
        self._check(change)
        self._multiply(TIMES, change, True, n_threads)

    def transposed(self, Change change, int n_threads):
        """Write ``J' u`` to a change; silent neurons get zeros."""
        self._check(change)
        self._multiply(TRANSPOSED, change, True, n_threads)

    def gram(self, bint with_output, int n_threads):
        """Write ``J J' u`` to buffers[0]; with or without the output weights."""
        self._multiply(GRAM, None, with_output, n_threads)

    def _check(self, Change change):
        require("a change", change.n_neurons, change.ld_out, self.pairs.n_neurons, self.ld_out)
        if change.hidden_shape != self.hidden_shape or change.itemsize != self.itemsize:
            raise ValueError("a change must be of the weights' layout and dtype")

    def _multiply(self, product which, Change change, bint with_output, int n_threads):
        cdef Py_ssize_t b
        cdef int status = 0
        for b in prange(self.pairs.n_blocks, nogil=True, num_threads=threads_for(self.work, n_threads),
                        schedule="dynamic", chunksize=1):
            status += self.block(which, b, change, with_output, self.buffers + b * self.buffer_size)
        if status:
            raise MemoryError("no memory for the scratch of the product")
        if which != TRANSPOSED and self.itemsize == 4:
            sum_over_blocks[float](self.kept[2], self.pairs.n_blocks, self.n_rows, n_threads)
        elif which != TRANSPOSED:
            sum_over_blocks[double](self.kept[2], self.pairs.n_blocks, self.n_rows, n_threads)

    cdef int block(
        self, product which, Py_ssize_t block, Change change, bint with_output, char* output,
    ) noexcept nogil:
        """Multiply a block of neurons: of the change, or to it; or of u and to the output alone. -1: no memory."""
        return -1


cdef int _take(
    Jacobian of, const floating[:, ::1] V, const floating[:, ::1] u, floating[:, :, ::1] buffers,
) except -1:
    if of.pairs.itemsize != sizeof(floating) or of.pairs.n_neurons != V.shape[0]:
        raise ValueError("pairs must hold activations of V's dtype for the neurons of V")
    require_outputs("V", V.shape[0], V.shape[1], V.shape[0], sizeof(floating))
    if of.n_rows == 0 or V.shape[1] == 0 or u.shape[0] < of.n_rows or u.shape[1] != V.shape[1]:
        raise ValueError("u does not fit the rows and V")
    if buffers.shape[0] < of.pairs.n_blocks or buffers.shape[1] < of.n_rows or buffers.shape[2] != V.shape[1]:
        raise ValueError("buffers do not fit the lists, the rows and V")
    of.ld_out, of.itemsize = V.shape[1], sizeof(floating)
    of.buffer_size = buffers.shape[1] * buffers.shape[2] * sizeof(floating)
    of.V, of.u, of.buffers = <const char*> &V[0, 0], <const char*> &u[0, 0], <char*> &buffers[0, 0, 0]
    return 0
