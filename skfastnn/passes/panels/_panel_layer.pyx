# Passes over sparse rows: pre-activations, and updates of the neurons that fired, panel by panel.
#
# Problem     A row of text has a few dozen stored entries among tens of thousands of features; so has a row of
#             activations. Following them neuron by neuron is a gather: one number of each cache line that is fetched.
#             So 64 neurons are taken together, whose weights of a feature lie side by side: an entry costs a few
#             whole vectors, used to the last number. All pre-activations are then computed, since picking candidates
#             would save vectors only where a feature's 64 neurons are silent together; updates touch the lines of
#             memory in which a neuron fired.
# Layout      Weights (n_panels, n_features, 64). Column k of a panel is neuron `order[k]` of its 64: the first neurons
#             of all antisymmetric pairs, then their twins, so that the start they share, (n_panels, n_features, 32), is
#             added to either half by whole vectors. Rows by feature, as in _by_feature.pyx.
# Invariants  The weights are base + a * first + b * second (see solvers/_sparse_first_order.py). A panel is written by
#             one thread, feature after feature: results do not depend on the number of threads.
# Cost        n_entries * m multiplications forward and for the update, of vectors in the cache. Bound by the memory of
#             the weights, which are read once forward, and read and written once for the update.
# Threads     Blocks of neurons as in _pairs.pyx, dynamic.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

from skfastnn.passes.shared._by_feature cimport FeatureLists
from skfastnn.passes.shared._pairs cimport PairLists
from skfastnn.passes.panels._panel_weights cimport PANEL, PanelWeights, require_panel_start, require_panels
from skfastnn.passes.shared._shapes cimport require
from skfastnn.passes.dense._updates cimport rule_of, sgd_small_f32, sgd_small_f64, update_rule
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "panel_kernels.h":
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
    void adam_small_f32(
        float*, float*, float*, float*, const float*, Py_ssize_t, float, const float*,
        const update_rule*) noexcept nogil
    void adam_small_f64(
        double*, double*, double*, double*, const double*, Py_ssize_t, double, const double*,
        const update_rule*) noexcept nogil

PANEL_SIZE = PANEL


def panel_forward(
    PairLists pairs,                        # OUT   rows that fire, and activations
    PanelWeights weights,                   # IN
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    int n_threads,
):
    """Compute all pre-activations and list those above zero."""
    cdef Py_ssize_t block
    cdef int status = 0
    weights.check_fits(pairs.n_neurons, pairs.itemsize, False)
    cdef Layout layout = layout_for(pairs, X, weights)
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        if pairs.itemsize == 4:
            status += _forward_block(pairs, block, layout, weights, <const float*> layout.data)
        else:
            status += _forward_block(pairs, block, layout, weights, <const double*> layout.data)
    if status:
        raise MemoryError("no memory for the lists of firing pairs")


cdef Layout layout_for(PairLists pairs, FeatureLists X, PanelWeights weights) except *:
    """Return the layout of a pass over weights; raise ValueError unless they fit the lists and the rows."""
    return layout_of(pairs, X, weights.n_panels, weights.n_features, weights.n_start, weights.order)


cdef Layout layout_of(
    PairLists pairs, FeatureLists X, n_panels, n_features, n_start, const int32_t[::1] order,
) except *:
    cdef Layout layout
    if n_panels * PANEL < pairs.n_neurons:
        raise ValueError("panels must fit the lists")
    if n_features != X.shape[1] or X.data.itemsize != pairs.itemsize:
        raise ValueError("panels and lists must fit the rows")
    layout.X, layout.data = X.lists, X.numbers
    layout.work = .1 * X.nnz * pairs.n_neurons
    layout.n_features = n_features
    layout.n_start = n_start
    layout.order = &order[0]
    return layout


cdef int _forward_block(
    PairLists pairs, Py_ssize_t block, Layout layout, PanelWeights weights, const floating* data,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef floating a = <floating> weights.a, b = <floating> weights.b
    cdef const floating* first = <const floating*> weights.first
    cdef const floating* c_state = <const floating*> weights.c_state
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
        start_p = <const floating*> weights.base + p * layout.n_features * layout.n_start if weights.base else NULL
        second_p = <const floating*> weights.second + p * size if weights.second else NULL
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


cdef class BasisChange:
    """What the numbers of the weights are expressed in, and what that becomes.

    Parameters
    ----------
    T : ndarray of shape (2, 2), float64
        (distance from the start, velocity) is T times (first, second); overwritten by `after`.
    after : ndarray of shape (2, 2), float64
    change : ndarray of shape (2, 2), or (1, 1) without second, or (0, 0): none
        What the numbers are multiplied by, of the dtype of the weights.
    added : tuple of two float
        What a gradient of one then adds to first and second.
    """

    cdef double[:, ::1] T
    cdef const double[:, ::1] after
    cdef object change
    cdef double a, b

    def __init__(self, double[:, ::1] T, const double[:, ::1] after, change, added=(0.0, 0.0)):
        require("T", T.shape[0], T.shape[1], 2, 2)
        require("what T becomes", after.shape[0], after.shape[1], 2, 2)
        self.T, self.after, self.change = T, after, change
        self.a, self.b = added

    cdef int carry_out(self, PanelWeights weights, int n_threads) except -1:
        """Change the weights and T, in one call that nothing interrupts."""
        if weights.itemsize == 4:
            _change[float](weights, self.change, n_threads)
        else:
            _change[double](weights, self.change, n_threads)
        self.T[0, 0], self.T[0, 1] = self.after[0, 0], self.after[0, 1]
        self.T[1, 0], self.T[1, 1] = self.after[1, 0], self.after[1, 1]
        return 0


def panel_sgd_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    PanelWeights weights,                   # INOUT
    floating[:, ::1] velocity_V,            # INOUT (n_neurons, ld_out), or (0, 0): V is frozen
    BasisChange basis,                      # INOUT made before the gradient is added
    dict parameters,                        # of intercepts and output weights: rate, momentum, nesterov, penalty
    int n_threads,
):
    """One step of gradient descent with momentum: weights take their gradient, the others their whole step."""
    cdef update_rule rule = rule_of(parameters)
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_for(pairs, X, weights)
    cdef floating* velocity_v = &velocity_V[0, 0] if weights.ld_out and velocity_V.shape[0] else NULL
    cdef const floating* errors = &error[0, 0] if error.shape[0] else NULL
    _check(pairs, layout.X.n_rows, error, weights, velocity_V)
    basis.carry_out(weights, n_threads)
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _sgd_block(pairs, block, layout, weights, basis, errors, velocity_v, &rule)
    if status:
        raise MemoryError("no memory for the signals of a batch")


cdef int _check(
    PairLists pairs, Py_ssize_t n_rows, const floating[:, ::1] error, PanelWeights weights,
    const floating[:, ::1] state_V,
) except -1:
    """Raise unless lists, errors and weights of a step fit each other."""
    if weights.ld_out == 0:
        n_rows = pairs.n_before(pairs.n_blocks)
    if pairs.itemsize != sizeof(floating) or error.shape[0] < n_rows or error.shape[1] != max(weights.ld_out, 1):
        raise ValueError("lists and errors must be of the same rows, and of the dtype of the weights")
    weights.check_fits(pairs.n_neurons, sizeof(floating), True)
    if state_V.shape[0]:
        require("the state of V", state_V.shape[0], state_V.shape[1], pairs.n_neurons, weights.ld_out)
    return 0


cdef int _sgd_block(
    PairLists pairs, Py_ssize_t block, Layout layout, PanelWeights weights, BasisChange basis, const floating* error,
    floating* velocity_v, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef Py_ssize_t ld_out = weights.ld_out
    cdef floating a = <floating> basis.a, b = <floating> basis.b
    cdef const floating* data = <const floating*> layout.data
    cdef floating* first = <floating*> weights.first
    cdef floating* c_state = <floating*> weights.c_state
    cdef floating* V = <floating*> weights.V
    cdef const floating* start_v = <const floating*> weights.start_V
    cdef floating* second = <floating*> weights.second
    cdef floating grad_c
    cdef floating* velocity_vr
    cdef Tile tile
    if make_tile(&tile, layout.X.n_rows, ld_out, 0, sizeof(floating)) < 0:
        return -1
    cdef floating* signals = <floating*> tile.signals
    cdef floating* grad_v = <floating*> tile.grad_v
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        clear_tile(&tile, sizeof(floating))
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r >= last:
                continue
            grad_c = spread_signals(pairs, block, r, k, error, V + r * ld_out, &tile, grad_v)
            velocity_vr = velocity_v + r * ld_out if velocity_v != NULL else NULL
            if floating is float:
                sgd_small_f32(c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, ld_out, grad_c,
                              grad_v, rule)
            else:
                sgd_small_f64(c_state + 3 * r, V + r * ld_out, velocity_vr, start_v + r * ld_out, ld_out, grad_c,
                              grad_v, rule)
        if floating is float:
            panel_add_f32(layout.X, data, signals, tile.used, first + p * size, a,
                          second + p * size if second else NULL, b)
        else:
            panel_add_f64(layout.X, data, signals, tile.used, first + p * size, a,
                          second + p * size if second else NULL, b)
    free_tile(&tile)
    return 0


cdef int make_tile(
    Tile* tile, Py_ssize_t n_rows, Py_ssize_t ld_out, Py_ssize_t n_more, Py_ssize_t itemsize,
) noexcept nogil:
    """Allocate a tile, and room for so many more numbers; return -1 when memory is short."""
    cdef char* numbers = <char*> malloc((n_rows * (TILE_LD + 1) + SPARE + ld_out + n_more) * itemsize)
    tile.n_rows, tile.ld_out = n_rows, ld_out
    tile.used = <uint8_t*> malloc(max(n_rows, 1))
    tile.signals = numbers
    if numbers == NULL or tile.used == NULL:
        free_tile(tile)
        return -1
    tile.column = numbers + n_rows * TILE_LD * itemsize
    tile.grad_v = <char*> tile.column + (n_rows + SPARE) * itemsize
    tile.more = <char*> tile.grad_v + ld_out * itemsize
    return 0


cdef void clear_tile(Tile* tile, Py_ssize_t itemsize) noexcept nogil:
    memset(tile.signals, 0, tile.n_rows * TILE_LD * itemsize)
    memset(tile.used, 0, tile.n_rows)


cdef void free_tile(Tile* tile) noexcept nogil:
    free(tile.signals)
    free(tile.used)


cdef floating spread_signals(
    PairLists pairs, Py_ssize_t block, Py_ssize_t r, Py_ssize_t column, const floating* error, const floating* v,
    Tile* tile,
    floating* grad_v,             # OUT   (ld_out,) gradient of the output weights
) noexcept nogil:
    """Put the signals of a neuron into its column; return the gradient of its intercept."""
    cdef int32_t i
    cdef int32_t count = pairs.count[r]
    cdef const int32_t* row = pairs.blocks[block].rows + pairs.start[r]
    cdef const floating* value = <floating*> pairs.blocks[block].values + pairs.start[r]
    cdef floating* signals = <floating*> tile.signals
    cdef floating* signal = <floating*> tile.column
    cdef uint8_t* used = tile.used
    cdef floating grad_c
    cdef uint8_t line = <uint8_t> (1 << (column * sizeof(floating) // 64))
    if tile.ld_out == 0:
        error = error + pairs.n_before(block) + pairs.start[r]
    if floating is float:
        grad_c = signals_of_f32(row, value, count, error, v, tile.ld_out, signal, grad_v)
    else:
        grad_c = signals_of_f64(row, value, count, error, v, tile.ld_out, signal, grad_v)
    for i in range(count):
        signals[row[i] * TILE_LD + column] = signal[i]
        used[row[i]] |= line
    return grad_c


cdef class PanelMoments:
    """What Adam knows of each weight, and what the weights are held to.

    Parameters
    ----------
    start : ndarray of shape (n_panels, n_features, 32 or 64), or (0, 0, 0): there is no penalty
    mean, square : ndarray of shape (n_panels, n_features, 64)
        Moments of the weights.
    mean_V, square_V : ndarray of shape (n_neurons, ld_out), or (0, ld_out): V is frozen
        Moments of the output weights.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    """

    cdef Py_ssize_t n_panels, n_features, itemsize
    cdef int n_start
    cdef tuple kept
    cdef const char* start
    cdef char* mean
    cdef char* square
    # NULL where V is frozen, or there is none
    cdef char* mean_V
    cdef char* square_V

    def __init__(self, start, mean, square, mean_V, square_V):
        self.kept = start, mean, square, mean_V, square_V
        if mean.dtype == np.float32:
            _take_moments[float](self, *self.kept)
        else:
            _take_moments[double](self, *self.kept)


cdef int _take_moments(
    PanelMoments of, const floating[:, :, ::1] start, floating[:, :, ::1] mean, floating[:, :, ::1] square,
    floating[:, ::1] mean_V, floating[:, ::1] square_V,
) except -1:
    require_panels("mean", mean, mean)
    require_panels("square", square, mean)
    require_panel_start("start", start, mean)
    require("square_V", square_V.shape[0], square_V.shape[1], mean_V.shape[0], mean_V.shape[1])
    if mean.shape[0] < 1 or mean.shape[1] < 1:
        raise ValueError("there must be a neuron and a feature")
    of.n_panels, of.n_features, of.itemsize = mean.shape[0], mean.shape[1], sizeof(floating)
    of.n_start = start.shape[2]
    of.start = <const char*> &start[0, 0, 0] if start.shape[0] else NULL
    of.mean, of.square = <char*> &mean[0, 0, 0], <char*> &square[0, 0, 0]
    of.mean_V, of.square_V = NULL, NULL
    if mean_V.shape[0] and mean_V.shape[1]:
        of.mean_V, of.square_V = <char*> &mean_V[0, 0], <char*> &square_V[0, 0]
    return 0


def panel_adam_step(
    PairLists pairs,                        # IN    fired pairs and their activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries, 1), signals
    PanelWeights weights,                   # INOUT all in first, without factors
    PanelMoments moments,                   # INOUT
    dict parameters,                        # rate, momentum (beta_1), beta_2, epsilon, penalty
    int n_threads,
):
    """One step of lazy Adam: weights whose gradient is zero, and neurons that are silent, stand still."""
    cdef update_rule rule = rule_of(parameters)
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_for(pairs, X, weights)
    cdef const floating[:, ::1] mean_V = moments.kept[3]
    cdef const floating* errors = &error[0, 0] if error.shape[0] else NULL
    _check(pairs, layout.X.n_rows, error, weights, mean_V)
    require("mean", moments.n_panels, moments.n_features, weights.n_panels, weights.n_features)
    if weights.base or weights.second or weights.a != 1:
        raise ValueError("weights must be in one array")
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _adam_block(pairs, block, layout, weights, moments, errors, &rule)
    if status:
        raise MemoryError("no memory for the signals of a batch")


cdef int _adam_block(
    PairLists pairs, Py_ssize_t block, Layout layout, PanelWeights weights, PanelMoments moments,
    const floating* error, const update_rule* rule,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef Py_ssize_t ld_out = weights.ld_out
    cdef const floating* data = <const floating*> layout.data
    cdef floating* first = <floating*> weights.first
    cdef floating* c_state = <floating*> weights.c_state
    cdef floating* V = <floating*> weights.V
    cdef const floating* start_v = <const floating*> weights.start_V
    cdef floating* mean = <floating*> moments.mean
    cdef floating* square = <floating*> moments.square
    cdef floating grad_c
    cdef floating* mean_vr
    cdef floating* square_vr
    cdef const floating* start_p
    cdef Tile tile
    cdef unsigned before = 0
    # beside an epsilon that is no larger than the root of such a number, what is lost would count
    cdef bint flushes = rule.epsilon > (1e-18 if sizeof(floating) == 4 else 1e-153)
    if make_tile(&tile, layout.X.n_rows, ld_out, 0, sizeof(floating)) < 0:
        return -1
    cdef floating* signals = <floating*> tile.signals
    cdef floating* grad_v = <floating*> tile.grad_v
    if flushes:
        before = flush_denormals()
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        clear_tile(&tile, sizeof(floating))
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r >= last or pairs.count[r] == 0:
                continue
            grad_c = spread_signals(pairs, block, r, k, error, V + r * ld_out, &tile, grad_v)
            mean_vr = <floating*> moments.mean_V + r * ld_out if moments.mean_V != NULL else NULL
            square_vr = <floating*> moments.square_V + r * ld_out if moments.mean_V != NULL else NULL
            if floating is float:
                adam_small_f32(c_state + 3 * r, V + r * ld_out, mean_vr, square_vr, start_v + r * ld_out, ld_out,
                               grad_c, grad_v, rule)
            else:
                adam_small_f64(c_state + 3 * r, V + r * ld_out, mean_vr, square_vr, start_v + r * ld_out, ld_out,
                               grad_c, grad_v, rule)
        start_p = NULL
        if moments.start:
            start_p = <const floating*> moments.start + p * layout.n_features * moments.n_start
        if floating is float:
            panel_adam_f32(layout.X, data, signals, tile.used, start_p, moments.n_start, first + p * size,
                           mean + p * size, square + p * size, rule)
        else:
            panel_adam_f64(layout.X, data, signals, tile.used, start_p, moments.n_start, first + p * size,
                           mean + p * size, square + p * size, rule)
    if flushes:
        keep_denormals(before)
    free_tile(&tile)
    return 0


def change_basis(
    PanelWeights weights,                   # INOUT
    BasisChange basis,                      # INOUT
    int n_threads,
):
    """Express all weights in another basis, in one call that nothing interrupts."""
    basis.carry_out(weights, n_threads)


cdef int _change(PanelWeights weights, const floating[:, ::1] change, int n_threads) except -1:
    """Multiply the pairs (first, second) of all weights by a matrix, unless it is empty."""
    cdef Py_ssize_t p
    cdef Py_ssize_t size = weights.n_features * PANEL
    cdef floating* first = <floating*> weights.first
    cdef floating* second = <floating*> weights.second
    cdef bint both = second != NULL
    if change.shape[0] == 0:
        return 0
    weights.check_fits(weights.n_neurons, sizeof(floating), True)
    if change.shape[0] != 1 + both or change.shape[1] != 1 + both:
        raise ValueError("change must be a matrix of as many rows and columns as there are numbers for a weight")
    cdef double work = .5 * weights.n_panels * size
    for p in prange(weights.n_panels, nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        if both:
            _change_pairs(first + p * size, second + p * size, size, &change[0, 0])
        else:
            _scale(first + p * size, size, change[0, 0])
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
