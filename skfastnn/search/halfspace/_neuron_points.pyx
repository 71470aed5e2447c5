# Neurons as points: weights and intercept where they are now, side by side.
#
# Problem     Geometry wants a neuron's weights without padding and with its intercept, all movement included that the
#             solver has not carried out yet.
# Layout      Weights as in _weights.pyx; points (n_neurons, d + 1).
# Cost        One pass over what is known of the weights, n_neurons * d.
# Threads     Neurons.

from cython cimport floating
from cython.parallel cimport prange

from skfastnn.passes.dense._catch_up cimport MomentumState
from skfastnn.passes.dense._weights cimport DenseWeights, anchor_of
from skfastnn.passes.shared._worth cimport threads_for


def neuron_points(
    DenseWeights weights,                   # IN
    floating[:, ::1] points,                # OUT   (n, d + 1), of the first neurons
    int n_threads,
    MomentumState state=None,               # IN    what silent steps have left to do; None: nothing
):
    """Write the weights and the intercept of every neuron, or of the first."""
    cdef Py_ssize_t r
    cdef Py_ssize_t d = points.shape[1] - 1
    if points.shape[0] > weights.n_neurons or not 0 <= d <= weights.ld:
        raise ValueError("points must have a row per neuron, and a column per feature and one more")
    weights.check_fits(weights.n_neurons, weights.ld, sizeof(floating), False)
    if state is not None:
        state.check_fits(weights)
    cdef double work = .5 * points.shape[0] * weights.ld
    for r in prange(points.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        _neuron(weights, state, r, d, &points[r, 0])


cdef void _neuron(
    DenseWeights weights, MomentumState state, Py_ssize_t r, Py_ssize_t d, floating* point,
) noexcept nogil:
    cdef Py_ssize_t j
    cdef Py_ssize_t ld = weights.ld
    cdef floating w
    cdef const floating* displacement = <const floating*> weights.displacement + r * ld
    cdef const floating* start = <const floating*> weights.start + (r >> weights.pair_shift) * ld
    cdef const floating* anchor = anchor_of(weights, r, displacement)
    cdef const floating* velocity = NULL
    cdef const double* a = NULL
    if state is not None and state.touched[r] != state.step:
        velocity = <const floating*> state.velocity + r * ld
        a = state.pending + 4 * (state.step - state.touched[r])
    for j in range(d):
        w = displacement[j]
        if anchor != NULL:
            w += anchor[j]
        if velocity != NULL:
            w = <floating> a[0] * w + <floating> a[1] * velocity[j]
        point[j] = w + start[j]
    point[d] = (<const floating*> weights.c_state)[3 * r]
