# Movement of neurons that do not fire: bounds on it, and carrying it out.
#
# Problem     Momentum moves a neuron by its velocity and by the penalty whether it fires or not. What k silent steps do
#             to (distance from the start, velocity) is a 2 x 2 matrix, the same for all neurons: the search asks for
#             a bound on the movement, and who looks at the weights has it carried out.
# Layout      Weights as in _weights.pyx; pending (n_delays, 4) has the matrices of 0, 1, 2, ... silent steps, row by
#             row.
# Invariants  touched[r] is the step up to which neuron r has been brought.
# Cost        A bound: a few operations a neuron, which count where neurons are many. Catching up: two passes over d
#             numbers.
# Threads     Neurons are independent.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport fabs, sqrt
from libc.stdint cimport int64_t

import numpy as np

from skfastnn.passes.dense._weights cimport DenseWeights, anchor_of
from skfastnn.passes.shared._shapes cimport require, require_vectors
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "step_kernels.h":
    void catch_up_neuron_f32(float*, float*, const float*, Py_ssize_t, const double*, touch_f32*) noexcept nogil
    void catch_up_neuron_f64(double*, double*, const double*, Py_ssize_t, const double*, touch_f64*) noexcept nogil


cdef int64_t earliest_touch(const int64_t[::1] touched) noexcept:
    cdef Py_ssize_t r
    cdef int64_t earliest = touched[0] if touched.shape[0] else 0
    for r in range(1, touched.shape[0]):
        earliest = min(earliest, touched[r])
    return earliest


cdef int64_t latest_touch(const int64_t[::1] touched) noexcept:
    cdef Py_ssize_t r
    cdef int64_t latest = touched[0] if touched.shape[0] else 0
    for r in range(1, touched.shape[0]):
        latest = max(latest, touched[r])
    return latest


cdef void note(double* norms, double displacement, double velocity, double change) noexcept nogil:
    """Take note of the squared norms of a touch."""
    norms[0] = sqrt(displacement)
    norms[1] = sqrt(velocity)
    norms[2] += sqrt(change)


cdef class MomentumState:
    """What momentum knows of each neuron, up to a step.

    Parameters
    ----------
    velocity : ndarray of shape (n_neurons, ld)
    norms : ndarray of shape (n_neurons, 3), float64
        Of displacement and velocity as of the last touch; and the length of the path.
    touched : ndarray of shape (n_neurons,), int64
        Step up to which each neuron has been brought.
    step : int
        Steps so far.
    pending : ndarray of shape (n_delays, 4), float64
        2 x 2 matrices of 0, 1, 2, ... silent steps.

    Raises
    ------
    ValueError
        If the arrays are not of the same neurons, or a delay has no matrix.
    """

    def __init__(
        self, velocity, double[:, ::1] norms, int64_t[::1] touched, int64_t step, const double[:, ::1] pending,
    ):
        self.n_neurons = touched.shape[0]
        if velocity.dtype == np.float32:
            _take_velocity[float](self, velocity)
        else:
            _take_velocity[double](self, velocity)
        require("norms", norms.shape[0], norms.shape[1], self.n_neurons, 3)
        if step - earliest_touch(touched) >= pending.shape[0] or latest_touch(touched) > step or pending.shape[1] != 4:
            raise ValueError("pending must have four columns, and a row for every delay, which are not negative")
        self.n_delays, self.longest_delay = pending.shape[0], step - earliest_touch(touched)
        self.norms, self.touched, self.step, self.pending = &norms[0, 0], &touched[0], step, &pending[0, 0]
        self.kept = velocity, norms, touched, pending

    cdef int check_fits(self, DenseWeights weights) except -1:
        """Raise unless the state is that of such weights."""
        require("velocity", self.n_neurons, self.ld, weights.n_neurons, weights.ld)
        if self.itemsize != weights.itemsize:
            raise ValueError("velocity and weights must be of the same dtype")
        return 0


cdef int _take_velocity(MomentumState of, floating[:, ::1] velocity) except -1:
    require("velocity", velocity.shape[0], velocity.shape[1], of.n_neurons, velocity.shape[1])
    if of.n_neurons < 1:
        raise ValueError("there must be a neuron")
    require_vectors(velocity.shape[1], sizeof(floating))
    of.velocity, of.ld, of.itemsize = <char*> &velocity[0, 0], velocity.shape[1], sizeof(floating)
    return 0


def movement_bounds(
    MomentumState state,                    # IN
    const double[::1] anchor_norms,         # IN    (n_neurons,)
    double[::1] drift,                      # OUT   (n_neurons,) bounds on the displacement, pending steps included
    double[::1] unsettled,                  # OUT   (n_neurons,) bounds on the movement of pending steps
    int n_threads,
):
    """Bound how far each neuron is from its reference."""
    cdef Py_ssize_t r
    cdef const double* a
    cdef const double* norms
    if not (state.n_neurons == anchor_norms.shape[0] == drift.shape[0] == unsettled.shape[0]):
        raise ValueError("arrays must have an entry per neuron")
    for r in prange(state.n_neurons, nogil=True, num_threads=threads_for(2. * state.n_neurons, n_threads),
                    schedule="static"):
        a = state.pending + 4 * (state.step - state.touched[r])
        norms = state.norms + 3 * r
        # the closed form is rounded to the precision of the weights
        unsettled[r] = (1 + 1e-5) * (
            fabs(a[1]) * norms[1] + fabs(a[0] - 1) * (norms[0] + anchor_norms[r]))
        drift[r] = norms[0] + unsettled[r]


cdef int _require_neurons(const int64_t[::1] neurons, Py_ssize_t n_neurons) except -1:
    cdef Py_ssize_t k
    for k in range(neurons.shape[0]):
        if not 0 <= neurons[k] < n_neurons:
            raise ValueError("there is no neuron %d" % neurons[k])
    return 0


def catch_up(
    const int64_t[::1] neurons,             # IN    (n,) neurons to bring up to the step, distinct
    DenseWeights weights,                   # INOUT
    MomentumState state,                    # INOUT
    int n_threads,
):
    """Apply to each neuron all steps since it was last touched, during which it did not fire."""
    cdef Py_ssize_t k
    weights.check_fits(weights.n_neurons, weights.ld, weights.itemsize, True)
    state.check_fits(weights)
    _require_neurons(neurons, weights.n_neurons)
    cdef double work = 1. * neurons.shape[0] * weights.ld
    for k in prange(neurons.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        _bring(weights, state, neurons[k])


cdef void _bring(DenseWeights weights, MomentumState state, Py_ssize_t r) noexcept nogil:
    """Carry out what is pending for neuron r."""
    cdef const double* a = state.pending + 4 * (state.step - state.touched[r])
    if state.touched[r] == state.step:
        return
    if weights.itemsize == 4:
        catch_up_one(weights, state, r, a, <float*> state.velocity)
    else:
        catch_up_one(weights, state, r, a, <double*> state.velocity)
    state.touched[r] = state.step


def rebase(
    const int64_t[::1] neurons,             # IN    (n,) distinct
    DenseWeights weights,                   # INOUT
):
    """Move the displacement of some neurons to their anchor, in one call that nothing interrupts.

    Raises
    ------
    ValueError
        If there is no such neuron, or the weights are read-only.
    """
    cdef Py_ssize_t k
    weights.check_fits(weights.n_neurons, weights.ld, weights.itemsize, True)
    _require_neurons(neurons, weights.n_neurons)
    for k in range(neurons.shape[0]):
        weights.anchored[neurons[k]] = 1
        if weights.itemsize == 4:
            _move_to_anchor(weights, neurons[k], <float*> weights.anchor)
        else:
            _move_to_anchor(weights, neurons[k], <double*> weights.anchor)


cdef void _move_to_anchor(DenseWeights weights, Py_ssize_t r, floating* anchor) noexcept nogil:
    cdef Py_ssize_t j
    cdef floating* displacement = <floating*> weights.displacement + r * weights.ld
    anchor += r * weights.ld
    for j in range(weights.ld):
        anchor[j] += displacement[j]
        displacement[j] = 0


cdef void catch_up_one(
    DenseWeights weights,
    MomentumState state,
    Py_ssize_t r,
    const double* a,              # IN    (4,) the matrix of the steps to carry out
    floating* velocity,           # INOUT (n_neurons, ld)
) noexcept nogil:
    """Carry out silent steps of neuron r."""
    cdef touch_f32 touch32
    cdef touch_f64 touch64
    cdef Py_ssize_t ld = weights.ld
    cdef floating* displacement = <floating*> weights.displacement + r * ld
    cdef const floating* anchor = anchor_of(weights, r, displacement)
    if floating is float:
        catch_up_neuron_f32(displacement, velocity + r * ld, anchor, ld, a, &touch32)
        note(state.norms + 3 * r, touch32.displacement, touch32.velocity, touch32.change)
    else:
        catch_up_neuron_f64(displacement, velocity + r * ld, anchor, ld, a, &touch64)
        note(state.norms + 3 * r, touch64.displacement, touch64.velocity, touch64.change)
