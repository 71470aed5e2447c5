"""
Which solver: test score against fit time
=========================================

On digits and on made data with noise. Prints a table and saves ``which_solver.png``.
"""

import time
import warnings

import matplotlib
from sklearn.datasets import load_digits, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from skfastnn import FastReLUClassifier, FastReLURegressor

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

FIGURE = "which_solver.png"


def contenders(Fast, Mlp, kernel_machine):
    """Return the models to compare, by label."""
    models = {"defaults": Fast(random_state=0), "gauss_newton, alpha='loo'": Fast(alpha="loo", random_state=0)}
    # a rate that is given is not chosen: a fit is one training
    given = {"hidden_layer_sizes": (512,), "learning_rate_init": 1e-3, "random_state": 0}
    for epochs in (5, 20, 80):
        models[f"adam, {epochs} epochs"] = Fast(solver="adam", max_iter=epochs, **given)
        models[f"{Mlp.__name__}, {epochs} epochs"] = Mlp(max_iter=epochs, **given)
    models[type(kernel_machine).__name__] = kernel_machine
    return models


def compare(title, models, X, y, axes):
    """Fit all models, print and draw what came of it."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    print(f"{title:28}{'test score':>12}{'fit seconds':>13}")
    for label, model in models.items():
        pipeline = make_pipeline(StandardScaler(), model)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        score = pipeline.score(X_test, y_test)
        print(f"{label:28}{score:>12.4f}{seconds:>13.2f}")
        family = label.split(",")[0]
        known = {line.get_label(): line for line in axes.get_lines()}
        if family in known:
            x, height = known[family].get_data()
            known[family].set_data([*x, seconds], [*height, score])
        else:
            axes.plot([seconds], [score], "o-", label=family)
    axes.set(title=title, xscale="log", xlabel="fit seconds", ylabel="test score")
    axes.xaxis.set_minor_formatter(NullFormatter())  # they would run into each other
    axes.relim()
    axes.autoscale_view()


def main():
    """Compare on both data sets and save the figure."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    X, y = load_digits(return_X_y=True)
    compare("digits", contenders(FastReLUClassifier, MLPClassifier, SVC(C=10)), X, y, left)
    X, y = make_friedman1(n_samples=1_500, n_features=10, noise=1.0, random_state=0)
    compare("friedman1", contenders(FastReLURegressor, MLPRegressor, SVR(C=10)), X, y, right)
    left.legend()
    figure.savefig(FIGURE, dpi=100)
    print(f"figure: {FIGURE}")


if __name__ == "__main__":
    main()
