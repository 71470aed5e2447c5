"""How many neurons fire at the start: claims 1 to 3."""

import numpy as np
from scipy.special import ndtr

from benchmarks.claims.network import unit_rows
from benchmarks.claims.record import FAILS, HOLDS, Claim, slope
from benchmarks.sketches import shift

WIDTHS = [2**k for k in range(10, 21, 2)]
N_ROWS, N_FEATURES, PIECE = 200, 64, 2**14


def _counts(width, b, seed=0):
    """Return how many of `width` normal neurons fire on each of some random rows of unit length."""
    rng = np.random.default_rng(seed)
    X = unit_rows(N_ROWS, N_FEATURES, rng).astype(np.float32)
    counts = np.zeros(N_ROWS, dtype=np.int64)
    for begin in range(0, width, PIECE):
        W = rng.standard_normal((min(PIECE, width - begin), N_FEATURES), dtype=np.float32)
        counts += np.count_nonzero(X @ W.T > b, axis=1)
    return counts


def _claim(number, papers, factor, exponent):
    rows = []
    for width in WIDTHS:
        b = shift(width, factor)
        counts = _counts(width, b)
        rows.append([width, b, counts.mean(), counts.max(), width**exponent, width * ndtr(-b)])
    grown = slope(WIDTHS, [row[3] for row in rows])
    below = all(row[3] <= row[4] for row in rows)
    return Claim(
        number,
        papers,
        f"With b = sqrt({factor} ln m), O(m^{exponent:g}) of m neurons fire on each row.",
        f"{N_ROWS} random rows of unit length, {N_FEATURES} features, weights N(0, I). k is the number of neurons that "
        "fire on a row: its mean, its largest value (to be compared with the bound in the next column), and what a "
        "normal distribution makes one expect.",
        ["m", "b", "mean k", "max k", f"m^{exponent:g}", "expected k"],
        rows,
        HOLDS if grown <= exponent and below else FAILS,
        f"The exponent of the most that fire is {grown:.2f}; the bound is "
        f"{rows[0][4] / rows[0][3]:.1f} (m = {WIDTHS[0]:,}) to {rows[-1][4] / rows[-1][3]:.1f} (m = {WIDTHS[-1]:,}) "
        "times too large.",
        {"x": "m", "y": ["max k", f"m^{exponent:g}", "expected k"], "log": "xy"},
    )


def _concentration():
    rows = []
    for width in WIDTHS:
        counts = _counts(width, shift(width))
        rows.append([width, counts.mean(), counts.max() / counts.mean(), counts.std() / np.sqrt(counts.mean())])
    return Claim(
        3,
        "P1, P2, P3",
        "k is about the same for all rows: its maximum is O of its mean.",
        "The same rows and weights. The nearer the third column to 1, the more alike the rows. The last column is the "
        "standard deviation of k, in units of what it is if neurons fire independently of each other.",
        ["m", "mean k", "max k / mean k", "deviation / sqrt(mean)"],
        rows,
        HOLDS if rows[-1][2] < rows[0][2] and rows[0][2] < 2 else FAILS,
        f"Of {N_ROWS} rows the one with most fires {rows[0][2]:.2f} times the mean at m = {WIDTHS[0]:,}, "
        f"{rows[-1][2]:.3f} times at m = {WIDTHS[-1]:,}.",
        {"x": "m", "y": ["max k / mean k"], "log": "x"},
    )


def fired_neurons():
    """Return claims 1 to 3."""
    return [_claim(1, "P1, P2", 0.4, 0.8), _claim(2, "P3", 0.48, 0.76), _concentration()]
