"""scikit-learn's common checks; none is listed as an expected failure."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skfastnn import FastReLUClassifier, FastReLURegressor

# each solver, and an engine or two: all engines give the same networks (tests/search)
ESTIMATORS = [
    FastReLUClassifier(),
    FastReLUClassifier(hidden_layer_sizes=256, solver="sgd", search="dense", momentum=0.5),
    FastReLUClassifier(
        hidden_layer_sizes=(256,), solver="adam", search="correlation_tree", threshold=0.5, learning_rate="adaptive"
    ),
    FastReLUClassifier(hidden_layer_sizes=256, solver="gauss_newton", search="correlation_tree", alpha=0.1),
    FastReLUClassifier(hidden_layer_sizes=256, solver="adam_gauss_newton", alpha="loo", max_iter=30),
    FastReLUClassifier(hidden_layer_sizes=(128, 96), solver="sgd", threshold=0.5),
    FastReLURegressor(),
    # where a gradient is zero but for how sums over copies are rounded, Adam makes a step of it: a small one here
    FastReLURegressor(
        hidden_layer_sizes=(128, 96), solver="adam", alpha=0.1, threshold=[1.0, 0.5], learning_rate_init=0.001
    ),
    FastReLURegressor(hidden_layer_sizes=256, threshold=0.5, alpha=0.01, search="dense"),
    FastReLURegressor(hidden_layer_sizes=256, solver="adam_gauss_newton", alpha=0.1),
    FastReLURegressor("huber", hidden_layer_sizes=256, solver="sgd", search="correlation_tree", threshold=1.0),
    FastReLURegressor(hidden_layer_sizes=(257,), solver="adam", search="dense", init="random", alpha=0.1),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_common_checks(estimator, check):
    check(estimator)
