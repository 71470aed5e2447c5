# Passes over sparse rows: pre-activations, and updates of the neurons that fired, panel by panel.
#
# Problem     A row of text has a few dozen stored entries among tens of thousands of features; so has a row of
#             activations. Following them neuron by neuron is a gather: one number of each cache line that is fetched.
#             So 64 neurons are taken together, whose weights of a feature lie side by side: an entry costs four or
#             eight vectors, used to the last number. All pre-activations are then computed, since picking candidates
#             would save vectors only where a feature's 64 neurons are silent together; updates touch the vectors in
#             which a neuron fired.
# Layout      Weights (n_panels, n_features, 64). Column k of a panel is neuron `order[k]` of its 64: the first neurons
#             of all antisymmetric pairs, then their twins, so that the start they share, (n_panels, n_features, 32), is
#             added to either half by whole vectors. Rows by feature, as in _by_feature.pyx.
# Invariants  The weights are start + a * first + b * second (see solvers/_sparse_first_order.py). A panel is written by
#             one thread, feature after feature: results do not depend on the number of threads.
# Cost        n_entries * m multiplications forward and for the update, of vectors in the cache. Bound by the memory of
#             the weights, which are read once forward, and read and written once for the update.
# Threads     Blocks of neurons as in _pairs.pyx, dynamic.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from skfastnn.passes.shared._by_feature cimport FeatureLists
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.shared._shapes cimport require, require_outputs
from skfastnn.passes.dense._updates cimport rule_of, update_rule
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "panel_kernels.h":
    void panel_forward_f32(
        feature_entries, const float*, const float*, int, const float*, float, const float*, float, const float*,
        float*) noexcept nogil
    void panel_forward_f64(
        feature_entries, const double*, const double*, int, const double*, double, const double*, double, const double*,
        double*) noexcept nogil
    void panel_add_f32(
        feature_entries, const float*, const float*, const uint8_t*, float*, float, float*, float) noexcept nogil
    void panel_add_f64(
        feature_entries, const double*, const double*, const uint8_t*, double*, double, double*, double) noexcept nogil
    void panel_adam_f32(
        feature_entries, const float*, const float*, const uint8_t*, const float*, int, float*, float*, float*,
        const update_rule*) noexcept nogil
    void panel_adam_f64(
        feature_entries, const double*, const double*, const uint8_t*, const double*, int, double*, double*, double*,
        const update_rule*) noexcept nogil
    unsigned flush_denormals() noexcept nogil
    void keep_denormals(unsigned) noexcept nogil
    float signals_of_f32(
        const int32_t*, const float*, int32_t, const float*, const float*, Py_ssize_t, float*, float*) noexcept nogil
    double signals_of_f64(
        const int32_t*, const double*, int32_t, const double*, const double*, Py_ssize_t, double*,
        double*) noexcept nogil
    void sgd_small_f32(
        float*, float*, float*, const float*, Py_ssize_t, float, const float*, const update_rule*) noexcept nogil
    void sgd_small_f64(
        double*, double*, double*, const double*, Py_ssize_t, double, const double*,
        const update_rule*) noexcept nogil
    void adam_small_f32(
        float*, float*, float*, float*, const float*, Py_ssize_t, float, const float*,
        const update_rule*) noexcept nogil
    void adam_small_f64(
        double*, double*, double*, double*, const double*, Py_ssize_t, double, const double*,
        const update_rule*) noexcept nogil

PANEL_SIZE = PANEL


def panel_forward(
    PairLists pairs,                        # OUT   rows that fire, and activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[::1] data,               # IN    (n_entries,) X.data
    const floating[:, :, ::1] start,        # IN    (n_panels, n_features, 32 or 64), or (0, 0, 0)
    const floating[:, :, ::1] first,        # IN    (n_panels, n_features, 64)
    floating a,
    const floating[:, :, ::1] second,       # IN    (n_panels, n_features, 64), or (0, 0, 0)
    floating b,
    const int32_t[::1] order,               # IN    (64,) neuron of a column
    const floating[:, ::1] c_state,         # IN    (n_neurons, 3) intercepts first
    int n_threads,
):
    """Compute all pre-activations and list those above zero."""
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_of(pairs, X, data.shape[0], first.shape[0], first.shape[1], start.shape[2], order)
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    cdef const floating* start_start = &start[0, 0, 0] if start.shape[0] else NULL
    cdef const floating* second_start = &second[0, 0, 0] if second.shape[0] else NULL
    if pairs.itemsize != sizeof(floating):
        raise ValueError("pairs must hold values of the weights' dtype")
    require_panels("first", first, first)
    require_panel_start("start", start, first)
    if second.shape[0]:
        require_panels("second", second, first)
    require("c_state", c_state.shape[0], c_state.shape[1], pairs.n_neurons, 3)
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _forward_block(pairs, block, layout, data_start, start_start, &first[0, 0, 0], a, second_start, b,
                                 &c_state[0, 0])
    if status:
        raise MemoryError("no memory for the lists of firing pairs")


cdef Layout layout_of(
    PairLists pairs, FeatureLists X, n_numbers, n_panels, n_features, n_start, const int32_t[::1] order,
) except *:
    cdef Layout layout
    if n_panels * PANEL < pairs.n_neurons or order.shape[0] != PANEL:
        raise ValueError("panels and order must fit the lists")
    if n_features != X.shape[1] or n_numbers != X.nnz:
        raise ValueError("panels and numbers must fit the rows")
    if sorted(order) != list(range(PANEL)):
        raise ValueError("order must name each neuron of a panel once")
    layout.X = X.lists
    layout.work = .1 * X.nnz * pairs.n_neurons
    layout.n_features = n_features
    layout.n_start = n_start
    layout.order = &order[0]
    return layout


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


cdef int _forward_block(
    PairLists pairs, Py_ssize_t block, Layout layout, const floating* data, const floating* start,
    const floating* first, floating a, const floating* second, floating b, const floating* c_state,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef const floating* start_p
    cdef const floating* second_p
    cdef floating intercept[64]
    cdef floating* z = <floating*> malloc(max(layout.X.n_rows, 1) * TILE_LD * sizeof(floating))
    if z == NULL:
        return -1
    pairs.blocks[block].used = 0
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            intercept[k] = c_state[3 * r] if r < last else 0
        start_p = start + p * layout.n_features * layout.n_start if start != NULL else NULL
        second_p = second + p * size if second != NULL else NULL
        if floating is float:
            panel_forward_f32(layout.X, data, start_p, layout.n_start, first + p * size, a, second_p, b, intercept, z)
        else:
            panel_forward_f64(layout.X, data, start_p, layout.n_start, first + p * size, a, second_p, b, intercept, z)
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r < last and _emit(pairs, block, r, z + k, layout.X.n_rows) < 0:
                free(z)
                return -1
    free(z)
    return 0


cdef int _emit(PairLists pairs, Py_ssize_t block, Py_ssize_t r, const floating* z, Py_ssize_t n_rows) noexcept nogil:
    """List the rows on which a neuron fires."""
    cdef Py_ssize_t i
    cdef int32_t kept = 0
    cdef int32_t* rows
    cdef floating* values
    if pairs.reserve(block, n_rows + 1) < 0:
        return -1
    rows = pairs.blocks[block].rows + pairs.blocks[block].used
    values = <floating*> pairs.blocks[block].values + pairs.blocks[block].used
    for i in range(n_rows):
        # written always, counted when positive: no branch to mispredict
        rows[kept] = <int32_t> i
        values[kept] = z[i * TILE_LD]
        kept += z[i * TILE_LD] > 0
    pairs.start[r] = pairs.blocks[block].used
    pairs.count[r] = kept
    pairs.blocks[block].used += kept
    return 0


def panel_sgd_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[::1] data,               # IN    (n_entries,) X.data
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    floating[:, :, ::1] first,              # INOUT (n_panels, n_features, 64)
    floating a,                             # IN    what a gradient of one adds to first
    floating[:, :, ::1] second,             # INOUT (n_panels, n_features, 64), or (0, 0, 0)
    floating b,                             # IN    what a gradient of one adds to second
    double[:, ::1] T,                       # INOUT (2, 2) what (first, second) are expressed in
    const double[:, ::1] after,             # IN    (2, 2) what T is after the step
    const floating[:, ::1] change,          # IN    as of `change_basis`, made before the gradient; or (0, 0): none
    const int32_t[::1] order,               # IN    (64,) neuron of a column
    floating[:, ::1] c_state,               # INOUT (n_neurons, 3)
    floating[:, ::1] V,                     # INOUT (n_neurons, ld_out)
    floating[:, ::1] velocity_V,            # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    const floating[:, ::1] start_V,         # IN    (n_neurons, ld_out)
    dict parameters,                        # of intercepts and output weights: rate, momentum, nesterov, penalty
    int n_threads,
):
    """One step of gradient descent with momentum: weights take their gradient, the others their whole step."""
    cdef update_rule rule = rule_of(parameters)
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_of(pairs, X, data.shape[0], first.shape[0], first.shape[1], 0, order)
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    cdef floating* second_start = &second[0, 0, 0] if second.shape[0] else NULL
    # a layer without outputs has none of these
    cdef bint outputs = V.shape[1] > 0
    cdef floating* v = &V[0, 0] if outputs else NULL
    cdef floating* velocity_v = &velocity_V[0, 0] if outputs and velocity_V.shape[0] else NULL
    cdef const floating* start_v = &start_V[0, 0] if outputs else NULL
    cdef const floating* errors = &error[0, 0] if error.shape[0] else NULL
    _check(pairs, sizeof(floating), layout.X.n_rows, error, c_state, V, velocity_V, start_V)
    require_panels("first", first, first)
    if second.shape[0]:
        require_panels("second", second, first)
    if change.shape[0]:
        change_basis(first, second, change, T, after, n_threads)
    _assign(T, after)
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _sgd_block(pairs, block, layout, data_start, errors, V.shape[1], &first[0, 0, 0], a,
                             second_start, b, &c_state[0, 0], v, velocity_v, start_v, &rule)
    if status:
        raise MemoryError("no memory for the signals of a batch")


cdef int _check(
    PairLists pairs, Py_ssize_t itemsize, Py_ssize_t n_rows, const floating[:, ::1] error,
    const floating[:, ::1] c_state, const floating[:, ::1] V, const floating[:, ::1] state_V,
    const floating[:, ::1] start_V,
) except -1:
    """Raise unless lists, errors and small parameters of a step fit each other."""
    cdef Py_ssize_t n = pairs.n_neurons, ld_out = V.shape[1]
    if ld_out == 0:
        n_rows = pairs.n_before(pairs.n_blocks)
    if pairs.itemsize != itemsize or error.shape[0] < n_rows or error.shape[1] != max(ld_out, 1):
        raise ValueError("lists and errors must be of the same rows, and of the dtype of the weights")
    require("c_state", c_state.shape[0], c_state.shape[1], n, 3)
    require_outputs("V", V.shape[0], ld_out, n, itemsize)
    require("start_V", start_V.shape[0], start_V.shape[1], n, ld_out)
    if state_V.shape[0]:
        require("the state of V", state_V.shape[0], state_V.shape[1], n, ld_out)
    return 0


cdef int _sgd_block(
    PairLists pairs, Py_ssize_t block, Layout layout, const floating* data, const floating* error, Py_ssize_t ld_out,
    floating* first, floating a, floating* second, floating b, floating* c_state, floating* V, floating* velocity_v,
    const floating* start_v, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef Py_ssize_t n_rows = layout.X.n_rows
    cdef floating grad_c
    cdef floating* velocity_vr
    cdef floating* scratch = <floating*> malloc((n_rows * (TILE_LD + 1) + SPARE + ld_out) * sizeof(floating))
    cdef uint8_t* used = <uint8_t*> malloc(max(n_rows, 1))
    cdef floating* grad_v = scratch + n_rows * (TILE_LD + 1) + SPARE
    if scratch == NULL or used == NULL:
        free(scratch)
        free(used)
        return -1
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        memset(scratch, 0, n_rows * TILE_LD * sizeof(floating))
        memset(used, 0, n_rows)
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r >= last:
                continue
            grad_c = spread_signals(pairs, block, r, k, error, V + r * ld_out, ld_out, n_rows, scratch, used, grad_v)
            velocity_vr = velocity_v + r * ld_out if velocity_v != NULL else NULL
            if floating is float:
                sgd_small_f32(c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, ld_out, grad_c,
                              grad_v, rule)
            else:
                sgd_small_f64(c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, ld_out, grad_c,
                              grad_v, rule)
        if floating is float:
            panel_add_f32(layout.X, data, scratch, used, first + p * size, a, second + p * size if second else NULL, b)
        else:
            panel_add_f64(layout.X, data, scratch, used, first + p * size, a, second + p * size if second else NULL, b)
    free(scratch)
    free(used)
    return 0


cdef floating spread_signals(
    PairLists pairs, Py_ssize_t block, Py_ssize_t r, Py_ssize_t column, const floating* error, const floating* v,
    Py_ssize_t ld_out, Py_ssize_t n_rows,
    floating* scratch,            # INOUT (n_rows, 64) signals by row, TILE_LD apart; then room for one neuron's
    uint8_t* used,                # INOUT (n_rows,) vectors of a row that hold signals, as bits
    floating* grad_v,             # OUT   (ld_out,) gradient of the output weights
) noexcept nogil:
    """Put the signals of a neuron into its column; return the gradient of its intercept."""
    cdef int32_t i
    cdef int32_t count = pairs.count[r]
    cdef const int32_t* row = pairs.blocks[block].rows + pairs.start[r]
    cdef const floating* value = <floating*> pairs.blocks[block].values + pairs.start[r]
    cdef floating* signal = scratch + n_rows * TILE_LD
    cdef floating grad_c
    cdef uint8_t vector = <uint8_t> (1 << (column * sizeof(floating) // 64))
    if ld_out == 0:
        error = error + pairs.n_before(block) + pairs.start[r]
    if floating is float:
        grad_c = signals_of_f32(row, value, count, error, v, ld_out, signal, grad_v)
    else:
        grad_c = signals_of_f64(row, value, count, error, v, ld_out, signal, grad_v)
    for i in range(count):
        scratch[row[i] * TILE_LD + column] = signal[i]
        used[row[i]] |= vector
    return grad_c


def panel_adam_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[::1] data,               # IN    (n_entries,) X.data
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    const floating[:, :, ::1] start,        # IN    (n_panels, n_features, 32 or 64), or (0, 0, 0): no penalty
    floating[:, :, ::1] weights,            # INOUT (n_panels, n_features, 64)
    floating[:, :, ::1] mean,               # INOUT (n_panels, n_features, 64)
    floating[:, :, ::1] square,             # INOUT (n_panels, n_features, 64)
    const int32_t[::1] order,               # IN    (64,) neuron of a column
    floating[:, ::1] c_state,               # INOUT (n_neurons, 3)
    floating[:, ::1] V,                     # INOUT (n_neurons, ld_out)
    floating[:, ::1] mean_V,                # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    floating[:, ::1] square_V,              # INOUT (n_neurons, ld_out), or (0, 0)
    const floating[:, ::1] start_V,         # IN    (n_neurons, ld_out)
    dict parameters,                        # rate, momentum (beta_1), beta_2, epsilon, penalty
    int n_threads,
):
    """One step of lazy Adam: weights whose gradient is zero, and neurons that are silent, stand still."""
    cdef update_rule rule = rule_of(parameters)
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_of(pairs, X, data.shape[0], weights.shape[0], weights.shape[1], start.shape[2], order)
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    cdef const floating* start_start = &start[0, 0, 0] if start.shape[0] else NULL
    require("square_V", square_V.shape[0], square_V.shape[1], mean_V.shape[0], mean_V.shape[1])
    # a layer without outputs has none of these
    cdef bint outputs = V.shape[1] > 0
    cdef floating* v = &V[0, 0] if outputs else NULL
    cdef floating* mean_v = &mean_V[0, 0] if outputs and mean_V.shape[0] else NULL
    cdef floating* square_v = &square_V[0, 0] if outputs and mean_V.shape[0] else NULL
    cdef const floating* start_v = &start_V[0, 0] if outputs else NULL
    cdef const floating* errors = &error[0, 0] if error.shape[0] else NULL
    _check(pairs, sizeof(floating), layout.X.n_rows, error, c_state, V, mean_V, start_V)
    require_panels("weights", weights, weights)
    require_panel_start("start", start, weights)
    require_panels("mean", mean, weights)
    require_panels("square", square, weights)
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _adam_block(pairs, block, layout, data_start, errors, V.shape[1],
                              start_start, &weights[0, 0, 0], &mean[0, 0, 0], &square[0, 0, 0], &c_state[0, 0],
                              v, mean_v, square_v, start_v, &rule)
    if status:
        raise MemoryError("no memory for the signals of a batch")


cdef int _adam_block(
    PairLists pairs, Py_ssize_t block, Layout layout, const floating* data, const floating* error, Py_ssize_t ld_out,
    const floating* start, floating* weights, floating* mean, floating* square, floating* c_state, floating* V,
    floating* mean_v, floating* square_v, const floating* start_v, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t n_rows = layout.X.n_rows
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef floating grad_c
    cdef floating* mean_vr
    cdef floating* square_vr
    cdef const floating* start_p
    cdef floating* scratch = <floating*> malloc((n_rows * (TILE_LD + 1) + SPARE + ld_out) * sizeof(floating))
    cdef uint8_t* used = <uint8_t*> malloc(max(n_rows, 1))
    cdef floating* grad_v = scratch + n_rows * (TILE_LD + 1) + SPARE
    cdef unsigned before = 0
    # beside an epsilon that is no larger than the root of such a number, what is lost would count
    cdef bint flushes = rule.epsilon > (1e-18 if sizeof(floating) == 4 else 1e-153)
    if scratch == NULL or used == NULL:
        free(scratch)
        free(used)
        return -1
    if flushes:
        before = flush_denormals()
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        memset(scratch, 0, n_rows * TILE_LD * sizeof(floating))
        memset(used, 0, n_rows)
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r >= last or pairs.count[r] == 0:
                continue
            grad_c = spread_signals(pairs, block, r, k, error, V + r * ld_out, ld_out, n_rows, scratch, used, grad_v)
            mean_vr = mean_v + r * ld_out if mean_v != NULL else NULL
            square_vr = square_v + r * ld_out if mean_v != NULL else NULL
            if floating is float:
                adam_small_f32(c_state + 3 * r, V + r * ld_out, mean_vr, square_vr, start_v + r * ld_out, ld_out,
                               grad_c, grad_v, rule)
            else:
                adam_small_f64(c_state + 3 * r, V + r * ld_out, mean_vr, square_vr, start_v + r * ld_out, ld_out,
                               grad_c, grad_v, rule)
        start_p = start + p * layout.n_features * layout.n_start if start != NULL else NULL
        if floating is float:
            panel_adam_f32(layout.X, data, scratch, used, start_p, layout.n_start, weights + p * size,
                           mean + p * size, square + p * size, rule)
        else:
            panel_adam_f64(layout.X, data, scratch, used, start_p, layout.n_start, weights + p * size,
                           mean + p * size, square + p * size, rule)
    if flushes:
        keep_denormals(before)
    free(scratch)
    free(used)
    return 0


def change_basis(
    floating[:, :, ::1] first,              # INOUT (n_panels, n_features, 64)
    floating[:, :, ::1] second,             # INOUT (n_panels, n_features, 64), or (0, 0, 0)
    const floating[:, ::1] change,          # IN    (2, 2), or (1, 1) without second
    double[:, ::1] T,                       # INOUT (2, 2) what (first, second) are expressed in
    const double[:, ::1] basis,             # IN    (2, 2) what T is afterwards
    int n_threads,
):
    """Multiply the pairs (first, second) of all weights by a matrix, and set T, in one call that nothing interrupts."""
    cdef Py_ssize_t p
    cdef Py_ssize_t size = first.shape[1] * first.shape[2]
    cdef bint both = second.shape[0] > 0
    if change.shape[0] != 1 + both or change.shape[1] != 1 + both:
        raise ValueError("change must be a matrix of as many rows and columns as there are numbers for a weight")
    if both and (second.shape[0] != first.shape[0] or second.shape[1] != first.shape[1]
                 or second.shape[2] != first.shape[2]):
        raise ValueError("first and second must be of the same weights")
    _assign(T, basis)
    cdef double work = .5 * first.shape[0] * size
    for p in prange(first.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        if both:
            _change_pairs(&first[p, 0, 0], &second[p, 0, 0], size, &change[0, 0])
        else:
            _scale(&first[p, 0, 0], size, change[0, 0])


cdef int _assign(double[:, ::1] T, const double[:, ::1] new) except -1:
    """Overwrite a matrix of two rows and columns."""
    require("T", T.shape[0], T.shape[1], 2, 2)
    require("what T becomes", new.shape[0], new.shape[1], 2, 2)
    T[0, 0], T[0, 1] = new[0, 0], new[0, 1]
    T[1, 0], T[1, 1] = new[1, 0], new[1, 1]
    return 0


cdef void _change_pairs(floating* first, floating* second, Py_ssize_t n, const floating* change) noexcept nogil:
    cdef Py_ssize_t j
    cdef floating a, b
    for j in range(n):
        a, b = first[j], second[j]
        first[j] = change[0] * a + change[1] * b
        second[j] = change[2] * a + change[3] * b


cdef void _scale(floating* first, Py_ssize_t n, floating factor) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        first[j] *= factor
