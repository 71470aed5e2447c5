"""Half-space reporting of P2 by an exact tree of boxes: claim 9."""

import numpy as np

from benchmarks.claims.network import PaperNetwork, unit_rows
from benchmarks.claims.record import FAILS, FROM, Claim, slope
from benchmarks.sketches import shift

SIZES, FEW, FEATURES = [2**k for k in range(10, 17, 2)], 64, (2, 3, 4, 6, 8, 12, 16, 32)


def _algorithm_w(width, d):
    """Return looks at boxes and neurons of all queries, and of one iteration all operations, over those of dense."""
    from skfastnn.search import HalfspaceTree

    rng = np.random.default_rng(0)
    b = shift(width)
    net = PaperNetwork(unit_rows(FEW, d, rng), rng.choice([-1.0, 1.0], FEW), width, b, rng)
    tree = HalfspaceTree(net.W)
    tree.reset_counters()
    fired = [tree.query(x, b) for x in net.X]
    np.testing.assert_array_equal(np.concatenate(fired), np.nonzero(net.fired)[1])
    looks = tree.counters["boxes_visited"] + tree.counters["points_scanned"]
    moved = np.unique(np.concatenate(fired))
    tree.delete(moved)
    tree.add(net.W[moved])
    reported = sum(map(len, fired))
    indexed = tree.counters["points_indexed"] * np.log2(width)
    operations = (looks + 2 * reported) * d + indexed
    pairs = FEW * width
    return looks / pairs, operations / (pairs * d), looks


def _algorithm_x(n, d):
    """Return the same with a static structure over the rows, of which every neuron that moved asks anew."""
    from skfastnn.search import HalfspaceTree

    rng = np.random.default_rng(0)
    b = shift(SIZES[-1])
    net = PaperNetwork(unit_rows(n, d, rng), rng.choice([-1.0, 1.0], n), FEW, b, rng)
    tree = HalfspaceTree(net.X)
    fired = [tree.query(w, b) for w in net.W]
    np.testing.assert_array_equal(np.concatenate(fired), np.nonzero(net.fired.T)[1])
    looks, pairs = tree.counters["boxes_visited"] + tree.counters["points_scanned"], n * FEW
    return looks / pairs, (looks + 2 * sum(map(len, fired))) / pairs, looks


def report_cost():
    """Return claim 9."""
    rows, slopes = [], {}
    for name, measure in (("W", _algorithm_w), ("X", _algorithm_x)):
        for d in FEATURES:
            found = [measure(size, d) for size in SIZES]
            slopes[name, d] = slope(SIZES, [looks for *_, looks in found])
            rows += [[name, d, size, *shares[:2], slopes[name, d]] for size, shares in zip(SIZES, found, strict=True)]
    inside = [d for d in FEATURES if slopes["W", d] <= 0.8]
    last = {row[1]: row[3] for row in rows if row[0] == "W" and row[2] == SIZES[-1]}
    exponents = {name: ", ".join(f"{slopes[name, d]:.2f} at d = {d}" for d in (2, 4, 8, 16)) for name, _ in slopes}
    return [
        Claim(
            9,
            "P2",
            "With half-space reporting an iteration takes about m^(4/5) n d.",
            f"HalfspaceTree over the weights, asked by {FEW} random rows (algorithm W; size is m), and over the rows, "
            f"asked by {FEW} neurons at b = {shift(SIZES[-1]):.1f} (algorithm X; size is n): boxes and points looked "
            "at, over n m; all operations of an iteration (queries, outputs, gradient, in W points put in order "
            "anew), over n m d. 1 is what it takes to compute everything; the smaller, the better.",
            ["algorithm", "d", "size", "looks / nm", "operations / nmd", "exponent of the looks"],
            rows,
            FROM if inside else FAILS,
            (
                f"for few features only: the exponent of m in algorithm W is at most 4/5 up to d = {max(inside)}"
                if inside
                else "The exponent of m exceeds 4/5"
            )
            + f" ({exponents['W']}; of n in algorithm X {exponents['X']}). At d = {FEATURES[-1]} "
            f"{last[FEATURES[-1]]:.0%} of all pairs, boxes counted with them, are looked at.",
            {"x": "size", "y": ["looks / nm"], "by": "d", "log": "xy", "title": "algorithm W"},
        )
    ]
