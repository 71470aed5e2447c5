# Backward through a hidden layer laid out in panels: what the loss wants of the activations below.
#
# Problem     Row i of the layer's input has a few entries x_ij, activations of the layer below. The derivative of the
#             loss by x_ij is sum over the neurons r that fired on i of signal_ir W_jr. Entries that are not there
#             belong to neurons that are silent, which pass nothing on: nobody asks for them.
# Layout      Panels, rows and lists as in _panel_layer.pyx. The derivatives stand where the entries of the rows do.
# Invariants  A block of neurons adds to a buffer of its own; buffers are summed in block order. Results do not depend
#             on the number of threads.
# Cost        Per entry and vector of neurons in which one fired, as the update: at most n_entries * m multiplications.
# Threads     Blocks of neurons as in _pairs.pyx, dynamic.
# Reference   Song, Zhang, Zhang, "Training Multi-Layer Over-Parametrized Neural Network in Subquadratic Time", 2021
#             (arXiv 2112.07628): with shifted ReLUs both factors of a layer's gradient are sparse.

from cython cimport floating
from cython.parallel cimport prange
from libc.string cimport memset

from skfastnn.passes.shared._by_feature cimport FeatureLists, feature_entries
from skfastnn.passes.shared._pairs cimport PairLists, sum_over_blocks
from skfastnn.passes.panels._panel_layer cimport (
    Layout,
    Tile,
    clear_tile,
    free_tile,
    layout_for,
    make_tile,
    spread_signals,
)
from skfastnn.passes.panels._panel_weights cimport PANEL, PanelWeights
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "panel_kernels.h":
    void panel_backward_f32(
        feature_entries, const float*, const float*, int, const float*, float, const float*, float,
        float*) noexcept nogil
    void panel_backward_f64(
        feature_entries, const double*, const double*, int, const double*, double, const double*, double,
        double*) noexcept nogil


def panel_backward(
    PairLists pairs,                        # IN    fired pairs and their activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[:, ::1] error,           # IN    (n_rows, ld_out); without outputs (n_entries of pairs, 1), signals
    PanelWeights weights,                   # IN
    floating[:, :, ::1] buffers,            # OUT   (n_blocks, n_entries, 1) scratch; the sum is in buffers[0]
    int n_threads,
):
    """Compute the derivatives of the loss by the entries of the rows."""
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_for(pairs, X, weights)
    cdef Py_ssize_t n_entries = X.nnz
    cdef const floating* errors = &error[0, 0] if error.shape[0] else NULL
    if buffers.shape[0] < pairs.n_blocks or buffers.shape[1] != n_entries or buffers.shape[2] != 1:
        raise ValueError("buffers must have an entry per block and entry of the rows")
    if pairs.itemsize != sizeof(floating) or error.shape[1] != max(weights.ld_out, 1):
        raise ValueError("lists, errors and output weights must be of the same outputs and dtype")
    if error.shape[0] < (layout.X.n_rows if weights.ld_out else pairs.n_before(pairs.n_blocks)):
        raise ValueError("error must have one row per row, or per entry of the lists")
    weights.check_fits(pairs.n_neurons, sizeof(floating), False)
    if n_entries == 0:
        return
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        memset(&buffers[block, 0, 0], 0, n_entries * sizeof(floating))
        status += _backward_block(pairs, block, layout, weights, errors, &buffers[block, 0, 0])
    if status:
        raise MemoryError("no memory for the signals of a batch")
    sum_over_blocks(buffers, pairs.n_blocks, n_entries, n_threads)


cdef int _backward_block(
    PairLists pairs, Py_ssize_t block, Layout layout, PanelWeights weights, const floating* error,
    floating* derivative,         # INOUT (n_entries,)
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Py_ssize_t size = layout.n_features * PANEL
    cdef Py_ssize_t ld_out = weights.ld_out
    cdef floating a = <floating> weights.a, b = <floating> weights.b
    cdef const floating* V = <const floating*> weights.V
    cdef const floating* first = <const floating*> weights.first
    cdef const floating* start_p
    cdef const floating* second_p
    cdef Tile tile
    if make_tile(&tile, layout.X.n_rows, ld_out, 0, sizeof(floating)) < 0:
        return -1
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        clear_tile(&tile, sizeof(floating))
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r < last:
                spread_signals(pairs, block, r, k, error, V + r * ld_out, &tile, <floating*> tile.grad_v)
        start_p = <const floating*> weights.base + p * layout.n_features * layout.n_start if weights.base else NULL
        second_p = <const floating*> weights.second + p * size if weights.second else NULL
        if floating is float:
            panel_backward_f32(layout.X, <float*> tile.signals, start_p, layout.n_start, first + p * size, a,
                               second_p, b, derivative)
        else:
            panel_backward_f64(layout.X, <double*> tile.signals, start_p, layout.n_start, first + p * size, a,
                               second_p, b, derivative)
    free_tile(&tile)
    return 0
