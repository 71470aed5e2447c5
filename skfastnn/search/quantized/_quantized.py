"""Quantized search: bytes say of most pairs that they do not fire, and the others are computed."""

import numpy as np

from skfastnn.search import _costs as ns
from skfastnn.search._engine import ExactSearch, registered
from skfastnn.search.quantized._quantized_forward import (
    MAX_FEATURES,
    RowsInBytes,
    byte_gain,
    byte_products,
    quantized_forward,
    rows_to_bytes,
)

# Rows written in bytes at a time, and rows that say in which step, and around which point.
TILE_ROWS = 1020
# What rounding takes from a normal draw: per weight, and at most.
TYPICAL_ERROR, TYPICAL_LARGEST = 0.0075, 0.013


@registered
class QuantizedSearch(ExactSearch):
    """A scan over rows and weights in bytes, with a certified bound on what rounding hides.

    Notes
    -----
    Rows are written around the point that loses less, their mean or the origin of the data: bytes hold images of 256
    shades without any error. Weights are written anew for each batch.

    References
    ----------
    Weber, Schek, Blott, "A quantitative analysis and performance study for similarity-search methods in
    high-dimensional spaces", VLDB 1998.
    """

    name = "quantized"

    @classmethod
    def cost(cls, probe):
        if not byte_products() or probe.n_features > MAX_FEATURES:
            return np.inf
        hidden, *_, lossless = choose_grid(probe.padded[: ns.PROBED], probe.network, 1)
        passing_rate = float(np.mean(probe.pre_activations > -hidden))
        written = ns.WEIGHT_WRITTEN / probe.batch_size + ns.ROW_WRITTEN / (probe.n_neurons * probe.n_passes)
        read = ns.PASSED_BYTE if lossless and probe.network.dtype == np.float32 else ns.PASSED_FLOAT
        passed = min(1.0, ns.GROWN * passing_rate) * (ns.PASSED + read * probe.ld)
        products = (ns.MULTIPLICATION / byte_gain() + written) * probe.ld
        return ns.BYTES + products + passed + ns.BYTE_STEP / probe.n_pairs

    def build(self, rows, network, n_threads):
        if network.n_features > MAX_FEATURES:
            raise ValueError(
                f"search='quantized' takes up to {MAX_FEATURES:,} features, X has {network.n_features:,}; use 'dense'."
            )
        super().build(rows, network, n_threads)
        step = -(-rows.n_samples // TILE_ROWS)
        some = rows.take(np.arange(0, rows.n_samples, step, dtype=np.int32))
        _, shift, base, zero, _ = choose_grid(some, network, n_threads)
        shape = rows.n_samples, network.ld
        try:
            self.codes, self.about = np.empty(shape, dtype=np.uint8), np.empty((shape[0], 4), dtype=np.float32)
        except MemoryError:
            raise MemoryError(f"rows in bytes need {np.prod(shape):,} bytes") from None
        exact = network.dtype == np.float32 and byte_products()
        rows_buffer, norms = rows.buffers(min(TILE_ROWS, rows.n_samples))
        for first in range(0, rows.n_samples, TILE_ROWS):
            part = slice(first, min(first + TILE_ROWS, rows.n_samples))
            tile = rows.gather(np.arange(part.start, part.stop, dtype=np.int32), rows_buffer, norms)[0]
            self.codes[part], self.about[part], lossless = in_bytes(tile, network, shift, base, zero, n_threads)
            exact = exact and lossless
        self.coded = RowsInBytes(self.codes, self.about, shift, zero, exact)

    @property
    def nbytes(self):
        """Bytes of the rows in bytes."""
        return self.codes.nbytes + self.about.nbytes

    def takes_steps(self, solver):
        return solver.may_defer

    def list_fired(self, batch, fired, solver):
        step = self._step_to_take(solver)
        n_possible = quantized_forward(
            fired, self.network.arrays, batch.rows, batch.index, self.coded, self.n_threads, step
        )
        self.counters["visited"] += self.network.n_neurons * batch.rows.shape[0]
        self.counters["candidates"] += n_possible
        self.counters["dot_products"] += n_possible


def choose_grid(rows, network, n_threads):
    """Choose the point around which rows are written, and the step.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, ld)
        Some normalised rows.
    network : skfastnn.networks._network.Network
    n_threads : int

    Returns
    -------
    loss : float
        What bounds allow for on average, in standard deviations of a pre-activation.
    shift : ndarray of shape (ld,)
        What is added to rows before they are rounded.
    base : float
        The step.
    zero : int
        Code of a zero.
    lossless : bool
        Whether bytes hold these rows as well as floats do.
    """
    coordinates, root = network.coordinates, np.sqrt(network.n_features)
    back = np.zeros(network.ld, dtype=rows.dtype)
    back[: network.n_features] = coordinates.mean / coordinates.scale
    grids = []
    for shift in (back, np.zeros_like(back)):
        base, zero = grid(rows + shift)
        _, about, lossless = in_bytes(rows, network, shift, base, zero, n_threads)
        _, length, total, error = about.T
        hidden = np.minimum(TYPICAL_ERROR * root * length, TYPICAL_LARGEST * total) + root * error
        grids.append((float(hidden.mean()), shift, base, zero, lossless))
    return min(grids, key=lambda g: g[0])


def in_bytes(rows, network, shift, base, zero, n_threads):
    """Return rows in bytes (n_rows, ld); steps, norms, sums and errors (n_rows, 4); and whether nothing is lost."""
    codes, about = np.empty(rows.shape, dtype=np.uint8), np.empty((len(rows), 4), dtype=np.float32)
    rows_to_bytes(rows, shift, base, zero, codes, about, n_threads)
    eps, size = np.finfo(network.dtype).eps, about[:, 1] + np.linalg.norm(shift)
    # with another zero, codes are large where rows are zero, and their products lose digits
    lossless = zero == 0 and bool((about[:, 3] <= 4 * eps * size).all())
    # sums of products, the exact ones too, run in at least eight parts; and a dozen operations on the bound
    rounding = 2 * (network.n_features / 8 + 20) * eps + 32 * np.finfo(np.float32).eps
    about[:, 3] += rounding * size
    return codes, about, lossless


def grid(rows):
    """Return a step and the code of zero with which bytes reach from the least number of some rows to the largest."""
    least, most = min(float(rows.min()), 0.0), max(float(rows.max()), 0.0)
    if most == least:
        return 1.0, 0
    zero = min(int(np.rint(-least / (most - least) * 255)), 254)
    return max(most / (255 - zero), -least / zero if zero else 0.0), zero
