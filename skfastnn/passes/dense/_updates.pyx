# Backward pass and update, neuron by neuron, for the pairs that fired.
#
# Problem     For neuron r with fired rows i: signal_i = <v_r, error_i>, gradients sum_i signal_i x_i (weights),
#             sum_i signal_i (intercept), sum_i h_i error_i (output weights); then one step of momentum or Adam on
#             that neuron, while its arrays are in cache. The weights of a neuron that did not fire are not touched:
#             - momentum: what they would have done meanwhile (velocity and penalty move them) is a product of 2 x 2
#               matrices, which the neuron's next update takes along, and the forward pass on the fly; _catch_up.pyx
#               carries it out by itself. Intercepts and output weights are few and take every step.
#             - Adam: lazy, as torch.optim.SparseAdam: moments and weights of a silent neuron stand still; on sparse
#               rows, so do those of the features that none of its rows has.
# Layout      Weights as in _weights.pyx, velocities and moments as displacements; c_state: intercept, velocity or first
#             moment, second moment.
# Invariants  norms[r, :2] are the Euclidean norms of displacement and velocity as of the last touch; norms[r, 2]
#             sums the norms of all changes of the displacement, the length of the neuron's path.
# Cost        2 d + 3 n_outputs multiplications a fired pair; a few passes over d numbers a touched neuron.
# Threads     A neuron belongs to one thread; nothing is reduced across neurons.
# Taken when  A step is an object: all neurons take it at once, or each by itself, when a pass over the neurons comes to
#             it for the next batch. Its weights then come from memory once for both, while the pass computes. A search
#             that has to say before where neurons will be asks for a bound (`MomentumStep.add_step_bound`).
# Reference   Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep
#             learning", 2013; Kingma, Ba, "Adam", 2015.

from cython cimport floating
from cython.parallel cimport prange
from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc

import numpy as np

from skfastnn.passes.dense._catch_up cimport MomentumState, catch_up_one, note, touch_f32, touch_f64
from skfastnn.passes.dense._weights cimport DenseWeights
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._shapes cimport require
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "vector_kernels.h":
    int SPARE
    void prefetch_upcoming(const upcoming_rows*, int32_t, Py_ssize_t) noexcept nogil

cdef extern from "step_kernels.h":
    ctypedef struct firing_neuron:
        void* p
        void* first
        void* second
        const void* start
        void* c
        void* v
        void* first_v
        void* second_v
        const void* start_v
        const void* X
        const int32_t* row
        const void* value
        const void* error
        void* scratch
        Py_ssize_t n
        Py_ssize_t ld_out
        int32_t count
    void sgd_neuron_f32(
        const firing_neuron*, const update_rule*, const double*, const upcoming_rows*, touch_f32*) noexcept nogil
    void sgd_neuron_f64(
        const firing_neuron*, const update_rule*, const double*, const upcoming_rows*, touch_f64*) noexcept nogil
    void adam_neuron_f32(const firing_neuron*, const update_rule*, const upcoming_rows*, touch_f32*) noexcept nogil
    void adam_neuron_f64(const firing_neuron*, const update_rule*, const upcoming_rows*, touch_f64*) noexcept nogil


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


cdef class NeuronStep:
    """A step of a solver, which neurons take one by one.

    Attributes
    ----------
    taken : bool
        Whether the neurons have taken it, or are about to.
    """

    def take_all(self, int n_threads):
        """Take the step with every neuron, unless that has been done; silent neurons' weights stay behind."""
        cdef Py_ssize_t b
        cdef int status = 0
        if self.taken:
            return
        self.taken = True
        for b in prange(self.pairs.n_blocks, nogil=True, num_threads=threads_for(self.work(), n_threads),
                        schedule="dynamic", chunksize=1):
            status += self.take_block(b)
        if status:
            raise MemoryError("no memory for the scratch of the update")

    cdef begin(self, PairLists next_pairs):
        """Mark the step as taken, by a pass that lists what fires next."""
        if self.taken or next_pairs is self.pairs or next_pairs.n_neurons != self.pairs.n_neurons:
            raise ValueError("a step is taken once, while lists of the same neurons are made elsewhere")
        if next_pairs.itemsize != self.pairs.itemsize:
            raise ValueError("a step and the lists that are made must be of the same dtype")
        self.taken = True

    cdef double work(self) noexcept nogil:
        """Return about how many nanoseconds the step takes."""
        cdef double n_fired = self.pairs.n_before(self.pairs.n_blocks)
        # gradients, and the arrays of the neurons, which come from memory
        return .1 * n_fired * (self.ld + 3 * self.ld_out) + .2 * self.pairs.n_neurons * (self.ld + self.ld_out)

    cdef Py_ssize_t scratch_size(self) noexcept nogil:
        return (self.ld + self.ld_out + self.n_rows + SPARE) * self.pairs.itemsize

    cdef int take_block(self, Py_ssize_t block) noexcept nogil:
        cdef Py_ssize_t r
        cdef Py_ssize_t last = min((block + 1) * self.pairs.block_size, self.pairs.n_neurons)
        cdef upcoming_rows upcoming
        cdef void* scratch = malloc(self.scratch_size())
        if scratch == NULL:
            return -1
        for r in range(block * self.pairs.block_size, last):
            upcoming.n = 0
            self.list_upcoming(r + 1, last, &upcoming)
            self.take(r, scratch, False, &upcoming)
        free(scratch)
        return 0

    cdef void list_upcoming(self, Py_ssize_t r, Py_ssize_t last, upcoming_rows* rows) noexcept nogil:
        """Append what neuron r moves if it fired, and if it comes before the last."""
        cdef int k
        if r < last and self.pairs.count[r]:
            for k in range(self.n_moving):
                rows.row[rows.n] = self.moving[k] + r * self.ld * self.pairs.itemsize
                rows.n += 1

    cdef void take(self, Py_ssize_t r, void* scratch, bint whole, const upcoming_rows* upcoming) noexcept nogil:
        """Take the step with one neuron; with `whole`, silent ones are brought up to date.

        Upcoming rows, if they are not NULL, are asked for on the way.
        """


cdef void _set_up(
    NeuronStep step, PairLists pairs, const floating[:, ::1] X, const floating[:, ::1] error, DenseWeights weights,
    const floating[:, ::1] first_V,
) except *:
    """Set what steps of all solvers have, if lists and arrays fit each other."""
    cdef Py_ssize_t ld_out = weights.ld_out
    cdef Py_ssize_t n_errors = X.shape[0] if ld_out else pairs.n_before(pairs.n_blocks)
    if pairs.itemsize != sizeof(floating):
        raise ValueError("lists must hold activations of the dtype of the weights")
    weights.check_fits(pairs.n_neurons, X.shape[1], sizeof(floating), True)
    if first_V.shape[0]:
        require("the state of V", first_V.shape[0], first_V.shape[1], pairs.n_neurons, ld_out)
    if error.shape[0] < n_errors or error.shape[1] != max(ld_out, 1):
        raise ValueError("error must have a row for each of X, or for each entry of the lists")
    step.pairs, step.weights, step.taken = pairs, weights, False
    step.n_rows, step.ld, step.ld_out = X.shape[0], weights.ld, ld_out
    step.X = <const char*> &X[0, 0] if X.shape[0] else NULL
    step.error = <const char*> &error[0, 0] if error.shape[0] else NULL
    # a layer without outputs has none of these
    step.first_V = <char*> &first_V[0, 0] if ld_out and first_V.shape[0] else NULL
    step.second_V = NULL
    step.moving[0] = weights.displacement


cdef class MomentumStep(NeuronStep):
    """One step of stochastic gradient descent with momentum."""

    cdef MomentumState state
    cdef const double* after

    cdef void take(self, Py_ssize_t r, void* scratch, bint whole, const upcoming_rows* upcoming) noexcept nogil:
        if self.pairs.itemsize == 4:
            _momentum_neuron(self, r, <float*> scratch, whole, upcoming)
        else:
            _momentum_neuron(self, r, <double*> scratch, whole, upcoming)

    def add_step_bound(self, double[::1] drift, double[::1] pending, double[::1] intercepts, int n_threads):
        """Add to bounds on the neurons' movement and on their intercepts what the step will add at most.

        Of the weights, that is what the gradient will; what they would do without one is among the silent steps. A
        signal is at most the length of the error times that of the output weights, and a gradient at most as long as
        its signals times the norms of their rows: loose, but what a step adds to the movement so far is little.

        Parameters
        ----------
        drift, pending, intercepts : ndarray of shape (n_neurons,), float64
        """
        if not self.pairs.n_neurons == drift.shape[0] == pending.shape[0] == intercepts.shape[0]:
            raise ValueError("bounds must have an entry per neuron")
        X, error = (np.asarray(array) for array in (self.rows, self.errors))
        lengths = _lengths(error[:X.shape[0]])
        # of the weights and of the intercept, for each row
        cdef const double[:, ::1] parts = np.column_stack([lengths * _lengths(X), lengths])
        cdef Py_ssize_t b
        cdef int n_worth = threads_for(1. * self.pairs.n_before(self.pairs.n_blocks), n_threads)
        for b in prange(self.pairs.n_blocks, nogil=True, num_threads=n_worth, schedule="static"):
            self.add_step_bound_of_block(b, &parts[0, 0], &drift[0], &pending[0], &intercepts[0])

    cdef void add_step_bound_of_block(
        self, Py_ssize_t block, const double* parts, double* drift, double* pending, double* intercepts,
    ) noexcept nogil:
        cdef Py_ssize_t r
        cdef int32_t i, count
        cdef double weights, more_weights, intercept, more_intercept, length, velocity
        cdef const int32_t* row
        cdef double mu = self.rule.momentum
        cdef double along = mu if self.rule.nesterov else 1
        # momentum takes the gradient along, and Nesterov's looks ahead
        cdef double factor = self.rule.rate * (1 + mu if self.rule.nesterov else 1) * (1 + 1e-5)
        for r in range(block * self.pairs.block_size, min((block + 1) * self.pairs.block_size, self.pairs.n_neurons)):
            row = self.pairs.blocks[block].rows + self.pairs.start[r]
            count = self.pairs.count[r]
            # an addition waits for the one before it
            weights = more_weights = intercept = more_intercept = 0
            for i in range(0, count - 1, 2):
                weights += parts[2 * row[i]]
                intercept += parts[2 * row[i] + 1]
                more_weights += parts[2 * row[i + 1]]
                more_intercept += parts[2 * row[i + 1] + 1]
            if count % 2:
                weights += parts[2 * row[count - 1]]
                intercept += parts[2 * row[count - 1] + 1]
            if self.pairs.itemsize == 4:
                length = factor * _length(<const float*> self.weights.V + r * self.ld_out, self.ld_out)
                velocity = (<const float*> self.weights.c_state)[3 * r + 1]
            else:
                length = factor * _length(<const double*> self.weights.V + r * self.ld_out, self.ld_out)
                velocity = (<const double*> self.weights.c_state)[3 * r + 1]
            drift[r] += length * (weights + more_weights)
            pending[r] += length * (weights + more_weights)
            intercepts[r] += along * mu * velocity + length * (intercept + more_intercept)


cdef double _length(const floating* v, Py_ssize_t n) noexcept nogil:
    """Return the norm of a row of output weights, which is padded to fours where there is more than one."""
    cdef double a = 0, b = 0, c = 0, d = 0  # an addition waits for the one before it
    cdef Py_ssize_t j
    if n == 1:
        return fabs(v[0])
    for j in range(0, n, 4):
        a += <double> v[j] * v[j]
        b += <double> v[j + 1] * v[j + 1]
        c += <double> v[j + 2] * v[j + 2]
        d += <double> v[j + 3] * v[j + 3]
    return sqrt(a + b + (c + d))


def _lengths(rows):
    """Return the norms of some rows."""
    return np.sqrt(np.einsum("ij,ij->i", rows, rows)).astype(np.float64)


cdef class AdamState:
    """What Adam knows of each neuron.

    Parameters
    ----------
    mean, square : ndarray of shape (n_neurons, ld)
        Moments of the weights.
    mean_V, square_V : ndarray of shape (n_neurons, ld_out), or (0, ld_out): V is frozen
        Moments of the output weights.
    norms : ndarray of shape (n_neurons, 3), float64
        Of the displacement as of the last touch; zero; and the length of the path.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    """

    def __init__(self, mean, square, mean_V, square_V, double[:, ::1] norms):
        self.kept = mean, square, mean_V, square_V, norms
        if mean.dtype == np.float32:
            _take_moments[float](self, mean, square, mean_V, square_V)
        else:
            _take_moments[double](self, mean, square, mean_V, square_V)
        require("norms", norms.shape[0], norms.shape[1], self.n_neurons, 3)
        self.norms = &norms[0, 0]


cdef int _take_moments(
    AdamState of, floating[:, ::1] mean, floating[:, ::1] square, floating[:, ::1] mean_V, floating[:, ::1] square_V,
) except -1:
    if mean.shape[0] < 1:
        raise ValueError("there must be a neuron")
    require("square", square.shape[0], square.shape[1], mean.shape[0], mean.shape[1])
    require("square_V", square_V.shape[0], square_V.shape[1], mean_V.shape[0], mean_V.shape[1])
    of.n_neurons, of.ld, of.itemsize = mean.shape[0], mean.shape[1], sizeof(floating)
    of.mean, of.square, of.square_V = <char*> &mean[0, 0], <char*> &square[0, 0], NULL
    if square_V.shape[0] and square_V.shape[1]:
        of.square_V = <char*> &square_V[0, 0]
    return 0


cdef class AdamStep(NeuronStep):
    """One step of lazy Adam."""

    cdef AdamState state

    cdef void take(self, Py_ssize_t r, void* scratch, bint whole, const upcoming_rows* upcoming) noexcept nogil:
        if self.pairs.itemsize == 4:
            _adam_neuron(self, r, <float*> scratch, upcoming)
        else:
            _adam_neuron(self, r, <double*> scratch, upcoming)


def momentum_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    DenseWeights weights,                   # INOUT
    floating[:, ::1] velocity_V,            # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    MomentumState state,                    # INOUT as it is before this step
    const double[:, ::1] after,             # IN    (n_delays, 4) its matrices when this step is among them
    dict parameters,                        # rate, momentum, nesterov, penalty
):
    """Return a step of stochastic gradient descent with momentum, a `NeuronStep` on these arrays."""
    cdef MomentumStep of = MomentumStep()
    require("after", after.shape[0], after.shape[1], after.shape[0], 4)
    if state.longest_delay + 1 >= min(state.n_delays + 1, after.shape[0]):
        raise ValueError("after must cover the delays of all neurons, and one more")
    state.check_fits(weights)
    _set_up(of, pairs, X, error, weights, velocity_V)
    of.moving[1], of.n_moving = state.velocity, 2
    of.state, of.after = state, &after[0, 0]
    of.rule = rule_of(parameters)
    of.rows, of.errors, of.kept = X, error, (velocity_V, after)
    return of


def adam_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    const floating[:, ::1] X,               # IN    (n_rows, ld)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    DenseWeights weights,                   # INOUT
    AdamState state,                        # INOUT
    dict parameters,                        # rate, momentum (beta_1), beta_2, epsilon, penalty, sparse
):
    """Return a step of lazy Adam, a `NeuronStep` on these arrays."""
    cdef AdamStep of = AdamStep()
    cdef floating[:, ::1] mean_V = state.kept[2]
    require("mean", state.n_neurons, state.ld, weights.n_neurons, weights.ld)
    if state.itemsize != weights.itemsize:
        raise ValueError("moments and weights must be of the same dtype")
    _set_up(of, pairs, X, error, weights, mean_V)
    of.moving[1], of.moving[2], of.n_moving = state.mean, state.square, 3
    of.state, of.second_V = state, state.square_V
    of.rule = rule_of(parameters)
    of.rows, of.errors = X, error
    return of


cdef firing_neuron _firing(NeuronStep of, Py_ssize_t r, void* scratch) noexcept nogil:
    """Return neuron r as its step takes it."""
    cdef firing_neuron neuron
    cdef Py_ssize_t size = of.pairs.itemsize
    cdef Py_ssize_t at = r * of.ld * size, at_v = r * of.ld_out * size
    cdef Py_ssize_t block = r // of.pairs.block_size, first = of.pairs.start[r]
    neuron.p, neuron.first = of.moving[0] + at, of.moving[1] + at
    neuron.second = of.moving[2] + at if of.n_moving == 3 else NULL
    neuron.start = of.weights.anchor + at if of.weights.anchored[r] else NULL
    neuron.c, neuron.v = of.weights.c_state + 3 * r * size, of.weights.V + at_v
    neuron.start_v = of.weights.start_V + at_v
    neuron.first_v = of.first_V + at_v if of.first_V != NULL else NULL
    neuron.second_v = of.second_V + at_v if of.second_V != NULL else NULL
    neuron.X, neuron.n, neuron.ld_out = of.X, of.ld, of.ld_out
    neuron.row, neuron.count = of.pairs.blocks[block].rows + first, of.pairs.count[r]
    neuron.value = of.pairs.blocks[block].values + first * size
    # errors of the rows; without outputs, signals of the neuron
    neuron.error = of.error if of.ld_out else of.error + (of.pairs.n_before(block) + first) * size
    neuron.scratch = scratch
    return neuron


cdef void _momentum_neuron(
    MomentumStep of, Py_ssize_t r, floating* scratch, bint whole, const upcoming_rows* upcoming,
) noexcept nogil:
    cdef Py_ssize_t ld_out = of.ld_out
    cdef floating* velocity_v = <floating*> of.first_V + r * ld_out if of.first_V != NULL else NULL
    cdef int64_t delay = of.state.step - of.state.touched[r]
    cdef const double* silent = of.state.pending + 4 * delay if delay else NULL
    cdef double* norms = of.state.norms + 3 * r
    cdef firing_neuron neuron
    cdef touch_f32 touch32
    cdef touch_f64 touch64
    if of.pairs.count[r] == 0:
        prefetch_upcoming(upcoming, 0, of.ld * sizeof(floating))
        if floating is float:
            sgd_small_f32(<float*> of.weights.c_state + 3 * r, <float*> of.weights.V + r * ld_out, velocity_v,
                          <float*> of.weights.start_V + r * ld_out, ld_out, 0, NULL, &of.rule)
        else:
            sgd_small_f64(<double*> of.weights.c_state + 3 * r, <double*> of.weights.V + r * ld_out, velocity_v,
                          <double*> of.weights.start_V + r * ld_out, ld_out, 0, NULL, &of.rule)
        if not whole:
            return
        catch_up_one(of.weights, of.state, r, of.after + 4 * (delay + 1), <floating*> of.state.velocity)
    else:
        neuron = _firing(of, r, scratch)
        if floating is float:
            sgd_neuron_f32(&neuron, &of.rule, silent, upcoming, &touch32)
            note(norms, touch32.displacement, touch32.velocity, touch32.change)
        else:
            sgd_neuron_f64(&neuron, &of.rule, silent, upcoming, &touch64)
            note(norms, touch64.displacement, touch64.velocity, touch64.change)
    of.state.touched[r] = of.state.step + 1


cdef void _adam_neuron(AdamStep of, Py_ssize_t r, floating* scratch, const upcoming_rows* upcoming) noexcept nogil:
    cdef double* norms = of.state.norms + 3 * r
    cdef firing_neuron neuron
    cdef touch_f32 touch32
    cdef touch_f64 touch64
    if of.pairs.count[r] == 0:
        prefetch_upcoming(upcoming, 0, of.ld * sizeof(floating))
        return
    neuron = _firing(of, r, scratch)
    if floating is float:
        adam_neuron_f32(&neuron, &of.rule, upcoming, &touch32)
        note(norms, touch32.displacement, touch32.velocity, touch32.change)
    else:
        adam_neuron_f64(&neuron, &of.rule, upcoming, &touch64)
        note(norms, touch64.displacement, touch64.velocity, touch64.change)
