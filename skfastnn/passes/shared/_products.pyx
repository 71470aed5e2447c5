# Products of the search and of the dense passes: rows with the weights of a group of neurons, weights with a few
# directions, tiles of all rows with all weights.
#
# Problem     The tree needs inner products of everything with little: all rows with 64 neurons, a group of neurons with
#             32 directions. Libraries of linear algebra are made for large matrices, and do not know every processor.
#             Where everything meets everything, `_dense_forward.pyx` packs the rows of a batch and `_dense_output.pyx`
#             a part of the weights, whose columns are the neurons (`pack_columns`). They ask `products_pay`, and leave
#             rows beyond LONGEST to the BLAS; `wide_products` tells the choice of an engine what to expect.
# Layout      Rows padded to whole vectors, except with `pack_columns`, which takes any. The smaller side is packed in
#             panels, see product_kernels.h; `width` is its size in whole panels.
# Cost        A multiplication a number; packing copies the smaller side once.
# Threads     `multiply_groups`: groups. The others are called from the threads of their callers.

from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from skfastnn.passes.shared._blas cimport gemm_nt
from skfastnn.passes.shared._worth cimport threads_for

cdef extern from "product_kernels.h":
    const int SKFASTNN_INSTRUCTIONS
    void pack_panel_f32(const float*, Py_ssize_t, Py_ssize_t, int, float*) noexcept nogil
    void pack_panel_f64(const double*, Py_ssize_t, Py_ssize_t, int, double*) noexcept nogil
    void panel_products_f32(
        const float*, Py_ssize_t, Py_ssize_t, const float*, float*, Py_ssize_t) noexcept nogil
    void panel_products_f64(
        const double*, Py_ssize_t, Py_ssize_t, const double*, double*, Py_ssize_t) noexcept nogil


# Numbers in a row beyond which its panels would not stay in the second-level cache.
cdef Py_ssize_t LONGEST = 2048


def compiled_instructions():
    """Return the most that the kernels are compiled for, as the build option `instructions` has it."""
    return ("baseline", "avx2", "all")[SKFASTNN_INSTRUCTIONS]


def wide_products():
    """Return whether this processor has the vectors that the kernels are written for."""
    return bool(have_products())


cdef void pack_panels(
    const floating* W,            # IN    (n_weights, ld)
    Py_ssize_t n_weights,
    Py_ssize_t width,
    Py_ssize_t ld,
    floating* panels,             # OUT   (width * ld,); what is behind n_weights is zero
) noexcept nogil:
    cdef Py_ssize_t p, k
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    for p in range(width // panel):
        k = p * panel
        if floating is float:
            pack_panel_f32(W + k * ld, ld, ld, <int> (n_weights - k), panels + k * ld)
        else:
            pack_panel_f64(W + k * ld, ld, ld, <int> (n_weights - k), panels + k * ld)


cdef bint products_pay(Py_ssize_t length) noexcept nogil:
    """Return whether to multiply rows of this length here; those of longer ones leave the cache, and want blocks."""
    return have_products() and length <= LONGEST


cdef void pack_columns(
    const floating* W,            # IN    (d, n_columns), rows ld apart
    Py_ssize_t d,
    Py_ssize_t ld,
    Py_ssize_t n_columns,
    floating* panels,             # OUT   (whole panels of columns * d,); what is behind n_columns is zero
) noexcept nogil:
    cdef Py_ssize_t p, k, count
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    cdef floating* to
    for p in range((n_columns + panel - 1) // panel):
        count = min(panel, n_columns - p * panel)
        for k in range(d):
            to = panels + (p * d + k) * panel
            memcpy(to, W + k * ld + p * panel, count * sizeof(floating))
            if count < panel:
                memset(to + count, 0, (panel - count) * sizeof(floating))


cdef void multiply_panels(
    const floating* X,            # IN    (n_rows, ld)
    Py_ssize_t n_rows,
    Py_ssize_t ld,
    const floating* panels,       # IN    (width * ld,)
    Py_ssize_t width,
    floating* products,           # OUT   whole blocks of ROWS_AT_ONCE rows, ld_products apart
    Py_ssize_t ld_products,
    floating* rest,               # OUT   (ROWS_AT_ONCE, ld) scratch
) noexcept nogil:
    cdef Py_ssize_t b, i, p, k
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    cdef const floating* rows
    for b in range((n_rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE):
        i = b * ROWS_AT_ONCE
        rows = X + i * ld
        if n_rows - i < ROWS_AT_ONCE:
            # rows that are too few are copied, with zeros behind: whatever lies there may be denormal numbers, with
            # which products take ten times as long
            memcpy(rest, rows, (n_rows - i) * ld * sizeof(floating))
            memset(rest + (n_rows - i) * ld, 0, (ROWS_AT_ONCE - n_rows + i) * ld * sizeof(floating))
            rows = rest
        for p in range(width // panel):
            k = p * panel
            if floating is float:
                panel_products_f32(rows, ld, ld, panels + k * ld, products + i * ld_products + k, ld_products)
            else:
                panel_products_f64(rows, ld, ld, panels + k * ld, products + i * ld_products + k, ld_products)


def multiply_groups(
    const floating[:, ::1] A,     # IN    (p, ld)
    const int64_t[::1] groups,    # IN    (n,) which groups of consecutive rows of A
    Py_ssize_t size,              # IN    of a group; the last of A may have fewer rows
    const floating[:, ::1] B,     # IN    (r, ld)
    floating[:, ::1] out,         # OUT   (n * size, r)
    int n_threads,
):
    """Compute ``A[group] @ B.T`` for some groups of rows, one below the other; call it while BLAS has one thread.

    Parameters
    ----------
    A, groups, size, B, out
        As commented; ld must be a number of whole vectors of 64 bytes.
    n_threads : int

    Raises
    ------
    ValueError
        If shapes do not fit, or A has no such group.
    MemoryError
        If there is none for the scratch.
    """
    cdef Py_ssize_t i
    cdef int status = 0
    cdef Py_ssize_t r = B.shape[0], ld = A.shape[1]
    cdef Py_ssize_t panel = PANEL_VECTORS * 64 // sizeof(floating)
    cdef Py_ssize_t width = (r + panel - 1) // panel * panel
    if B.shape[1] != ld or ld % (64 // sizeof(floating)):
        raise ValueError("A and B must have rows of the same length, of whole vectors")
    if out.shape[0] != groups.shape[0] * size or out.shape[1] != r:
        raise ValueError("out must have a row for each of the groups, and a column for each of B")
    for i in range(groups.shape[0]):
        if groups[i] < 0 or groups[i] * size >= A.shape[0]:
            raise ValueError("A has no group %d" % groups[i])
    if groups.shape[0] == 0 or r == 0:
        return
    # vectors of the panels must not cross cache lines
    cdef floating* scratch = <floating*> malloc(width * ld * sizeof(floating) + 64)
    cdef floating* panels = <floating*> (((<size_t> scratch) + 63) // 64 * 64)
    if scratch == NULL:
        raise MemoryError("no memory for the scratch of a product")
    if have_products():
        pack_panels(&B[0, 0], r, width, ld, panels)
    cdef double work = .006 * sizeof(floating) * out.shape[0] * r * ld
    for i in prange(groups.shape[0], nogil=True, num_threads=threads_for(work, n_threads), schedule="static"):
        status += _multiply_group(&A[groups[i] * size, 0], min(size, A.shape[0] - groups[i] * size), ld, &B[0, 0],
                                  panels, width, &out[i * size, 0], r)
    free(scratch)
    if status:
        raise MemoryError("no memory for the scratch of a product")


cdef int _multiply_group(
    const floating* A, Py_ssize_t n_rows, Py_ssize_t ld, const floating* B, const floating* panels, Py_ssize_t width,
    floating* out, Py_ssize_t r,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef Py_ssize_t whole = (n_rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE * ROWS_AT_ONCE
    cdef floating* products
    if not have_products():
        gemm_nt(n_rows, r, ld, A, ld, B, ld, out, r)
        return 0
    products = <floating*> malloc((whole * width + ROWS_AT_ONCE * ld) * sizeof(floating))
    if products == NULL:
        return -1
    multiply_panels(A, n_rows, ld, panels, width, products, width, products + whole * width)
    for i in range(n_rows):
        memcpy(out + i * r, products + i * width, r * sizeof(floating))
    free(products)
    return 0
