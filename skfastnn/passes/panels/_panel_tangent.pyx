# Products with the Jacobian of the network for sparse rows; see shared/_jacobian.pyx for what they are.
#
# Problem     X' times the signals of 64 neurons, and X times the change of their weights, are the loops of the update
#             and of the forward pass: an entry costs a few vectors.
# Layout      Panels, rows and order as in _panel_layer.pyx; changes of the weights (n_panels, n_features, 64).
# Invariants  A panel of J' u is written by one thread.
# Cost        2 n_entries * 64 multiplications a panel for J J' u, whatever fires, and 3 ld_out a firing pair. What
#             J' u gives for a panel, n_features * 64 numbers, stays in the caches.

from cython cimport floating
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from skfastnn.passes.panels._panel_layer cimport (
    TILE_LD,
    Layout,
    Tile,
    clear_tile,
    free_tile,
    layout_of,
    make_tile,
    panel_add_f32,
    panel_add_f64,
    panel_forward_f32,
    panel_forward_f64,
    spread_signals,
)
from skfastnn.passes.panels._panel_weights cimport PANEL, require_order
from skfastnn.passes.shared._by_feature cimport FeatureLists
from skfastnn.passes.shared._jacobian cimport GRAM, TIMES, TRANSPOSED, Change, Jacobian, product
from skfastnn.passes.shared._pairs cimport PairLists

cdef extern from "tangent_kernels.h":
    void changed_output_f32(
        const int32_t*, const float*, Py_ssize_t, const float*, int32_t, const float*, const float*, Py_ssize_t,
        float*, float*) noexcept nogil
    void changed_output_f64(
        const int32_t*, const double*, Py_ssize_t, const double*, int32_t, const double*, const double*, Py_ssize_t,
        double*, double*) noexcept nogil

# what a thread works in: signals, then changes of pre-activations; and changes of parameters by column, behind the tile
cdef struct Scratch:
    Tile tile
    void* change_c                # (64,)
    void* change_v                # (64, ld_out)
    void* change_w                # (n_features, 64)


cdef class PanelJacobian(Jacobian):
    """The Jacobian of a network whose rows have few entries.

    Parameters
    ----------
    pairs : PairLists
        Firing pairs with activations.
    X : FeatureLists
    order : ndarray of shape (64,), int32
        Neuron of a column.
    V, u, buffers : ndarray
        See `DenseJacobian`.

    Raises
    ------
    ValueError
        If lists and arrays do not fit each other.
    """

    cdef FeatureLists X
    cdef Layout layout
    cdef const int32_t[::1] order

    def __init__(self, PairLists pairs, FeatureLists X, const int32_t[::1] order, V, u, buffers):
        cdef Py_ssize_t n_panels = (pairs.n_neurons + PANEL - 1) // PANEL
        require_order(order)
        self.layout = layout_of(pairs, X, n_panels, X.shape[1], 0, order)
        self.set_up(pairs, V, u, buffers, X.shape[0], (n_panels, X.shape[1], PANEL))
        self.X, self.order, self.work = X, order, self.layout.work

    cdef int block(
        self, product which, Py_ssize_t block, Change change, bint with_output, char* output,
    ) noexcept nogil:
        if self.itemsize == 4:
            return _block(self, which, block, change, with_output, <float*> output)
        return _block(self, which, block, change, with_output, <double*> output)


cdef int _allocate(PanelJacobian of, Scratch* scratch, Py_ssize_t n_features) noexcept nogil:
    """Return -1 when memory is short."""
    cdef Py_ssize_t n_more = (1 + of.ld_out + n_features) * PANEL
    if make_tile(&scratch.tile, of.n_rows, of.ld_out, n_more, of.itemsize) < 0:
        return -1
    scratch.change_c = scratch.tile.more
    scratch.change_v = <char*> scratch.change_c + PANEL * of.itemsize
    scratch.change_w = <char*> scratch.change_v + PANEL * of.ld_out * of.itemsize
    return 0


cdef void _transposed_panel(
    PanelJacobian of, Py_ssize_t block, Py_ssize_t p, Scratch* scratch,
    floating* change_w,           # OUT   (n_features, 64); the others by column in scratch
) noexcept nogil:
    """J' u for a panel."""
    cdef Py_ssize_t k, r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef Py_ssize_t ld_out = of.ld_out
    cdef const floating* data = <const floating*> of.layout.data
    cdef const floating* V = <const floating*> of.V
    cdef floating* tile = <floating*> scratch.tile.signals
    cdef floating* change_c = <floating*> scratch.change_c
    cdef floating* change_v = <floating*> scratch.change_v
    clear_tile(&scratch.tile, sizeof(floating))
    memset(change_w, 0, of.layout.n_features * PANEL * sizeof(floating))
    for k in range(PANEL):
        r = p * PANEL + of.layout.order[k]
        change_c[k] = 0
        if r < last:
            change_c[k] = spread_signals(of.pairs, block, r, k, <const floating*> of.u, V + r * ld_out, &scratch.tile,
                                         change_v + k * ld_out)
    if floating is float:
        panel_add_f32(of.layout.X, data, tile, scratch.tile.used, change_w, 1, NULL, 0)
    else:
        panel_add_f64(of.layout.X, data, tile, scratch.tile.used, change_w, 1, NULL, 0)


cdef void _times_panel(
    PanelJacobian of, Py_ssize_t block, Py_ssize_t p, Scratch* scratch,
    const floating* change_w,     # IN    (n_features, 64); the others by column in scratch
    floating* output,             # INOUT (n_rows, ld_out)
) noexcept nogil:
    """J d for a panel."""
    cdef Py_ssize_t k, r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef Py_ssize_t ld_out = of.ld_out
    cdef const floating* data = <const floating*> of.layout.data
    cdef const floating* V = <const floating*> of.V
    cdef floating* tile = <floating*> scratch.tile.signals
    cdef floating* change_c = <floating*> scratch.change_c
    cdef floating* change_v = <floating*> scratch.change_v
    cdef const int32_t* row
    cdef const floating* value
    if floating is float:
        panel_forward_f32(of.layout.X, data, NULL, PANEL, change_w, 1, NULL, 0, change_c, tile)
    else:
        panel_forward_f64(of.layout.X, data, NULL, PANEL, change_w, 1, NULL, 0, change_c, tile)
    for k in range(PANEL):
        r = p * PANEL + of.layout.order[k]
        if r >= last or of.pairs.count[r] == 0:
            continue
        row = of.pairs.blocks[block].rows + of.pairs.start[r]
        value = <floating*> of.pairs.blocks[block].values + of.pairs.start[r]
        if floating is float:
            changed_output_f32(row, tile + k, TILE_LD, value, of.pairs.count[r], V + r * ld_out, change_v + k * ld_out,
                               ld_out, <float*> scratch.tile.column, output)
        else:
            changed_output_f64(row, tile + k, TILE_LD, value, of.pairs.count[r], V + r * ld_out, change_v + k * ld_out,
                               ld_out, <double*> scratch.tile.column, output)


cdef int _block(
    PanelJacobian of, product which, Py_ssize_t block, Change change, bint with_output, floating* output,
) noexcept nogil:
    cdef Py_ssize_t p, k, r
    cdef Py_ssize_t last = min((block + 1) * of.pairs.block_size, of.pairs.n_neurons)
    cdef Py_ssize_t width = of.ld_out * sizeof(floating)
    cdef floating* change_w
    cdef Scratch scratch
    if _allocate(of, &scratch, of.layout.n_features if which == GRAM else 0) < 0:
        return -1
    if which != TRANSPOSED:
        memset(output, 0, of.n_rows * width)
    for p in range(block * of.pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        change_w = <floating*> scratch.change_w
        if which != GRAM:
            change_w = <floating*> change.W + p * of.layout.n_features * PANEL
        if which != TIMES:
            _transposed_panel(of, block, p, &scratch, change_w)
        else:  # those of neurons that are not there are multiplied, and not looked at
            memset(scratch.change_c, 0, PANEL * sizeof(floating))
        if which == GRAM and not with_output:
            memset(scratch.change_v, 0, PANEL * width)
        for k in range(PANEL if which != GRAM else 0):
            r = p * PANEL + of.layout.order[k]
            if r < last and which == TIMES:
                (<floating*> scratch.change_c)[k] = (<floating*> change.c)[r]
                memcpy(<char*> scratch.change_v + k * width, change.V + r * width, width)
            elif r < last:
                (<floating*> change.c)[r] = (<floating*> scratch.change_c)[k]
                memcpy(change.V + r * width, <char*> scratch.change_v + k * width, width)
        if which != TRANSPOSED:
            _times_panel(of, block, p, &scratch, change_w, output)
    free_tile(&scratch.tile)
    return 0
