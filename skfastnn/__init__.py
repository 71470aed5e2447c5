"""Wide ReLU networks for scikit-learn whose training costs what the firing neurons cost."""

from importlib.metadata import version

from skfastnn._classifier import FastReLUClassifier
from skfastnn._regressor import FastReLURegressor
from skfastnn._show_versions import show_versions
from skfastnn.heavy import heavy_pairs
from skfastnn.preprocessing import PiecewiseLinearEncoder

__version__ = version("skfastnn")

__all__ = [
    "FastReLUClassifier",
    "FastReLURegressor",
    "PiecewiseLinearEncoder",
    "__version__",
    "heavy_pairs",
    "show_versions",
]
