from cython cimport floating
from libc.stdint cimport int32_t, uint8_t

from skfastnn.passes.panels._panel_weights cimport PanelWeights
from skfastnn.passes.shared._by_feature cimport FeatureLists, feature_entries
from skfastnn.passes.shared._pairs cimport PairLists

cdef extern from "panel_kernels.h":
    int TILE_LD
    int SPARE

# what the passes share: the rows, the panels, and how columns and neurons go together
cdef struct Layout:
    feature_entries X
    Py_ssize_t n_features
    int n_start
    double work                   # nanoseconds to go through all panels once
    const int32_t* order

cdef Layout layout_of(
    PairLists pairs, FeatureLists X, n_panels, n_features, n_start, const int32_t[::1] order,
) except *

cdef Layout layout_for(PairLists pairs, FeatureLists X, PanelWeights weights) except *

cdef floating spread_signals(
    PairLists pairs, Py_ssize_t block, Py_ssize_t r, Py_ssize_t column, const floating* error, const floating* v,
    Py_ssize_t ld_out, Py_ssize_t n_rows, floating* scratch, uint8_t* used, floating* grad_v,
) noexcept nogil
