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

cdef extern from "step_kernels.h":
    ctypedef struct touch_f32:
        float displacement, velocity, change
    ctypedef struct touch_f64:
        double displacement, velocity, change
    void catch_up_neuron_f32(float*, float*, const float*, Py_ssize_t, const double*, touch_f32*) noexcept nogil
    void catch_up_neuron_f64(double*, double*, const double*, Py_ssize_t, const double*, touch_f64*) noexcept nogil


cdef int64_t earliest_touch(const int64_t[::1] touched) noexcept:
    cdef Py_ssize_t r
    cdef int64_t earliest = touched[0]
    for r in range(1, touched.shape[0]):
        earliest = min(earliest, touched[r])
    return earliest


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
    if step - earliest_touch(touched) >= pending.shape[0]:
        raise ValueError("pending must cover the delays of all neurons")
    if not (norms.shape[0] == anchor_norms.shape[0] == touched.shape[0] == drift.shape[0] == unsettled.shape[0]):
        raise ValueError("arrays must have an entry per neuron")
    for r in prange(norms.shape[0], nogil=True, num_threads=n_threads, schedule="static"):
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
    cdef Py_ssize_t ld = displacement.shape[1]
    if step - earliest_touch(touched) >= pending.shape[0]:
        raise ValueError("pending must cover the delays of all neurons")
    for k in prange(neurons.shape[0], nogil=True, num_threads=n_threads, schedule="static"):
        r = neurons[k]
        if touched[r] < step:
            catch_up_one(&displacement[r, 0], &velocity[r, 0], &anchor[r, 0] if anchored[r] else NULL, ld,
                         &pending[step - touched[r], 0], &norms[r, 0])
            touched[r] = step


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
