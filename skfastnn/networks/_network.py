"""The arrays of a one-hidden-layer ReLU network: initialisation, coordinates, parameters, export.

Inside, the network lives in normalised coordinates: rows are centred and divided by their root-mean-square norm, so
that pre-activations of a standard normal weight row have unit variance over the data, and the threshold means the
same on every data set. Weights are neuron-major, rows padded to 64 bytes. What users see (`coefs_`,
`intercepts_`) is an ordinary ReLU network in the original coordinates.
"""

import contextlib
import mmap
from functools import cache
from math import prod
from numbers import Real

import numpy as np
from scipy.stats import norm as normal
from sklearn.utils import gen_batches

from skfastnn.passes.dense._catch_up import rebase
from skfastnn.passes.dense._weights import DenseWeights

ALIGNMENT = 64
HUGE_ARRAY, HUGE_PAGE = 1 << 23, 1 << 21
# Rows of weights handled at a time where a temporary copy is needed.
CHUNK_NEURONS = 1024
# Weights drawn at a time, in double precision.
DRAWN_TOGETHER = 256


def aligned_zeros(shape, dtype, huge=True):
    """Return a zeroed C-ordered array whose data start on a 64-byte boundary.

    Large arrays ask for huge pages where the system has them: rows of weights and leaves are visited in no order, and
    with small pages every visit would miss the address cache too. With `huge=False` pages cost memory only once they
    are written.

    Raises
    ------
    MemoryError
        If the system refuses the memory.
    """
    dtype = np.dtype(dtype)
    size = prod(map(int, shape)) * dtype.itemsize
    if huge and size >= HUGE_ARRAY and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            pages = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            raise MemoryError(f"no memory for {size:,} bytes") from None
        with contextlib.suppress(OSError):  # a system without huge pages has others
            pages.madvise(mmap.MADV_HUGEPAGE)
        raw, boundary = np.frombuffer(pages, dtype=np.uint8), HUGE_PAGE
    else:
        raw, boundary = np.zeros(size + ALIGNMENT, dtype=np.uint8), ALIGNMENT
    offset = -raw.ctypes.data % boundary
    return raw[offset : offset + size].view(dtype).reshape(shape)


def padded_length(n, dtype):
    """Return `n` rounded up to whole vectors of 64 bytes; 1 stays 1."""
    lanes = ALIGNMENT // np.dtype(dtype).itemsize
    return 1 if n == 1 else -(-n // lanes) * lanes


def resolve_threshold(threshold, n_neurons, limit=np.inf):
    """Return the shift b of the ReLU; "auto" is sqrt(0.4 ln m), with which O(m^(4/5)) neurons fire, or the limit."""
    return min(float(np.sqrt(0.4 * np.log(n_neurons))), limit) if threshold == "auto" else float(threshold)


def resolve_thresholds(threshold, widths, limit=np.inf):
    """Return the shift of each hidden layer, a list.

    Parameters
    ----------
    threshold : "auto", float, or a sequence of them, one or as many as layers
    widths : list of int
    limit : float
        Of "auto".

    Raises
    ------
    ValueError
        If they are not as many as the layers, or negative.
    """
    given = [threshold] if isinstance(threshold, str | Real) else list(threshold)
    if len(given) not in (1, len(widths)):
        raise ValueError(
            f"threshold must be one value, or one for each of the {len(widths)} hidden layers; got {threshold!r}."
        )
    if any(b != "auto" and not (isinstance(b, Real) and b >= 0) for b in given):
        raise ValueError(f"threshold must hold numbers >= 0 or 'auto', got {threshold!r}.")
    given = given * len(widths) if len(given) == 1 else given
    return [resolve_threshold(b, width, limit) for b, width in zip(given, widths, strict=True)]


def check_firing(rows, network):
    """Raise if no neuron of a layer fires on some normalised rows."""
    for part in gen_batches(network.n_neurons, CHUNK_NEURONS):
        Z = rows @ network.weights(part.start, part.stop).T
        Z += network.c_state[part, 0]
        if (Z > 0).any():
            return
    raise ValueError(
        f"No neuron fires at threshold={network.threshold:.4g}: the firing rate on {rows.shape[0]} rows is 0. "
        "Lower threshold (threshold='auto' is sqrt(0.4 ln m)) or widen hidden_layer_sizes."
    )


@cache
def expected_square(threshold):
    """Return E[max(g - b, 0)^2] for a standard normal g."""
    b = threshold
    return (1 + b * b) * normal.sf(b) - b * normal.pdf(b)


def drawn(rng, n_drawn, n_features, n_together=DRAWN_TOGETHER):
    """Yield standard normal rows, some at a time, with the number of the first; the next overwrite them."""
    block = np.empty((min(n_together, n_drawn), n_features))
    for first in range(0, n_drawn, n_together):
        part = block[: n_drawn - first]
        rng.standard_normal(out=part)
        yield first, part


class Network:
    """Parameters of the network in normalised coordinates.

    The weights of neuron r are ``start[r >> pair_shift] + anchor[r] + displacement[r]``: the random draw, the part of
    the way from there to the reference of the search engine, and the way since. Antisymmetric pairs share a draw.

    Parameters
    ----------
    coordinates : Coordinates
    n_neurons, n_outputs : int
    threshold : float
        Shift b of the ReLU.
    antisymmetric : bool
        Start with pairs of neurons (w, v), (w, -v), so that the output is zero.
    seed : int
        Seed of the start; the draw does not depend on the data.
    dtype : numpy dtype
    output_size : float
        Size of the output weights at the start, positive or negative; larger ones let the hidden layer move less.

    Attributes
    ----------
    by_panels : bool
        Whether the hidden layer is laid out for sparse rows, see `skfastnn.networks._panel_network.PanelNetwork`.
    neuron_order : ndarray of shape (n_neurons,), int32, or None
        An order in which neighbours were close not long ago, where one is known.
    """

    by_panels = False
    neuron_order = None
    _arrays = None

    def __init__(self, coordinates, n_neurons, n_outputs, threshold, antisymmetric, seed, dtype, output_size=1.0):
        self.coordinates = coordinates
        self.dtype = np.dtype(dtype)
        self.n_neurons, self.n_outputs = n_neurons, n_outputs
        self.n_features = coordinates.mean.shape[0]
        self.threshold = threshold
        self.pair_shift = int(antisymmetric)
        self.output_scale = 1.0 / np.sqrt(n_neurons * expected_square(threshold))

        rng = np.random.default_rng(seed)
        ld_out = padded_length(n_outputs, dtype)
        self.n_drawn = -(-n_neurons // 2) if antisymmetric else n_neurons
        signs = output_size * rng.choice([-1.0, 1.0], size=(self.n_drawn, n_outputs))
        self.V = aligned_zeros((n_neurons, ld_out), dtype)
        if antisymmetric:
            self.V[::2, :n_outputs] = signs
            self.V[1::2, :n_outputs] = -signs[: n_neurons // 2]
            if n_neurons % 2:
                self.V[-1] = 0.0  # without a partner, silent at the start
        else:
            self.V[:, :n_outputs] = signs
        self.start_V = self.V.copy()
        self._draw_hidden(rng)
        # intercept, and the two numbers that a solver keeps for it
        self.c_state = aligned_zeros((n_neurons, 3), dtype)
        self.start_c = self._start_intercepts()
        self.c_state[:, :1] = self.start_c
        self.v = np.zeros(n_outputs, dtype=dtype)
        self.target_shift = np.zeros(n_outputs)
        self.target_scale = np.ones(n_outputs)

    def _draw_hidden(self, rng):
        """Draw the hidden layer; the draws are the same whatever the layout."""
        self._allocate_hidden()
        for first, draws in drawn(rng, self.n_drawn, self.n_features):
            self.start[first : first + draws.shape[0], : self.n_features] = draws

    def _allocate_hidden(self):
        self.start = aligned_zeros(self.start_shape, self.dtype)
        self._allocate_movement()

    def _allocate_movement(self):
        shape = self.n_neurons, self.ld
        self.displacement = aligned_zeros(shape, self.dtype)
        self.anchor = aligned_zeros(shape, self.dtype, huge=False)
        self.anchored = np.zeros(self.n_neurons, dtype=np.uint8)

    def _start_intercepts(self):
        """Return the intercepts at the start, (n_neurons, 1): pre-activations are -threshold on average."""
        mean = 0.0
        if self.coordinates.offset is not None:
            mean = np.repeat(self._start_means(), 1 << self.pair_shift)[: self.n_neurons, None]
        return np.full((self.n_neurons, 1), -self.threshold - mean, dtype=self.dtype)

    def _start_means(self):
        """Return the mean of the inner products of the rows with each draw."""
        return self.start[:, : self.n_features] @ self.coordinates.offset

    @property
    def arrays(self):
        """What the compiled passes take: the weights, `DenseWeights`; arrays are written to, and not replaced."""
        if self._arrays is None:
            self._arrays = DenseWeights(
                self.start, self.displacement, self.anchor, self.anchored, self.pair_shift, self.c_state, self.V,
                self.start_V,
            )  # fmt: skip
        return self._arrays

    @property
    def layers(self):
        """The hidden layers: this one."""
        return [self]

    def spread_intercepts(self, spread, seed):
        """Add normal draws of standard deviation `spread` to the intercepts at the start, one for each draw."""
        draws = np.random.default_rng(seed).standard_normal(self.n_drawn)
        self.c_state[:, 0] += spread * np.repeat(draws, 1 << self.pair_shift)[: self.n_neurons]
        self.start_c = self.c_state[:, :1].copy()

    def scale_output_as_mlp(self):
        """Size the output so that a step of Adam moves it, relative to the hidden layer, as in MLPClassifier.

        There hidden weights of d standardised features start with a variance of 2 / (d + m), output weights with
        2 / (m + k), and both move by the same step. Here rows have a norm of one, and weights a variance of one.
        """
        d, m, k = self.n_given_features, self.n_neurons, self.n_outputs
        self.output_scale *= np.sqrt(2 * d * m) / (d + m)
        self.V *= np.sqrt((d + m) / (m + k))
        self.start_V[...] = self.V

    def standardise(self, shift, scale):
        """Set the shift and the scale of the target."""
        self.target_shift, self.target_scale = shift, scale

    def in_all_features(self, numbers):
        """Return numbers that go with the hidden weights, (n_neurons, ld), as they go with those of all features."""
        return numbers

    @property
    def n_given_features(self):
        """Number of features of the data; some of them may take no part."""
        return self.n_features

    @property
    def hidden_shape(self):
        """Shape of the array of hidden weights."""
        return self.displacement.shape

    @property
    def start_shape(self):
        """Shape of the array of draws."""
        return self.n_drawn, padded_length(max(self.n_features, 2), self.dtype)

    @property
    def ld(self):
        """Padded number of features."""
        return self.start.shape[1]

    @property
    def ld_out(self):
        """Padded number of outputs."""
        return self.V.shape[1]

    def reference(self, neurons):
        """Return the reference weights of some neurons, ndarray of shape (n, ld)."""
        return self.start[neurons >> self.pair_shift] + self.anchor[neurons]

    def references(self, first, last):
        """Return the reference weights of neurons `first` to `last`, ndarray of shape (last - first, ld)."""
        shift = self.pair_shift
        draws = slice(first >> shift, -(-last >> shift))
        start = np.repeat(self.start[draws], 1 << shift, axis=0)[first - (draws.start << shift) :][: last - first]
        # few engines ever move a reference
        return start + self.anchor[first:last] if self.anchored[first:last].any() else start

    def weights(self, first, last):
        """Return the weights of neurons `first` to `last`, ndarray of shape (last - first, ld)."""
        return self.displacement[first:last] + self.references(first, last)

    def rebase(self, neurons):
        """Make the present weights of some neurons their reference."""
        rebase(np.asarray(neurons, dtype=np.int64), self.arrays)

    def begin_here(self):
        """Make the present parameters the start, from which displacements and penalties are measured."""
        self.start_V[...], self.start_c = self.V, self.c_state[:, :1].copy()
        self._begin_hidden_here()

    def _begin_hidden_here(self):
        start = aligned_zeros(self.displacement.shape, self.dtype)
        for first in range(0, self.n_neurons, CHUNK_NEURONS):
            last = min(first + CHUNK_NEURONS, self.n_neurons)
            start[first:last] = self.weights(first, last)
        self.start, self.pair_shift, self._arrays = start, 0, None
        self.displacement[...] = self.anchor[...] = 0
        self.anchored[...] = 0

    def raw_output(self, rows):
        """Return the output for normalised rows by dense products, ndarray of shape (n_rows, n_outputs)."""
        out = np.zeros((rows.shape[0], self.ld_out), dtype=self.dtype)
        for first in range(0, self.n_neurons, CHUNK_NEURONS):
            last = min(first + CHUNK_NEURONS, self.n_neurons)
            H = rows @ self.weights(first, last).T
            H += self.c_state[first:last, 0]
            out += np.maximum(H, 0, out=H) @ self.V[first:last]
        return self.output_scale * out[:, : self.n_outputs] + self.v

    def settle(self):
        """Give back memory that training alone needs; nothing but `export` may follow."""

    def export(self):
        """Return `coefs_` and `intercepts_` in the original coordinates, laid out as MLPClassifier's.

        Returns
        -------
        coefs : list of ndarray of shapes (n_features, n_neurons) and (n_neurons, n_outputs)
        intercepts : list of ndarray of shapes (n_neurons,) and (n_outputs,)
        """
        coefs, c = self.export_hidden()
        V, v = self.export_output()
        return [coefs, V], [c.astype(self.dtype), v]

    def export_output(self):
        """Return the weights and intercepts of the outputs."""
        V = self.V[:, : self.n_outputs] * (self.output_scale * self.target_scale)
        v = self.target_shift + self.target_scale * self.v
        return V.astype(self.dtype), v.astype(self.dtype)

    def export_hidden(self):
        """Return weights, and intercepts in double precision, of the hidden layer in the original coordinates."""
        coefs = np.empty((self.n_features, self.n_neurons), dtype=self.dtype)
        return coefs, self._write_hidden(coefs, slice(None))

    def _write_hidden(self, coefs, features):
        """Write weights in the original coordinates into some rows of `coefs`; return the intercepts."""
        c = self.c_state[:, 0].astype(np.float64)
        mean = self.coordinates.mean.astype(np.float64)
        for first in range(0, self.n_neurons, CHUNK_NEURONS):
            last = min(first + CHUNK_NEURONS, self.n_neurons)
            W = self.weights(first, last)[:, : self.n_features] / self.coordinates.scale
            coefs[features, first:last] = W.T
            c[first:last] -= W @ mean
        return c

    def load(self, coefs, intercepts):
        """Take parameters in the original coordinates; the start, and with it the penalty, stay as drawn."""
        self.load_hidden(coefs[0], intercepts[0])
        self.load_output(coefs[1], intercepts[1])

    def load_output(self, coefs, intercepts):
        """Take the weights and intercepts of the outputs."""
        self.V[:, : self.n_outputs] = coefs / (self.output_scale * self.target_scale)
        self.v[...] = (intercepts - self.target_shift) / self.target_scale

    def load_hidden(self, coefs, intercepts):
        """Take the weights and intercepts of the hidden layer."""
        mean = self.coordinates.mean.astype(np.float64)
        for first in range(0, self.n_neurons, CHUNK_NEURONS):
            last = min(first + CHUNK_NEURONS, self.n_neurons)
            W = coefs[:, first:last].T.astype(np.float64)
            start = self.references(first, last)[:, : self.n_features]
            self.displacement[first:last, : self.n_features] = W * self.coordinates.scale - start
            self.c_state[first:last, 0] = intercepts[first:last] + W @ mean
