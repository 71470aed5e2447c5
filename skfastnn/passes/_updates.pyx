# Backward pass and update, neuron by neuron, for the pairs that fired.
#
# Problem     For neuron r with fired rows i: signal_i = <v_r, error_i>, gradients sum_i signal_i x_i (weights),
#             sum_i signal_i (intercept), sum_i h_i error_i (output weights); then one step of momentum or Adam on
#             that neuron, while its arrays are in cache. The weights of a neuron that did not fire are not touched:
#             - momentum: what they would have done meanwhile (velocity and penalty move them) is a product of 2 x 2
#               matrices, which the neuron's next update takes along, and the forward pass on the fly; `catch_up`
#               carries it out by itself. Intercepts and output weights are few and take every step.
#             - Adam: lazy, as torch.optim.SparseAdam: moments and weights of a silent neuron stand still; on sparse
#               rows, so do those of the features that none of its rows has.
# Layout      displacement, velocity, ... (n_neurons, ld) with rows padded to 64 bytes; V (n_neurons, ld_out);
#             c_state (n_neurons, 3): intercept, velocity or first moment, second moment.
# Invariants  norms[r, :2] are the Euclidean norms of displacement and velocity as of the last touch; norms[r, 2]
#             sums the norms of all changes of the displacement, the length of the neuron's path.
# Cost        2 d + 3 n_outputs multiplications a fired pair; a few passes over d numbers a touched neuron.
# Threads     A neuron belongs to one thread; nothing is reduced across neurons.
# Reference   Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep
#             learning", 2013; Kingma, Ba, "Adam", 2015.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from skfastnn.passes._pairs cimport PairLists

cdef extern from "vector_kernels.h":
    int SPARE
    void prefetch_row(const void*, Py_ssize_t) noexcept nogil
    ctypedef struct touch_f32:
        float displacement, velocity, change
    ctypedef struct touch_f64:
        double displacement, velocity, change
    void sgd_neuron_f32(
        float*, float*, const float*, float*, float*, float*, const float*, const float*, Py_ssize_t, Py_ssize_t,
        const int32_t*, const float*, int32_t, const float*, Py_ssize_t, const update_rule*, const double*, float*,
        touch_f32*) noexcept nogil
    void sgd_neuron_f64(
        double*, double*, const double*, double*, double*, double*, const double*, const double*, Py_ssize_t,
        Py_ssize_t, const int32_t*, const double*, int32_t, const double*, Py_ssize_t, const update_rule*,
        const double*, double*, touch_f64*) noexcept nogil
    void sgd_small_f32(
        float*, float*, float*, const float*, Py_ssize_t, float, const float*, const update_rule*) noexcept nogil
    void sgd_small_f64(
        double*, double*, double*, const double*, Py_ssize_t, double, const double*,
        const update_rule*) noexcept nogil
    void adam_neuron_f32(
        float*, float*, float*, const float*, float*, float*, float*, float*, const float*, const float*, Py_ssize_t,
        Py_ssize_t, const int32_t*, const float*, int32_t, const float*, Py_ssize_t, const update_rule*,
        float*, touch_f32*) noexcept nogil
    void adam_neuron_f64(
        double*, double*, double*, const double*, double*, double*, double*, double*, const double*, const double*,
        Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, Py_ssize_t,
        const update_rule*, double*, touch_f64*) noexcept nogil
    void catch_up_neuron_f32(float*, float*, const float*, Py_ssize_t, const double*, touch_f32*) noexcept nogil
    void catch_up_neuron_f64(double*, double*, const double*, Py_ssize_t, const double*, touch_f64*) noexcept nogil


cdef update_rule rule_of(dict parameters) except *:
    cdef update_rule rule
    rule.rate = parameters["rate"]
    rule.momentum = parameters["momentum"]
    rule.beta_2 = parameters.get("beta_2", 0.0)
    rule.epsilon = parameters.get("epsilon", 0.0)
    rule.penalty = parameters["penalty"]
    rule.nesterov = parameters.get("nesterov", False)
    rule.sparse = parameters.get("sparse", False)
    return rule


cdef _check(
    PairLists pairs, itemsize, n_rows, ld, n_errors, ld_error, n_weights, ld_weights, n_outputs, ld_out, n_norms,
):
    """Raise unless lists and arrays of a step fit each other."""
    if pairs.itemsize != itemsize or n_weights != pairs.n_neurons or n_outputs != pairs.n_neurons:
        raise ValueError("lists, weights and output weights must be of the same neurons and dtype")
    if ld_out == 0:
        n_rows = pairs.n_before(pairs.n_blocks)
    if n_errors < n_rows or ld_error != max(ld_out, 1) or ld != ld_weights or n_norms != pairs.n_neurons:
        raise ValueError("rows, errors and norms must fit the weights")


cdef int64_t _earliest(const int64_t[::1] touched) noexcept:
    cdef Py_ssize_t r
    cdef int64_t earliest = touched[0]
    for r in range(1, touched.shape[0]):
        earliest = min(earliest, touched[r])
    return earliest


def sgd_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    floating[:, ::1] displacement,          # INOUT (n_neurons, ld)
    floating[:, ::1] velocity,              # INOUT (n_neurons, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    const uint8_t[::1] anchored,            # IN    (n_neurons,) rows of anchor that are not zero
    floating[:, ::1] c_state,               # INOUT (n_neurons, 3)
    floating[:, ::1] V,                     # INOUT (n_neurons, ld_out)
    floating[:, ::1] velocity_V,            # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    const floating[:, ::1] start_V,         # IN    (n_neurons, ld_out)
    double[:, ::1] norms,                   # INOUT (n_neurons, 3) displacement, velocity, length of the path
    int64_t[::1] touched,                   # INOUT (n_neurons,) step of the last touch
    int64_t step,                           # steps before this one
    const double[:, ::1] pending,           # IN    (n_delays, 4) 2 x 2 matrices of that many silent steps
    dict parameters,                        # rate, momentum, nesterov, penalty
    int n_threads,
):
    """One step of stochastic gradient descent with momentum on the neurons that fired."""
    cdef update_rule rule = rule_of(parameters)
    cdef Py_ssize_t b
    cdef int status = 0
    cdef floating* velocity_v = &velocity_V[0, 0] if velocity_V.shape[0] else NULL
    _check(pairs, sizeof(floating), X.shape[0], X.shape[1], error.shape[0], error.shape[1], displacement.shape[0],
           displacement.shape[1], V.shape[0], V.shape[1], norms.shape[0])
    if touched.shape[0] != pairs.n_neurons or step - _earliest(touched) >= pending.shape[0]:
        raise ValueError("touched and pending must cover the neurons and their delays")
    for b in prange(pairs.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _sgd_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &error[0, 0], V.shape[1],
                             &displacement[0, 0], &velocity[0, 0], &anchor[0, 0], &anchored[0], &c_state[0, 0],
                             &V[0, 0], velocity_v, &start_V[0, 0], &norms[0, 0], &touched[0], step,
                             &pending[0, 0], &rule)
    if status:
        raise MemoryError("no memory for the scratch of the update")


def adam_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    floating[:, ::1] displacement,          # INOUT (n_neurons, ld)
    floating[:, ::1] mean,                  # INOUT (n_neurons, ld)
    floating[:, ::1] square,                # INOUT (n_neurons, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    const uint8_t[::1] anchored,            # IN    (n_neurons,)
    floating[:, ::1] c_state,               # INOUT (n_neurons, 3)
    floating[:, ::1] V,                     # INOUT (n_neurons, ld_out)
    floating[:, ::1] mean_V,                # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    floating[:, ::1] square_V,              # INOUT (n_neurons, ld_out), or (0, 0)
    const floating[:, ::1] start_V,         # IN    (n_neurons, ld_out)
    double[:, ::1] norms,                   # INOUT (n_neurons, 3) displacement, 0, length of the path
    dict parameters,                        # rate, momentum (beta_1), beta_2, epsilon, penalty, sparse
    int n_threads,
):
    """One step of lazy Adam on the neurons that fired."""
    cdef update_rule rule = rule_of(parameters)
    cdef Py_ssize_t b
    cdef int status = 0
    cdef floating* mean_v = &mean_V[0, 0] if mean_V.shape[0] else NULL
    cdef floating* square_v = &square_V[0, 0] if mean_V.shape[0] else NULL
    _check(pairs, sizeof(floating), X.shape[0], X.shape[1], error.shape[0], error.shape[1], displacement.shape[0],
           displacement.shape[1], V.shape[0], V.shape[1], norms.shape[0])
    for b in prange(pairs.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _adam_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &error[0, 0], V.shape[1],
                              &displacement[0, 0], &mean[0, 0], &square[0, 0], &anchor[0, 0], &anchored[0],
                              &c_state[0, 0], &V[0, 0], mean_v, square_v, &start_V[0, 0], &norms[0, 0], &rule)
    if status:
        raise MemoryError("no memory for the scratch of the update")


def movement_bounds(
    const double[:, ::1] norms,             # IN    (n_neurons, 3)
    const double[::1] anchor_norms,         # IN    (n_neurons,)
    const int64_t[::1] touched,             # IN    (n_neurons,)
    int64_t step,
    const double[:, ::1] pending,           # IN    (n_delays, 4)
    double[::1] drift,                      # OUT   (n_neurons,) bounds on the displacement, pending steps included
    double[::1] unsettled,                  # OUT   (n_neurons,) bounds on the movement of pending steps
):
    """Bound how far each neuron is from its reference."""
    cdef Py_ssize_t r
    cdef const double* a
    if step - _earliest(touched) >= pending.shape[0]:
        raise ValueError("pending must cover the delays of all neurons")
    if not (norms.shape[0] == anchor_norms.shape[0] == touched.shape[0] == drift.shape[0] == unsettled.shape[0]):
        raise ValueError("arrays must have an entry per neuron")
    for r in range(norms.shape[0]):
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
    if step - _earliest(touched) >= pending.shape[0]:
        raise ValueError("pending must cover the delays of all neurons")
    for k in prange(neurons.shape[0], nogil=True, num_threads=n_threads, schedule="static"):
        r = neurons[k]
        if touched[r] < step:
            _catch_up_neuron(&displacement[r, 0], &velocity[r, 0], &anchor[r, 0] if anchored[r] else NULL, ld,
                             &pending[step - touched[r], 0], &norms[r, 0])
            touched[r] = step


cdef void _catch_up_neuron(
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
        _note(norms, touch32.displacement, touch32.velocity, touch32.change)
    else:
        catch_up_neuron_f64(displacement, velocity, anchor, ld, a, &touch64)
        _note(norms, touch64.displacement, touch64.velocity, touch64.change)


cdef inline void _note(double* norms, double displacement, double velocity, double change) noexcept nogil:
    norms[0] = sqrt(displacement)
    norms[1] = sqrt(velocity)
    norms[2] += sqrt(change)


cdef int _sgd_block(
    PairLists pairs, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* error,
    Py_ssize_t ld_out, floating* displacement, floating* velocity, const floating* anchor, const uint8_t* anchored,
    floating* c_state, floating* V, floating* velocity_v, const floating* start_v, double* norms,
    int64_t* touched, int64_t step, const double* pending, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef touch_f32 touch32
    cdef touch_f64 touch64
    cdef const int32_t* row
    cdef const floating* value
    cdef const double* silent
    cdef const floating* error_r = error
    cdef floating* velocity_vr
    cdef Py_ssize_t before = pairs.n_before(block)
    cdef floating* scratch = <floating*> malloc((ld + ld_out + n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    for r in range(block * pairs.block_size, last):
        velocity_vr = velocity_v + r * ld_out if velocity_v != NULL else NULL
        if pairs.count[r] == 0:
            if floating is float:
                sgd_small_f32(c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, ld_out, 0, NULL, rule)
            else:
                sgd_small_f64(c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, ld_out, 0, NULL, rule)
            continue
        if r + 1 < last and pairs.count[r + 1]:
            prefetch_row(displacement + (r + 1) * ld, ld * sizeof(floating))
            prefetch_row(velocity + (r + 1) * ld, ld * sizeof(floating))
        silent = pending + 4 * (step - touched[r]) if touched[r] < step else NULL
        row = pairs.blocks[block].rows + pairs.start[r]
        value = <floating*> pairs.blocks[block].values + pairs.start[r]
        if ld_out == 0:
            error_r = error + before + pairs.start[r]
        if floating is float:
            sgd_neuron_f32(displacement + r * ld, velocity + r * ld, anchor + r * ld if anchored[r] else NULL,
                           c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, X, ld, ld, row, value,
                           pairs.count[r], error_r, ld_out, rule, silent, scratch, &touch32)
            _note(norms + 3 * r, touch32.displacement, touch32.velocity, touch32.change)
        else:
            sgd_neuron_f64(displacement + r * ld, velocity + r * ld, anchor + r * ld if anchored[r] else NULL,
                           c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, X, ld, ld, row, value,
                           pairs.count[r], error_r, ld_out, rule, silent, scratch, &touch64)
            _note(norms + 3 * r, touch64.displacement, touch64.velocity, touch64.change)
        touched[r] = step + 1
    free(scratch)
    return 0


cdef int _adam_block(
    PairLists pairs, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* error,
    Py_ssize_t ld_out, floating* displacement, floating* mean, floating* square, const floating* anchor,
    const uint8_t* anchored, floating* c_state, floating* V, floating* mean_v, floating* square_v,
    const floating* start_v, double* norms, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef const floating* anchor_r
    cdef const floating* error_r = error
    cdef floating* mean_vr
    cdef floating* square_vr
    cdef Py_ssize_t before = pairs.n_before(block)
    cdef touch_f32 touch32
    cdef touch_f64 touch64
    cdef floating* scratch = <floating*> malloc((ld + ld_out + n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    for r in range(block * pairs.block_size, last):
        if pairs.count[r] == 0:
            continue
        row = pairs.blocks[block].rows + pairs.start[r]
        value = <floating*> pairs.blocks[block].values + pairs.start[r]
        if ld_out == 0:
            error_r = error + before + pairs.start[r]
        if r + 1 < last and pairs.count[r + 1]:
            prefetch_row(displacement + (r + 1) * ld, ld * sizeof(floating))
            prefetch_row(mean + (r + 1) * ld, ld * sizeof(floating))
            prefetch_row(square + (r + 1) * ld, ld * sizeof(floating))
        anchor_r = anchor + r * ld if anchored[r] else NULL
        mean_vr = mean_v + r * ld_out if mean_v != NULL else NULL
        square_vr = square_v + r * ld_out if mean_v != NULL else NULL
        if floating is float:
            adam_neuron_f32(
                displacement + r * ld, mean + r * ld, square + r * ld, anchor_r, c_state + 3 * r, V + r * ld_out,
                mean_vr, square_vr, start_v + r * ld_out, X, ld, ld, row, value, pairs.count[r], error_r, ld_out, rule,
                scratch, &touch32)
            _note(norms + 3 * r, touch32.displacement, touch32.velocity, touch32.change)
        else:
            adam_neuron_f64(
                displacement + r * ld, mean + r * ld, square + r * ld, anchor_r, c_state + 3 * r, V + r * ld_out,
                mean_vr, square_vr, start_v + r * ld_out, X, ld, ld, row, value, pairs.count[r], error_r, ld_out, rule,
                scratch, &touch64)
            _note(norms + 3 * r, touch64.displacement, touch64.velocity, touch64.change)
    free(scratch)
    return 0
