from cython cimport floating
from libc.stdint cimport int32_t, uint8_t

from skfastnn.passes.panels._panel_weights cimport PanelWeights
from skfastnn.passes.shared._by_feature cimport FeatureLists, feature_entries
from skfastnn.passes.shared._pairs cimport PairLists

cdef extern from "panel_kernels.h":
    int TILE_LD
    int SPARE
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

# what the passes share: the rows, the panels, and how columns and neurons go together
cdef struct Layout:
    feature_entries X
    const void* data              # numbers of the entries, of the type of the weights
    Py_ssize_t n_features
    int n_start
    double work                   # nanoseconds to go through all panels once
    const int32_t* order

cdef Layout layout_of(
    PairLists pairs, FeatureLists X, n_panels, n_features, n_start, const int32_t[::1] order,
) except *

cdef Layout layout_for(PairLists pairs, FeatureLists X, PanelWeights weights) except *

# what a thread puts the signals of 64 neurons in; one allocation of numbers, and `used`
cdef struct Tile:
    Py_ssize_t n_rows, ld_out
    uint8_t* used                 # (n_rows,) lines of 64 bytes of a row that hold signals, as bits
    void* signals                 # (n_rows, 64) by row, TILE_LD apart
    void* column                  # (n_rows + SPARE,) those of one neuron
    void* grad_v                  # (ld_out,) gradient of its output weights
    void* more

cdef int make_tile(
    Tile* tile, Py_ssize_t n_rows, Py_ssize_t ld_out, Py_ssize_t n_more, Py_ssize_t itemsize,
) noexcept nogil

cdef void clear_tile(Tile* tile, Py_ssize_t itemsize) noexcept nogil

cdef void free_tile(Tile* tile) noexcept nogil

cdef floating spread_signals(
    PairLists pairs, Py_ssize_t block, Py_ssize_t r, Py_ssize_t column, const floating* error, const floating* v,
    Tile* tile, floating* grad_v,
) noexcept nogil
