# Movement of neurons that do not fire: bounds on it, and carrying it out.
#
# Problem     Momentum moves a neuron by its velocity and by the penalty whether it fires or not. What k silent steps do
#             to (distance from the start, velocity) is a 2 x 2 matrix, the same for all neurons: the search asks for
#             a bound on the movement, and who looks at the weights has it carried out.
# Layout      As in _updates.pyx; pending (n_delays, 4) has the matrices of 0, 1, 2, ... silent steps, row by row.
# Invariants  touched[r] is the step up to which neuron r has been brought.
# Cost        A bound: a few operations a neuron, which count where neurons are many. Catching up: two passes over d
#             numbers.
# Threads     Neurons are independent.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport fabs, sqrt
from libc.stdint cimport int64_t, uint8_t

from skfastnn.passes.shared._shapes cimport require, require_vectors
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "step_kernels.h":
    ctypedef struct touch_f32:
        float displacement, velocity, change
    ctypedef struct touch_f64:
        double displacement, velocity, change
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


def movement_bounds(
    const double[:, ::1] norms,             # IN    (n_neurons, 3)
    const double[::1] anchor_norms,         # IN    (n_neurons,)
    const int64_t[::1] touched,             # IN    (n_neurons,)
    int64_t step,
    const double[:, ::1] pending,           # IN    (n_delays, 4)
    double[::1] drift,                      # OUT   (n_neurons,) bounds on the displacement, pending steps included
    double[::1] unsettled,                  # OUT   (n_neurons,) bounds on the movement of pending steps
    int n_threads,
):
    """Bound how far each neuron is from its reference."""
    cdef Py_ssize_t r
    cdef const double* a
    if step - earliest_touch(touched) >= pending.shape[0] or latest_touch(touched) > step:
        raise ValueError("pending must cover the delays of all neurons")
    if not (norms.shape[0] == anchor_norms.shape[0] == touched.shape[0] == drift.shape[0] == unsettled.shape[0]):
        raise ValueError("arrays must have an entry per neuron")
    require("norms", norms.shape[0], norms.shape[1], touched.shape[0], 3)
    require("pending", pending.shape[0], pending.shape[1], pending.shape[0], 4)
    for r in prange(norms.shape[0], nogil=True, num_threads=threads_for(2. * norms.shape[0], n_threads),
                    schedule="static"):
        a = &pending[step - touched[r], 0]
        # the closed form is rounded to the precision of the weights
        unsettled[r] = (1 + 1e-5) * (
            fabs(a[1]) * norms[r, 1] + fabs(a[0] - 1) * (norms[r, 0] + anchor_norms[r]))
        drift[r] = norms[r, 0] + unsettled[r]


def catch_up(
    const int64_t[::1] neurons,             # IN    (n,) neurons to bring up to the step, distinct
    floating[:, ::1] displacement,          # INOUT (n_neurons, ld)
    floating[:, ::1] velocity,              # INOUT (n_neurons, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    const uint8_t[::1] anchored,            # IN    (n_neurons,)
    double[:, ::1] norms,                   # INOUT (n_neurons, 3)
    int64_t[::1] touched,                   # INOUT (n_neurons,)
    int64_t step,
    const double[:, ::1] pending,           # IN    (n_delays, 4)
    int n_threads,
):
    """Apply to each neuron all steps since it was last touched, during which it did not fire."""
    cdef Py_ssize_t k, r
    cdef Py_ssize_t ld = displacement.shape[1], n_neurons = touched.shape[0]
    if step - earliest_touch(touched) >= pending.shape[0] or latest_touch(touched) > step:
        raise ValueError("pending must cover the delays of all neurons")
    require("pending", pending.shape[0], pending.shape[1], pending.shape[0], 4)
    require("displacement", displacement.shape[0], ld, n_neurons, ld)
    require("velocity", velocity.shape[0], velocity.shape[1], n_neurons, ld)
    require("anchor", anchor.shape[0], anchor.shape[1], n_neurons, ld)
    require("norms", norms.shape[0], norms.shape[1], n_neurons, 3)
    require_vectors(ld, sizeof(floating))
    if anchored.shape[0] != n_neurons:
        raise ValueError("anchored must have an entry per neuron")
    for k in range(neurons.shape[0]):
        if not 0 <= neurons[k] < n_neurons:
            raise ValueError("there is no neuron %d" % neurons[k])
    cdef double work = 1. * neurons.shape[0] * ld
    for k in prange(neurons.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        r = neurons[k]
        if touched[r] < step:
            catch_up_one(&displacement[r, 0], &velocity[r, 0], &anchor[r, 0] if anchored[r] else NULL, ld,
                         &pending[step - touched[r], 0], &norms[r, 0])
            touched[r] = step


def rebase(
    const int64_t[::1] neurons,             # IN    (n,) distinct
    floating[:, ::1] displacement,          # INOUT (n_neurons, ld)
    floating[:, ::1] anchor,                # INOUT (n_neurons, ld)
    uint8_t[::1] anchored,                  # INOUT (n_neurons,)
):
    """Move the displacement of some neurons to their anchor, in one call that nothing interrupts.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or there is no such neuron.
    """
    cdef Py_ssize_t k, r, j
    cdef Py_ssize_t n_neurons = displacement.shape[0], ld = displacement.shape[1]
    require("anchor", anchor.shape[0], anchor.shape[1], n_neurons, ld)
    if anchored.shape[0] != n_neurons:
        raise ValueError("anchored must have an entry per neuron")
    for k in range(neurons.shape[0]):
        if not 0 <= neurons[k] < n_neurons:
            raise ValueError("there is no neuron %d" % neurons[k])
    for k in range(neurons.shape[0]):
        r = neurons[k]
        anchored[r] = 1
        for j in range(ld):
            anchor[r, j] += displacement[r, j]
            displacement[r, j] = 0


cdef void catch_up_one(
    floating* displacement,       # INOUT (ld,)
    floating* velocity,           # INOUT (ld,)
    const floating* anchor,       # IN    (ld,) or NULL
    Py_ssize_t ld,
    const double* a,              # IN    (4,)
    double* norms,                # INOUT (3,)
) noexcept nogil:
    cdef touch_f32 touch32
    cdef touch_f64 touch64
    if floating is float:
        catch_up_neuron_f32(displacement, velocity, anchor, ld, a, &touch32)
        note(norms, touch32.displacement, touch32.velocity, touch32.change)
    else:
        catch_up_neuron_f64(displacement, velocity, anchor, ld, a, &touch64)
        note(norms, touch64.displacement, touch64.velocity, touch64.change)
