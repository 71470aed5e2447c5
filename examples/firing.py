"""
What fires while a network learns
=================================

With a threshold, a row fires few of the neurons of a wide layer, and only those are computed. The rate grows while the
network learns. Candidates are the pairs of row and neuron that a search engine could not exclude; each is computed
exactly, so that the result is the same with every engine. Prints a table and saves ``firing.png``.
"""

import warnings

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skfastnn import FastReLUClassifier

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURE = "firing.png"
ENGINES = ("dense", "correlation_tree", "quantized")
WIDTH, EPOCHS = 2_048, 8


def main():
    """Train with each engine, print what it looked at, draw what fired."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:800].astype(np.float32), y[:800]
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    print(f"{'search':18}{'pairs looked at':>16}{'fired':>8}{'training accuracy':>19}")
    for search in ENGINES:
        model = FastReLUClassifier(
            (WIDTH,),
            solver="adam",
            learning_rate_init=0.001,
            threshold=1.5,
            search=search,
            max_iter=EPOCHS,
            random_state=0,
        )
        with warnings.catch_warnings():
            # it stops at max_iter on purpose
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        pairs = len(X) * WIDTH * EPOCHS
        counts = model.search_counters_
        print(
            f"{search:18}{counts['candidates'] / pairs:>16.1%}{counts['fired'] / pairs:>8.1%}{model.score(X, y):>19.1%}"
        )
    axes.plot(range(1, EPOCHS + 1), 100 * np.array(model.firing_curve_), "o-")
    axes.set(xlabel="epoch", ylabel="pairs that fire, %", ylim=(0, None))
    figure.savefig(FIGURE, dpi=120)
    print(f"figure: {FIGURE}")


if __name__ == "__main__":
    main()
