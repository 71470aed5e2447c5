"""Half-space reporting of P2 by an exact tree of boxes: claim 9."""

import numpy as np

from benchmarks.claims.network import PaperNetwork, shift, unit_rows
from benchmarks.claims.record import FROM, Claim, slope

WIDTHS, N_ROWS, FEATURES = [2**k for k in range(10, 17, 2)], 64, (2, 3, 4, 6, 8, 12, 16, 32)


def _algorithm_w(width, d):
    """Return looks at boxes and neurons of all queries, and of one iteration all operations, over those of dense."""
    from skfastnn.search import HalfspaceTree

    rng = np.random.default_rng(0)
    b = shift(width)
    net = PaperNetwork(unit_rows(N_ROWS, d, rng), rng.choice([-1.0, 1.0], N_ROWS), width, b, rng)
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
    pairs = N_ROWS * width
    return looks / pairs, operations / (pairs * d), looks


def report_cost():
    """Return claim 9."""
    rows, looks = [], {}
    for d in FEATURES:
        for width in WIDTHS:
            share, operations, number = _algorithm_w(width, d)
            rows.append([d, width, share, operations])
            looks.setdefault(d, []).append(number)
    slopes = {d: slope(WIDTHS, numbers) for d, numbers in looks.items()}
    for row in rows:
        row.append(slopes[row[0]])
    inside = [d for d in FEATURES if slopes[d] <= 0.8]
    last = {row[0]: row[2] for row in rows if row[1] == WIDTHS[-1]}
    return [
        Claim(
            9,
            "P2",
            "With half-space reporting an iteration takes about m^(4/5) n d.",
            f"Algorithm W with HalfspaceTree over the weights, {N_ROWS} random rows: boxes and neurons looked at, "
            "over n m; all "
            "operations of an iteration (queries, outputs, gradient, points put in order anew), over n m d.",
            ["d", "m", "looks / nm", "operations / nmd", "exponent of m of the looks"],
            rows,
            FROM if inside else "does not hold",
            (
                f"for few features only: the exponent of m is at most 4/5 up to d = {max(inside)}"
                if inside
                else "The exponent of m exceeds 4/5"
            )
            + f" ({', '.join(f'{slopes[d]:.2f} at d = {d}' for d in (2, 4, 8, 16))}), and at d = {FEATURES[-1]} "
            f"{last[FEATURES[-1]]:.0%} of all pairs, boxes counted with them, are looked at.",
            {"x": "m", "y": ["looks / nm"], "by": "d", "log": "xy"},
        )
    ]
