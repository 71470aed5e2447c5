# Backward pass and update, neuron by neuron, for the pairs that fired.
#
# Problem     For neuron r with fired rows i: signal_i = <v_r, error_i>, gradients sum_i signal_i x_i (weights),
#             sum_i signal_i (intercept), sum_i h_i error_i (output weights); then one step of momentum or Adam on
#             that neuron, while its arrays are in cache. A neuron that did not fire is not touched:
#             - momentum: what it would have done meanwhile (its velocity and the penalty move it) is a product of
#               2 x 2 matrices, applied by `catch_up` before the neuron is next evaluated;
#             - Adam: lazy, as torch.optim.SparseAdam: moments and weights of a silent neuron stand still.
# Layout      displacement, velocity, ... (n_neurons, ld) with rows padded to 64 bytes; V (n_neurons, ld_out);
#             c_state (n_neurons, 3): intercept, velocity or first moment, second moment.
# Invariants  norms[r] (and velocity_norms[r]) are the Euclidean norms of the rows as of the last touch.
# Cost        2 d + 3 n_outputs multiplications a fired pair; a few passes over d numbers a touched neuron.
# Threads     A neuron belongs to one thread; nothing is reduced across neurons.
# Reference   Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep
#             learning", 2013; Kingma, Ba, "Adam", 2015.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from skfastnn.passes._pairs cimport PairLists

cdef extern from "vector_kernels.h":
    ctypedef struct update_rule:
        double rate
        double momentum
        double beta_2
        double epsilon
        double penalty
        int nesterov
    void sgd_neuron_f32(
        float*, float*, const float*, float*, float*, float*, const float*, const float*, Py_ssize_t, Py_ssize_t,
        const int32_t*, const float*, int32_t, const float*, Py_ssize_t, const update_rule*, float*, float*,
        float*) noexcept nogil
    void sgd_neuron_f64(
        double*, double*, const double*, double*, double*, double*, const double*, const double*, Py_ssize_t,
        Py_ssize_t, const int32_t*, const double*, int32_t, const double*, Py_ssize_t, const update_rule*, double*,
        double*, double*) noexcept nogil
    float adam_neuron_f32(
        float*, float*, float*, const float*, float*, float*, float*, float*, const float*, const float*, Py_ssize_t,
        Py_ssize_t, const int32_t*, const float*, int32_t, const float*, Py_ssize_t, const update_rule*,
        float*) noexcept nogil
    double adam_neuron_f64(
        double*, double*, double*, const double*, double*, double*, double*, double*, const double*, const double*,
        Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, Py_ssize_t,
        const update_rule*, double*) noexcept nogil
    void catch_up_neuron_f32(float*, float*, const float*, Py_ssize_t, const double*, float*, float*) noexcept nogil
    void catch_up_neuron_f64(
        double*, double*, const double*, Py_ssize_t, const double*, double*, double*) noexcept nogil


cdef update_rule _rule(dict parameters) except *:
    cdef update_rule rule
    rule.rate = parameters["rate"]
    rule.momentum = parameters["momentum"]
    rule.beta_2 = parameters.get("beta_2", 0.0)
    rule.epsilon = parameters.get("epsilon", 0.0)
    rule.penalty = parameters["penalty"]
    rule.nesterov = parameters.get("nesterov", False)
    return rule


def sgd_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out)
    floating[:, ::1] displacement,          # INOUT (n_neurons, ld)
    floating[:, ::1] velocity,              # INOUT (n_neurons, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    const uint8_t[::1] anchored,            # IN    (n_neurons,) rows of anchor that are not zero
    floating[:, ::1] c_state,               # INOUT (n_neurons, 3)
    floating[:, ::1] V,                     # INOUT (n_neurons, ld_out)
    floating[:, ::1] velocity_V,            # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    const floating[:, ::1] start_V,         # IN    (n_neurons, ld_out)
    double[::1] norms,                      # INOUT (n_neurons,)
    double[::1] velocity_norms,             # INOUT (n_neurons,)
    int64_t[::1] touched,                   # INOUT (n_neurons,) step of the last touch
    int64_t step,
    dict parameters,                        # rate, momentum, nesterov, penalty
    int n_threads,
):
    """One step of stochastic gradient descent with momentum on the neurons that fired."""
    cdef update_rule rule = _rule(parameters)
    cdef Py_ssize_t b
    cdef int status = 0
    cdef floating* velocity_v = &velocity_V[0, 0] if velocity_V.shape[0] else NULL
    for b in prange(pairs.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _sgd_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &error[0, 0], error.shape[1],
                             &displacement[0, 0], &velocity[0, 0], &anchor[0, 0], &anchored[0], &c_state[0, 0],
                             &V[0, 0], velocity_v, &start_V[0, 0], &norms[0], &velocity_norms[0], &touched[0], step,
                             &rule)
    if status:
        raise MemoryError("no memory for the scratch of the update")


def adam_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out)
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
    double[::1] norms,                      # INOUT (n_neurons,)
    dict parameters,                        # rate, momentum (beta_1), beta_2, epsilon, penalty
    int n_threads,
):
    """One step of lazy Adam on the neurons that fired."""
    cdef update_rule rule = _rule(parameters)
    cdef Py_ssize_t b
    cdef int status = 0
    cdef floating* mean_v = &mean_V[0, 0] if mean_V.shape[0] else NULL
    cdef floating* square_v = &square_V[0, 0] if mean_V.shape[0] else NULL
    for b in prange(pairs.n_blocks, nogil=True, num_threads=n_threads, schedule="dynamic", chunksize=1):
        status += _adam_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &error[0, 0], error.shape[1],
                              &displacement[0, 0], &mean[0, 0], &square[0, 0], &anchor[0, 0], &anchored[0],
                              &c_state[0, 0], &V[0, 0], mean_v, square_v, &start_V[0, 0], &norms[0], &rule)
    if status:
        raise MemoryError("no memory for the scratch of the update")


def catch_up(
    const int64_t[::1] neurons,             # IN    (n,) neurons to bring up to the step, distinct
    floating[:, ::1] displacement,          # INOUT (n_neurons, ld)
    floating[:, ::1] velocity,              # INOUT (n_neurons, ld)
    const floating[:, ::1] anchor,          # IN    (n_neurons, ld)
    const uint8_t[::1] anchored,            # IN    (n_neurons,)
    floating[:, ::1] c_state,               # INOUT (n_neurons, 3)
    floating[:, ::1] V,                     # INOUT (n_neurons, ld_out)
    floating[:, ::1] velocity_V,            # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    const floating[:, ::1] start_V,         # IN    (n_neurons, ld_out)
    double[::1] norms,                      # INOUT (n_neurons,)
    double[::1] velocity_norms,             # INOUT (n_neurons,)
    int64_t[::1] touched,                   # INOUT (n_neurons,)
    int64_t step,
    const double[:, ::1] penalised,         # IN    (n_delays, 4) 2 x 2 matrices of k silent steps, with the penalty
    const double[:, ::1] free_running,      # IN    (n_delays, 4) the same without penalty, for the intercepts
    int n_threads,
):
    """Apply to each neuron all steps since it was last touched, during which it did not fire."""
    cdef Py_ssize_t k, j
    cdef Py_ssize_t r, ld = displacement.shape[1], ld_out = V.shape[1]
    cdef const double* a
    cdef const double* f
    cdef floating* velocity_v = &velocity_V[0, 0] if velocity_V.shape[0] else NULL
    for k in prange(neurons.shape[0], nogil=True, num_threads=n_threads, schedule="static"):
        r = neurons[k]
        a = &penalised[step - touched[r], 0]
        f = &free_running[step - touched[r], 0]
        _catch_up_neuron(&displacement[r, 0], &velocity[r, 0], &anchor[r, 0] if anchored[r] else NULL, ld, a, f,
                         &c_state[r, 0], &V[r, 0], velocity_v + r * ld_out if velocity_v != NULL else NULL,
                         &start_V[r, 0], ld_out, &norms[r], &velocity_norms[r])
        touched[r] = step


cdef void _catch_up_neuron(
    floating* displacement,       # INOUT (ld,)
    floating* velocity,           # INOUT (ld,)
    const floating* anchor,       # IN    (ld,) or NULL
    Py_ssize_t ld,
    const double* a,              # IN    (4,) with penalty
    const double* f,              # IN    (4,) without
    floating* c_state,            # INOUT (3,)
    floating* v,                  # INOUT (ld_out,)
    floating* velocity_v,         # INOUT (ld_out,) or NULL
    const floating* start_v,      # IN    (ld_out,)
    Py_ssize_t ld_out,
    double* norm,                 # OUT
    double* velocity_norm,        # OUT
) noexcept nogil:
    cdef Py_ssize_t j
    cdef floating square, velocity_square, from_start
    if floating is float:
        catch_up_neuron_f32(displacement, velocity, anchor, ld, a, &square, &velocity_square)
    else:
        catch_up_neuron_f64(displacement, velocity, anchor, ld, a, &square, &velocity_square)
    norm[0] = sqrt(square)
    velocity_norm[0] = sqrt(velocity_square)
    c_state[0] += <floating> (f[1] * c_state[1])
    c_state[1] = <floating> (f[3] * c_state[1])
    if velocity_v != NULL:
        for j in range(ld_out):
            from_start = v[j] - start_v[j]
            v[j] = <floating> (start_v[j] + a[0] * from_start + a[1] * velocity_v[j])
            velocity_v[j] = <floating> (a[2] * from_start + a[3] * velocity_v[j])


cdef int _sgd_block(
    PairLists pairs, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* error,
    Py_ssize_t ld_out, floating* displacement, floating* velocity, const floating* anchor, const uint8_t* anchored,
    floating* c_state, floating* V, floating* velocity_v, const floating* start_v, double* norms,
    double* velocity_norms, int64_t* touched, int64_t step, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef floating square, velocity_square
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((ld + ld_out + n_rows) * sizeof(floating))
    if scratch == NULL:
        return -1
    for r in range(block * pairs.block_size, last):
        if pairs.count[r] == 0:
            continue
        row = pairs.rows[block] + pairs.start[r]
        value = <floating*> pairs.values[block] + pairs.start[r]
        if floating is float:
            sgd_neuron_f32(displacement + r * ld, velocity + r * ld, anchor + r * ld if anchored[r] else NULL,
                           c_state + 3 * r, V + r * ld_out, velocity_v + r * ld_out if velocity_v != NULL else NULL,
                           start_v + r * ld_out, X, ld, ld, row, value, pairs.count[r], error, ld_out, rule, scratch,
                           &square, &velocity_square)
        else:
            sgd_neuron_f64(displacement + r * ld, velocity + r * ld, anchor + r * ld if anchored[r] else NULL,
                           c_state + 3 * r, V + r * ld_out, velocity_v + r * ld_out if velocity_v != NULL else NULL,
                           start_v + r * ld_out, X, ld, ld, row, value, pairs.count[r], error, ld_out, rule, scratch,
                           &square, &velocity_square)
        norms[r] = sqrt(square)
        velocity_norms[r] = sqrt(velocity_square)
        touched[r] = step
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
    cdef floating* mean_vr
    cdef floating* square_vr
    cdef floating* scratch = <floating*> malloc((ld + ld_out + n_rows) * sizeof(floating))
    if scratch == NULL:
        return -1
    for r in range(block * pairs.block_size, last):
        if pairs.count[r] == 0:
            continue
        row = pairs.rows[block] + pairs.start[r]
        value = <floating*> pairs.values[block] + pairs.start[r]
        anchor_r = anchor + r * ld if anchored[r] else NULL
        mean_vr = mean_v + r * ld_out if mean_v != NULL else NULL
        square_vr = square_v + r * ld_out if mean_v != NULL else NULL
        if floating is float:
            norms[r] = sqrt(adam_neuron_f32(
                displacement + r * ld, mean + r * ld, square + r * ld, anchor_r, c_state + 3 * r, V + r * ld_out,
                mean_vr, square_vr, start_v + r * ld_out, X, ld, ld, row, value, pairs.count[r], error, ld_out, rule,
                scratch))
        else:
            norms[r] = sqrt(adam_neuron_f64(
                displacement + r * ld, mean + r * ld, square + r * ld, anchor_r, c_state + 3 * r, V + r * ld_out,
                mean_vr, square_vr, start_v + r * ld_out, X, ld, ld, row, value, pairs.count[r], error, ld_out, rule,
                scratch))
    free(scratch)
    return 0
