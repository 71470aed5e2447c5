# Products with the Jacobian of the network through the lists of firing pairs; the Jacobian itself is never formed.
#
# Problem     f_i = s sum_r h_ir V_r + v. With J the derivative of f by (weights, intercepts, output weights; the
#             intercepts of the output are left to the caller, their part is constant):
#                 (J d)_i  = s sum over r firing on i of  (<d_r, x_i> + dc_r) V_r + h_ir dV_r
#                 (J' u)_r = s sum over i in S_r of       (<V_r, u_i> (x_i, 1), h_ir u_i)
#                 J J' u   = the one after the other, neuron by neuron, without storing J' u.
# Layout      Lists as in _pairs.pyx with activations; X (n_rows, ld), V and dV (n_neurons, ld_out), u and outputs
#             (n_rows, ld_out), rows padded with zeros to 64 bytes. dc is column 0 of (n_neurons, 1).
# Invariants  A block of neurons adds to an output buffer of its own; buffers are summed in block order, so results do
#             not depend on the number of threads. The factor s is the caller's, once per product.
# Cost        2 ld + 3 ld_out multiplications a firing pair for J J' u, half of it for the others; weights of neurons
#             are read once.
# Threads     Blocks of neurons, dynamic.
# Reference   Deng, Hu, Song, Weinstein, Zhuo 2022 (arXiv 2208.04508) for the sparsity; products neuron by neuron ours.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from skfastnn.passes.shared._pairs cimport PairLists, sum_over_blocks
from skfastnn.passes.shared._shapes cimport require, require_outputs, require_vectors
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "tangent_kernels.h":
    int SPARE
    void tangent_neuron_f32(
        const float*, Py_ssize_t, Py_ssize_t, const int32_t*, const float*, int32_t, const float*, float,
        const float*, const float*, Py_ssize_t, float*, float*) noexcept nogil
    void tangent_neuron_f64(
        const double*, Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, double,
        const double*, const double*, Py_ssize_t, double*, double*) noexcept nogil
    float cotangent_neuron_f32(
        const float*, Py_ssize_t, Py_ssize_t, const int32_t*, const float*, int32_t, const float*, const float*,
        Py_ssize_t, float*, float*, float*) noexcept nogil
    double cotangent_neuron_f64(
        const double*, Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, const double*,
        Py_ssize_t, double*, double*, double*) noexcept nogil
    void gram_neuron_f32(
        const float*, Py_ssize_t, Py_ssize_t, const int32_t*, const float*, int32_t, const float*, const float*,
        Py_ssize_t, int, float*, float*) noexcept nogil
    void gram_neuron_f64(
        const double*, Py_ssize_t, Py_ssize_t, const int32_t*, const double*, int32_t, const double*, const double*,
        Py_ssize_t, int, double*, double*) noexcept nogil


def jacobian_product(
    PairLists pairs,                    # IN    firing pairs with activations
    const floating[:, ::1] X,           # IN    (n_rows, ld)
    const floating[:, ::1] V,           # IN    (n_neurons, ld_out)
    const floating[:, ::1] change_w,    # IN    (n_neurons, ld)
    const floating[:, ::1] change_c,    # IN    (n_neurons, 1)
    const floating[:, ::1] change_v,    # IN    (n_neurons, ld_out)
    floating[:, :, ::1] buffers,        # OUT   (n_blocks, n_rows, ld_out), the product in buffers[0]
    int n_threads,
):
    """Compute ``J d``, the change of the output to first order, without the factor s."""
    cdef Py_ssize_t b
    cdef int status = 0
    _check(pairs, sizeof(floating), X.shape[0], X.shape[1], V.shape[0], V.shape[1], buffers.shape[0],
           buffers.shape[1], buffers.shape[2])
    require("change_w", change_w.shape[0], change_w.shape[1], pairs.n_neurons, X.shape[1])
    require("change_c", change_c.shape[0], change_c.shape[1], pairs.n_neurons, 1)
    require("change_v", change_v.shape[0], change_v.shape[1], pairs.n_neurons, V.shape[1])
    cdef double work = _work(pairs, X.shape[1], V.shape[1])
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _jacobian_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &V[0, 0], V.shape[1], &change_w[0, 0],
                                  &change_c[0, 0], &change_v[0, 0], &buffers[b, 0, 0])
    if status:
        raise MemoryError("no memory for the scratch of the product")
    sum_over_blocks(buffers, pairs.n_blocks, X.shape[0], n_threads)


def jacobian_transpose_product(
    PairLists pairs,                    # IN    firing pairs with activations
    const floating[:, ::1] X,           # IN    (n_rows, ld)
    const floating[:, ::1] V,           # IN    (n_neurons, ld_out)
    const floating[:, ::1] u,           # IN    (n_rows, ld_out)
    floating[:, ::1] change_w,          # OUT   (n_neurons, ld)
    floating[:, ::1] change_c,          # OUT   (n_neurons, 1)
    floating[:, ::1] change_v,          # OUT   (n_neurons, ld_out)
    int n_threads,
):
    """Compute ``J' u`` without the factor s; silent neurons get zeros."""
    cdef Py_ssize_t b
    cdef int status = 0
    _check(pairs, sizeof(floating), X.shape[0], X.shape[1], V.shape[0], V.shape[1], pairs.n_blocks, u.shape[0],
           u.shape[1])
    require("change_w", change_w.shape[0], change_w.shape[1], pairs.n_neurons, X.shape[1])
    require("change_c", change_c.shape[0], change_c.shape[1], pairs.n_neurons, 1)
    require("change_v", change_v.shape[0], change_v.shape[1], pairs.n_neurons, V.shape[1])
    cdef double work = _work(pairs, X.shape[1], V.shape[1])
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _transpose_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &V[0, 0], V.shape[1], &u[0, 0],
                                   &change_w[0, 0], &change_c[0, 0], &change_v[0, 0])
    if status:
        raise MemoryError("no memory for the scratch of the product")


def gram_product(
    PairLists pairs,                    # IN    firing pairs with activations
    const floating[:, ::1] X,           # IN    (n_rows, ld)
    const floating[:, ::1] V,           # IN    (n_neurons, ld_out)
    const floating[:, ::1] u,           # IN    (n_rows, ld_out)
    bint with_output,                   # IN    whether the output weights take part
    floating[:, :, ::1] buffers,        # OUT   (n_blocks, n_rows, ld_out), the product in buffers[0]
    int n_threads,
):
    """Compute ``J J' u`` without the factor s squared."""
    cdef Py_ssize_t b
    cdef int status = 0
    _check(pairs, sizeof(floating), X.shape[0], X.shape[1], V.shape[0], V.shape[1], buffers.shape[0],
           buffers.shape[1], buffers.shape[2])
    if u.shape[0] < X.shape[0] or u.shape[1] != V.shape[1]:
        raise ValueError("u does not fit X and V")
    cdef double work = _work(pairs, X.shape[1], V.shape[1])
    for b in prange(pairs.n_blocks, nogil=True, num_threads=threads_for(work, n_threads), schedule="dynamic",
                    chunksize=1):
        status += _gram_block(pairs, b, &X[0, 0], X.shape[0], X.shape[1], &V[0, 0], V.shape[1], &u[0, 0], with_output,
                              &buffers[b, 0, 0])
    if status:
        raise MemoryError("no memory for the scratch of the product")
    sum_over_blocks(buffers, pairs.n_blocks, X.shape[0], n_threads)


cdef _check(PairLists pairs, itemsize, n_rows, ld, n_neurons, ld_out, n_blocks, n_rows_given, ld_out_given):
    if pairs.itemsize != itemsize or pairs.n_neurons != n_neurons:
        raise ValueError("pairs must hold activations of V's dtype for the neurons of V")
    require_vectors(ld, itemsize)
    require_outputs("V", n_neurons, ld_out, n_neurons, itemsize)
    if n_rows == 0 or ld_out == 0 or n_blocks < pairs.n_blocks or n_rows_given < n_rows or ld_out_given != ld_out:
        raise ValueError("u or buffers do not fit the lists, the rows and V")


cdef double _work(PairLists pairs, Py_ssize_t ld, Py_ssize_t ld_out) noexcept nogil:
    """Return about how many nanoseconds a product takes."""
    return .2 * pairs.n_before(pairs.n_blocks) * (ld + ld_out)


cdef int _jacobian_block(
    PairLists pairs, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* V,
    Py_ssize_t ld_out, const floating* change_w, const floating* change_c, const floating* change_v, floating* output,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    memset(output, 0, n_rows * ld_out * sizeof(floating))
    for r in range(block * pairs.block_size, last):
        if pairs.count[r] == 0:
            continue
        row = pairs.blocks[block].rows + pairs.start[r]
        value = <floating*> pairs.blocks[block].values + pairs.start[r]
        if floating is float:
            tangent_neuron_f32(X, ld, ld, row, value, pairs.count[r], change_w + r * ld, change_c[r], V + r * ld_out,
                               change_v + r * ld_out, ld_out, scratch, output)
        else:
            tangent_neuron_f64(X, ld, ld, row, value, pairs.count[r], change_w + r * ld, change_c[r], V + r * ld_out,
                               change_v + r * ld_out, ld_out, scratch, output)
    free(scratch)
    return 0


cdef int _transpose_block(
    PairLists pairs, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* V,
    Py_ssize_t ld_out, const floating* u, floating* change_w, floating* change_c, floating* change_v,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    for r in range(block * pairs.block_size, last):
        row = pairs.blocks[block].rows + pairs.start[r]
        value = <floating*> pairs.blocks[block].values + pairs.start[r]
        if floating is float:
            change_c[r] = cotangent_neuron_f32(X, ld, ld, row, value, pairs.count[r], u, V + r * ld_out, ld_out,
                                               scratch, change_w + r * ld, change_v + r * ld_out)
        else:
            change_c[r] = cotangent_neuron_f64(X, ld, ld, row, value, pairs.count[r], u, V + r * ld_out, ld_out,
                                               scratch, change_w + r * ld, change_v + r * ld_out)
    free(scratch)
    return 0


cdef int _gram_block(
    PairLists pairs, Py_ssize_t block, const floating* X, Py_ssize_t n_rows, Py_ssize_t ld, const floating* V,
    Py_ssize_t ld_out, const floating* u, bint with_output, floating* output,
) noexcept nogil:
    cdef Py_ssize_t r
    cdef Py_ssize_t last = min((block + 1) * pairs.block_size, pairs.n_neurons)
    cdef const int32_t* row
    cdef const floating* value
    cdef floating* scratch = <floating*> malloc((ld + ld_out + n_rows + SPARE) * sizeof(floating))
    if scratch == NULL:
        return -1
    memset(output, 0, n_rows * ld_out * sizeof(floating))
    for r in range(block * pairs.block_size, last):
        if pairs.count[r] == 0:
            continue
        row = pairs.blocks[block].rows + pairs.start[r]
        value = <floating*> pairs.blocks[block].values + pairs.start[r]
        if floating is float:
            gram_neuron_f32(X, ld, ld, row, value, pairs.count[r], u, V + r * ld_out, ld_out, with_output, scratch,
                            output)
        else:
            gram_neuron_f64(X, ld, ld, row, value, pairs.count[r], u, V + r * ld_out, ld_out, with_output, scratch,
                            output)
    free(scratch)
    return 0
