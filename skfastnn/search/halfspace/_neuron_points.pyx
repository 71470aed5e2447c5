# Neurons as points: weights and intercept where they are now, side by side.
#
# Problem     Geometry wants a neuron's weights without padding and with its intercept, all movement included that the
#             solver has not carried out yet.
# Layout      As in _forward.pyx; points (n_neurons, d + 1).
# Cost        One pass over what is known of the weights, n_neurons * d.
# Threads     Neurons.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t

from skfastnn.passes.shared._shapes cimport require, require_delays, require_start
from skfastnn.passes.shared._worth cimport threads_for


def neuron_points(
    const floating[:, ::1] displacement,    # IN    (n_neurons, ld)
    const floating[:, ::1] start,           # IN    (n_neurons >> pair_shift, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    int pair_shift,
    const uint8_t[::1] anchored,            # IN    (n_neurons,) rows of anchor that are not zero
    const floating[:, ::1] c_state,         # IN    (n_neurons, 3) intercepts first
    const floating[:, ::1] velocity,        # IN    (n_neurons, ld), or (0, 0): nothing is ever pending
    const int64_t[::1] delay,               # IN    (n_neurons,) silent steps that are not carried out yet
    const double[:, ::1] pending,           # IN    (n_delays, 4) matrices of that many steps, see _updates.pyx
    floating[:, ::1] points,                # OUT   (n_neurons, d + 1)
    int n_threads,
):
    """Write the weights and the intercept of every neuron."""
    cdef Py_ssize_t r
    cdef Py_ssize_t n_neurons = displacement.shape[0], ld = displacement.shape[1]
    cdef const floating* velocity_start = &velocity[0, 0] if velocity.shape[0] else NULL
    if points.shape[0] != displacement.shape[0] or points.shape[1] > displacement.shape[1] + 1:
        raise ValueError("points must have a row per neuron and a column per feature and one more")
    require_start(start.shape[0], start.shape[1], n_neurons, ld, pair_shift)
    require("anchor", anchor.shape[0], anchor.shape[1], n_neurons, ld)
    require("c_state", c_state.shape[0], c_state.shape[1], n_neurons, 3)
    if velocity.shape[0]:
        require("velocity", velocity.shape[0], velocity.shape[1], n_neurons, ld)
    require_delays(delay, n_neurons, pending.shape[0], pending.shape[1])
    if anchored.shape[0] != n_neurons or points.shape[1] < 1:
        raise ValueError("anchored must have an entry per neuron, points a column for the intercept")
    cdef double work = .5 * n_neurons * ld
    for r in prange(points.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        _neuron(&displacement[r, 0], &start[r >> pair_shift, 0], &anchor[r, 0] if anchored[r] else NULL,
                velocity_start + r * displacement.shape[1] if velocity_start != NULL and delay[r] else NULL,
                &pending[delay[r], 0], points.shape[1] - 1, &points[r, 0])
        points[r, points.shape[1] - 1] = c_state[r, 0]


cdef inline void _neuron(
    const floating* displacement, const floating* start, const floating* anchor, const floating* velocity,
    const double* a, Py_ssize_t d, floating* point,
) noexcept nogil:
    cdef Py_ssize_t j
    cdef floating w
    for j in range(d):
        w = displacement[j]
        if anchor != NULL:
            w += anchor[j]
        if velocity != NULL:
            w = <floating> a[0] * w + <floating> a[1] * velocity[j]
        point[j] = w + start[j]
