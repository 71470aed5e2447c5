"""
Half-spaces: how much a query looks at, by the number of features
=================================================================

Points in boxes are asked which of them lie above a hyperplane. A box that it does not cut is reported, or left out, as
a whole. In few dimensions that spares nearly all looks at points, in many it spares none. Prints a table and saves
``half_spaces.png``.
"""

import matplotlib
import numpy as np

from skfastnn.search import HalfspaceTree

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURE = "half_spaces.png"
N_POINTS, N_QUERIES, OFFSET = 65_536, 100, 2.0
FEATURES = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)


def shares(n_features):
    """Return the shares of normal points that a query reports and looks at; planes are two deviations away."""
    rng = np.random.default_rng(0)
    tree = HalfspaceTree(rng.standard_normal((N_POINTS, n_features)))
    for normal in rng.standard_normal((N_QUERIES, n_features)):
        tree.query(normal / np.linalg.norm(normal), OFFSET)
    counts = tree.counters
    return counts["reported"] / (N_POINTS * N_QUERIES), counts["points_scanned"] / (N_POINTS * N_QUERIES)


def main():
    """Measure, print and draw."""
    reported, scanned = np.array([shares(d) for d in FEATURES]).T
    print("features  reported  looked at")
    for d, r, s in zip(FEATURES, reported, scanned, strict=True):
        print(f"{d:>8}{100 * r:>8.1f} %{100 * s:>8.1f} %")
    fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
    ax.plot(FEATURES, scanned, "o-", label="looked at one by one")
    ax.plot(FEATURES, reported, "--", color="gray", label="reported")
    ax.set(xlabel="features", ylabel="share of the points", ylim=(0, 1))
    ax.set_title(f"{N_POINTS:,} normal points, half-spaces two deviations away", fontsize=9)
    ax.legend()
    fig.savefig(FIGURE, dpi=150)
    print(f"saved {FIGURE}")


if __name__ == "__main__":
    main()
