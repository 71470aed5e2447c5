"""
Quick start: a wide network beside MLPClassifier
================================================

Trains on handwritten digits, prints a table and saves ``quickstart.png``: training loss, and the share of the neurons
that fire.
"""

import time
import warnings

import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skfastnn import FastReLUClassifier

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURE = "quickstart.png"


def fired_fraction(model, X):
    """Return the share of (row, hidden neuron) pairs with a positive output."""
    if getattr(model, "encoder_", None) is not None:
        X = model.encoder_.transform(X)
    return np.mean(X @ model.coefs_[0] + model.intercepts_[0] > 0)


def main():
    """Fit the estimators, print the table, save the figure."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)

    models = {
        "FastReLUClassifier": FastReLUClassifier(random_state=0),
        "  solver='adam'": FastReLUClassifier(solver="adam", random_state=0),
        "MLPClassifier": MLPClassifier((512,), random_state=0),
    }
    print(f"{'estimator':20}{'neurons':>8}{'test accuracy':>15}{'fit seconds':>13}{'fired':>9}")
    for label, model in models.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            # both may stop at max_iter
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        accuracy = model.score(X_test, y_test)
        fired = fired_fraction(model, X_train)
        neurons = model.coefs_[0].shape[1]
        print(f"{label:20}{neurons:>8,}{accuracy:>15.1%}{seconds:>13.2f}{fired:>9.1%}")
    print("The first solves a linearised network as a whole, the second takes small steps; MLPClassifier computes")
    print("every neuron, fired or not.")

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for label, model in models.items():
        left.semilogy(range(1, len(model.loss_curve_) + 1), model.loss_curve_, ".-", label=label.strip())
    left.set(xlabel="epoch or iteration", ylabel="training loss")
    left.legend()
    for model in list(models.values())[:2]:
        right.plot(range(1, len(model.firing_curve_) + 1), 100 * np.array(model.firing_curve_), ".-")
    right.set(xlabel="epoch or iteration", ylabel="neurons that fire, %", ylim=(0, None))
    figure.savefig(FIGURE, dpi=120)
    print(f"figure: {FIGURE}")


if __name__ == "__main__":
    main()
