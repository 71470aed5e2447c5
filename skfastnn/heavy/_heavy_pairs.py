"""Find the heavy pairs among two sets of +-1 rows without looking at all pairs."""

import warnings
from dataclasses import dataclass
from math import comb
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skfastnn.heavy._background import Background
from skfastnn.heavy._group_plan import choose_plan, plain_product
from skfastnn.heavy._groups import Groups, cell_tiles
from skfastnn.heavy._signs import SignRows, verified


@dataclass(frozen=True)
class HeavyPairs:
    """What `heavy_pairs` found, and what it took.

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2), dtype=int
        Row of A and row of B, in ascending order.
    inner_products : ndarray of shape (n_pairs,), dtype=int
    group_size : tuple of two int
        Rows of A and of B that were summed; (1, 1) if all inner products were computed.
    degree : int
        Degree of the monomials.
    n_repetitions : int
        Passes over the cells, each with new groups and signs.
    threshold : float
        Absolute value from which a cell was examined.
    n_cells : int
        Cells of all passes.
    n_cells_flagged : int
        Those that were examined.
    n_multiplications : int
        Of the sample, the group sums, their products and the examined pairs, `n_features` for each of those.
    n_multiplications_plain : int
        Of computing all inner products.
    background_std : float
        Root mean square of the inner products of a random sample of pairs; ``sqrt(n_features)`` for independent signs.
    miss_probability : float
        Bound on the probability that a heavy pair is not among `pairs`, estimated from the cells that were seen.

    Examples
    --------
    >>> from skfastnn import heavy_pairs
    >>> result = heavy_pairs([[1, 1, 1, 1], [1, -1, 1, -1]], [[1, 1, 1, 1], [-1, 1, 1, -1]], 0.5)
    >>> result.pairs.tolist(), result.inner_products.tolist()
    ([[0, 0]], [4])
    >>> result.group_size  # so few rows are multiplied as they are
    (1, 1)
    """

    pairs: np.ndarray
    inner_products: np.ndarray
    group_size: tuple
    degree: int
    n_repetitions: int
    threshold: float
    n_cells: int
    n_cells_flagged: int
    n_multiplications: int
    n_multiplications_plain: int
    background_std: float
    miss_probability: float


class Search:
    """What is known so far, pass by pass."""

    def __init__(self, A, B, least, n_multiplications):
        self.A, self.B, self.least = A, B, least
        self.keys, self.products = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self.losses = []
        self.n_repetitions = self.n_cells = self.n_flagged = 0
        self.n_multiplications = n_multiplications

    def look(self, plan, rng):
        """Make one pass over the cells."""
        A, B = self.A, self.B
        groups = [Groups(X.n_rows, size, rng) for X, size in zip((A, B), plan.group_size, strict=True)]
        if plan.exact:
            for each in groups:
                each.weights[:] = 1
        n_beyond = 0
        for first, cells in cell_tiles(A, B, *groups, plan.degree):
            if not plan.exact:
                np.abs(cells, out=cells)
                n_beyond += np.count_nonzero(cells >= plan.lost_beyond)
            flagged = np.flatnonzero(cells >= plan.threshold)
            rows, columns = np.divmod(flagged, cells.shape[1])
            self._examine(groups, rows + first, columns)
        n_cells = groups[0].n_groups * groups[1].n_groups
        n_monomials = comb(A.n_features, plan.degree)
        n_sums = 0 if plan.exact else (A.n_rows + B.n_rows) * n_monomials
        self.n_multiplications += n_sums + n_cells * n_monomials
        self.n_repetitions += 1
        self.n_cells += n_cells
        # the noise that hides a pair has one sign of two; a sample without any does not mean that there is none
        self.losses.append(max(plan.noise_loss, n_beyond / n_cells / 2))

    def _examine(self, groups, rows, columns):
        pairs, products = verified(self.A, self.B, *(g.members for g in groups), rows, columns, self.least)
        keys = np.concatenate([self.keys, pairs[:, 0] * self.B.n_rows + pairs[:, 1]])
        self.keys, first = np.unique(keys, return_index=True)
        self.products = np.concatenate([self.products, products])[first]
        self.n_flagged += rows.size
        if groups[0].size * groups[1].size > 1:
            self.n_multiplications += rows.size * groups[0].size * groups[1].size * self.A.n_features

    def pairs(self):
        """Return the pairs in ascending order, ndarray of shape (n_pairs, 2)."""
        return np.column_stack(np.divmod(self.keys, self.B.n_rows))

    def miss_probability(self, plan):
        """Return a bound for the pair whose rows have the most other heavy partners."""
        n, size, most = (self.A.n_rows, self.B.n_rows), plan.group_size, [0, 0]
        if self.keys.size:
            most = [np.bincount(own).max() - 1 for own in self.pairs().T]
        # partners of a row of A are rows of B, and meet by the groups of B
        meeting = sum(most[side] * (size[1 - side] - 1) / max(1, n[1 - side] - 1) for side in (0, 1))
        # two heavy pairs in one cell cancel in one draw of signs of two
        return float(np.prod([min(1.0, loss + meeting / 2) for loss in self.losses]))


def _least_heavy(rho, n_features):
    """Return the smallest possible inner product that is at least ``rho * n_features``."""
    least = int(np.ceil(rho * n_features))
    return least + (n_features - least) % 2


def _warn(background, why):
    warnings.warn(
        f"{why}, so all inner products are computed: exact, but no faster than without groups. The inner products of "
        f"sampled pairs have root mean square {background.std:.4g} where independent signs have "
        f"{np.sqrt(background.n_features):.4g}, and heavy pairs have {background.least} or more. A larger rho, more "
        "features or less correlated ones would help.",
        RuntimeWarning,
        stacklevel=5,  # the caller of heavy_pairs, above its validation
    )


def _planned(A, B, background, delta, degree, group_size):
    """Return the plan, with a warning if groups were to be expected and are no use."""
    settings = (A.n_rows, B.n_rows, background, delta, degree, group_size)
    plan = choose_plan(*settings)
    wanted = group_size not in ("auto", 1) or degree not in ("auto", 1)
    if plan.exact and wanted:
        _warn(background, f"no threshold keeps delta={delta:g}")
    elif plan.exact and not choose_plan(*settings, independent=True).exact:
        _warn(background, "the background is too correlated")
    return plan


def _keep_promise(search, plan, background, delta, rng):
    """Make passes until the bound is kept; return the plan of the last one."""
    while search.n_repetitions < plan.n_repetitions:
        search.look(plan, rng)
    plain = plain_product(search.A.n_rows, search.B.n_rows, search.A.n_features, search.least)
    while (bound := search.miss_probability(plan)) > delta:
        n_passes = search.n_repetitions * np.log(delta) / np.log(bound) if bound < 1 else np.inf
        # what was spent counts: so in the end it is less than twice the plain product, whatever comes
        if n_passes * plan.cost / plan.n_repetitions > plain.cost:
            _warn(background, f"delta={delta:g} would take too many passes, since heavy pairs or noise share cells")
            search.losses.clear()
            plan = plain
        search.look(plan, rng)
    return plan


@validate_params(
    {
        "A": ["array-like"],
        "B": ["array-like"],
        "rho": [Interval(Real, 0, 1, closed="neither")],
        "delta": [Interval(Real, 0, 1, closed="neither")],
        "degree": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "group_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def heavy_pairs(A, B, rho, *, delta=1e-3, degree="auto", group_size="auto", random_state=None):
    """Find the pairs of +-1 rows whose inner product is at least ``rho * n_features``.

    Rows are put into random groups and added up with random signs. The inner product of two sums shows whether a
    heavy pair is among the pairs of the two groups, so that a product of the matrices of the sums and a few exact
    comparisons are all that is needed. It pays where heavy pairs stand out: from ``rho * sqrt(n_features)`` of
    about ten on.

    Parameters
    ----------
    A : array-like of shape (n_a, n_features)
        Rows of -1 and +1, of any numeric dtype; int8 is taken as it is.
    B : array-like of shape (n_b, n_features)
        Likewise. It may be A: then each row is heavy with itself.
    rho : float
        Least inner product of a heavy pair, as a fraction of `n_features`; between 0 and 1.
    delta : float, default=1e-3
        Largest probability that a given heavy pair is missed.
    degree : int or "auto", default="auto"
        Degree of the products of features that are summed. "auto" takes what the cost model prefers among 1, 2 and
        3: mostly 1 (see Notes).
    group_size : int or "auto", default="auto"
        Rows in a group. 1 computes all inner products.
    random_state : int, RandomState instance or None, default=None
        For the sample of the background, groups and signs.

    Returns
    -------
    result : HeavyPairs
        `pairs`, their exact `inner_products`, the parameters that were chosen and what it cost. There are no false
        positives.

    Raises
    ------
    ValueError
        If A or B have entries other than -1 and +1 (NaN included), no rows or no features, or different numbers of
        features; if `rho` or `delta` is not between 0 and 1; if `degree` exceeds the number of features.

    Warns
    -----
    RuntimeWarning
        If the background is so correlated, or so many heavy pairs share rows, that the promise can be kept only by
        computing all inner products. They are computed, so the result is complete.

    Notes
    -----
    With groups of g rows, a cell of ``g * g`` pairs is the sum of ``+-<x, y>`` over them. A heavy pair adds at least
    ``S = rho * n_features``; the others are noise of standard deviation ``sigma = s * g``, where s is the root mean
    square of the inner products of a sample of pairs, and no less than ``sqrt(n_features)``. Cells with
    ``|C| >= S - z * sigma`` are examined pair by pair. The noise loses a heavy pair with probability ``delta / 2``
    if ``z = Phi^-1(1 - delta / 2)``, corrected by the
    fourth moment of the sample; the other half of `delta` is left to pairs that cancel in a cell. Where these are
    many, there are several passes with new groups and signs, and a pair is found if any of them flags its cell. After
    a pass, the share of cells beyond ``z * sigma`` and the rows with several heavy partners tell whether it was
    enough; if not, more follow. The bound is for rows whose background is like that of the others: rows that are
    moderately correlated with many others, and so few that neither the sample nor the cells show them, are not
    covered.

    With ``S = q * sqrt(n_features)`` the product of the sums costs ``(z + y)^2 / q^2`` of the plain product,
    where ``2 Phi(-y)`` is the share of cells that are examined, whatever the number of rows. Monomials of degree r
    in place of features give ``rho^(r - 1)`` of the signal from the same number of summands: groups may be larger,
    but the multiplications are divided by ``rho^(2 r - 2)``. With classical multiplication a higher degree therefore
    never saves multiplications; it saves cells, which makes degree two the faster one at about a hundred features and
    `rho` near 1. The exponent below two of the reference needs fast matrix multiplication.

    Memory: a byte and a bit per entry of A and B (int8 is not copied), five bytes per entry of the sums, and tiles of
    at most 64 MB or scikit-learn's `working_memory`.

    References
    ----------
    Qin, Mitra, Song, Yang and Zhou, "Fast Heavy Inner Product Identification Between Weights and Inputs in Neural
    Network Training", 2023, arXiv:2311.11429.

    Examples
    --------
    >>> import numpy as np
    >>> from skfastnn import heavy_pairs
    >>> rng = np.random.default_rng(0)
    >>> A, B = 2 * rng.integers(0, 2, (2, 2000, 1024), dtype=np.int8) - 1
    >>> B[7] = A[1234] * np.where(np.arange(1024) < 200, -1, 1)
    >>> result = heavy_pairs(A, B, 0.5, random_state=0)
    >>> result.pairs.tolist(), result.inner_products.tolist()
    ([[1234, 7]], [624])
    >>> result.n_multiplications < result.n_multiplications_plain / 2
    True
    """
    A, B = SignRows(A, "A"), SignRows(B, "B")
    if A.n_features != B.n_features:
        raise ValueError(f"A has {A.n_features} features and B has {B.n_features}; their rows must be of equal length.")
    if degree != "auto" and degree > A.n_features:
        raise ValueError(f"degree={degree} exceeds the number of features, {A.n_features}; take degree=1.")
    rng = check_random_state(random_state)
    least = _least_heavy(rho, A.n_features)
    background = Background(A, B, least, rng)
    search = Search(A, B, least, background.n_multiplications)
    plan = _planned(A, B, background, delta, degree, group_size)
    plan = _keep_promise(search, plan, background, delta, rng)
    return HeavyPairs(
        pairs=search.pairs(),
        inner_products=search.products,
        group_size=plan.group_size,
        degree=plan.degree,
        n_repetitions=search.n_repetitions,
        threshold=float(plan.threshold),
        n_cells=search.n_cells,
        n_cells_flagged=search.n_flagged,
        n_multiplications=int(search.n_multiplications),
        n_multiplications_plain=A.n_rows * B.n_rows * A.n_features,
        background_std=background.std,
        miss_probability=search.miss_probability(plan),
    )
