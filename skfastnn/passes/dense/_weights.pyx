# The weights of a hidden layer neuron by neuron, and of the outputs above it, as all passes over them take them.
#
# Problem     Seven arrays go together wherever neurons are looked at or moved. They are checked against each other
#             here, and go through a pass as one.
# Layout      start (n_neurons >> pair_shift, ld) or longer, displacement and anchor (n_neurons, ld): rows padded with
#             zeros to whole vectors of 64 bytes; the weights of neuron r are their sum, of which anchor counts where
#             `anchored` says so. c_state (n_neurons, 3): the intercept, and what the solver keeps for it. V and start_V
#             (n_neurons, ld_out), the output weights now and at the start.
# Invariants  Arrays may be written to while the object lives, and not be replaced.
# Threads     Reading is free; a neuron is written to by one thread.

from cython cimport floating
from libc.stdint cimport uint8_t

import numpy as np

from skfastnn.passes.shared._shapes cimport require, require_outputs, require_start, require_vectors

cdef extern from "vector_kernels.h":
    void whole_weights_f32(
        const float*, const float*, const float*, const float*, float, float, Py_ssize_t, float*) noexcept nogil
    void whole_weights_f64(
        const double*, const double*, const double*, const double*, double, double, Py_ssize_t,
        double*) noexcept nogil


cdef class DenseWeights:
    """The arrays of a layer, as passes over dense rows take them.

    Parameters
    ----------
    start : ndarray of shape (n_drawn, ld)
    displacement, anchor : ndarray of shape (n_neurons, ld)
    anchored : ndarray of shape (n_neurons,), uint8
        Rows of anchor that are not zero.
    pair_shift : int
        1 where two neurons share a row of start, 0 where none do.
    c_state : ndarray of shape (n_neurons, 3)
        Intercepts first.
    V, start_V : ndarray of shape (n_neurons, ld_out)

    Raises
    ------
    ValueError
        If shapes or types do not fit each other, or rows are no whole vectors.
    """

    def __init__(self, start, displacement, anchor, anchored, int pair_shift, c_state, V, start_V):
        self.kept = (start, displacement, anchor, anchored, c_state, V, start_V)
        self.pair_shift = pair_shift
        self.writable = all(array.flags.writeable for array in (displacement, anchor, anchored, c_state, V))
        if displacement.dtype == np.float32:
            _take[float](self, *self.kept)
        else:
            _take[double](self, *self.kept)

    cdef int check_fits(self, Py_ssize_t n_neurons, Py_ssize_t ld, Py_ssize_t itemsize, bint writable) except -1:
        """Raise unless the weights are of so many neurons, for such rows, and may be moved where they are to be."""
        require("displacement", self.n_neurons, self.ld, n_neurons, ld)
        if self.itemsize != itemsize:
            raise ValueError("weights, rows and lists must be of the same dtype")
        if writable and not self.writable:
            raise ValueError("weights that are to move must not be read-only")
        return 0


cdef int _take(
    DenseWeights of,
    const floating[:, ::1] start,
    const floating[:, ::1] displacement,
    const floating[:, ::1] anchor,
    const uint8_t[::1] anchored,
    const floating[:, ::1] c_state,
    const floating[:, ::1] V,
    const floating[:, ::1] start_V,
) except -1:
    """Set the pointers, if the arrays fit each other."""
    cdef Py_ssize_t n = displacement.shape[0], ld = displacement.shape[1], ld_out = V.shape[1]
    if n < 1:
        raise ValueError("there must be a neuron")
    require_vectors(ld, sizeof(floating))
    require_start(start.shape[0], start.shape[1], n, ld, of.pair_shift)
    require("anchor", anchor.shape[0], anchor.shape[1], n, ld)
    require("c_state", c_state.shape[0], c_state.shape[1], n, 3)
    require_outputs("V", V.shape[0], ld_out, n, sizeof(floating))
    require("start_V", start_V.shape[0], start_V.shape[1], n, ld_out)
    if anchored.shape[0] != n:
        raise ValueError("anchored must have an entry for each of %d neurons" % n)
    of.n_neurons, of.ld, of.ld_out, of.itemsize = n, ld, ld_out, sizeof(floating)
    of.start, of.displacement = <const char*> &start[0, 0], <char*> &displacement[0, 0]
    of.anchor, of.anchored = <char*> &anchor[0, 0], <uint8_t*> &anchored[0]
    of.c_state = <char*> &c_state[0, 0]
    of.V, of.start_V = NULL, NULL
    if ld_out:
        of.V, of.start_V = <char*> &V[0, 0], <const char*> &start_V[0, 0]
    return 0


cdef const floating* anchor_of(DenseWeights weights, Py_ssize_t r, const floating* same) noexcept nogil:
    """Return the anchor of neuron r, or NULL: it is zero. `same` says of which type."""
    return <const floating*> weights.anchor + r * weights.ld if weights.anchored[r] else NULL


cdef void put_together(
    DenseWeights weights,
    Py_ssize_t r,
    const floating* velocity,     # IN    (ld,) or NULL: no silent steps are to be carried out
    const double* a,              # IN    (4,) the matrix of those steps, where there is a velocity
    floating* whole,              # OUT   (ld,) the weights of neuron r
) noexcept nogil:
    """Write the weights of a neuron."""
    cdef Py_ssize_t ld = weights.ld
    cdef const floating* start = <const floating*> weights.start + (r >> weights.pair_shift) * ld
    cdef const floating* displacement = <const floating*> weights.displacement + r * ld
    cdef const floating* anchor = anchor_of(weights, r, displacement)
    cdef floating share = <floating> a[0] if velocity != NULL else 1
    cdef floating run = <floating> a[1] if velocity != NULL else 0
    if floating is float:
        whole_weights_f32(start, anchor, displacement, velocity, share, run, ld, whole)
    else:
        whole_weights_f64(start, anchor, displacement, velocity, share, run, ld, whole)
