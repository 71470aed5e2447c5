# A layer of a fitted network above the first, for rows of few activations.
#
# Problem     H' = max(H W + c, 0) where most of H is zero, as activations are: products with zeros are left out.
# Layout      H (n_rows, d), W (d, m) as users see it, H' (n_rows, m), all in C order. H is turned by feature once
#             (_by_feature.pyx); then 64 columns of W at a time take the features in order, as panels do.
# Cost        (entries of H other than zero) * m multiplications, of vectors in the cache; W is read once per call.
# Threads     Sixty-four columns belong to one thread; results do not depend on the number of threads.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdlib cimport free, malloc

import numpy as np

from skfastnn.passes.shared._by_feature cimport FeatureLists, feature_entries
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "panel_kernels.h":
    int PANEL
    int TILE_LD
    void columns_forward_f32(
        feature_entries, const float*, const float*, Py_ssize_t, const float*, float*) noexcept nogil
    void columns_forward_f64(
        feature_entries, const double*, const double*, Py_ssize_t, const double*, double*) noexcept nogil


def sparse_layer(
    FeatureLists H,                         # IN    (n_rows, d)
    const floating[::1] data,               # IN    (n_entries,) H.data
    const floating[:, ::1] W,               # IN    (d, m)
    const floating[::1] c,                  # IN    (m,)
    floating[:, ::1] out,                   # OUT   (n_rows, m)
    int n_threads,
):
    """Compute the activations of a layer."""
    cdef Py_ssize_t first
    cdef int status = 0
    cdef Py_ssize_t d = W.shape[0], m = W.shape[1], whole = m // PANEL * PANEL
    if H.shape[1] != d or data.shape[0] != H.nnz or c.shape[0] != m:
        raise ValueError("the arrays of the layer and of the rows do not fit")
    if out.shape[0] != H.shape[0] or out.shape[1] != m:
        raise ValueError("out must have one row per row of H and one column per neuron")
    if H.nnz == 0:
        np.maximum(c, 0, out=np.asarray(out))
        return
    # the last columns, padded to 64
    rest_array = np.zeros((d, PANEL), dtype=np.asarray(W).dtype)
    rest_array[:, :m - whole] = W[:, whole:]
    cdef const floating[:, ::1] rest = rest_array
    cdef double work = .1 * data.shape[0] * m
    for first in prange(0, m, PANEL, nogil=True, num_threads=threads_for(work, n_threads),
                        schedule="dynamic", chunksize=1):
        if first < whole:
            status += _columns(H.lists, &data[0], &W[0, first], m, &c[first], PANEL, &out[0, first], m)
        else:
            status += _columns(H.lists, &data[0], &rest[0, 0], PANEL, &c[first], m - first, &out[0, first], m)
    if status:
        raise MemoryError("no memory for a tile of pre-activations")


cdef int _columns(
    feature_entries H, const floating* data, const floating* W, Py_ssize_t ld, const floating* c, Py_ssize_t width,
    floating* out, Py_ssize_t ld_out,
) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef floating intercept[64]
    cdef floating z
    cdef floating* tile = <floating*> malloc(H.n_rows * TILE_LD * sizeof(floating))
    if tile == NULL:
        return -1
    for k in range(PANEL):
        intercept[k] = c[k] if k < width else 0
    if floating is float:
        columns_forward_f32(H, data, W, ld, intercept, tile)
    else:
        columns_forward_f64(H, data, W, ld, intercept, tile)
    for i in range(H.n_rows):
        for k in range(width):
            z = tile[i * TILE_LD + k]
            # what is not a number stays so
            out[i * ld_out + k] = 0 if z <= 0 else z
    free(tile)
    return 0
