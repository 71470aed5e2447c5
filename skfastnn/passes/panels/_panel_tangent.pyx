# Products with the Jacobian of the network for sparse rows, panel by panel; see _tangent.pyx for what they are.
#
# Problem     J' u, J d and J J' u as in _tangent.pyx. X' times the signals of 64 neurons, and X times the change of
#             their weights, are the loops of the update and of the forward pass: an entry costs a few
#             vectors.
# Layout      Panels, rows and order as in _panel_layer.pyx; lists with activations; u and outputs (n_rows, ld_out).
# Invariants  Output buffers are added in block order; a panel of J' u is written by one thread. Results do not depend
#             on the number of threads.
# Cost        2 n_entries * 64 multiplications a panel for J J' u, whatever fires, and 3 ld_out a firing pair. What
#             J' u gives for a panel, n_features * 64 numbers, stays in the caches.
# Threads     Blocks of neurons, dynamic.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from skfastnn.passes.shared._by_feature cimport FeatureLists, feature_entries
from skfastnn.passes.shared._pairs cimport PairLists, sum_over_blocks
from skfastnn.passes.panels._panel_layer cimport SPARE, TILE_LD, Layout, layout_of, spread_signals
from skfastnn.passes.panels._panel_weights cimport PANEL, require_panels
from skfastnn.passes.shared._shapes cimport require, require_outputs
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "tangent_kernels.h":
    void changed_output_f32(
        const int32_t*, const float*, Py_ssize_t, const float*, int32_t, const float*, const float*, Py_ssize_t,
        float*, float*) noexcept nogil
    void changed_output_f64(
        const int32_t*, const double*, Py_ssize_t, const double*, int32_t, const double*, const double*, Py_ssize_t,
        double*, double*) noexcept nogil

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

# what a thread works in, one allocation
cdef struct Scratch:
    uint8_t* used                 # (n_rows,) vectors of a row that hold signals
    void* tile                    # (n_rows, 64) signals, then changes of pre-activations
    void* column                  # (n_rows + SPARE,) those of one neuron; spread_signals wants it behind the tile
    void* change_c                # (64,)
    void* change_v                # (64, ld_out)
    void* change_w                # (n_features, 64)


def panel_gram_product(
    PairLists pairs,                        # IN    firing pairs with activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[::1] data,               # IN    (n_entries,) X.data
    const int32_t[::1] order,               # IN    (64,) neuron of a column
    const floating[:, ::1] V,               # IN    (n_neurons, ld_out)
    const floating[:, ::1] u,               # IN    (n_rows, ld_out)
    bint with_output,                       # IN    whether the output weights take part
    floating[:, :, ::1] buffers,            # OUT   (n_blocks, n_rows, ld_out), the product in buffers[0]
    int n_threads,
):
    """Compute ``J J' u`` without the factor s squared."""
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Py_ssize_t n_panels = (pairs.n_neurons + PANEL - 1) // PANEL
    cdef Layout layout = layout_of(pairs, X, data.shape[0], n_panels, X.shape[1], 0, order)
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    _check(pairs, sizeof(floating), layout.X.n_rows, V.shape[0], V.shape[1], buffers.shape[0], buffers.shape[1],
           buffers.shape[2])
    if u.shape[0] < layout.X.n_rows or u.shape[1] != V.shape[1]:
        raise ValueError("u does not fit the rows and V")
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _gram_block(pairs, block, layout, data_start, &V[0, 0], V.shape[1], &u[0, 0], with_output,
                              &buffers[block, 0, 0])
    if status:
        raise MemoryError("no memory for the scratch of the product")
    sum_over_blocks(buffers, pairs.n_blocks, layout.X.n_rows, n_threads)


def panel_jacobian_product(
    PairLists pairs,                        # IN    firing pairs with activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[::1] data,               # IN    (n_entries,) X.data
    const int32_t[::1] order,               # IN    (64,) neuron of a column
    const floating[:, ::1] V,               # IN    (n_neurons, ld_out)
    const floating[:, :, ::1] change_w,     # IN    (n_panels, n_features, 64)
    const floating[:, ::1] change_c,        # IN    (n_neurons, 1)
    const floating[:, ::1] change_v,        # IN    (n_neurons, ld_out)
    floating[:, :, ::1] buffers,            # OUT   (n_blocks, n_rows, ld_out), the product in buffers[0]
    int n_threads,
):
    """Compute ``J d``, the change of the output to first order, without the factor s."""
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_of(pairs, X, data.shape[0], change_w.shape[0], change_w.shape[1], 0, order)
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    _check(pairs, sizeof(floating), layout.X.n_rows, V.shape[0], V.shape[1], buffers.shape[0], buffers.shape[1],
           buffers.shape[2])
    require_panels("change_w", change_w, change_w)
    require("change_c", change_c.shape[0], change_c.shape[1], pairs.n_neurons, 1)
    require("change_v", change_v.shape[0], change_v.shape[1], pairs.n_neurons, V.shape[1])
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _jacobian_block(pairs, block, layout, data_start, &V[0, 0], V.shape[1], &change_w[0, 0, 0],
                                  &change_c[0, 0], &change_v[0, 0], &buffers[block, 0, 0])
    if status:
        raise MemoryError("no memory for the scratch of the product")
    sum_over_blocks(buffers, pairs.n_blocks, layout.X.n_rows, n_threads)


def panel_jacobian_transpose_product(
    PairLists pairs,                        # IN    firing pairs with activations
    FeatureLists X,                         # IN    rows (n_rows, n_features)
    const floating[::1] data,               # IN    (n_entries,) X.data
    const int32_t[::1] order,               # IN    (64,) neuron of a column
    const floating[:, ::1] V,               # IN    (n_neurons, ld_out)
    const floating[:, ::1] u,               # IN    (n_rows, ld_out)
    floating[:, :, ::1] change_w,           # OUT   (n_panels, n_features, 64)
    floating[:, ::1] change_c,              # OUT   (n_neurons, 1)
    floating[:, ::1] change_v,              # OUT   (n_neurons, ld_out)
    int n_threads,
):
    """Compute ``J' u`` without the factor s; silent neurons get zeros."""
    cdef Py_ssize_t block
    cdef int status = 0
    cdef Layout layout = layout_of(pairs, X, data.shape[0], change_w.shape[0], change_w.shape[1], 0, order)
    cdef const floating* data_start = &data[0] if data.shape[0] else NULL
    _check(pairs, sizeof(floating), layout.X.n_rows, V.shape[0], V.shape[1], pairs.n_blocks, u.shape[0], u.shape[1])
    require_panels("change_w", change_w, change_w)
    require("change_c", change_c.shape[0], change_c.shape[1], pairs.n_neurons, 1)
    require("change_v", change_v.shape[0], change_v.shape[1], pairs.n_neurons, V.shape[1])
    for block in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(layout.work, n_threads),
                        schedule="dynamic", chunksize=1):
        status += _transpose_block(pairs, block, layout, data_start, &V[0, 0], V.shape[1], &u[0, 0],
                                   &change_w[0, 0, 0], &change_c[0, 0], &change_v[0, 0])
    if status:
        raise MemoryError("no memory for the scratch of the product")


cdef _check(PairLists pairs, itemsize, n_rows, n_neurons, ld_out, n_blocks, n_rows_given, ld_out_given):
    if pairs.itemsize != itemsize or pairs.n_neurons != n_neurons:
        raise ValueError("pairs must hold activations of V's dtype for the neurons of V")
    require_outputs("V", n_neurons, ld_out, n_neurons, itemsize)
    if ld_out == 0 or n_rows == 0 or n_blocks < pairs.n_blocks or n_rows_given < n_rows or ld_out_given != ld_out:
        raise ValueError("u or buffers do not fit the lists, the rows and V")


cdef int _allocate(
    Scratch* scratch, Py_ssize_t n_rows, Py_ssize_t ld_out, Py_ssize_t n_features, Py_ssize_t itemsize,
) noexcept nogil:
    """Return -1 when memory is short."""
    cdef char* numbers = <char*> malloc(
        (n_rows * (TILE_LD + 1) + SPARE + (1 + ld_out + n_features) * PANEL) * itemsize)
    scratch.used = <uint8_t*> malloc(n_rows + 1)
    scratch.tile = numbers
    if numbers == NULL or scratch.used == NULL:
        _free(scratch)
        return -1
    scratch.column = numbers + n_rows * TILE_LD * itemsize
    scratch.change_c = <char*> scratch.column + (n_rows + SPARE) * itemsize
    scratch.change_v = <char*> scratch.change_c + PANEL * itemsize
    scratch.change_w = <char*> scratch.change_v + PANEL * ld_out * itemsize
    return 0


cdef void _free(Scratch* scratch) noexcept nogil:
    free(scratch.used)
    free(scratch.tile)


cdef void _transpose_panel(
    PairLists pairs, Py_ssize_t block, Py_ssize_t p, Layout layout, const floating* data, const floating* V,
    Py_ssize_t ld_out, const floating* u, Scratch* scratch,
    floating* change_w,           # OUT   (n_features, 64)
    floating* change_c,           # OUT   (64,) by column
    floating* change_v,           # OUT   (64, ld_out) by column
) noexcept nogil:
    """J' u for a panel."""
    cdef Py_ssize_t k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef floating* tile = <floating*> scratch.tile
    memset(tile, 0, layout.X.n_rows * TILE_LD * sizeof(floating))
    memset(scratch.used, 0, layout.X.n_rows)
    memset(change_w, 0, layout.n_features * PANEL * sizeof(floating))
    for k in range(PANEL):
        r = p * PANEL + layout.order[k]
        change_c[k] = 0
        if r < last:
            change_c[k] = spread_signals(pairs, block, r, k, u, V + r * ld_out, ld_out, layout.X.n_rows, tile,
                                         scratch.used, change_v + k * ld_out)
    if floating is float:
        panel_add_f32(layout.X, data, tile, scratch.used, change_w, 1, NULL, 0)
    else:
        panel_add_f64(layout.X, data, tile, scratch.used, change_w, 1, NULL, 0)


cdef void _forward_panel(
    PairLists pairs, Py_ssize_t block, Py_ssize_t p, Layout layout, const floating* data, const floating* V,
    Py_ssize_t ld_out, Scratch* scratch,
    const floating* change_w,     # IN    (n_features, 64)
    const floating* change_c,     # IN    (64,) by column
    const floating* change_v,     # IN    (64, ld_out) by column
    floating* output,             # INOUT (n_rows, ld_out)
) noexcept nogil:
    """J d for a panel."""
    cdef Py_ssize_t k, r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef floating* tile = <floating*> scratch.tile
    cdef const int32_t* row
    cdef const floating* value
    if floating is float:
        panel_forward_f32(layout.X, data, NULL, PANEL, change_w, 1, NULL, 0, change_c, tile)
    else:
        panel_forward_f64(layout.X, data, NULL, PANEL, change_w, 1, NULL, 0, change_c, tile)
    for k in range(PANEL):
        r = p * PANEL + layout.order[k]
        if r >= last or pairs.count[r] == 0:
            continue
        row = pairs.blocks[block].rows + pairs.start[r]
        value = <floating*> pairs.blocks[block].values + pairs.start[r]
        if floating is float:
            changed_output_f32(row, tile + k, TILE_LD, value, pairs.count[r], V + r * ld_out, change_v + k * ld_out,
                               ld_out, <float*> scratch.column, output)
        else:
            changed_output_f64(row, tile + k, TILE_LD, value, pairs.count[r], V + r * ld_out, change_v + k * ld_out,
                               ld_out, <double*> scratch.column, output)


cdef int _gram_block(
    PairLists pairs, Py_ssize_t block, Layout layout, const floating* data, const floating* V, Py_ssize_t ld_out,
    const floating* u, bint with_output, floating* output,
) noexcept nogil:
    cdef Py_ssize_t p
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Scratch scratch
    cdef floating* change_w
    cdef floating* change_c
    cdef floating* change_v
    if _allocate(&scratch, layout.X.n_rows, ld_out, layout.n_features, sizeof(floating)) < 0:
        return -1
    change_w, change_c, change_v = (
        <floating*> scratch.change_w, <floating*> scratch.change_c, <floating*> scratch.change_v)
    memset(output, 0, layout.X.n_rows * ld_out * sizeof(floating))
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        _transpose_panel(pairs, block, p, layout, data, V, ld_out, u, &scratch, change_w, change_c, change_v)
        if not with_output:
            memset(change_v, 0, PANEL * ld_out * sizeof(floating))
        _forward_panel(pairs, block, p, layout, data, V, ld_out, &scratch, change_w, change_c, change_v, output)
    _free(&scratch)
    return 0


cdef int _jacobian_block(
    PairLists pairs, Py_ssize_t block, Layout layout, const floating* data, const floating* V, Py_ssize_t ld_out,
    const floating* change_w, const floating* change_c, const floating* change_v, floating* output,
) noexcept nogil:
    cdef Py_ssize_t p, k, r, j
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Scratch scratch
    cdef floating* by_column_c
    cdef floating* by_column_v
    if _allocate(&scratch, layout.X.n_rows, ld_out, 0, sizeof(floating)) < 0:
        return -1
    by_column_c, by_column_v = <floating*> scratch.change_c, <floating*> scratch.change_v
    memset(output, 0, layout.X.n_rows * ld_out * sizeof(floating))
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            by_column_c[k] = change_c[r] if r < last else 0
            for j in range(ld_out):
                by_column_v[k * ld_out + j] = change_v[r * ld_out + j] if r < last else 0
        _forward_panel(pairs, block, p, layout, data, V, ld_out, &scratch, change_w + p * layout.n_features * PANEL,
                       by_column_c, by_column_v, output)
    _free(&scratch)
    return 0


cdef int _transpose_block(
    PairLists pairs, Py_ssize_t block, Layout layout, const floating* data, const floating* V, Py_ssize_t ld_out,
    const floating* u, floating* change_w, floating* change_c, floating* change_v,
) noexcept nogil:
    cdef Py_ssize_t p, k, r, j
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef Scratch scratch
    cdef floating* by_column_c
    cdef floating* by_column_v
    if _allocate(&scratch, layout.X.n_rows, ld_out, 0, sizeof(floating)) < 0:
        return -1
    by_column_c, by_column_v = <floating*> scratch.change_c, <floating*> scratch.change_v
    for p in range(block * pairs.block_size // PANEL, (last + PANEL - 1) // PANEL):
        _transpose_panel(pairs, block, p, layout, data, V, ld_out, u, &scratch,
                         change_w + p * layout.n_features * PANEL, by_column_c, by_column_v)
        for k in range(PANEL):
            r = p * PANEL + layout.order[k]
            if r < last:
                change_c[r] = by_column_c[k]
                for j in range(ld_out):
                    change_v[r * ld_out + j] = by_column_v[k * ld_out + j]
    _free(&scratch)
    return 0
