"""
Which features matter, and an honest score without cross-validation
===================================================================

On up to 2,000 rows the defaults predict each row from all the others in closed form. Two things come with it: how much
each feature matters, and predictions of the training rows that have not seen their targets. Prints both scores and
saves ``importances.png``.
"""

import matplotlib
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score

from skfastnn import FastReLURegressor

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURE = "importances.png"


def main():
    """Fit, print the scores, draw the importances."""
    # five features matter, five do not
    X, y = make_friedman1(n_samples=600, n_features=10, noise=1.0, random_state=0)
    X_new, y_new = make_friedman1(n_samples=2_000, n_features=10, noise=1.0, random_state=1)
    model = FastReLURegressor(random_state=0).fit(X, y)
    print(f"R2 of the training rows, each predicted from the others: {r2_score(y, model.oob_prediction_):.3f}")
    print(f"R2 of new rows:                                          {model.score(X_new, y_new):.3f}")
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    axes.bar([f"x{k}" for k in range(10)], model.feature_importances_)
    axes.set(ylabel="importance", title="y depends on x0 to x4")
    figure.savefig(FIGURE, dpi=120)
    print(f"figure: {FIGURE}")


if __name__ == "__main__":
    main()
