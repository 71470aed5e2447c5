# The weights of a hidden layer 64 neurons at a time, and of the outputs above it, as all passes over them take them.
#
# Problem     Seven arrays and two factors go together wherever neurons are looked at or moved. They are checked against
#             each other here, and go through a pass as one.
# Layout      first, second (n_panels, n_features, 64), base (n_panels, n_features, 32 or 64): the weights are
#             base + a * first + b * second, see networks/_panel_network.py. Column k of a panel is neuron `order[k]` of
#             its 64. c_state (n_neurons, 3): the intercept, and what the solver keeps for it. V and start_V
#             (n_neurons, ld_out), the output weights now and at the start.
# Invariants  Arrays may be written to while the object lives, and not be replaced; the factors are those of the moment.
# Threads     Reading is free; a panel is written to by one thread.

from cython cimport floating
from libc.stdint cimport int32_t

import numpy as np

from skfastnn.passes.shared._shapes cimport require, require_outputs


cdef class PanelWeights:
    """The arrays of a layer, as passes over sparse rows take them.

    Parameters
    ----------
    base : ndarray of shape (n_panels, n_features, 32 or 64), or (0, 0, 0): zero
    first : ndarray of shape (n_panels, n_features, 64)
    second : ndarray of the shape of first, or (0, 0, 0): zero
    factors : tuple (a, b)
    order : ndarray of shape (64,), int32
        Neuron of a column.
    c_state : ndarray of shape (n_neurons, 3)
        Intercepts first.
    V, start_V : ndarray of shape (n_neurons, ld_out)

    Raises
    ------
    ValueError
        If shapes or types do not fit each other.
    """

    def __init__(self, base, first, second, factors, order, c_state, V, start_V):
        self.kept = base, first, second, c_state, V, start_V
        self.a, self.b = factors
        self.order = order
        self.writable = all(array.flags.writeable for array in (first, second, c_state, V))
        require_order(self.order)
        if first.dtype == np.float32:
            _take[float](self, *self.kept)
        else:
            _take[double](self, *self.kept)

    cdef int check_fits(self, Py_ssize_t n_neurons, Py_ssize_t itemsize, bint writable) except -1:
        """Raise unless the weights are of so many neurons, and may be moved where they are to be."""
        require("c_state", self.n_neurons, 3, n_neurons, 3)
        if self.itemsize != itemsize:
            raise ValueError("weights, rows and lists must be of the same dtype")
        if writable and not self.writable:
            raise ValueError("weights that are to move must not be read-only")
        return 0


cdef int require_order(const int32_t[::1] order) except -1:
    """Raise unless each neuron of a panel has a column."""
    if sorted(order) != list(range(PANEL)):
        raise ValueError("order must name each neuron of a panel once")
    return 0


cdef int require_panels(name, const floating[:, :, ::1] array, const floating[:, :, ::1] first) except -1:
    """Raise unless an array has a number for each weight."""
    require(name, array.shape[0], array.shape[1], first.shape[0], first.shape[1])
    return require("a feature of %s" % name, 1, array.shape[2], 1, PANEL)


cdef int require_panel_start(name, const floating[:, :, ::1] start, const floating[:, :, ::1] first) except -1:
    """Raise unless there is no start, or one for each weight, or for every two that share it."""
    if start.shape[0] == 0:
        return 0
    require(name, start.shape[0], start.shape[1], first.shape[0], first.shape[1])
    if start.shape[2] != PANEL and 2 * start.shape[2] != PANEL:
        raise ValueError("%s must have %d or %d numbers for a feature" % (name, PANEL // 2, PANEL))
    return 0


cdef int _take(
    PanelWeights of,
    const floating[:, :, ::1] base,
    const floating[:, :, ::1] first,
    const floating[:, :, ::1] second,
    const floating[:, ::1] c_state,
    const floating[:, ::1] V,
    const floating[:, ::1] start_V,
) except -1:
    """Set the pointers, if the arrays fit each other."""
    cdef Py_ssize_t n = c_state.shape[0], ld_out = V.shape[1]
    if n < 1 or first.shape[0] * PANEL < n or first.shape[1] < 1:
        raise ValueError("there must be a neuron and a feature, and panels for all neurons")
    require_panels("first", first, first)
    require_panel_start("base", base, first)
    if second.shape[0]:
        require_panels("second", second, first)
    require("c_state", n, c_state.shape[1], n, 3)
    require_outputs("V", V.shape[0], ld_out, n, sizeof(floating))
    require("start_V", start_V.shape[0], start_V.shape[1], n, ld_out)
    of.n_panels, of.n_features, of.n_neurons = first.shape[0], first.shape[1], n
    of.ld_out, of.itemsize, of.n_start = ld_out, sizeof(floating), base.shape[2]
    of.base = <const char*> &base[0, 0, 0] if base.shape[0] else NULL
    of.first = <char*> &first[0, 0, 0]
    of.second = <char*> &second[0, 0, 0] if second.shape[0] else NULL
    of.c_state = <char*> &c_state[0, 0]
    of.V, of.start_V = NULL, NULL
    if ld_out:
        of.V, of.start_V = <char*> &V[0, 0], <const char*> &start_V[0, 0]
    return 0
